"""Warm start: the generator of a pack, read back from its ONNX file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner, Result
from onnx import helper, numpy_helper

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.pack import find_pack, open_pack
from latent_resonance_export.cli.train_gan import train_gan
from latent_resonance_export.gan.models.loop_vaegan import LoopGenerator
from latent_resonance_export.gan.models.registry import loop_generator
from latent_resonance_export.gan.run import RunError, open_run, read_config
from latent_resonance_export.gan.warm_start import load_loop_generator
from latent_resonance_export.pack.onnx_check import N_EXAMPLES
from latent_resonance_export.pack.onnx_export import write_network

pytestmark = pytest.mark.timeout(600)  # networks of the real width
GEOMETRY = Geometry(n_fft=1024, win_length=1024, n_mels=64, n_frames=64)


@pytest.fixture(scope="module")
def generator() -> LoopGenerator:
    """As after some training, when no two of its biases are alike."""
    torch.manual_seed(3)
    generator = loop_generator(GEOMETRY).eval().requires_grad_(requires_grad=False)
    for parameter in generator.parameters():
        parameter.add_(0.01 * torch.randn(parameter.shape))
    return generator


@pytest.fixture(scope="module")
def written(generator: LoopGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its ONNX file."""
    path, z = tmp_path_factory.mktemp("onnx") / "generator.onnx", generator.latent_dim
    write_network(generator, torch.randn(N_EXAMPLES, z), ("z", "spectrogram"), path)
    return path


@pytest.fixture(scope="module")
def cello() -> LoopGenerator:
    """The generator of the bundled pack."""
    pack = open_pack(find_pack("cello"))
    return load_loop_generator(pack.generator, pack.geometry)


def asked(*arguments: object) -> Result:
    quick = ("--batch", 4, "--device", "cpu", "--precision", "fp32")
    return CliRunner().invoke(train_gan, [*map(str, (*arguments, *quick))])


@pytest.mark.slow
def test_a_network_s_weights_come_back_from_its_onnx_file(
    generator: LoopGenerator, written: Path
) -> None:
    theirs = load_loop_generator(written, GEOMETRY).state_dict()
    for name, ours in generator.state_dict().items():
        torch.testing.assert_close(theirs[name], ours, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_the_bundled_pack_can_be_begun_from(cello: LoopGenerator) -> None:
    assert cello.seed.isfinite().all()


@pytest.mark.slow
def test_a_network_of_other_weights_by_the_same_names_is_refused(
    written: Path, tmp_path: Path
) -> None:
    model = onnx.load(written)
    (last,) = [node for node in model.graph.node if "spectrogram" in node.output]
    last.output[:] = ["loud"]
    half = numpy_helper.from_array(np.float32(0.5))
    model.graph.node.append(helper.make_node("Constant", [], ["half"], value=half))
    model.graph.node.append(helper.make_node("Mul", ["loud", "half"], ["spectrogram"]))
    onnx.save(model, path := tmp_path / "generator.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    z = np.ones((1, session.get_inputs()[0].shape[1]), np.float32)
    assert np.abs(session.run(None, {"z": z})[0]).max() <= 0.5, "the file is a network"
    with pytest.raises(RunError, match="not of this version's architecture loop"):
        load_loop_generator(path, GEOMETRY)


@pytest.mark.slow
def test_a_run_is_warm_started_from_a_pack_and_records_it(
    cello: LoopGenerator, dataset_folder: Path, tmp_path: Path
) -> None:
    run, pack = tmp_path / "run", find_pack("cello")
    begun = asked(dataset_folder, "-o", run, "--steps", 1, "--begin-from", pack)
    assert begun.exit_code == 0, begun.exception
    assert read_config(run).begun_from == str(pack.resolve())
    theirs = cello.first[0].conv.weight
    assert (open_run(run).generator.first[0].conv.weight - theirs).norm() < 0.1 * theirs.norm()
    again = asked(dataset_folder, "-o", run, "--steps", 2)
    assert again.exit_code == 0, again.exception


@pytest.mark.slow
def test_a_pack_that_does_not_fit_is_refused_before_anything_is_written(
    tiny_folder: Path, dataset_folder: Path, pack_folder: Path, tmp_path: Path
) -> None:
    run, cello = tmp_path / "run", find_pack("cello")
    foreign = asked(dataset_folder, "-o", run, "--begin-from", pack_folder)
    assert "not of this version's architecture loop" in str(foreign.exception)
    larger = asked(tiny_folder, "-o", run, "--begin-from", cello)
    assert "has another architecture or geometry (loop)" in str(larger.exception)
    dcgan = asked(dataset_folder, "-o", run, "--architecture", "dcgan", "--begin-from", cello)
    assert "has another architecture or geometry (loop)" in str(dcgan.exception)
    shutil.copytree(pack_folder, broken := tmp_path / "broken")
    (broken / "generator.onnx").write_bytes(b"not what was hashed")
    damaged = asked(dataset_folder, "-o", run, "--begin-from", broken)
    assert "generator.onnx" in str(damaged.exception)
    assert not run.exists()
