"""The live performance: the voice's threads, and the eye as a supervised child.

Threads, made here and nowhere else:

    receive      socket -> newest FaceState -> features to play
    dream        features -> z -> picture, some ten times a second
    synthesise   picture, features -> samples -> ring
    care         settings and pack that change, heat: all that may wait
    record       samples -> disk, if asked for
    main         attends to the speaker, the eye and the load

PortAudio and its callback are in a process of their own (`output.py`). Two crossings:
latest-value slots (plain attributes, replaced whole) and the bounded ring.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from latent_resonance import LatentResonanceError
from latent_resonance.eye_process import EyeProcess
from latent_resonance.face_state import FaceReceiver, FaceState, FeatureVector, neutral_features
from latent_resonance.gallery.health import Heat, pictures_per_s_at
from latent_resonance.gallery.heat import Thermometer
from latent_resonance.gallery.hours import Door, local_time
from latent_resonance.gallery.loudness import SILENCE_DB, Fader
from latent_resonance.gallery.notify import Notifier
from latent_resonance.gallery.presence import Presence
from latent_resonance.gallery.quiet import hour_of
from latent_resonance.score import attract_score
from latent_resonance.settings import Settings, socket_path_of
from latent_resonance.spectrogram import FloatArray
from latent_resonance.voice.attendant import Attendant
from latent_resonance.voice.instrument import Instrument
from latent_resonance.voice.lock import hold_the_speaker
from latent_resonance.voice.opening import first_instrument, playable, speaker_for
from latent_resonance.voice.outlet import Outlet
from latent_resonance.voice.pace import Pace
from latent_resonance.voice.player import Player, falling
from latent_resonance.voice.priority import BESIDE, hurry, settle
from latent_resonance.voice.recording import Recording, recorded
from latent_resonance.voice.reload import Reloader
from latent_resonance.voice.signals import listen_for_wishes
from latent_resonance.voice.speaker import OUTPUT, Speaker

TICK_S = 0.005
FADE_OUT_S = 0.25
RECEIVE_TIMEOUT_S = 1 / 30
FLOOD = 8  # datagrams at once; an eye sends one
FLOOD_PAUSE_S = 0.0025  # for which each datagram of a flood waits, in its sender's time
LONGEST_PAUSE_S = 0.2
CARE_S = 1.0


class PerformanceError(LatentResonanceError):
    """The performance cannot begin, or a thread of it has ended."""


class Performance:
    """Everything that sounds, and the slots between its threads.

    Each slot is written by one thread only.
    """

    def __init__(
        self, instrument: Instrument, receiver: FaceReceiver, outlet: Outlet, reloader: Reloader
    ) -> None:
        self.receiver, self.outlet, self.reloader = receiver, outlet, reloader
        settings = reloader.settings
        self.presence = Presence(attract_score(settings), settings.eye.absence_s, settings.attract)
        self.player = Player(instrument)
        self.fader = Fader(instrument.pack.geometry.sample_rate)
        self.silence = np.zeros(instrument.pack.geometry.hop_length, np.float32)
        self.thermometer = Thermometer()
        self.recording: Recording | None = None
        self.stop = threading.Event()
        self.failure: Exception | None = None
        # slots
        self.features: FeatureVector = neutral_features()
        self.instrument = instrument  # the newest; the player may still fade into it
        self.tier = 0
        self.heat = Heat()
        self.hour = hour_of(settings, local_time())
        self.images = 0
        self.hops = 0
        self.busy_s = 0.0

    @property
    def gain_db(self) -> float:
        """How loud it is to be, relative to a visitor's loudness."""
        return self.presence.gain_db if self.hour.is_open else SILENCE_DB

    @property
    def refused(self) -> str:
        """What is wrong with the settings' file; empty if nothing is."""
        return self.reloader.refused

    def start(self) -> list[threading.Thread]:
        """Starts the threads; returns those that end in time by themselves."""
        in_time = [self._thread(loop) for loop in (self._receive, self._dream, self._synthesise)]
        self._thread(self._care, daemon=True)
        return in_time

    def record_to(self, recording: Recording) -> threading.Thread:
        """Also records, on a thread of its own."""
        self.recording = recording
        return self._thread(self._record, daemon=True)

    def _thread(self, loop: Callable[[], None], daemon: bool = False) -> threading.Thread:
        name = loop.__name__.strip("_")
        thread = threading.Thread(target=self._guarded, args=(loop,), name=name, daemon=daemon)
        thread.start()
        return thread

    def _guarded(self, loop: Callable[[], None]) -> None:
        """A thread that fails ends the performance instead of leaving it half alive."""
        hurry(BESIDE)
        try:
            loop()
        except Exception as error:  # noqa: BLE001 - whatever it is, the main thread reports it
            self.failure = error
            self.stop.set()

    def _receive(self) -> None:
        latest: FaceState | None = None
        while not self.stop.is_set():
            taken = self.receiver.taken
            state = self.receiver.receive(RECEIVE_TIMEOUT_S)
            if state is not None:
                latest = state
                self.images += 1
            self.features = self.presence.step(latest, time.monotonic_ns())
            taken = self.receiver.taken - taken
            if taken >= FLOOD:
                self.stop.wait(min(taken * FLOOD_PAUSE_S, LONGEST_PAUSE_S))

    def _dream(self) -> None:
        pace, before_s = Pace(), time.monotonic()
        while not self.stop.wait(TICK_S):
            if self.fader.rests(self.gain_db):
                continue
            instrument, features, now_s = self.instrument, self.features, time.monotonic()
            rate = instrument.settings.inference.spectrograms_per_s
            picture_s = 1.0 / pictures_per_s_at(self.tier, rate)
            if pace.due(instrument.networks, features, now_s, picture_s):
                instrument.dream(features, now_s - before_s)
                before_s = now_s

    def _synthesise(self) -> None:
        hurry()
        while not self.stop.is_set() and self.outlet.wait(self.stop):
            began_s = time.monotonic()
            self._play(self._hop())
            self.busy_s += time.monotonic() - began_s
        at_once = threading.Event()
        for gain in falling(self.instrument.pack.geometry, FADE_OUT_S):
            self.outlet.wait(at_once)
            self._play(self._hop() * gain)

    def _hop(self) -> FloatArray:
        """The next samples, as loud as the scene and the hour want them."""
        gain_db = self.gain_db
        if self.fader.rests(gain_db):
            return self.silence
        return self.fader.process(self.player.hop(self.features, self.tier), gain_db)

    def _play(self, block: FloatArray) -> None:
        self.outlet.put(block)
        self.hops += 1
        if self.recording is not None:
            self.recording.offer(block)

    def _care(self) -> None:
        while not self.stop.wait(CARE_S):
            self.heat = self.thermometer.read()
            before = self.reloader.settings
            self.hour = hour_of(before, local_time())
            instrument = self.reloader.step(self.features, quiet=self.hour.door is Door.QUIET)
            if instrument is not None:
                self.player.coming = self.instrument = instrument
            if self.reloader.settings is not before:
                self._manners(self.reloader.settings)

    def _manners(self, settings: Settings) -> None:
        """Of settings that have been changed: what is no instrument's."""
        self.presence.score = attract_score(settings)
        self.presence.grace_s, self.presence.attract = settings.eye.absence_s, settings.attract

    def _record(self) -> None:
        while self.recording.under_way:
            self.recording.write_some()


