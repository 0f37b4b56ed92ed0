"""A run is converted to a pack that the runtime plays, or nothing is written."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml
from torch import nn

from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
from latent_resonance.config.settings import Inference
from latent_resonance.face_state import FEATURES
from latent_resonance.pack import open_pack, sha256_of
from latent_resonance.voice.synthesis.networks import load_networks
from latent_resonance_export.dataset.dataset import Dataset, DatasetError, open_dataset
from latent_resonance_export.gan.checkpoint import CheckpointError
from latent_resonance_export.gan.models.loop_vaegan import LoopGenerator
from latent_resonance_export.gan.run import RunConfig, RunError, write_config
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.convert import convert_run
from latent_resonance_export.pack.onnx_export import OPSET
from latent_resonance_export.pack.writer import (
    ConversionResult,
    ConvertOptions,
    level_reference_db,
)
from latent_resonance_export.regressor.model import Regressor, Trained, save_regressor

ARCHITECTURE = "tiny:tiny_generator"
LATENT_DIM = 8
STEP = 12
QUICK = ConvertOptions(audition=False)


def tiny_generator(_: Geometry | None = None) -> LoopGenerator:
    """A narrow default network; as after training, its output uses much of the range."""
    torch.manual_seed(5)
    generator = LoopGenerator(LATENT_DIM, widths=(24,) * 7, n_style=8)
    for layer in generator.to_mel:
        torch.nn.init.normal_(layer.weight, std=0.25 / layer.in_channels**0.5)
    return generator


class Swell(nn.Module):
    """One layer, so that PyTorch exports it in a tenth of the time."""

    latent_dim = LATENT_DIM

    def __init__(self) -> None:
        super().__init__()
        self.bands = nn.Linear(LATENT_DIM, 512)
        turn = torch.arange(512) * (2 * torch.pi / 512)
        self.register_buffer("swell", 1.0 + 0.5 * torch.cos(turn), persistent=False)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.bands(z)[:, None, :, None] * self.swell)


def swelling_generator(_: Geometry | None = None) -> Swell:
    torch.manual_seed(5)
    return Swell()


def tiny_regressor(step: int = STEP) -> Trained:
    torch.manual_seed(6)
    report = {"coverage_of_z": 0.9, "of each": [1.0, 2.0]}
    return Trained(Regressor(LATENT_DIM), torch.randn(12, LATENT_DIM), report, step)


@pytest.fixture(scope="module", autouse=True)
def _importable() -> Iterator[None]:
    """The run's architecture is this module's own function, as an artist would name it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tiny", sys.modules[__name__])
        yield


def write_run(
    folder: Path, dataset_folder: Path, make: Callable[[], nn.Module] = tiny_generator
) -> Path:
    folder.mkdir()
    sha256 = open_dataset(dataset_folder).sha256
    architecture = f"tiny:{make.__name__}"
    write_config(RunConfig(architecture, str(dataset_folder), sha256, Geometry(), {}), folder)
    state = {"step": STEP, "average": make().state_dict()}
    torch.save(state, folder / "checkpoint.pt")
    save_regressor(tiny_regressor(), folder)
    return folder


@pytest.fixture
def run(tmp_path: Path, dataset_folder: Path) -> Path:
    return write_run(tmp_path / "run", dataset_folder)


