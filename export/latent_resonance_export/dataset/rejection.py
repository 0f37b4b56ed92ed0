"""The rules by which recordings and clips are rejected, and the remedies. Pure.

The limit for noise was measured (dB, median of clips of 5.46 s). Rejected: white, pink,
band-passed and mp3-coded noise -2.4..-3.1, applause and sea -2.5, wind -2.9, gunshots -3.1,
whispering -3.2, breath -3.3, brown noise -4.8, a helicopter -6.5. Kept: drums -8.9, speech of
five languages -11.1..-13.7, vowels -12.2, a choir in four parts -13.4, piano -13.8, strings
-15.3, contrabass -19.0, choir and cello -25, violin -29.4. A cello with pink noise 12 dB
below it: -11.4; 6 dB below it: -7.5; as loud: -4.3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from latent_resonance_export.dataset.clip_measures import ClipMeasures

MIN_IN_BAND_DB = -40.0  # below, the bands hold what leaks into them from outside
MIN_ACTIVE = 0.25  # share of a clip that is not a rest: from mostly empty loops, rests are learned


class Reason(Enum):
    """(label for tables, remedy)."""

    SILENCE = ("silence", "a lower --min-level accepts it")
    CLIPPING = ("clipping", "a higher --max-clipped accepts it")
    BANDS = (
        "outside the bands",
        "filter out what is below 30 Hz or above 16 kHz, if anything else sounds",
    )
    NOISE = ("noise-like", "a higher --max-flatness accepts it")
    DUPLICATE = ("near-duplicate", "a lower --min-difference accepts it")
    SHORT = ("too short", "a lower --shortest accepts it, or --one-shots repeat")
    BROKEN = ("broken", "export or download the recording again")
    FORMAT = ("unsupported format", "install ffmpeg, which decodes it: apt install ffmpeg")
    CHANNEL = ("no such channel", "another --channel accepts it")
    NOT_SOUND = ("not a sound", "nothing to do, unless it should be one")
    HIDDEN = ("hidden", "a name without the dot at its beginning accepts it")
    LINK = ("link", "links are not followed: copy the recording into the folder")
    OVERLAP = ("overlaps held-out", "held-out audio is never trained on; more files avoid it")

    @property
    def label(self) -> str:
        """Short name for tables."""
        return self.value[0]

    @property
    def remedy(self) -> str:
        """What the user can do about it."""
        return self.value[1]


@dataclass(frozen=True)
class Rejection:
    """A clip, or the rest of a recording from `offset_s` on, that is left out."""

    source: str
    offset_s: float
    reason: Reason
    detail: str
    level_db: float | None = None
    flatness_db: float | None = None


def group_by_reason(rejected: Iterable[Rejection]) -> list[tuple[Reason, list[Rejection]]]:
    """Most frequent first."""
    found: dict[Reason, list[Rejection]] = {}
    for rejection in rejected:
        found.setdefault(rejection.reason, []).append(rejection)
    return sorted(found.items(), key=lambda item: (-len(item[1]), item[0].label))


def summarise_reasons(rejected: Iterable[Rejection]) -> str:
    """Counts, reasons and remedies in one line."""
    parts = (
        f"{len(all_)} {reason.label} ({reason.remedy})"
        for reason, all_ in group_by_reason(rejected)
    )
    return ", ".join(parts)


@dataclass(frozen=True)
class Limits:
    """Limits for a clip's measures."""

    min_level_db: float = -60.0  # RMS, dB re full scale
    max_clipped: float = 0.0005  # share of samples: 3 ms of a loop
    max_flatness_db: float = -7.0


def rejection_of(measured: ClipMeasures, limits: Limits) -> tuple[Reason, str] | None:
    """The first limit that a clip exceeds, and the values; None if it is within all limits."""
    rules = (
        (
            measured.level_db < limits.min_level_db,
            Reason.SILENCE,
            f"{measured.level_db:.0f} dB, below {limits.min_level_db:g} dB",
        ),
        (
            measured.active < MIN_ACTIVE,
            Reason.SILENCE,
            f"{measured.active:.0%} of it is not silent, less than {MIN_ACTIVE:.0%}",
        ),
        (
            measured.in_band_db < MIN_IN_BAND_DB,
            Reason.BANDS,
            f"what the network sees is {-measured.in_band_db:.0f} dB quieter than the whole clip",
        ),
        (
            measured.clipped > limits.max_clipped,
            Reason.CLIPPING,
            f"{measured.clipped:.2%} of its samples, above {limits.max_clipped:.2%}",
        ),
        (
            measured.flatness_db > limits.max_flatness_db,
            Reason.NOISE,
            f"flatness {measured.flatness_db:.1f} dB, above {limits.max_flatness_db:g} dB",
        ),
    )
    return next(((reason, detail) for broken, reason, detail in rules if broken), None)
