"""The live performance: the voice's threads, and the slots between them.

Threads, all of them made here:

    receive         socket -> newest FaceState -> features to play
    generate        features -> z -> spectrogram, about ten times a second
    synthesise      spectrogram, features -> samples -> ring
    maintain        changed settings and packs, opening hours, temperature: whatever may block
    send_telemetry  samples and state -> monitors, if any is connected; requests -> state
    record, take    samples -> disk, if requested
    main            supervises speaker, eye and load (`main.py`)

A thread that fails goes on after a pause (`restart.py`); only `synthesise` ends the performance.
Where a network never returns, `generate` is left alone and made anew (`abandoned.py`), a few times.
PortAudio and its callback run in a process of their own (`output/portaudio_process.py`). Threads
exchange data in two ways only: the slots of `State`, and the bounded ring.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from latent_resonance import LatentResonanceError
from latent_resonance.audio.channels import mix
from latent_resonance.audio.fades import fade_out_gains
from latent_resonance.audio.loudness import Fader
from latent_resonance.audio.reference_tone import ReferenceTone
from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FaceReceiver, FaceState, FeatureVector
from latent_resonance.gallery.opening_hours import local_time
from latent_resonance.gallery.standby import StandbyFile
from latent_resonance.gallery.state_glide import StateGlide
from latent_resonance.gallery.visit import Presence
from latent_resonance.link.requests import Request
from latent_resonance.link.server import MonitorServer
from latent_resonance.linux.realtime import WORKER_PRIORITY, request_realtime_priority
from latent_resonance.linux.thermal import Thermometer
from latent_resonance.score import attract_score
from latent_resonance.voice.abandoned import MAX_ABANDONED, abandon, count_abandoned
from latent_resonance.voice.abandoned import NAME as ABANDONED
from latent_resonance.voice.generated import generated_column
from latent_resonance.voice.load_shedding import spectrograms_per_s_at
from latent_resonance.voice.output.recorder import Recording
from latent_resonance.voice.output.take import Take
from latent_resonance.voice.output.writer import RingWriter
from latent_resonance.voice.pack_choice import PackChoice
from latent_resonance.voice.quiet_hours import schedule_state_of
from latent_resonance.voice.reload import Reloader
from latent_resonance.voice.restart import FailureLog, keep_running
from latent_resonance.voice.state import State
from latent_resonance.voice.synthesis.crossfade import CrossFade
from latent_resonance.voice.synthesis.instrument import Instrument
from latent_resonance.voice.synthesis.run_deadline import is_stuck
from latent_resonance.voice.synthesis.schedule import GenerationSchedule
from latent_resonance.voice.telemetry import TelemetrySender

TICK_S = 0.005
LATE_TICK_S = 0.001  # while a recording catches up with the clock
FADE_OUT_S = 0.25
RECEIVE_TIMEOUT_S = 1 / 30
GLIDE_TIMEOUT_S = 0.01  # about a hop: while features glide from one slow image to the next
FLOOD = 8  # datagrams in one call; an eye sends one
FLOOD_PAUSE_S = 0.0025  # per datagram of a flood: its senders block meanwhile
MAX_FLOOD_PAUSE_S = 0.2
MAINTAIN_INTERVAL_S = 1.0
SCAN_INTERVAL_S = 5.0  # between two looks for packs
MUTE_S = 0.03  # time constant of muting by remote control


class PerformanceError(LatentResonanceError):
    """The performance cannot start, or one of its threads has failed."""


class Engine:
    """The threads of a performance, and what they work on."""

    def __init__(
        self,
        instrument: Instrument,
        receiver: FaceReceiver,
        writer: RingWriter,
        reloader: Reloader,
        server: MonitorServer | None = None,
        standby: StandbyFile | None = None,
    ) -> None:
        self.receiver, self.writer, self.reloader = receiver, writer, reloader
        self.standby = standby
        settings, geometry = reloader.settings, instrument.pack.geometry
        self.state = State(
            instrument,
            Presence(attract_score(settings), settings.eye.absence_s, settings.attract),
            schedule_state_of(settings, local_time()),
            settings_error=reloader.settings_error,
            output_latency_s=writer.buffer_s,
        )
        self.state.remote.standby = standby is not None and standby.on
        self.cross_fade = CrossFade(instrument)
        self.fader = Fader(geometry.sample_rate)
        self.reference_tone = ReferenceTone(geometry.sample_rate, geometry.hop_length)
        self.silence = np.zeros(geometry.hop_length, np.float32)
        self.thermometer = Thermometer()
        self.pack_choice = PackChoice()
        self.scanned_s = -math.inf
        self._scan_packs(time.monotonic())
        self.take = Take(geometry, partial(self._start_thread, "take"), reloader.log)
        self.state.take = self.take
        self.telemetry = (
            TelemetrySender(geometry, server, self.state, self._apply) if server else None
        )
        self.recording: Recording | None = None
        self.silent_s = 0.0  # of the speaker, recorded so far
        self.stop = threading.Event()
        self.failure: Exception | None = None
        self.failures = FailureLog(reloader.log)
        self.synthesis = self.generation = threading.Thread()  # not started yet

    def start(self) -> None:
        """Start the threads."""
        self._start_thread("receive", self._receive)
        self.generation = self._start_thread("generate", self._generate)
        self.synthesis = self._start_synthesis()
        if self.telemetry is not None:
            self._start_thread("send_telemetry", partial(self._send_telemetry, self.telemetry))
        self._start_thread("maintain", self._maintain)

    @property
    def played_out(self) -> bool:
        """Whether the fade-out has left the ring, after `stop`."""
        return not self.synthesis.is_alive() and self.writer.ring.empty

    def record_to(self, recording: Recording) -> threading.Thread:
        """Start to record, on a thread of its own."""
        self.recording = recording
        return self._start_thread("record", partial(_record, recording))

    def fill_gaps(self, silent_s: float) -> None:
        """Record the silence of the speaker; `silent_s` is its total so far (main thread)."""
        gap_s, self.silent_s = silent_s - self.silent_s, silent_s
        if gap_s > 0.0:
            self.take.fill_gap(gap_s)
            if self.recording is not None:
                self.recording.fill_gap(gap_s)

    def _start_thread(self, name: str, loop: Callable[[], None]) -> threading.Thread:
        """A thread that may fail, and then goes on; the process ends without waiting for it."""
        keep = partial(keep_running, name, loop, self.stop, self.failures)
        thread = threading.Thread(target=_with_priority, args=(keep,), name=name, daemon=True)
        thread.start()
        return thread

    def _start_synthesis(self) -> threading.Thread:
        """The thread whose failure ends the performance: there is no sound without it."""
        target, args = _with_priority, (self._guarded_synthesis,)
        thread = threading.Thread(target=target, args=args, name="synthesise", daemon=True)
        thread.start()
        return thread

    def _guarded_synthesis(self) -> None:
        try:
            self._synthesise()
        except Exception as error:  # noqa: BLE001 - whatever it is, the main thread reports it
            self.failure = error
            self.stop.set()

    def _receive(self) -> None:
        latest: FaceState | None = None
        state, receiver, glide = self.state, self.receiver, StateGlide()
        looked_s = time.monotonic()
        while not self.stop.is_set():
            if time.monotonic() - looked_s >= MAINTAIN_INTERVAL_S:
                looked_s = time.monotonic()
                self._rebind_if_removed()
            taken = receiver.received
            received = receiver.receive(GLIDE_TIMEOUT_S if glide.smoothing_s else RECEIVE_TIMEOUT_S)
            if received is not None:
                latest, state.image_time_ns = received, received.time_ns
                state.n_states += 1
                state.n_images += not received.without_image
            state.n_rejected = receiver.rejected
            now_ns = time.monotonic_ns()
            state.features = self._played(glide.step(latest, now_ns), now_ns)
            taken = receiver.received - taken
            if taken >= FLOOD:
                self.stop.wait(min(taken * FLOOD_PAUSE_S, MAX_FLOOD_PAUSE_S))

    def _rebind_if_removed(self) -> None:
        """Be reachable again when the socket or its folder has been removed."""
        if self.standby is not None:  # first, since a folder without its file means no standby
            self.standby.set(on=self.state.remote.standby)
        if self.receiver.rebind_if_removed():
            self.reloader.log("the socket of the eye was removed; it is made again, playing on")

    def _played(self, seen: FaceState | None, now_ns: int) -> FeatureVector:
        """Features to play, (16,); while closed there is no visitor, whoever sends a face."""
        state = self.state
        held = state.remote.override(seen, now_ns)
        played = None if state.closed else held
        return state.presence.step(played, now_ns, counted=held is seen)

    def _generate(self) -> None:
        state, schedule, before_s = self.state, GenerationSchedule(), time.monotonic()
        this = threading.current_thread()
        while not self.stop.wait(TICK_S) and this.name != ABANDONED:
            if self.fader.is_silent(state.gain_db):
                continue
            instrument, features, now_s = state.instrument, state.features, time.monotonic()
            rate = instrument.settings.inference.spectrograms_per_s
            interval_s = 1.0 / spectrograms_per_s_at(state.tier, rate)
            latent_dim = instrument.pack.latent_dim
            instrument.generator.correction = state.remote.correction(latent_dim)
            instrument.generator.glide.add_anchors(state.remote.anchors)
            held = state.remote.held_z(now_s, latent_dim)
            target = instrument.generator.target_of(features, held)
            if schedule.due(target, now_s, interval_s):
                instrument.generate(features, now_s - before_s, target)
                before_s = now_s

    def _synthesise(self) -> None:
        request_realtime_priority()
        while not self.stop.is_set() and self.writer.wait(self.stop):
            began_s = time.monotonic()
            self._play(self._hop())
            self.state.busy_s += time.monotonic() - began_s
        never = threading.Event()
        for gain in fade_out_gains(self.state.instrument.pack.geometry, FADE_OUT_S):
            self.writer.wait(never)
            self._play(self._hop() * gain)

    def _hop(self) -> FloatArray:
        """The next hop, at the gain of the moment: (hop_length,), or (n_channels, hop_length)."""
        state, remote, gain_db = self.state, self.state.remote, self.state.gain_db
        if self.fader.is_silent(gain_db):
            block = self.silence
        else:
            fall_s = MUTE_S if remote.muted else Fader.FALL_S
            n_channels, features = self.writer.n_channels, state.features
            block = self.cross_fade.hop(state.instrument, features, state.tier, n_channels)
            block = self.fader.process(block, gain_db, fall_s)
        tone_on = remote.tone_on(time.monotonic())
        return self.reference_tone.process(block, remote.volume_db, enabled=tone_on)

    def _play(self, block: FloatArray) -> None:
        self.writer.write(block)
        self.state.n_hops += 1
        if self.recording is not None:
            self.recording.offer(block)
        self.take.offer(block)
        if self.telemetry is not None:
            playing = self.cross_fade.instrument
            geometry, gain = playing.pack.geometry, self.fader.gain
            self.telemetry.offer(mix(block), generated_column(playing.synthesiser, geometry, gain))

    def _maintain(self) -> None:
        state, reloader = self.state, self.reloader
        while not self.stop.wait(MAINTAIN_INTERVAL_S):
            self._replace_stuck_threads()
            state.thermal = self.thermometer.read()
            before, now = reloader.settings, local_time()
            state.schedule = schedule_state_of(before, now)
            self._scan_packs(time.monotonic())
            pack = self.pack_choice.pack(state.remote.pack, before, now)
            instrument = reloader.step(state.features, quiet=state.quiet, pack=pack)
            state.settings_error = reloader.settings_error
            if instrument is not None:
                state.instrument = instrument
            if reloader.settings is not before:
                self._apply_visit_settings(reloader.settings)

    def _scan_packs(self, now_s: float) -> None:
        """Look for packs from time to time, and at once for one that is requested and unknown."""
        choice, requested = self.pack_choice, self.state.remote.pack
        known = requested is None or requested in choice.folders
        if known and now_s - self.scanned_s < SCAN_INTERVAL_S:
            return
        self.scanned_s = now_s
        choice.scan(self.reloader.own_pack, self.reloader.settings.packs)
        self.state.packs = choice.folders

    def _replace_stuck_threads(self) -> None:
        """Generate on another thread if a network never returns; begin anew after several."""
        if is_stuck(self.generation.ident):
            abandon(self.generation)
            self.generation = self._start_thread("generate", self._generate)
        if count_abandoned() >= MAX_ABANDONED:
            self.failure = PerformanceError(
                f"{MAX_ABANDONED} runs of networks do not return; choose another pack"
            )
            self.stop.set()

    def _apply_visit_settings(self, settings: Settings) -> None:
        presence = self.state.presence
        presence.score = attract_score(settings)
        presence.grace_s, presence.attract = settings.eye.absence_s, settings.attract

    def _apply(self, request: Request) -> None:
        """Apply a request of a monitor (telemetry thread)."""
        if request.kind == "take":
            self.take.apply(request, self.writer.n_channels)
        else:
            self.state.remote.apply(request, time.monotonic())

    def _send_telemetry(self, telemetry: TelemetrySender) -> None:
        while not self.stop.is_set():
            telemetry.step()


def _with_priority(function: Callable[[], None]) -> None:
    request_realtime_priority(WORKER_PRIORITY)
    function()


def _record(recording: Recording) -> None:
    while recording.active:
        recording.write_next()
