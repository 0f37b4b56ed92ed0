"""What was kept, what was refused and why, as a page that an artist reads. Pure.

In: what a curation came to, and the pixels that it wrote. Out: HTML in one file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.dataset.dataset import Clip
from latent_resonance_export.dataset.recordings import Recording
from latent_resonance_export.dataset.rejection import Refusal, by_reason
from latent_resonance_export.dataset.settings import Cutting
from latent_resonance_export.report.charts import Histogram, small_picture
from latent_resonance_export.report.html import figures, page, paragraph, section, table

SHOWN_PICTURES = 60
SHOWN_EXAMPLES = 6  # of a reason
SHOWN_RECORDINGS = 1000
FEW = 200  # loops to train on, below which a network learns them by heart
LEVEL = ("Level", "dB re full scale, RMS", -80.0, 0.0, 2.0)
FLATNESS = ("Spectral flatness", "dB, noise to the right", -40.0, 0.0, 1.0)


@dataclass(frozen=True)
class Curated:
    """What a curation came to."""

    name: str  # of the folder of recordings
    cutting: Cutting
    about: dict[str, str]
    recordings: list[Recording]
    clips: list[Clip]  # in the order of the spectrograms
    refused: list[Refusal]
    unused_rows: list[str]  # of tables of licences
    heard_s: float  # seconds of sound that were listened to
    kept_s: float  # seconds of the recordings that are in a loop

    @property
    def n_training(self) -> int:
        """Loops to train on."""
        return sum(not clip.held_out for clip in self.clips)


def report(curated: Curated, pixels: NDArray[np.uint8]) -> str:
    """The page, as HTML."""
    parts = [
        f"<h1>{escape(curated.name)}</h1>",
        paragraph(curated.about["sounds"]),
        _figures(curated),
        *_warnings(curated),
        _sheet(curated.clips, pixels),
        _charts(curated),
        _refusals(curated),
        _origins(curated.clips, curated.cutting.geometry.loop_s),
        _recordings(curated),
        _settings(curated.cutting),
    ]
    return page(f"{curated.name}: what the dataset is made of", parts)


def _figures(curated: Curated) -> str:
    held_out = len(curated.clips) - curated.n_training
    return figures(
        [
            (f"{curated.n_training:,}", "loops to train on"),
            (f"{held_out:,}", "loops held out"),
            (f"{curated.cutting.geometry.loop_s:.2f} s", "a loop"),
            (f"{curated.heard_s / 60:,.1f} min", "of sound listened to"),
            (f"{curated.kept_s / 60:,.1f} min", "of it in the loops"),
            (f"{len(curated.recordings):,}", "recordings opened"),
            (f"{len(curated.refused):,}", "times refused"),
        ]
    )


def _warnings(curated: Curated) -> list[str]:
    found = []
    if curated.n_training < FEW:
        found.append(
            f"{curated.n_training} loops are few: below {FEW} a network tends to learn them by "
            "heart. More recordings help most, then a smaller --stride."
        )
    silent = [clip for clip in curated.clips if not clip.licence]
    if silent:
        sources = len({clip.source for clip in silent})
        found.append(
            f"Of {sources} recordings the licence is unknown: name it in a LICENSES.csv, in a "
            "sidecar, or for all of them by --licence, before a pack is given to others."
        )
    if curated.unused_rows:
        found.append("No recording answers to these rows: " + "; ".join(curated.unused_rows[:20]))
    return [paragraph(text, warning=True) for text in found]


def _sheet(clips: Sequence[Clip], pixels: NDArray[np.uint8]) -> str:
    shown = np.unique(np.linspace(0, len(clips) - 1, SHOWN_PICTURES).round().astype(int))
    pictures = "\n".join(_picture(clips[i], pixels[i]) for i in shown)
    said = f"{len(shown)} of {len(clips):,} loops. Time runs to the right, pitch upwards, "
    said += "and the right edge flows into the left one."
    return section(
        "What the networks will see", paragraph(said), f'<div class="sheet">{pictures}</div>'
    )


def _picture(clip: Clip, pixels: NDArray[np.uint8]) -> str:
    caption = escape(f"{clip.source} at {clip.offset_s:.1f} s")
    kind = ' class="held"' if clip.held_out else ""
    return (
        f'<figure{kind}><img src="{small_picture(pixels)}" alt="spectrogram of {caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _charts(curated: Curated) -> str:
    limits = curated.cutting.limits
    level = Histogram(*LEVEL, limits.min_level_db, "--min-level")
    flatness = Histogram(*FLATNESS, limits.max_flatness_db, "--max-flatness")
    drawn = [
        level.svg(*_values(curated, "level_db")),
        flatness.svg(*_values(curated, "flatness_db")),
    ]
    said = "What is kept is bright, what is refused (for whatever reason) dim, the limit dashed."
    return section(
        "Level and noise", paragraph(said), f'<div class="charts">{"".join(drawn)}</div>'
    )


def _values(curated: Curated, name: str) -> tuple[list[float], list[float]]:
    kept, refused = (
        [value for thing in things if (value := getattr(thing, name)) is not None]
        for things in (curated.clips, curated.refused)
    )
    return kept, refused


def _refusals(curated: Curated) -> str:
    if not curated.refused:
        return section("Refused", paragraph("Nothing."))
    rows = [
        [reason.word, len(refused), reason.remedy, _examples(refused)]
        for reason, refused in by_reason(curated.refused)
    ]
    return section("Refused", table(["Reason", "Times", "What to do", "For example"], rows))


def _examples(refused: list[Refusal]) -> list[str]:
    """From as many recordings as possible: the first of each, then the others."""
    first = {refusal.source: refusal for refusal in reversed(refused)}
    chosen = [r for r in refused if first[r.source] is r]
    chosen += [r for r in refused if first[r.source] is not r]
    shown = chosen[:SHOWN_EXAMPLES]
    lines = [f"{r.source} at {r.offset_s:.1f} s: {r.detail}" for r in shown]
    left = len(refused) - len(shown)
    return [*lines, f"and {left:,} more"] if left else lines


def _origins(clips: Sequence[Clip], loop_s: float) -> str:
    counts = Counter((clip.licence or "unknown", clip.author or "unknown") for clip in clips)
    rows = [
        [licence, author, count, count * loop_s / 60]
        for (licence, author), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return section("Licences and authors", table(["Licence", "Author", "Loops", "Minutes"], rows))


def _recordings(curated: Curated) -> str:
    loops = Counter(clip.source for clip in curated.clips)
    refused = Counter(refusal.source for refusal in curated.refused)
    rows = [
        [r.source, r.seconds / 60, r.sample_rate, loops[r.source], refused[r.source]]
        for r in curated.recordings[:SHOWN_RECORDINGS]
    ]
    heads = ["Recording", "Minutes", "Hz", "Loops", "Refused"]
    said = f"{len(curated.recordings):,} recordings"
    if len(curated.recordings) > SHOWN_RECORDINGS:
        said += f", of which the first {SHOWN_RECORDINGS:,}"
    return section(
        "Recordings", f"<details><summary>{said}</summary>{table(heads, rows)}</details>"
    )


def _settings(cutting: Cutting) -> str:
    low, high = cutting.peak_db
    rows = [
        ["Cut by", f"{cutting.cut}, {cutting.stride / cutting.geometry.sample_rate:.2f} s apart"],
        ["Loudest band of a loop", f"{low:g} to {high:g} dB, by chance"],
        ["Seed", str(cutting.seed)],
        *([key, f"{value:g}"] for key, value in asdict(cutting.geometry).items()),
    ]
    return section("Settings", f"<details><summary>all</summary>{table(['', ''], rows)}</details>")
