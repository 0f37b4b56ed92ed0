"""The model card shows the values of the manifest, and an audition adds to both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml

from latent_resonance_export.audition.summary import limits
from latent_resonance_export.dataset.dataset import Clip, Dataset
from latent_resonance_export.pack.model_card import (
    MEANINGS,
    UNKNOWN,
    card,
    licence_of,
    sounds_of,
    write_card,
    write_manifest,
)

MANIFEST = {
    "name": "bells",
    "licence": "CC-BY-4.0, MIT",
    "sounds": "bells of Ćwikła | and others",
    "training": {"architecture": "loop", "steps": 7},
    "quality": {"generator_ms": 11.0, "swd": 3.5},
}
VARIANT = {
    "log_spectral_distance_db": 0.65,
    "milliseconds": 6.3,
    "times_as_fast": 1.77,
    "megabytes": 13.7,
    "times_the_size": 0.51,
}


def test_the_card_shows_every_value_with_its_limit_and_meaning() -> None:
    text = card(MANIFEST)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()]
    assert ["swd", "3.5", limits()["swd"], MEANINGS["swd"]] in rows
    assert ["generator_ms", "11.0", limits()["generator_ms"], MEANINGS["generator_ms"]] in rows
    assert "| steps | 7 |" in text
    assert "CC-BY-4.0, MIT" in text
    assert "Other precisions" not in text


def test_the_card_shows_the_loss_and_gain_of_another_precision() -> None:
    text = card(MANIFEST | {"variants": {"generator.int8.onnx": VARIANT}})
    assert "| `generator.int8.onnx` | 0.65 | 6.3 (1.77 ×) | 13.7 (0.51 ×) |" in text


def test_values_of_an_audition_are_added(tmp_path: Path) -> None:
    write_manifest(MANIFEST, tmp_path)
    figures = {"swd": 2.5, "seam": 1.01, "swd_untrained": None, "list": [1]}
    returned = write_card(tmp_path, figures)
    manifest = yaml.safe_load((tmp_path / "pack.yaml").read_text(encoding="utf-8"))
    assert (
        manifest
        == returned
        == MANIFEST | {"quality": {"generator_ms": 11.0, "swd": 2.5, "seam": 1.01}}
    )
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == card(manifest)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "pack.yaml"]


def test_a_pipe_in_a_value_does_not_break_a_table() -> None:
    text = card(MANIFEST | {"training": {"architecture": "a | b"}})
    assert "| architecture | a \\| b |" in text


def test_every_licence_and_author_of_the_clips_is_listed(dataset: Dataset) -> None:
    origins = [("CC-BY-4.0", "Bo"), ("CC0-1.0", "Ada"), ("CC-BY-4.0", "Bo"), ("", "")]
    clips = [Clip("a.wav", 0.0, *origin, held_out=False) for origin in origins]
    assert licence_of(clips) == f"CC-BY-4.0, CC0-1.0, {UNKNOWN}"
    assert sounds_of(dataset, clips) == "sums of sines; by Ada, Bo"


def test_authors_beyond_the_limit_are_counted(dataset: Dataset) -> None:
    clips = [Clip("a.wav", 0.0, "MIT", f"author {i:02}", held_out=False) for i in range(50)]
    text = sounds_of(dataset, clips)
    assert "author 39 and 10 more" in text
    assert "author 40" not in text


def test_an_author_equal_to_the_description_is_not_repeated(dataset: Dataset) -> None:
    clips = [Clip("a.wav", 0.0, "MIT", "sums of sines", held_out=False)]
    assert sounds_of(dataset, clips) == "sums of sines"


def test_missing_licence_and_sounds_are_unknown(dataset: Dataset) -> None:
    assert licence_of([]) == UNKNOWN
    assert sounds_of(replace(dataset, about={}), []) == UNKNOWN
