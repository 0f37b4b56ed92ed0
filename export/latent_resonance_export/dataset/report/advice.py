"""What a curation warns of, each with a remedy. Pure.

The limit for mixed kinds is a share of the variance that lies between two folders. On the sounds
of Debian packages (tests/bench/workshop.sh) two voices differ by 0.03 to 0.7, mostly by less than
0.45, music and a voice by 0.26 to 0.89, mostly by more: it shows that recordings differ, not what
they are.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from latent_resonance_export.dataset.dataset import Clip
from latent_resonance_export.dataset.result import CurationResult

FEW_CLIPS = 200  # training loops; with fewer, a network memorises them
FEW_MINUTES = 20.0  # of different audio, for the default network
DULL_SHARE = 0.25  # of loops that end below half of the geometry's highest frequency
DOMINANT_SHARE = 0.5  # of loops that come from one recording
MIXED = 0.45  # share of variance between folders
MANY_LAID_OUT = 0.5  # share of loops laid out from sounds shorter than a loop
SHOWN = 3  # names in a warning


def warnings_of(result: CurationResult) -> list[str]:
    """All warnings, the most important first."""
    rules = (_few, _minutes, _mixed, _dominant, _dull, _laid_out, _unlicensed, _unused_rows)
    return [text for rule in rules for text in rule(result)]


def _few(result: CurationResult) -> Iterator[str]:
    if result.n_training < FEW_CLIPS:
        yield (
            f"{result.n_training} loops are few: a network memorises fewer than {FEW_CLIPS}; add "
            "recordings, or use a smaller --stride"
        )


def _minutes(result: CurationResult) -> Iterator[str]:
    minutes = result.kept_s / 60
    if minutes < FEW_MINUTES:
        yield (
            f"{minutes:.1f} minutes are few for a network trained from its beginning: begin with "
            f"a bundled one, train-gan DATASET -o RUN --begin-from models/cello --until-plateau"
        )


def _mixed(result: CurationResult) -> Iterator[str]:
    if result.unlike.separation >= MIXED:
        first, second = result.unlike.folders
        yield (
            f"the folders {first} and {second} sound unlike each other "
            f"({result.unlike.separation:.0%} of the variance is between them): one network learns "
            f"one kind best; make a pack of each, curate "
            f"{shlex.quote(f'{result.name}/{first}')} -o DATASET"
        )


def _dominant(result: CurationResult) -> Iterator[str]:
    if len(result.recordings) < 2:
        return
    source, count = Counter(clip.source for clip in result.clips).most_common(1)[0]
    if count > DOMINANT_SHARE * len(result.clips):
        yield (
            f"{count / len(result.clips):.0%} of the loops come from {source}: the others will "
            "hardly be learned; cut it shorter, or add more of the others"
        )


def _dull(result: CurationResult) -> Iterator[str]:
    limit_hz = result.settings.geometry.f_max_hz / 2
    dull = [c for c in result.clips if c.bandwidth_hz is not None and c.bandwidth_hz < limit_hz]
    if len(dull) >= DULL_SHARE * len(result.clips):
        top_hz = sorted(clip.bandwidth_hz or 0.0 for clip in dull)[len(dull) // 2]
        yield (
            f"{len(dull) / len(result.clips):.0%} of the loops are empty above {top_hz:,.0f} Hz"
            f"{_slow_files(result, dull)}: the pack will sound dull; use originals of a higher "
            f"rate, or leave some of {_listed(sorted({clip.source for clip in dull}))} out"
        )


def _slow_files(result: CurationResult, dull: Sequence[Clip]) -> str:
    """The most frequent sample rate of dull clips, if it is the cause."""
    rates = {r.source: r.sample_rate for r in result.recordings}
    rate = Counter(rates[clip.source] for clip in dull).most_common(1)[0][0]
    is_cause = rate < 1.1 * result.settings.geometry.f_max_hz
    return f", most of them from files of {rate:,} Hz" if is_cause else ""


def _laid_out(result: CurationResult) -> Iterator[str]:
    share = laid_out_share(result.clips)
    if share >= MANY_LAID_OUT:
        yield (
            f"{share:.0%} of the loops are laid out from sounds shorter than --shortest: their "
            "rhythm is not recorded but made; compare --one-shots repeat with hold"
        )


def _unlicensed(result: CurationResult) -> Iterator[str]:
    unlicensed = {clip.source for clip in result.clips if not clip.licence}
    if unlicensed:
        yield (
            f"the licence of {len(unlicensed)} recordings is unknown: before you publish a pack, "
            "state it in a LICENSES.csv, in a sidecar, or for all of them with --licence"
        )


def _unused_rows(result: CurationResult) -> Iterator[str]:
    if result.unused_rows:
        yield "these rows match no recording: " + "; ".join(result.unused_rows[:20])


def laid_out_share(clips: Sequence[Clip]) -> float:
    """Share of loops that are laid out from sounds shorter than --shortest."""
    return sum(clip.made in {"repeated", "held"} for clip in clips) / max(len(clips), 1)


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
