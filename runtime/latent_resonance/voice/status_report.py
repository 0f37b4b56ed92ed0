"""The report for monitors: the state of the performance as one record.

Made on the main thread twice a second, and kept in the shared state.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from latent_resonance import __version__
from latent_resonance.audio.brightness import RANGE_DB
from latent_resonance.link.telemetry import FLOOR_DB, Report
from latent_resonance.pack import Pack
from latent_resonance.voice.state import State
from latent_resonance.voice.supervisor import Supervisor, activity, load_of
from latent_resonance.voice.telemetry import band_frequencies_hz, columns_per_s

REPORT_INTERVAL_S = 0.5
MAX_LOG_LINES = 8


class Reporter:
    """Makes the reports, and keeps the last log lines for them."""

    def __init__(self, log: Callable[[str], None], now_s: float) -> None:
        self._log = log
        self.began_s = self.reported_s = now_s
        self.log_lines: deque[tuple[float, str]] = deque(maxlen=MAX_LOG_LINES)
        self.previous = (0, 0.0)  # images and busy_s at the last report

    def log(self, sentence: str) -> None:
        """Log a sentence, and keep it for the next reports (any thread)."""
        self.log_lines.append((time.monotonic(), sentence))
        self._log(sentence)

    def step(self, state: State, supervisor: Supervisor, now_s: float) -> None:
        """Put a new report into the state if it is time."""
        elapsed_s = now_s - self.reported_s
        if elapsed_s >= REPORT_INTERVAL_S:
            state.report = self._report(state, supervisor, now_s, elapsed_s)
            self.reported_s = now_s

    def _report(
        self, state: State, supervisor: Supervisor, now_s: float, elapsed_s: float
    ) -> Report:
        n_images, busy_s = self.previous
        self.previous = (state.n_images, state.busy_s)
        presence, remote, schedule = state.presence, state.remote, state.schedule
        instrument, load_shedder = state.instrument, supervisor.load_shedder
        geometry = instrument.pack.geometry
        return Report(
            build=__version__,
            uptime_s=round(now_s - self.began_s, 1),
            doing=_activity(state),
            scene=state.scene,
            pack=_pack_name(state, instrument.pack),
            packs=tuple(sorted(state.packs)),
            chosen_pack=remote.pack,
            take_s=_rounded(state.take_s),
            images_per_s=round((state.n_images - n_images) / elapsed_s, 1),
            visits=presence.visits,
            played_s=round(presence.played_s, 1),
            underflows=supervisor.speaker.underflows,
            faults=dict(supervisor.faults.totals),
            news=tuple((round(now_s - then_s, 1), text) for then_s, text in list(self.log_lines)),
            speaker=supervisor.speaker.name or "",
            load=round(load_of(state.busy_s - busy_s, elapsed_s), 3),
            tier=load_shedder.tier,
            tier_reason=load_shedder.reason(),
            quality=instrument.settings.quality,
            celsius=state.thermal.celsius,
            throttled=state.thermal.throttled,
            loudness_lufs=round(max(state.loudness_lufs, FLOOR_DB), 1),
            door=" ".join(filter(None, (schedule.opening.value, schedule.until))),
            refused=state.settings_error,
            volume_db=remote.volume_db,
            muted=remote.muted,
            standby=remote.standby,
            quiet=state.quiet,
            correcting=remote.correcting,
            pairs=len(remote.pairs),
            held=remote.held_z(now_s, instrument.pack.latent_dim) is not None,
            overridden=tuple(remote.overridden(now_s)),
            picture_hz=band_frequencies_hz(geometry),
            picture_range_db=RANGE_DB,
            columns_per_s=round(columns_per_s(geometry), 3),
            z=tuple(round(float(x), 4) for x in instrument.generator.z),
        )


def _pack_name(state: State, pack: Pack) -> str:
    """The name under which a pack can be requested, or else its own."""
    return next((name for name, folder in state.packs.items() if folder == pack.folder), pack.name)


def _activity(state: State) -> str:
    if state.remote.standby:
        return "on standby"
    words = activity(state.presence, state.schedule)
    return f"{words}, muted" if state.remote.muted else words


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
