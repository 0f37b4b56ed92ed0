"""The live performance: the voice's threads, and the eye as a supervised child.

Threads, made here and nowhere else:

    receive      socket -> newest FaceState -> features to play
    dream        features -> z -> picture, some ten times a second
    synthesise   picture, features -> samples -> ring
    (PortAudio)  ring -> device
    look         finds a speaker when there is none
    main         watches the speaker, the eye and the recording

Two crossings: latest-value slots (plain attributes, replaced whole) and the bounded ring.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from latent_resonance import LatentResonanceError
from latent_resonance.eye_process import EyeProcess
from latent_resonance.face_state import FaceReceiver, FaceState, FeatureVector, neutral_features
from latent_resonance.gallery.presence import Presence
from latent_resonance.pack import find_pack, open_pack
from latent_resonance.score import attract_score
from latent_resonance.settings import Settings, socket_path_of
from latent_resonance.spectrogram import FloatArray
from latent_resonance.usage import usage_of
from latent_resonance.voice.generator import open_networks
from latent_resonance.voice.instrument import Dreamer, Synthesiser
from latent_resonance.voice.lock import hold_the_speaker
from latent_resonance.voice.output import RETRY_S, Ring, Speaker, feed
from latent_resonance.writing import WavFile, written_beside

TICK_S = 0.005
FADE_OUT_S = 0.25
LEAVING_S = 0.1
RECEIVE_TIMEOUT_S = 1 / 30
REAL_TIME_PRIORITY = 10  # of 1..99; sound servers ask for 20 and more


class PerformanceError(LatentResonanceError):
    """The performance cannot begin, or a thread of it has ended."""


class Performance:
    """Everything that sounds, and the slots between its threads.

    Each slot is written by one thread only.
    """

    def __init__(self, settings: Settings, receiver: FaceReceiver, seed: int) -> None:
        pack = open_pack(find_pack(settings.pack))
        self.networks = open_networks(pack, settings.inference)
        self.geometry = pack.geometry
        self.receiver = receiver
        self.presence = Presence(attract_score(settings))
        self.dreamer = Dreamer(pack, self.networks, settings, seed)
        self.synthesiser = Synthesiser(pack, settings, seed)
        hop = self.geometry.hop_length
        wanted = int(settings.output.buffer_s * self.geometry.sample_rate)
        self.ring = Ring(max(wanted, 2 * hop))
        self.dream_s = 1.0 / settings.inference.spectrograms_per_s
        self.recorded: queue.SimpleQueue[FloatArray] | None = None
        self.stop = threading.Event()
        self.failure: Exception | None = None
        # slots
        self.features: FeatureVector = neutral_features()
        self.picture: FloatArray | None = None
        self.images = 0

    def start(self) -> list[threading.Thread]:
        """Starts the three threads."""
        loops = (self._receive, self._dream, self._synthesise)
        threads = [
            threading.Thread(target=self._guarded, args=(loop,), name=loop.__name__.strip("_"))
            for loop in loops
        ]
        for thread in threads:
            thread.start()
        return threads

    def _guarded(self, loop: Callable[[], None]) -> None:
        """A thread that fails ends the performance instead of leaving it half alive."""
        try:
            loop()
        except Exception as error:  # noqa: BLE001 - whatever it is, the main thread reports it
            self.failure = error
            self.stop.set()

    def _receive(self) -> None:
        latest: FaceState | None = None
        while not self.stop.is_set():
            state = self.receiver.receive(RECEIVE_TIMEOUT_S)
            if state is not None:
                latest = state
                self.images += 1
            self.features = self.presence.step(latest, time.monotonic_ns())

    def _dream(self) -> None:
        before_s = time.monotonic() - self.dream_s
        while not self.stop.is_set():
            now_s = time.monotonic()
            self.picture = self.dreamer.step(self.features, now_s - before_s)
            before_s = now_s
            self.stop.wait(max(0.0, self.dream_s - (time.monotonic() - now_s)))

    def _synthesise(self) -> None:
        hurry()
        shown = None
        rate = self.geometry.sample_rate
        while True:
            picture = self.picture
            if picture is not None and picture is not shown:
                self.synthesiser.receive(picture)
                shown = picture
            block = self.synthesiser.hop(self.features)
            if not self._put(block) or self.stop.is_set():
                break
        for gain in fade_out(int(FADE_OUT_S * rate), self.geometry.hop_length):
            if not self._put(self.synthesiser.hop(self.features) * gain, patiently=False):
                break

    def _put(self, block: FloatArray, patiently: bool = True) -> bool:
        """Into the ring, and into the recording if there is one."""
        never = threading.Event() if not patiently else self.stop
        if not feed(self.ring, block, self.geometry.sample_rate, never):
            return False
        if self.recorded is not None:
            self.recorded.put(block)
        return True


def look_for(speaker: Speaker, stop: threading.Event) -> None:
    """Looks for the speaker now and then, on a thread of its own."""
    while not stop.is_set():
        speaker.look()
        stop.wait(RETRY_S)


def hurry() -> None:
    """Real-time priority for the calling thread, where the system allows it (LimitRTPRIO).

    What the thread starts does not inherit it: neither the eye nor a worker of a library.
    """
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    with contextlib.suppress(OSError):  # without the right to it, the instrument plays on as it is
        os.sched_setscheduler(0, policy, os.sched_param(REAL_TIME_PRIORITY))


def fade_out(length: int, hop_length: int) -> list[FloatArray]:
    """Gains from 1 to 0, hop by hop."""
    hops = -(-length // hop_length)
    angle = np.linspace(0.0, np.pi / 2, hops * hop_length, dtype=np.float32)
    return list((np.cos(angle) ** 2).reshape(hops, hop_length))


def perform(
    settings: Settings,
    *,
    config: Path | None = None,
    seconds: float | None = None,
    record: Path | None = None,
    with_eye: bool = True,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> int:
    """Performs until told to stop (SIGINT, SIGTERM) or for some seconds; returns the exit code.

    Raises
    ------
    LatentResonanceError
        The performance cannot begin: pack, socket, recording or another performer.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    socket_path = socket_path_of(settings)
    lock = hold_the_speaker(socket_path)
    receiver = FaceReceiver(socket_path)
    eye = EyeProcess(socket_path, config, say) if with_eye else None
    try:
        performance = Performance(settings, receiver, seed)
        say(f"pack {settings.pack}, networks on {performance.networks.provider}")
        if record is None:
            return _run(performance, eye, None, settings, stop, seconds, say)
        with written_beside(record) as beside:
            file = WavFile(beside, performance.geometry.sample_rate)
            performance.recorded = queue.SimpleQueue()
            try:
                return _run(performance, eye, file, settings, stop, seconds, say)
            finally:
                _drain(performance, file)
                file.close()
    finally:
        if eye:
            eye.close()
        receiver.close()
        lock.close()