def perform(
    settings: Settings,
    *,
    config: Path | None = None,
    read: Callable[[], Settings] | None = None,
    seconds: float | None = None,
    record: Path | None = None,
    with_eye: bool = True,
    seed: int = 0,
    unattended: bool = False,
    refused: str = "",
    output: tuple[str, ...] = OUTPUT,
    say: Callable[[str], None] = print,
) -> int:
    """Performs until told to stop (SIGINT, SIGTERM) or for some seconds; returns the exit code.

    Parameters
    ----------
    config : the settings' file, watched for changes
    read : reads the settings again
    unattended : play with the defaults what the settings name and cannot be played
    refused : what is wrong with the file already, and `settings` are the defaults
    output : the output process, a command

    Raises
    ------
    LatentResonanceError
        The performance cannot begin: pack, socket, recording or another performer.
    """
    wishes = listen_for_wishes()
    socket_path = socket_path_of(settings)
    lock = hold_the_speaker(socket_path)
    receiver = FaceReceiver(socket_path)
    eye = EyeProcess(socket_path, config, say) if with_eye else None
    alone = say if unattended else None
    try:
        settings, pack, unplayable = playable(settings, alone)
        outlet, speaker = speaker_for(pack, settings, say, output)
        with closing(speaker):
            settings, instrument, unable = first_instrument(pack, settings, seed, alone)
            say(f"pack {settings.pack}, networks on {instrument.networks.provider}")
            reloader = Reloader(
                instrument, read or (lambda: settings), config, wishes.reload, seed, say,
                settings=settings, refused=refused or unplayable or unable,
            )  # fmt: skip
            performance = Performance(instrument, receiver, outlet, reloader)
            del instrument  # once it has been exchanged, nobody may hold it
            with recorded(record, pack.geometry, performance.record_to, say):
                return _attended(performance, speaker, eye, wishes.leave, seconds, say)
    finally:
        if eye:
            eye.close()
        receiver.close()
        lock.close()


def _attended(
    performance: Performance,
    speaker: Speaker,
    eye: EyeProcess | None,
    leave: threading.Event,
    seconds: float | None,
    say: Callable[[str], None],
) -> int:
    """The main thread's part: attends until it is time to leave."""
    notifier, began_s = Notifier(), time.monotonic()
    end_s = began_s + seconds if seconds is not None else math.inf
    attendant = Attendant(performance, speaker, eye, notifier, say, began_s)
    threads = performance.start()
    settle()
    try:
        while time.monotonic() < end_s and not (leave.is_set() or performance.stop.is_set()):
            attendant.tend(time.monotonic())
            time.sleep(TICK_S)
        performance.stop.set()
        notifier.stopping()
        if eye:
            eye.ask_to_leave()
        _play_out(performance, speaker, threads)
    finally:
        performance.stop.set()
    say(attendant.summary(time.monotonic()))
    say(attendant.last_line())
    if performance.failure is not None:
        raise PerformanceError(f"the performance has ended: {performance.failure}")
    return 0


def _play_out(performance: Performance, speaker: Speaker, threads: list[threading.Thread]) -> None:
    """Until the fade-out has left the ring."""
    while any(t.is_alive() for t in threads) or not performance.outlet.ring.empty:
        speaker.tend(time.monotonic())
        time.sleep(TICK_S)
    time.sleep(speaker.latency_s if speaker.playing else 0.0)
