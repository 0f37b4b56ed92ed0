"""The report of a curation: kept clips, rejected ones and the reasons, as one HTML page. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.dataset.dataset import Clip
from latent_resonance_export.dataset.kinds import kind_of
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.rejection import Rejection, group_by_reason
from latent_resonance_export.dataset.report.advice import laid_out_share, warnings_of
from latent_resonance_export.dataset.result import CurationResult
from latent_resonance_export.dataset.settings import CurationSettings
from latent_resonance_export.report.charts import Histogram, thumbnail
from latent_resonance_export.report.template import fill

MAX_SHOWN_CLIPS = 60
MAX_SHOWN_EXAMPLES = 6  # per reason
MAX_SHOWN_RECORDINGS = 1000
LEVEL = ("Level", "dB re full scale, RMS", -80.0, 0.0, 2.0)
FLATNESS = ("Spectral flatness", "dB, noise to the right", -40.0, 0.0, 1.0)

Row = Sequence[str | float | Sequence[str]]


def report(result: CurationResult, pixels: NDArray[np.uint8]) -> str:
    """The page, as HTML; pixels (n_clips, n_mels, n_frames) are of the result's clips."""
    return fill(
        "curation.html",
        title=f"{result.name}: curation report",
        name=result.name,
        sounds=result.about["sounds"],
        figures=_figures(result),
        warnings=[f"{text[0].upper()}{text[1:]}." for text in warnings_of(result)],
        n_clips=len(result.clips),
        shown=_shown(result.clips, pixels),
        examples=sorted(result.examples, key=lambda example: bool(example.why)),
        charts=_charts(result),
        rejections=_rejections(result),
        held_out=result.about["held_out"],
        folders=_folders(result),
        attributions=_attributions(result.clips, result.settings.geometry.loop_s),
        n_recordings=len(result.recordings),
        recordings=_recordings(result),
        settings=_settings(result.settings),
    )


def _figures(result: CurationResult) -> list[tuple[str, str]]:
    """Large numbers with captions."""
    held_out = len(result.clips) - result.n_training
    laid_out = laid_out_share(result.clips)
    return [
        (f"{result.n_training:,}", "training loops"),
        (f"{held_out:,}", "held-out loops"),
        (f"{result.settings.geometry.loop_s:.2f} s", "per loop"),
        (f"{result.read_s / 60:,.1f} min", "of audio read"),
        (f"{result.kept_s / 60:,.1f} min", "of it in loops"),
        (f"{len(result.recordings):,}", "recordings opened"),
        (f"{len(result.rejected):,}", "rejections"),
        *([(f"{laid_out:.0%}", "laid out from short sounds")] if laid_out else []),
    ]


def _shown(clips: Sequence[Clip], pixels: NDArray[np.uint8]) -> list[tuple[Clip, bytes]]:
    """Clips from the first to the last, each with its thumbnail."""
    shown = np.unique(np.linspace(0, len(clips) - 1, MAX_SHOWN_CLIPS).round().astype(int))
    return [(clips[i], thumbnail(pixels[i])) for i in shown]


def _charts(result: CurationResult) -> list[tuple[str, bytes]]:
    """Captions and plots."""
    limits = result.settings.limits
    level = Histogram(*LEVEL, limits.min_level_db, "--min-level"), _values(result, "level_db")
    flatness = (
        Histogram(*FLATNESS, limits.max_flatness_db, "--max-flatness"),
        _values(result, "flatness_db"),
    )
    return [(chart.caption(*values), chart.png(*values)) for chart, values in (level, flatness)]


def _values(result: CurationResult, name: str) -> tuple[list[float], list[float]]:
    kept, rejected = (
        [value for thing in things if (value := getattr(thing, name)) is not None]
        for things in (result.clips, result.rejected)
    )
    return kept, rejected


def _rejections(result: CurationResult) -> list[Row]:
    return [
        [reason.label, len(rejected), reason.remedy, _examples(rejected)]
        for reason, rejected in group_by_reason(result.rejected)
    ]


def _examples(rejected: list[Rejection]) -> list[str]:
    """Examples of as many recordings as possible: the first of each, then the others."""
    first = {rejection.source: rejection for rejection in reversed(rejected)}
    chosen = [r for r in rejected if first[r.source] is r]
    chosen += [r for r in rejected if first[r.source] is not r]
    shown = chosen[:MAX_SHOWN_EXAMPLES]
    lines = [f"{r.source} at {r.offset_s:.1f} s: {r.detail}" for r in shown]
    left = len(rejected) - len(shown)
    return [*lines, f"and {left:,} more"] if left else lines


def _attributions(clips: Sequence[Clip], loop_s: float) -> list[Row]:
    counts = Counter((clip.licence or "unknown", clip.author or "unknown") for clip in clips)
    return [
        [licence, author, count, count * loop_s / 60]
        for (licence, author), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _folders(result: CurationResult) -> list[Row]:
    """Each folder with its recordings, and what is held out."""
    recordings: dict[str, list[Recording]] = {}
    for recording in result.recordings:
        recordings.setdefault(kind_of(recording.source), []).append(recording)
    counts = _counts(result)
    return [
        [kind, len(members), sum(r.seconds for r in members) / 60, *_total(members, counts)]
        for kind, members in sorted(recordings.items())
    ]


def _counts(result: CurationResult) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """(loops, held-out loops, rejections) by recording."""
    return (
        Counter(clip.source for clip in result.clips),
        Counter(clip.source for clip in result.clips if clip.held_out),
        Counter(rejection.source for rejection in result.rejected),
    )


def _total(members: Sequence[Recording], counts: Sequence[Counter[str]]) -> list[int]:
    return [sum(count[r.source] for r in members) for count in counts]


def _recordings(result: CurationResult) -> list[Row]:
    counts = _counts(result)
    return [
        [
            r.source,
            r.seconds / 60,
            r.sample_rate,
            *(count[r.source] for count in counts),
            "; ".join(result.notes.get(r.source, [])),
        ]
        for r in result.recordings[:MAX_SHOWN_RECORDINGS]
    ]


def _settings(settings: CurationSettings) -> list[Row]:
    low, high = settings.peak_db
    stride_s = settings.stride / settings.geometry.sample_rate
    return [
        ["Cut by", f"{settings.cut}, {stride_s:.2f} s apart"],
        ["Loudest band of a loop", f"{low:g} to {high:g} dB, random"],
        ["Channel", settings.channel],
        ["Sounds shorter than --shortest", settings.one_shots],
        ["Seed", str(settings.seed)],
        *([key, f"{value:g}"] for key, value in asdict(settings.geometry).items()),
    ]