def _run(
    performance: Performance,
    eye: EyeProcess | None,
    file: WavFile | None,
    settings: Settings,
    stop: threading.Event,
    seconds: float | None,
    say: Callable[[str], None],
) -> int:
    """The main thread's part: tends speaker, eye and recording until it is time to leave."""
    output = settings.output
    sample_rate = performance.geometry.sample_rate
    speaker = Speaker(performance.ring, sample_rate, output.device, output.latency_s, say)
    looking = threading.Thread(target=look_for, args=(speaker, performance.stop), daemon=True)
    looking.start()
    threads = performance.start()
    gc.freeze()  # what is here now stays; collections need not walk it
    hurry()
    began_s = time.monotonic()
    try:
        while not (stop.is_set() or performance.stop.is_set()):
            now_s = time.monotonic()
            if seconds is not None and now_s - began_s >= seconds:
                break
            _tend(performance, speaker, eye, file, now_s)
            time.sleep(TICK_S)
        performance.stop.set()
        if eye:
            eye.ask_to_leave()
        _play_out(performance, speaker, threads)
    finally:
        performance.stop.set()
        looking.join(LEAVING_S)  # a sound server that hangs must not hold us
        time.sleep(0.0 if not speaker.playing else output.latency_s)
        speaker.close()
    say(_summary(performance, speaker, eye, time.monotonic() - began_s))
    if performance.failure is not None:
        raise PerformanceError(f"the performance has ended: {performance.failure}")
    return 0


def _play_out(performance: Performance, speaker: Speaker, threads: list[threading.Thread]) -> None:
    """Until the fade-out has left the ring."""
    while any(t.is_alive() for t in threads) or not performance.ring.empty:
        speaker.tend(time.monotonic())
        time.sleep(TICK_S)


def _tend(
    performance: Performance,
    speaker: Speaker,
    eye: EyeProcess | None,
    file: WavFile | None,
    now_s: float,
) -> None:
    if performance.ring.written > 0:  # the clock starts with the first sample
        speaker.tend(now_s)
    if eye:
        eye.tend(now_s)
    if file:
        _drain(performance, file)


def _drain(performance: Performance, file: WavFile) -> None:
    """Writes what has been played since the last time."""
    if performance.recorded is not None:
        while not performance.recorded.empty():
            file.write(performance.recorded.get_nowait())


def _summary(
    performance: Performance, speaker: Speaker, eye: EyeProcess | None, seconds: float
) -> str:
    """One line of figures: what a technician wants to know first."""
    seconds = max(seconds, 1e-3)
    figures = [
        f"played {seconds:.1f} s",
        f"{speaker.underflows} underflows",
        f"{performance.images / seconds:.1f} images/s",
    ]
    if (usage := usage_of(os.getpid())) is not None:
        share = 100 * usage.cpu_s / seconds
        figures.append(f"voice {share:.0f} % of a core, {usage.resident_mib:.0f} MiB")
    if eye:
        figures.append(eye.figures(seconds))
    return ", ".join(figures)
