"""Looks after a performance: speaker, eye, load, heat, and what people and systemd are told.

Lives on the main thread; nothing here waits. In: the performance's slots. Out: sentences, one
line of status, and the tier that the machine can afford.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from latent_resonance.eye_process import EyeProcess
from latent_resonance.face_state import FaceReceiver
from latent_resonance.gallery.health import Health, Heat, shed
from latent_resonance.gallery.notify import Notifier
from latent_resonance.gallery.presence import Presence
from latent_resonance.usage import usage_of
from latent_resonance.voice.instrument import Instrument
from latent_resonance.voice.outlet import Outlet
from latent_resonance.voice.speaker import Speaker

LOOK_S = 0.5  # between two looks at load, heat and faults


class Attended(Protocol):
    """What the attendant looks at: the slots of a performance."""

    instrument: Instrument
    outlet: Outlet
    presence: Presence
    receiver: FaceReceiver
    heat: Heat
    tier: int
    images: int
    hops: int
    busy_s: float


class Attendant:
    """The one who notices."""

    def __init__(
        self,
        performance: Attended,
        speaker: Speaker,
        eye: EyeProcess | None,
        notifier: Notifier,
        say: Callable[[str], None],
        now_s: float,
    ) -> None:
        self.performance, self.speaker, self.eye = performance, speaker, eye
        self.notifier, self.say = notifier, say
        self.health = Health()
        self.began_s = self.looked_s = now_s
        self.hops_fed = 0
        self.seen = (0, 0, 0.0)  # images, hops, busy_s at the last look
        self.settings = performance.instrument.settings
        self.fault: str | None = None
        self.flooded = False

    def tend(self, now_s: float) -> None:
        """Everything that has to be done every few milliseconds."""
        self.speaker.tend(now_s)
        if self.eye:
            self.eye.tend(now_s, self.performance.images)
        self._feed_the_watchdog()
        if now_s - self.looked_s >= LOOK_S:
            self._look(now_s, now_s - self.looked_s)
            self.looked_s = now_s

    def _feed_the_watchdog(self) -> None:
        """Ready when samples leave the ring; alive as long as they do."""
        performance = self.performance
        if performance.hops == self.hops_fed:
            return
        self.hops_fed = performance.hops
        if self.hops_fed * performance.instrument.pack.geometry.hop_length > self._ring_holds():
            self.notifier.ready()
            self.notifier.alive()

    def _ring_holds(self) -> int:
        return self.performance.outlet.ring.capacity

    def _look(self, now_s: float, since_s: float) -> None:
        performance = self.performance
        before, self.seen = self.seen, (performance.images, performance.hops, performance.busy_s)
        load = load_of(self.seen[2] - before[2], since_s)
        performance.tier = self.health.step(now_s, load, performance.heat)
        self._report()
        self._apply(performance.instrument, now_s)
        self.notifier.status(self._status((self.seen[0] - before[0]) / since_s))

    def _report(self) -> None:
        """Says what is new, once."""
        if (news := self.health.news()) is not None:
            self.say(news)
        fault = self.performance.instrument.dreamer.fault
        if fault not in (None, self.fault):
            self.fault = fault
            self.say(f"{fault}; keeping the last good picture, playing on")
        if self.performance.receiver.rejected and not self.flooded:
            self.flooded = True
            self.say("something other than the eye writes to the socket; ignoring it, playing on")

    def _apply(self, instrument: Instrument, now_s: float) -> None:
        """Changed settings of the output, where another instrument has brought any."""
        if instrument.settings is not self.settings:
            self.settings = instrument.settings
            output = self.settings.output
            self.speaker.change(output.device, output.latency_s, now_s)
            self.performance.outlet.deepen(output.buffer_s)

    def _status(self, images_per_s: float) -> str:
        who = "for a visitor" if self.performance.presence.visited else "the score for nobody"
        parts = [
            f"playing {who}",
            f"{images_per_s:.0f} images/s",
            f"{self.speaker.underflows} underflows",
        ]
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
            f"{self.performance.images / seconds:.1f} images/s",
        ]
        if (usage := usage_of(os.getpid())) is not None:
            share = 100 * usage.cpu_s / seconds
            figures.append(f"voice {share:.0f} % of a core, {usage.resident_mib:.0f} MiB")
        if self.eye:
            figures.append(self.eye.figures(seconds))
        if self.health.lowest:
            figures.append(f"down to {shed(self.health.lowest)}")
        return ", ".join(figures)


def load_of(busy_s: float, elapsed_s: float) -> float:
    """Share of real time that the synthesis took; near 1 it cannot keep up."""
    return busy_s / max(elapsed_s, 1e-6)
