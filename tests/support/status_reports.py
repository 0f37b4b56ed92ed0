"""Reports of a voice that plays, as sent to monitors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from latent_resonance.face_state import neutral_features
from latent_resonance.link.telemetry import Energies, Report

PLAYING = Report(
    build="0.2.0",
    uptime_s=3600.0,
    doing="playing for a visitor",
    scene="play",
    pack="cello",
    packs=("cello", "voices"),
    images_per_s=29.96,
    visits=12,
    played_s=345.5,
    underflows=3,
    faults={"underflow": 3, "eye silent": 2},
    news=((4.0, "a message"),),
    speaker="hw:0",
    load=0.21,
    tier=0,
    tier_reason="recovered",
    quality="high",
    celsius=61.5,
    throttled=False,
    loudness_lufs=-19.53,
    door="open",
    refused="",
    volume_db=-3.0,
    muted=False,
    standby=False,
    quiet=False,
    correcting=False,
    pairs=0,
    held=False,
    overridden=(),
)


def report(**changes: Any) -> Report:
    """A report of a voice that plays, with these changes."""
    return replace(PLAYING, **changes)


def energies(latency_s: float) -> Energies:
    """Energies of a neutral face with a latency; NaN without a face."""
    return Energies(
        1, 1, "play", present=True, level_db=-20.0, latency_s=latency_s, features=neutral_features()
    )
