"""The model card: what a pack's sheet says, for people.

`quality` in pack.yaml holds every figure; the card shows the same ones with what they mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MEANINGS = {
    "swd": "sliced Wasserstein distance of generated from held-out clips (Karras et al. 2018)",
    "swd_floor": "the same between two halves of the real clips: no generator is nearer",
    "swd_untrained": "the same for the network before training",
    "diversity": "mean MS-SSIM distance of pairs of generated clips",
    "diversity_real": "the same of real clips",
    "memorisation": "distance to the nearest training clip, generated over held out; 0 is a copy",
    "voiced": "share of frames in which pyin hears a pitch",
    "voiced_real": "the same in real clips",
    "flatness": "spectral flatness in dB; the lower, the more tonal",
    "flatness_real": "the same in real clips",
    "clips": "generated, and as many held-out clips, that were compared",
    "steps": "of training, of the generator that was compared",
    "seam": "step at the loop point over the median step between frames",
    "generator_ms": "milliseconds for a spectrogram, on one thread of the machine that measured it",
    "generator_mb": "size of generator.onnx in MB",
    "generator_disagreement": "largest difference between PyTorch and ONNX Runtime, in [-1, 1]",
    "regressor_disagreement": "largest difference between PyTorch and ONNX Runtime, in z",
    "rank_correlation_mouth_centroid": "Spearman's, of mouth_open with the sound's centroid",
    "rank_correlation_brow_flatness": "Spearman's, of brow_tension with the sound's flatness",
    "rank_correlation_distance": "Spearman's, of how far two faces and their two z are apart",
    "coverage_of_z": "how far apart the z of different faces are; 1 is as far as random z",
    "steepest_slope": "largest change of z for a small change of the face, both weighted",
    "rest_to_anchor": "distance of the still, neutral face from the first pure tone, relative",
}


def write_card(pack: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """Adds figures, such as those of an audition, to a pack's sheet and writes its card anew.

    Figures that are no single number or word are left out. Each file is replaced in one step.
    Returns the sheet.
    """
    path = pack / "pack.yaml"
    sheet = yaml.safe_load(path.read_text(encoding="utf-8"))
    sheet["quality"] = (sheet.get("quality") or {}) | scalars(figures)
    write_sheet(sheet, pack)
    return sheet


def write_sheet(sheet: dict[str, Any], pack: Path) -> None:
    """Writes pack.yaml, and README.md from it."""
    text = yaml.safe_dump(sheet, sort_keys=False, width=100, allow_unicode=True)
    for path, content in ((pack / "README.md", card(sheet)), (pack / "pack.yaml", text)):
        beside = path.with_suffix(".part")
        beside.write_text(content, encoding="utf-8")
        beside.replace(path)


def scalars(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures that fit into a line."""
    return {key: value for key, value in figures.items() if isinstance(value, int | float | str)}


def card(sheet: dict[str, Any]) -> str:
    """README.md of a pack."""
    parts = [
        f"# {sheet['name']}",
        "A looped mel-spectrogram generator and the regressor that plays it, for Latent Resonance.",
        f"**Sounds:** {sheet['sounds']}  \n**Licence:** {sheet['licence']}",
        "![An audition sheet](audition.png)",
        "Real clips, if there are any, are in the first row; all others are generated.",
        "## How it was trained",
        table(("", ""), sheet["training"].items()),
        "## What was measured",
        table(
            ("figure", "", "meaning"),
            ((key, value, MEANINGS.get(key, "")) for key, value in sheet["quality"].items()),
        ),
    ]
    if variants := sheet.get("variants"):
        parts += ["## Other precisions", precisions(variants)]
    return "\n\n".join(parts) + "\n"


def precisions(variants: dict[str, dict[str, Any]]) -> str:
    """What the other files cost in sound and bring in speed."""
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
    text = "The gallery plays `generator.onnx`; these are the same network, measured beside it."
    return f"{text}\n\n{table(heads, rows)}"


def table(heads: tuple[str, ...], rows: Any) -> str:  # noqa: ANN401  # any iterable of rows
    """A Markdown table."""
    lines = [heads, ("---",) * len(heads), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