@dataclass(frozen=True)
class Written:
    folder: Path
    result: ConversionResult

    @property
    def manifest(self) -> dict[str, Any]:
        return yaml.safe_load((self.folder / "pack.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, dataset_folder: Path) -> Written:
    """The pack of the tiny run, with every precision."""
    folder = tmp_path_factory.mktemp("convert")
    run, output = write_run(folder / "run", dataset_folder), folder / "models" / "tones"
    options = ConvertOptions(precisions=("fp16", "int8"), audition=False, truncation=0.6)
    return Written(output, convert_run(run, output, options))


@pytest.mark.slow
def test_the_runtime_opens_and_plays_a_converted_pack(written: Written) -> None:
    pack = open_pack(written.folder)
    networks = load_networks(pack, Inference())
    z = np.random.default_rng(1).standard_normal(LATENT_DIM).astype(np.float32)
    ours = tiny_generator().eval()(torch.from_numpy(z)[None]).detach().numpy()[0, 0]
    assert ours.std() > 0.05, "too flat to compare"
    np.testing.assert_allclose(networks.spectrogram_of(z), ours, atol=1e-4)
    features = np.zeros(len(FEATURES), np.float32)
    theirs = tiny_regressor().regressor(torch.from_numpy(features)[None]).detach().numpy()[0]
    np.testing.assert_allclose(networks.z_of(features), theirs, atol=1e-4)
    np.testing.assert_allclose(pack.anchors, tiny_regressor().anchors, atol=1e-5)
    assert pack.truncation == 0.6


@pytest.mark.slow
def test_the_manifest_is_complete_and_contains_no_paths(
    written: Written, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    manifest = written.manifest
    assert manifest == written.result.manifest
    assert manifest["name"] == "tones"
    assert manifest["licence"] == "CC0-1.0"
    assert manifest["sounds"] == "sums of sines; by the tests"
    assert manifest["training"] == {
        "architecture": ARCHITECTURE,
        "steps": STEP,
        "clips": len(dataset.training),
        "dataset_sha256": dataset.sha256,
    }
    figures = {"generator_disagreement", "regressor_disagreement", "generator_ms", "generator_mb"}
    rooms = {"room_pi4", "room_pi5"}
    assert manifest["quality"].keys() == {"coverage_of_z"} | figures | rooms
    for name in ("pack.yaml", "README.md"):
        text = (written.folder / name).read_text(encoding="utf-8")
        assert str(tmp_path_factory.getbasetemp()) not in text
    for name in ("generator.onnx", "regressor.onnx"):
        assert b".py" not in (written.folder / name).read_bytes()  # no source paths


@pytest.mark.slow
def test_the_folder_contains_only_the_pack(written: Written) -> None:
    found = {path.name for path in written.folder.iterdir()}
    kept = {f"generator.{v.precision}.onnx" for v in written.result.variants if v.is_worthwhile}
    files = {"README.md", "audition.png", "generator.onnx", "pack.yaml", "regressor.onnx"}
    assert found == files | kept
    assert [path.name for path in written.folder.parent.iterdir()] == ["tones"]


@pytest.mark.slow
def test_the_networks_use_the_fixed_opset_and_folded_constants(
    written: Written,
) -> None:
    for name in ("generator.onnx", "regressor.onnx"):
        model = onnx.load(written.folder / name)
        assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
        optional_inputs = {value.name for value in model.graph.input}
        constant = {tensor.name for tensor in model.graph.initializer} - optional_inputs
        for node in model.graph.node:
            assert node.op_type != "Constant"
            is_cast_at_load = node.op_type == "Cast" and node.input[0].endswith(".half")
            is_folded = not node.input or not constant.issuperset(node.input)
            assert is_folded or is_cast_at_load, f"{node.name} is constant"


@pytest.mark.slow
def test_a_worthwhile_precision_is_kept_and_recorded(written: Written) -> None:
    fp16, int8 = written.result.variants
    assert not fp16.is_worthwhile
    assert int8.is_worthwhile
    assert fp16.times_the_size > 0.55, "a network this small is mostly graph"
    assert fp16.log_spectral_distance_db < 0.2
    (name, variant), *others = written.manifest["variants"].items()
    assert not others
    assert name == "generator.int8.onnx"
    assert variant["sha256"] == sha256_of(written.folder / name)
    assert 0 < variant["log_spectral_distance_db"] <= 1.0
    assert variant["megabytes"] < written.manifest["quality"]["generator_mb"]
    assert f"`{name}`" in (written.folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_second_conversion_gives_the_same_networks_and_replaces_the_pack(
    written: Written, run: Path, tmp_path: Path
) -> None:
    again = tmp_path / "tones"
    shutil.copytree(written.folder, again)
    (again / "generator.onnx").write_bytes(b"older")
    result = convert_run(run, again, QUICK)
    assert result.manifest["sha256"] == written.manifest["sha256"]
    assert result.manifest["anchors"] == written.manifest["anchors"]
    assert "variants" not in result.manifest
    assert not (again / "generator.int8.onnx").exists()
    open_pack(again)


def test_the_level_reference_is_the_level_of_the_sound() -> None:
    geometry = Geometry()
    turn = np.arange(geometry.loop_length) * 2 * np.pi / geometry.loop_length
    sine = (0.1 * np.sin(4_000 * turn)).astype(np.float32)  # -23 dBFS
    spectrograms = loop_to_spectrogram(sine, geometry)[None, None]
    assert level_reference_db(spectrograms, geometry) == pytest.approx(-23.0, abs=0.7)


def error_message(kind: type[Exception], run: Path, dataset_folder: Path | None = None) -> str:
    output = run.parent / "models" / "mine"
    with pytest.raises(kind) as caught:
        convert_run(run, output, QUICK, dataset_folder)
    assert not output.parent.exists() or not list(output.parent.iterdir())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_regressor_the_error_names_train_regressor(run: Path) -> None:
    (run / "regressor.pt").unlink()
    assert f"train-regressor {run}" in error_message(CheckpointError, run)


def test_a_regressor_of_an_older_step_is_refused(run: Path) -> None:
    save_regressor(tiny_regressor(STEP - 5), run)
    message = error_message(ConversionError, run)
    assert "belongs to step 7, the checkpoint to step 12" in message
    assert f"train-regressor {run}" in message


def test_without_a_checkpoint_nothing_is_converted(run: Path) -> None:
    (run / "checkpoint.pt").unlink()
    assert f"there is no {run}/checkpoint.pt" in error_message(CheckpointError, run)


def test_a_checkpoint_of_another_network_is_refused(run: Path) -> None:
    torch.save({"step": STEP, "average": Regressor(3).state_dict()}, run / "checkpoint.pt")
    assert "does not belong to the network" in error_message(CheckpointError, run)


def test_a_folder_that_is_no_run_is_refused(run: Path) -> None:
    (run / "run.yaml").unlink()
    assert f"{run} is not a run" in error_message(RunError, run)


def test_another_dataset_than_the_runs_own_is_refused(
    run: Path, dataset_folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(dataset_folder, other)
    sidecar = yaml.safe_load((other / "dataset.yaml").read_text())
    (other / "dataset.yaml").write_text(yaml.safe_dump(sidecar | {"sha256": "0" * 64}))
    assert f"{other} is not the dataset" in error_message(RunError, run, other)
    assert f"{tmp_path}/none is not a dataset" in error_message(
        DatasetError, run, tmp_path / "none"
    )


@pytest.mark.parametrize("bias", [torch.nan, torch.inf])
def test_a_generator_with_a_non_finite_output_is_refused(run: Path, bias: float) -> None:
    state = tiny_generator().state_dict()
    state["mapping.0.bias"].fill_(bias)
    torch.save({"step": STEP, "average": state}, run / "checkpoint.pt")
    assert "not finite" in error_message(ConversionError, run)


def test_a_folder_that_is_no_pack_is_not_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("not a pack")
    with pytest.raises(ConversionError, match="is no pack"):
        convert_run(run, tmp_path, QUICK)
    assert (tmp_path / "other.txt").read_text() == "not a pack"


@pytest.mark.slow
def test_the_card_shows_the_results_of_an_audition(dataset_folder: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", dataset_folder, swelling_generator)
    result = convert_run(run, tmp_path / "tones", ConvertOptions(name="Tones", licence="MIT"))
    quality = result.manifest["quality"]
    assert {"swd", "swd_floor", "diversity", "memorisation", "seam"} <= quality.keys()
    card = (tmp_path / "tones" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# Tones\n")
    for key in ("swd", "seam", "generator_ms"):
        assert f"| {key} | {quality[key]} |" in card
