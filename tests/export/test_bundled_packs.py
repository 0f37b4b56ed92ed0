"""The bundled packs match their model cards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from latent_resonance.pack import open_pack

MODELS = Path(__file__).parents[2] / "models"
PACKS = sorted(path.parent for path in MODELS.glob("*/pack.yaml"))


def quality_of(pack: Path) -> dict[str, Any]:
    return yaml.safe_load((pack / "pack.yaml").read_text())["quality"]


@pytest.mark.parametrize("pack", PACKS, ids=lambda path: path.name)
def test_a_pack_is_complete_and_its_card_shows_every_value_of_its_manifest(pack: Path) -> None:
    assert open_pack(pack).name == pack.name
    rows = re.findall(r"^\| (\w+) \| (\S+) \| \S", (pack / "README.md").read_text(), re.MULTILINE)
    assert {name: float(value) for name, value in rows} == quality_of(pack)


@pytest.mark.parametrize("pack", PACKS, ids=lambda path: path.name)
def test_a_pack_contains_no_paths_of_the_machine_that_made_it(pack: Path) -> None:
    for path in pack.iterdir():
        assert not re.search(rb"\.py\b|/(home|root|tmp|work)/", path.read_bytes()), path.name


@pytest.mark.parametrize("pack", PACKS, ids=lambda path: path.name)
def test_a_pack_meets_the_quality_limits(pack: Path) -> None:
    quality = quality_of(pack)
    assert quality["generator_ms"] <= 40
    assert (pack / "generator.onnx").stat().st_size <= 30e6
    assert quality["voiced"] >= 0.8 * quality["voiced_real"]
    assert quality["seam"] < 3
    assert quality["swd"] <= 2 * quality["swd_floor"]
    assert quality["swd"] < quality["swd_untrained"] / 4
    assert quality["diversity"] == pytest.approx(quality["diversity_real"], rel=0.2)
    assert quality["memorisation"] >= 0.9
    training = yaml.safe_load((pack / "pack.yaml").read_text())["training"]
    assert training["clips"] >= 800


def test_three_packs_are_bundled() -> None:
    assert [pack.name for pack in PACKS] == ["cello", "metal", "voices"]
