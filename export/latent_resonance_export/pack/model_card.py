"""The manifest of a pack, pack.yaml, and its model card, README.md.

`quality` in pack.yaml holds every measured value; the card shows the same values and explains them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from latent_resonance.pack import MANIFEST
from latent_resonance_export.audition.metrics import FACES
from latent_resonance_export.audition.summary import limits
from latent_resonance_export.dataset.dataset import Clip, Dataset
from latent_resonance_export.regressor.real_movement import REAL_P95

UNKNOWN = "not told"  # words: a value in the pack.yaml of existing packs
MAX_AUTHORS = 40  # named in the manifest; the dataset's clips.csv names all
MEANINGS = {
    "swd": "sliced Wasserstein distance between generated and held-out clips (Karras et al. 2018)",
    "swd_floor": "the same between two halves of the real clips, the lowest a generator can reach",
    "swd_untrained": "the same for the network before training",
    "diversity": "mean MS-SSIM distance between pairs of generated clips",
    "diversity_real": "the same for real clips",
    "memorisation": "distance to the nearest training clip, generated over held-out; 0 is a copy",
    "voiced": "share of frames in which pyin detects a pitch",
    "voiced_real": "the same for real clips",
    "flatness": "spectral flatness in dB; lower is more tonal",
    "flatness_real": "the same for real clips",
    "clips": "number of generated clips that were compared with as many held-out clips",
    "steps": "training steps of the generator that was measured",
    "seam": "step at the loop point over the median step between frames",
    "top_bands": "share of loops with a band above 13.5 kHz within 40 dB of the maximum",
    "quiet_frames": "share of frames over 30 dB below their loop's maximum",
    "silent_frame": "the largest share of loops that are that quiet at one frame",
    "rhythm_alike": "mean correlation of the frame-to-frame change of two loops",
    "level_span": "mean power of the loops, 5th to 95th percentile, in dB",
    "different": "effectively different of 120 spectrograms (Vendi score)",
    **{f"reach_{name}": f"distance that {name} moves z on real visitors" for name in REAL_P95},
    "rarest_anchor": "share of held faces at the anchor that fewest go to",
    "generator_ms": "milliseconds per spectrogram, on one thread of the machine that measured it",
    "generator_mb": "size of generator.onnx in MB",
    "room_pi4": "how many times its generation fits on a Pi 4 at quality low; predicted",
    "room_pi5": "how many times its generation fits on a Pi 5 at quality high; predicted",
    "generator_disagreement": "largest difference between PyTorch and ONNX Runtime, in [-1, 1]",
    "regressor_disagreement": "largest difference between PyTorch and ONNX Runtime, in z",
    "rank_correlation_mouth_centroid": "Spearman, mouth_open and the spectral centroid",
    "rank_correlation_brow_flatness": "Spearman, brow_tension and the spectral flatness",
    "rank_correlation_distance": "Spearman, distance between two faces and between their z",
    "coverage_of_z": "spread of the z of different faces; 1 is the spread of random z",
    "steepest_slope": "largest change of z per change of the face, both weighted",
    "rest_to_anchor": "relative distance from the z of a still, neutral face to the first anchor",
}


def licence_of(clips: Iterable[Clip]) -> str:
    """All licences of the clips: each of them applies to the pack."""
    return ", ".join(sorted({clip.licence.strip() or UNKNOWN for clip in clips})) or UNKNOWN


def sounds_of(dataset: Dataset, clips: list[Clip]) -> str:
    """The dataset's description of its sounds, and their authors."""
    sounds = str(dataset.about.get("sounds", "")).strip()
    authors = sorted({author for clip in clips if (author := clip.author.strip()) != sounds} - {""})
    more = f" and {len(authors) - MAX_AUTHORS} more" if len(authors) > MAX_AUTHORS else ""
    by = f"by {', '.join(authors[:MAX_AUTHORS])}{more}" if authors else ""
    return "; ".join(part for part in (sounds, by) if part) or UNKNOWN


def write_card(pack: Path, quality: dict[str, Any]) -> dict[str, Any]:
    """Adds measured values to a pack's manifest, rewrites its card and returns the manifest.

    Values other than a single number or word are left out. Each file is replaced in one step.
    """
    manifest: dict[str, Any] = yaml.safe_load((pack / MANIFEST).read_text(encoding="utf-8"))
    manifest["quality"] = (manifest.get("quality") or {}) | scalars(quality)
    write_manifest(manifest, pack)
    return manifest


def write_manifest(manifest: dict[str, Any], pack: Path) -> None:
    """Writes pack.yaml, and README.md from it."""
    text = yaml.safe_dump(manifest, sort_keys=False, width=100, allow_unicode=True)
    for path, content in ((pack / "README.md", card(manifest)), (pack / MANIFEST, text)):
        beside = path.with_suffix(".part")
        beside.write_text(content, encoding="utf-8")
        beside.replace(path)


def scalars(values: dict[str, Any]) -> dict[str, Any]:
    """The values that fit on one line."""
    return {key: value for key, value in values.items() if isinstance(value, int | float | str)}


def card(manifest: dict[str, Any]) -> str:
    """The text of a pack's README.md."""
    parts = [
        f"# {manifest['name']}",
        "A generator of looping mel spectrograms and its regressor, which maps face features to z.",
        f"**Sounds:** {manifest['sounds']}  \n**Licence:** {manifest['licence']}",
        "![Spectrograms of real and generated clips](audition.png)",
        "The first row shows real clips if the dataset was available; all others are generated.",
        "## Training",
        table(("", ""), manifest["training"].items()),
        "## Measurements",
        table(
            ("metric", "", "limit", "meaning"),
            measurements(manifest["quality"]),
        ),
    ]
    if variants := manifest.get("variants"):
        parts += ["## Other precisions", precisions(variants)]
    return "\n\n".join(parts) + "\n"


def measurements(quality: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of the measured values: name, value, limit and meaning."""
    of = limits()
    for key, value in quality.items():
        base = key.removesuffix(FACES)
        meaning = MEANINGS.get(base, "")
        yield key, value, of.get(base, "–"), meaning if key == base else f"{meaning}, of faces"


def precisions(variants: dict[str, dict[str, Any]]) -> str:
    """The loss of quality and the gain in speed and size of the other precisions."""
    rows = (
        (
            f"`{name}`",
            v["log_spectral_distance_db"],
            f"{v['milliseconds']} ({v['times_as_fast']} ×)",
            f"{v['megabytes']} ({v['times_the_size']} ×)",
        )
        for name, v in variants.items()
    )
    heads = ("file", "log-spectral distance from fp32, dB", "ms", "MB")
    text = "The runtime plays `generator.onnx`. These files hold the same network more compactly."
    return f"{text}\n\n{table(heads, rows)}"


def table(heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """A Markdown table."""
    lines = [heads, ("---",) * len(heads), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
