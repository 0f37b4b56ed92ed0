"""Looks after a performance: speaker, eye, load, heat, and what people and systemd are told.

Lives on the main thread; nothing here waits. In: the performance's slots. Out: sentences, one
line of status, and the tier that the machine can afford.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from latent_resonance.face_state import FaceReceiver
from latent_resonance.gallery.daily_log import Counts, DailyLog, Faults
from latent_resonance.gallery.opening_hours import Door, Hour
from latent_resonance.gallery.visit import Presence, Scene
from latent_resonance.linux.process_usage import usage_of
from latent_resonance.linux.systemd import Notifier
from latent_resonance.voice.child_process import EyeProcess
from latent_resonance.voice.load_shedding import Health, Heat, shed
from latent_resonance.voice.output.device import Speaker
from latent_resonance.voice.output.writer import RingWriter
from latent_resonance.voice.synthesis.instrument import Instrument

LOOK_S = 0.5  # between two looks at load, heat and faults
DEEPER_S, DEEPEST_S = 0.005, 0.06  # by how much more is kept ready after underflows, up to what
XRUNS = 5  # of a device; then it is asked for more latency, which interrupts it for a moment
LATER_S, LATEST_S = 0.01, 0.06
EYE_GONE_S = 3.0  # an eye that was heard and has said nothing for so long is a fault


class Attended(Protocol):
    """What the attendant looks at: the slots of a performance."""

    instrument: Instrument
    writer: RingWriter
    presence: Presence
    receiver: FaceReceiver
    heat: Heat
    hour: Hour
    refused: str
    tier: int
    images: int
    hops: int
    busy_s: float
    heard_after_s: float


class Supervisor:
    """The one who notices."""

    def __init__(
        self,
        engine: Attended,
        speaker: Speaker,
        eye: EyeProcess | None,
        notifier: Notifier,
        log: Callable[[str], None],
        now_s: float,
    ) -> None:
        self.engine, self.speaker, self.eye = engine, speaker, eye
        self.notifier, self.log = notifier, log
        self.health = Health()
        self.began_s = self.looked_s = now_s
        self.hops_fed = self.dry = self.xruns = 0
        self.seen = (0, 0, 0.0)  # images, hops, busy_s at the last look
        self.settings = engine.instrument.settings
        self.fault: str | None = None
        self.doubt = ""
        self.flooded = self.had_speaker = False
        self.heard_s = now_s  # when an image last came
        self.faults, self.daily_log = Faults(), DailyLog()

    def poll(self, now_s: float) -> None:
        """Everything that has to be done every few milliseconds."""
        self.speaker.poll(now_s)
        if self.eye:
            self.eye.poll(now_s, self.engine.images)
        self._feed_the_watchdog()
        if now_s - self.looked_s >= LOOK_S:
            self._look(now_s, now_s - self.looked_s)
            self.looked_s = now_s

    def _feed_the_watchdog(self) -> None:
        """Ready when samples leave the ring; alive as long as they do."""
        engine = self.engine
        if engine.hops == self.hops_fed:
            return
        self.hops_fed = engine.hops
        if self.hops_fed * engine.instrument.pack.geometry.hop_length > self._ring_holds():
            self.notifier.ready()
            self.notifier.alive()

    def _ring_holds(self) -> int:
        return self.engine.writer.ring.capacity

    def _look(self, now_s: float, since_s: float) -> None:
        engine = self.engine
        before, self.seen = self.seen, (engine.images, engine.hops, engine.busy_s)
        load = load_of(self.seen[2] - before[2], since_s)
        engine.tier = self.health.step(now_s, load, engine.heat)
        engine.heard_after_s = self.speaker.latency_s
        if engine.images > before[0]:
            self.heard_s = now_s
        self._report()
        self._apply(engine.instrument, now_s)
        self._keep_enough_ready(now_s)
        self._note(now_s)
        self.notifier.status(self._status((self.seen[0] - before[0]) / since_s))

    def _note(self, now_s: float) -> None:
        """Keeps the diary, and says a day's line when the day is over."""
        engine, faults = self.engine, self.faults
        silent_eye = engine.images > 0 and now_s - self.heard_s > EYE_GONE_S
        faults.notice("eye silent", holds=silent_eye)
        self.had_speaker |= self.speaker.playing
        faults.notice("speaker lost", holds=self.had_speaker and not self.speaker.playing)
        faults.notice("network fault", holds=engine.instrument.generator.fault is not None)
        faults.notice("short of time or hot", holds=self.health.tier > 0)
        faults.notice("settings refused", holds=bool(engine.refused))
        faults.count("underflow", self.speaker.underflows)
        if (line := self.daily_log.step(self._counts(), engine.hour.today)) is not None:
            self.log(line)

    def _counts(self) -> Counts:
        presence = self.engine.presence
        return Counts(presence.visits, presence.played_s, self.faults.counted.copy())

    def last_line(self) -> str:
        """The diary's line for what has passed of the day, at leaving."""
        return self.daily_log.last(self._counts())

    def _report(self) -> None:
        """Says what is new, once."""
        if (news := self.health.news()) is not None:
            self.log(news)
        fault = self.engine.instrument.generator.fault
        if fault not in (None, self.fault):
            self.fault = fault
            self.log(f"{fault}; keeping the last good picture, playing on")
        doubt = self.engine.hour.doubt
        if doubt not in ("", self.doubt):
            self.log(f"{doubt}; open until it is right")
        self.doubt = doubt
        if self.engine.receiver.rejected and not self.flooded:
            self.flooded = True
            self.log("something other than the eye writes to the socket; ignoring it, playing on")

    def _apply(self, instrument: Instrument, now_s: float) -> None:
        """Changed settings of the output, where another instrument has brought any."""
        if instrument.settings is not self.settings:
            before, self.settings = self.settings.output, instrument.settings
            output = self.settings.output
            # What has not been changed stays what the machine turned out to need.
            if (output.device, output.latency_s) != (before.device, before.latency_s):
                self.speaker.change(output.device, output.latency_s, now_s)
            if output.buffer_s != before.buffer_s:
                self.engine.writer.deepen(output.buffer_s)

    def _keep_enough_ready(self, now_s: float) -> None:
        """Trades a little latency for peace, on a machine that is late now and then."""
        writer, speaker = self.engine.writer, self.speaker
        dry, before = speaker.underflows - speaker.xruns, self.dry
        self.dry = dry
        if dry > before and speaker.playing and writer.buffer_s < DEEPEST_S:
            writer.deepen(min(writer.buffer_s + DEEPER_S, DEEPEST_S))
            ready_ms = 1000 * writer.buffer_s
            self.log(f"the sound was late; keeping {ready_ms:.0f} ms ready from now on")
        if speaker.xruns - self.xruns >= XRUNS and speaker.latency_s < LATEST_S:
            self.xruns = speaker.xruns
            speaker.change(speaker.device, min(speaker.latency_s + LATER_S, LATEST_S), now_s)
            asked_ms = 1000 * speaker.latency_s
            self.log(f"the speaker ran dry; asking it for {asked_ms:.0f} ms from now on")

    def _status(self, images_per_s: float) -> str:
        hour = self.engine.hour
        parts = [
            doing(self.engine.presence, hour),
            f"{images_per_s:.0f} images/s",
            f"{self.speaker.underflows} underflows",
        ]
        if hour.door is Door.QUIET:
            parts.append(hour.door.value)
        parts += [remark for remark in (self.engine.refused, hour.doubt) if remark]
        if not self.speaker.playing:
            parts.append(f"unheard ({self.speaker.said or 'looking for a speaker'})")
        if self.health.tier:
            parts.append(f"{self.health.reason()}: {shed(self.health.tier)}")
        return ", ".join(parts)

    def summary(self, now_s: float) -> str:
        """One line of figures: what a technician wants to know first."""
        seconds = max(now_s - self.began_s, 1e-3)
        figures = [
            f"played {seconds:.1f} s",
            f"{self.speaker.underflows} underflows",
            f"{self.engine.images / seconds:.1f} images/s",
        ]
        if (usage := usage_of(os.getpid())) is not None:
            share = 100 * usage.cpu_s / seconds
            figures.append(f"voice {share:.0f} % of a core, {usage.resident_mib:.0f} MiB")
        if self.eye:
            figures.append(self.eye.figures(seconds))
        if self.health.lowest:
            figures.append(f"down to {shed(self.health.lowest)}")
        return ", ".join(figures)


def doing(presence: Presence, hour: Hour) -> str:
    """What it does, in words."""
    if not hour.is_open:
        return f"closed {hour.until}".strip()
    if presence.scene is Scene.EMPTY and not presence.attract.enabled:
        return "silent until somebody comes"
    return presence.scene.value


def load_of(busy_s: float, elapsed_s: float) -> float:
    """Share of real time that the synthesis took; near 1 it cannot keep up."""
    return busy_s / max(elapsed_s, 1e-6)
