"""The report that monitors are told: what the attendant knows, as one record.

Lives on the voice's main thread, which makes one twice a second and leaves it in a slot.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from latent_resonance import __version__
from latent_resonance.gallery.opening_hours import Door
from latent_resonance.link.telemetry import FLOOR_DB, Report
from latent_resonance.pack import packs_there
from latent_resonance.voice.remote_control import RemoteControl
from latent_resonance.voice.supervisor import Attended, Supervisor, doing, load_of
from latent_resonance.voice.telemetry import RANGE_DB, columns_per_s, picture_hz

REPORT_S = 0.5
KEPT = 8  # sentences


class Reported(Attended, Protocol):
    """What a report is made of, beside what the attendant looks at."""

    remote: RemoteControl
    report: Report | None
    loudness_lufs: float

    @property
    def scene(self) -> str:
        """Of telemetry.SCENES."""


class Reporter:
    """Makes the reports, and remembers what was said last."""

    def __init__(self, log: Callable[[str], None], now_s: float) -> None:
        self._log = log
        self.began_s = self.made_s = now_s
        self.said: deque[tuple[float, str]] = deque(maxlen=KEPT)
        self.before = (0, 0.0)  # images, busy_s
        self.packs = packs_there()

    def log(self, sentence: str) -> None:
        """Says it, and keeps it for those who look later (any thread)."""
        self.said.append((time.monotonic(), sentence))
        self._log(sentence)

    def step(self, engine: Reported, supervisor: Supervisor, now_s: float) -> None:
        """A new report if it is time."""
        since_s = now_s - self.made_s
        if since_s >= REPORT_S:
            engine.report = self._report(engine, supervisor, now_s, since_s)
            self.made_s = now_s

    def _report(
        self, engine: Reported, supervisor: Supervisor, now_s: float, since_s: float
    ) -> Report:
        images, busy_s = self.before
        self.before = (engine.images, engine.busy_s)
        presence, remote, heat = engine.presence, engine.remote, engine.heat
        instrument, health, hour = engine.instrument, supervisor.health, engine.hour
        return Report(
            build=__version__,
            uptime_s=round(now_s - self.began_s, 1),
            doing=_doing(engine),
            scene=engine.scene,
            pack=instrument.pack.name,
            packs=self.packs,
            images_per_s=round((engine.images - images) / since_s, 1),
            visits=presence.visits,
            played_s=round(presence.played_s, 1),
            underflows=supervisor.speaker.underflows,
            faults=dict(supervisor.faults.counted),
            news=tuple((round(now_s - then_s, 1), text) for then_s, text in list(self.said)),
            speaker=supervisor.speaker.name or "",
            load=round(load_of(engine.busy_s - busy_s, since_s), 3),
            tier=health.tier,
            tier_reason=health.reason(),
            quality=instrument.settings.quality,
            celsius=heat.celsius,
            throttled=heat.throttled,
            loudness_lufs=round(max(engine.loudness_lufs, FLOOR_DB), 1),
            door=" ".join(filter(None, (hour.door.value, hour.until))),
            refused=engine.refused,
            volume_db=remote.volume_db,
            muted=remote.muted,
            standby=remote.standby,
            quiet=remote.quiet or hour.door is Door.QUIET,
            correcting=remote.correcting,
            pairs=len(remote.pairs),
            held=remote.z(now_s, instrument.pack.latent_dim) is not None,
            overridden=tuple(remote.overridden(now_s)),
            picture_hz=picture_hz(instrument.pack.geometry),
            picture_range_db=RANGE_DB,
            columns_per_s=round(columns_per_s(instrument.pack.geometry), 3),
            z=tuple(round(float(x), 4) for x in instrument.generator.z),
        )


def _doing(engine: Reported) -> str:
    remote = engine.remote
    if remote.standby:
        return "on standby"
    words = doing(engine.presence, engine.hour)
    return f"{words}, muted" if remote.muted else words
