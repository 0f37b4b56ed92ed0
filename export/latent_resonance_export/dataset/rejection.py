"""Why a recording or a clip does not get into a dataset, and what lets it in. Pure.

The limit for noise was measured (dB, median of clips of 5.46 s). Refused: white, pink,
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

from latent_resonance_export.dataset.clip_measures import Measures

LEAST_SOUNDING = 0.25  # share of a clip that is no rest: a loop of little but rests teaches rests
LARGEST_DC = 0.1  # of the root mean square; what a microphone gives is far below


class Reason(Enum):
    """(a word for tables, which option or act lets it in)."""

    SILENCE = ("silence", "a lower --min-level lets it in")
    CLIPPING = ("clipping", "a higher --max-clipped lets it in")
    DC = ("DC", "high-pass the recording, for example: sox IN OUT highpass 20")
    NOISE = ("noise-like", "a higher --max-flatness lets it in")
    DUPLICATE = ("near-duplicate", "a lower --min-difference lets it in")
    SHORT = ("too short", "a lower --shortest lets it in")
    BROKEN = ("broken", "export or download the recording again")
    FORMAT = ("format not read", "convert it, for example: ffmpeg -i IN OUT.flac")
    LINK = ("link", "links are not followed: copy the recording into the folder")
    OVERLAP = ("overlaps held-out", "nothing that is held out is trained on; more files avoid it")

    @property
    def word(self) -> str:
        """For tables and sentences."""
        return self.value[0]

    @property
    def remedy(self) -> str:
        """What an artist can do."""
        return self.value[1]


@dataclass(frozen=True)
class Refusal:
    """One clip, or from `offset_s` on a recording, that is left out."""

    source: str
    offset_s: float
    reason: Reason
    detail: str
    level_db: float | None = None
    flatness_db: float | None = None


def by_reason(refused: Iterable[Refusal]) -> list[tuple[Reason, list[Refusal]]]:
    """Most frequent first."""
    found: dict[Reason, list[Refusal]] = {}
    for refusal in refused:
        found.setdefault(refusal.reason, []).append(refusal)
    return sorted(found.items(), key=lambda item: (-len(item[1]), item[0].word))


def reasons_of(refused: Iterable[Refusal]) -> str:
    """How often for which reason, and what lets it in, in a line."""
    parts = (f"{len(all_)} {reason.word} ({reason.remedy})" for reason, all_ in by_reason(refused))
    return ", ".join(parts)


@dataclass(frozen=True)
class Limits:
    """What a clip must keep to."""

    min_level_db: float = -60.0  # RMS, dB re full scale
    max_clipped: float = 0.0005  # share of samples: 3 ms of a loop
    max_flatness_db: float = -7.0


def why_refused(measured: Measures, limits: Limits) -> tuple[Reason, str] | None:
    """The first limit that a clip breaks, and by how much; None if it keeps to all."""
    rules = (
        (
            measured.level_db < limits.min_level_db,
            Reason.SILENCE,
            f"{measured.level_db:.0f} dB, below {limits.min_level_db:g} dB",
        ),
        (
            measured.sounding < LEAST_SOUNDING,
            Reason.SILENCE,
            f"{measured.sounding:.0%} of it sounds, less than {LEAST_SOUNDING:.0%}",
        ),
        (
            measured.clipped > limits.max_clipped,
            Reason.CLIPPING,
            f"{measured.clipped:.2%} of its samples, above {limits.max_clipped:.2%}",
        ),
        (
            measured.dc > LARGEST_DC,
            Reason.DC,
            f"a constant of {measured.dc:.0%} of its RMS, above {LARGEST_DC:.0%}",
        ),
        (
            measured.flatness_db > limits.max_flatness_db,
            Reason.NOISE,
            f"flatness {measured.flatness_db:.1f} dB, above {limits.max_flatness_db:g} dB",
        ),
    )
    return next(((reason, detail) for broken, reason, detail in rules if broken), None)
