"""The report of a curation: kept clips, rejected ones and the reasons, as one HTML page. Pure."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from html import escape

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.dataset.advice import laid_out_share, warnings_of
from latent_resonance_export.dataset.dataset import Clip
from latent_resonance_export.dataset.kinds import kind_of
from latent_resonance_export.dataset.recordings import Recording
from latent_resonance_export.dataset.rejection import Rejection, group_by_reason
from latent_resonance_export.dataset.result import CurationResult, Example
from latent_resonance_export.dataset.settings import CurationSettings
from latent_resonance_export.report.charts import Histogram, thumbnail
from latent_resonance_export.report.html import key_figures, page, paragraph, section, table

MAX_SHOWN_CLIPS = 60
MAX_SHOWN_EXAMPLES = 6  # per reason
MAX_SHOWN_RECORDINGS = 1000
LEVEL = ("Level", "dB re full scale, RMS", -80.0, 0.0, 2.0)
FLATNESS = ("Spectral flatness", "dB, noise to the right", -40.0, 0.0, 1.0)


def report(result: CurationResult, pixels: NDArray[np.uint8]) -> str:
    """The page, as HTML."""
    parts = [
        f"<h1>{escape(result.name)}</h1>",
        paragraph(result.about["sounds"]),
        _figures(result),
        *(paragraph(f"{text[0].upper()}{text[1:]}.", warning=True) for text in warnings_of(result)),
        _contact_sheet(result.clips, pixels),
        _sounds(result.examples),
        _charts(result),
        _rejections(result),
        _folders(result),
        _attributions(result.clips, result.settings.geometry.loop_s),
        _recordings(result),
        _settings(result.settings),
    ]
    return page(f"{result.name}: curation report", parts)


def _figures(result: CurationResult) -> str:
    held_out = len(result.clips) - result.n_training
    laid_out = laid_out_share(result.clips)
    return key_figures(
        [
            (f"{result.n_training:,}", "training loops"),
            (f"{held_out:,}", "held-out loops"),
            (f"{result.settings.geometry.loop_s:.2f} s", "per loop"),
            (f"{result.read_s / 60:,.1f} min", "of audio read"),
            (f"{result.kept_s / 60:,.1f} min", "of it in loops"),
            (f"{len(result.recordings):,}", "recordings opened"),
            (f"{len(result.rejected):,}", "rejections"),
            *([(f"{laid_out:.0%}", "laid out from short sounds")] if laid_out else []),
        ]
    )


def _contact_sheet(clips: Sequence[Clip], pixels: NDArray[np.uint8]) -> str:
    shown = np.unique(np.linspace(0, len(clips) - 1, MAX_SHOWN_CLIPS).round().astype(int))
    spectrograms = "\n".join(_thumbnail_figure(clips[i], pixels[i]) for i in shown)
    text = f"{len(shown)} of {len(clips):,} loops. Time runs to the right, pitch upwards; "
    text += "the right edge continues at the left one."
    return section("Spectrograms", paragraph(text), f'<div class="sheet">{spectrograms}</div>')


def _thumbnail_figure(clip: Clip, pixels: NDArray[np.uint8]) -> str:
    caption = escape(f"{clip.source} at {clip.offset_s:.1f} s")
    kind = ' class="held"' if clip.held_out else ""
    return (
        f'<figure{kind}><img src="{thumbnail(pixels)}" alt="spectrogram of {caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _charts(result: CurationResult) -> str:
    limits = result.settings.limits
    level = Histogram(*LEVEL, limits.min_level_db, "--min-level")
    flatness = Histogram(*FLATNESS, limits.max_flatness_db, "--max-flatness")
    charts = [
        level.svg(*_values(result, "level_db")),
        flatness.svg(*_values(result, "flatness_db")),
    ]
    text = "Kept loops are bright, rejected ones (for any reason) dim. The limit is dashed."
    return section(
        "Level and noise", paragraph(text), f'<div class="charts">{"".join(charts)}</div>'
    )


def _values(result: CurationResult, name: str) -> tuple[list[float], list[float]]:
    kept, rejected = (
        [value for thing in things if (value := getattr(thing, name)) is not None]
        for things in (result.clips, result.rejected)
    )
    return kept, rejected


def _sounds(examples: Sequence[Example]) -> str:
    """Players for kept and for rejected places, as they are in the recordings."""
    kept, rejected = ([e for e in examples if bool(e.why) is why] for why in (False, True))
    text = "As recorded, before levels are changed and ends are cross-faded. "
    text += f"{len(kept)} kept places, then {len(rejected)} rejected ones."
    players = "\n".join(map(_player, [*kept, *rejected]))
    return section("Sounds", paragraph(text), f'<div class="sheet">{players}</div>')


def _player(example: Example) -> str:
    data = base64.b64encode(example.mp3).decode()
    caption = escape(f"{example.source} at {example.offset_s:.1f} s")
    why = f"<br><b>{escape(example.why)}</b>" if example.why else ""
    return (
        f'<figure><audio controls preload="none" src="data:audio/mpeg;base64,{data}"></audio>'
        f"<figcaption>{caption}{why}</figcaption></figure>"
    )


def _rejections(result: CurationResult) -> str:
    if not result.rejected:
        return section("Rejected", paragraph("Nothing."))
    rows = [
        [reason.label, len(rejected), reason.remedy, _examples(rejected)]
        for reason, rejected in group_by_reason(result.rejected)
    ]
    text = "rejected.csv, beside this page, lists all; files.csv lists every file of the folder."
    heads = ["Reason", "Times", "What to do", "For example"]
    return section("Rejected", paragraph(text), table(heads, rows))


def _examples(rejected: list[Rejection]) -> list[str]:
    """Examples of as many recordings as possible: the first of each, then the others."""
    first = {rejection.source: rejection for rejection in reversed(rejected)}
    chosen = [r for r in rejected if first[r.source] is r]
    chosen += [r for r in rejected if first[r.source] is not r]
    shown = chosen[:MAX_SHOWN_EXAMPLES]
    lines = [f"{r.source} at {r.offset_s:.1f} s: {r.detail}" for r in shown]
    left = len(rejected) - len(shown)
    return [*lines, f"and {left:,} more"] if left else lines


def _attributions(clips: Sequence[Clip], loop_s: float) -> str:
    counts = Counter((clip.licence or "unknown", clip.author or "unknown") for clip in clips)
    rows = [
        [licence, author, count, count * loop_s / 60]
        for (licence, author), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return section("Licences and authors", table(["Licence", "Author", "Loops", "Minutes"], rows))


def _folders(result: CurationResult) -> str:
    """Each folder with its recordings, and what is held out."""
    recordings: dict[str, list[Recording]] = {}
    for recording in result.recordings:
        recordings.setdefault(kind_of(recording.source), []).append(recording)
    counts = _counts(result)
    rows = [
        [kind, len(members), sum(r.seconds for r in members) / 60, *_total(members, counts)]
        for kind, members in sorted(recordings.items())
    ]
    heads = ["Folder", "Recordings", "Minutes", "Loops", "Held out", "Rejected"]
    text = f"Held out: {result.about['held_out']}. The floor of the audition's distance is "
    text += "computed on them."
    return section("Folders", paragraph(text), table(heads, rows))


def _counts(result: CurationResult) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """(loops, held-out loops, rejections) by recording."""
    return (
        Counter(clip.source for clip in result.clips),
        Counter(clip.source for clip in result.clips if clip.held_out),
        Counter(rejection.source for rejection in result.rejected),
    )


def _total(members: Sequence[Recording], counts: Sequence[Counter[str]]) -> list[int]:
    return [sum(count[r.source] for r in members) for count in counts]


def _recordings(result: CurationResult) -> str:
    counts = _counts(result)
    rows = [
        [
            r.source,
            r.seconds / 60,
            r.sample_rate,
            *(count[r.source] for count in counts),
            "; ".join(result.notes.get(r.source, [])),
        ]
        for r in result.recordings[:MAX_SHOWN_RECORDINGS]
    ]
    heads = ["Recording", "Minutes", "Hz", "Loops", "Held out", "Rejected", "Notes"]
    text = f"{len(result.recordings):,} recordings"
    if len(result.recordings) > MAX_SHOWN_RECORDINGS:
        text += f", the first {MAX_SHOWN_RECORDINGS:,} of them"
    return section(
        "Recordings", f"<details><summary>{text}</summary>{table(heads, rows)}</details>"
    )


def _settings(settings: CurationSettings) -> str:
    low, high = settings.peak_db
    rows = [
        [
            "Cut by",
            f"{settings.cut}, {settings.stride / settings.geometry.sample_rate:.2f} s apart",
        ],
        ["Loudest band of a loop", f"{low:g} to {high:g} dB, random"],
        ["Channel", settings.channel],
        ["Sounds shorter than --shortest", settings.one_shots],
        ["Seed", str(settings.seed)],
        *([key, f"{value:g}"] for key, value in asdict(settings.geometry).items()),
    ]
    return section("Settings", f"<details><summary>all</summary>{table(['', ''], rows)}</details>")
