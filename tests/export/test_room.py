"""Presets narrow the default network until it fits a board, and a pack says its room there."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.cli.train_gan import architecture_in, config_of, train_gan
from latent_resonance_export.dataset.dataset import open_dataset
from latent_resonance_export.gan.models.registry import PRESETS, loop_generator
from latent_resonance_export.pack.room import DEFAULT_FLOP, flop_of, room


@pytest.fixture(scope="module")
def rooms() -> dict[str, dict[str, float]]:
    """The room of each preset at full size."""
    generators = {preset: loop_generator(Geometry(), name) for preset, name in PRESETS.items()}
    return {preset: room(network.eval(), 128) for preset, network in generators.items()}


def test_the_operations_of_the_default_are_those_that_the_prediction_is_scaled_by() -> None:
    assert flop_of(loop_generator(Geometry()).eval(), 128) == pytest.approx(DEFAULT_FLOP, rel=0.01)


def test_each_preset_has_twice_the_room_that_its_board_needs(
    rooms: dict[str, dict[str, float]],
) -> None:
    assert rooms["pi4"]["room_pi4"] >= 2.0
    assert rooms["pi5"]["room_pi5"] >= 2.0
    assert rooms["desktop"]["room_pi4"] < rooms["pi5"]["room_pi4"] < rooms["pi4"]["room_pi4"]


def test_a_preset_is_the_architecture_of_a_new_run(tiny_folder: Path, tmp_path: Path) -> None:
    options = dict.fromkeys(("batch_size", "settle", "turn", "seed", "begin_from"))
    options["architecture"] = architecture_in("pi4", None)
    config = config_of(open_dataset(tiny_folder), tiny_folder, tmp_path / "run", options)
    assert config.architecture == "loop-pi4"


def test_a_preset_excludes_an_architecture(tiny_folder: Path, tmp_path: Path) -> None:
    arguments = [str(tiny_folder), "-o", str(tmp_path), "--preset", "pi4", "--architecture", "loop"]
    refused = CliRunner().invoke(train_gan, arguments)
    assert refused.exit_code == 2
    assert "leave out --architecture" in refused.output
