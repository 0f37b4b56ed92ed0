"""The live performance: the voice's threads, and the slots between them.

Threads, made here and nowhere else:

    receive      socket -> newest FaceState -> features to play
    dream        features -> z -> picture, some ten times a second
    synthesise   picture, features -> samples -> ring
    care         settings and pack that change, heat: all that may wait
    tell         samples and slots -> monitors, if any call; what they ask -> slots
    record       samples -> disk, if asked for
    main         attends to the speaker, the eye and the load (`perform.py`)

PortAudio and its callback are in a process of their own (`output.py`). Two crossings:
latest-value slots (plain attributes, replaced whole) and the bounded ring.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import numpy as np

from latent_resonance import LatentResonanceError
from latent_resonance.audio.loudness import SILENCE_DB, Fader
from latent_resonance.audio.reference_tone import ReferenceTone
from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FaceReceiver, FaceState, FeatureVector, neutral_features
from latent_resonance.gallery.opening_hours import OpeningState, local_time
from latent_resonance.gallery.visit import Presence
from latent_resonance.link.server import MonitorServer
from latent_resonance.link.telemetry import FLOOR_DB, Report
from latent_resonance.linux.realtime import BESIDE, request_realtime_priority
from latent_resonance.linux.thermal import ThermalState, Thermometer
from latent_resonance.score import attract_score
from latent_resonance.voice.load_shedding import pictures_per_s_at
from latent_resonance.voice.output.recorder import Recording
from latent_resonance.voice.output.writer import RingWriter
from latent_resonance.voice.quiet_hours import schedule_state_of
from latent_resonance.voice.reload import Reloader
from latent_resonance.voice.remote_control import RemoteControl
from latent_resonance.voice.synthesis.crossfade import CrossFade, falling
from latent_resonance.voice.synthesis.instrument import Instrument
from latent_resonance.voice.synthesis.schedule import GenerationSchedule
from latent_resonance.voice.telemetry import TelemetrySender

TICK_S = 0.005
FADE_OUT_S = 0.25
RECEIVE_TIMEOUT_S = 1 / 30
FLOOD = 8  # datagrams at once; an eye sends one
FLOOD_PAUSE_S = 0.0025  # for which each datagram of a flood waits, in its sender's time
LONGEST_PAUSE_S = 0.2
CARE_S = 1.0
MUTE_S = 0.03  # time constant of a hand that mutes


class PerformanceError(LatentResonanceError):
    """The performance cannot begin, or a thread of it has ended."""


class Engine:
    """Everything that sounds, and the slots between its threads.

    Each slot is written by one thread only.
    """

    def __init__(
        self,
        instrument: Instrument,
        receiver: FaceReceiver,
        writer: RingWriter,
        reloader: Reloader,
        listener: MonitorServer | None = None,
    ) -> None:
        self.receiver, self.writer, self.reloader = receiver, writer, reloader
        settings = reloader.settings
        self.presence = Presence(attract_score(settings), settings.eye.absence_s, settings.attract)
        self.player = CrossFade(instrument)
        self.fader = Fader(instrument.pack.geometry.sample_rate)
        self.silence = np.zeros(instrument.pack.geometry.hop_length, np.float32)
        self.thermometer = Thermometer()
        self.recording: Recording | None = None
        self.remote = RemoteControl()
        geometry = instrument.pack.geometry
        self.reference_tone = ReferenceTone(geometry.sample_rate, geometry.hop_length)
        self.telemetry = TelemetrySender(geometry, listener, self) if listener else None
        self.stop = threading.Event()
        self.failure: Exception | None = None
        # slots
        self.features: FeatureVector = neutral_features()
        self.instrument = instrument  # the newest; the player may still fade into it
        self.tier = 0
        self.heat = ThermalState()
        self.schedule = schedule_state_of(settings, local_time())
        self.images = 0
        self.seen_ns = 0  # when the newest image was taken
        self.hops = 0
        self.busy_s = 0.0
        self.heard_after_s = 0.0  # from the ring to the speaker
        self.report: Report | None = None

    @property
    def gain_db(self) -> float:
        """How loud it is to be, relative to a visitor's loudness."""
        remote = self.remote
        if remote.muted or remote.standby or not self.schedule.is_open:
            return SILENCE_DB
        return self.presence.gain_db + remote.volume_db

    @property
    def scene(self) -> str:
        """Where the visit is; one of `telemetry.SCENES`."""
        closed = self.remote.standby or not self.schedule.is_open
        return "closed" if closed else self.presence.visit_state.name.lower()

    @property
    def present(self) -> bool:
        """Whether a face is seen."""
        return self.presence.face_present

    @property
    def latency_s(self) -> float:
        """From the newest image to what the speaker plays next; nan if nobody is seen."""
        if not (self.seen_ns and self.presence.face_present):
            return math.nan
        age_s = (time.monotonic_ns() - self.seen_ns) / 1e9
        return age_s + self.writer.buffer_s + self.heard_after_s

    @property
    def loudness_lufs(self) -> float:
        """Momentary; as far as a monitor listens."""
        return self.telemetry.loudness_lufs if self.telemetry else FLOOR_DB

    @property
    def refused(self) -> str:
        """What is wrong with the settings' file; empty if nothing is."""
        return self.reloader.refused

    def start(self) -> list[threading.Thread]:
        """Starts the threads; returns those that end in time by themselves."""
        loops = [self._receive, self._generate, self._synthesise]
        in_time = [
            self._thread(loop) for loop in (*loops, *([self._tell] if self.telemetry else []))
        ]
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
        request_realtime_priority(BESIDE)
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
                latest, self.seen_ns = state, state.time_ns
                self.images += 1
            now_ns = time.monotonic_ns()
            self.features = self.presence.step(self.remote.steered(latest, now_ns), now_ns)
            taken = self.receiver.taken - taken
            if taken >= FLOOD:
                self.stop.wait(min(taken * FLOOD_PAUSE_S, LONGEST_PAUSE_S))

    def _generate(self) -> None:
        pace, before_s = GenerationSchedule(), time.monotonic()
        while not self.stop.wait(TICK_S):
            if self.fader.rests(self.gain_db):
                continue
            instrument, features, now_s = self.instrument, self.features, time.monotonic()
            rate = instrument.settings.inference.spectrograms_per_s
            picture_s = 1.0 / pictures_per_s_at(self.tier, rate)
            latent_dim = instrument.pack.latent_dim
            instrument.generator.correction = self.remote.correction(latent_dim)
            target = instrument.generator.target_of(features, self.remote.z(now_s, latent_dim))
            if pace.due(target, now_s, picture_s):
                instrument.generate(features, now_s - before_s, target)
                before_s = now_s

    def _synthesise(self) -> None:
        request_realtime_priority()
        while not self.stop.is_set() and self.writer.wait(self.stop):
            began_s = time.monotonic()
            self._play(self._hop())
            self.busy_s += time.monotonic() - began_s
        at_once = threading.Event()
        for gain in falling(self.instrument.pack.geometry, FADE_OUT_S):
            self.writer.wait(at_once)
            self._play(self._hop() * gain)

    def _hop(self) -> FloatArray:
        """The next samples, as loud as the scene and the hour want them."""
        remote, gain_db = self.remote, self.gain_db
        if self.fader.rests(gain_db):
            block = self.silence
        else:
            fall_s = MUTE_S if remote.muted else Fader.FALL_S
            block = self.player.hop(self.features, self.tier)
            block = self.fader.process(block, gain_db, fall_s)
        target = remote.sounding(time.monotonic())
        return self.reference_tone.over(block, remote.volume_db, target=target)

    def _play(self, block: FloatArray) -> None:
        self.writer.write(block)
        self.hops += 1
        if self.recording is not None:
            self.recording.offer(block)
        if self.telemetry is not None:
            self.telemetry.offer(block)

    def _care(self) -> None:
        while not self.stop.wait(CARE_S):
            self.heat = self.thermometer.read()
            before = self.reloader.settings
            self.schedule = schedule_state_of(before, local_time())
            quiet = self.remote.quiet or self.schedule.opening is OpeningState.QUIET
            instrument = self.reloader.step(self.features, quiet=quiet, pack=self.remote.pack)
            if instrument is not None:
                self.player.coming = self.instrument = instrument
            if self.reloader.settings is not before:
                self._manners(self.reloader.settings)

    def _manners(self, settings: Settings) -> None:
        """Of settings that have been changed: what is no instrument's."""
        self.presence.score = attract_score(settings)
        self.presence.grace_s, self.presence.attract = settings.eye.absence_s, settings.attract

    def _tell(self) -> None:
        while not self.stop.is_set():
            self.telemetry.step()

    def _record(self) -> None:
        while self.recording.active:
            self.recording.write_next()
