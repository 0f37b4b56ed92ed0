"""Warm start: the generator of a pack, read back from its ONNX file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.pack import find_pack, open_pack
from latent_resonance_export.cli.train_gan import train_gan
from latent_resonance_export.gan.models.loop_vaegan import LoopGenerator
from latent_resonance_export.gan.models.registry import loop_generator
from latent_resonance_export.gan.run import RunError, open_run, read_config
from latent_resonance_export.gan.warm_start import load_loop_generator
from latent_resonance_export.pack.onnx_export import N_EXAMPLES, write_network

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


def written(generator: LoopGenerator, folder: Path) -> Path:
    path = folder / "generator.onnx"
    write_network(
        generator, torch.randn(N_EXAMPLES, generator.latent_dim), ("z", "spectrogram"), path
    )
    return path


def asked(*arguments: object) -> Result:
    quick = ("--batch", 4, "--device", "cpu", "--precision", "fp32")
    return CliRunner().invoke(train_gan, [*map(str, (*arguments, *quick))])


def test_a_network_s_weights_come_back_from_its_onnx_file(
    generator: LoopGenerator, tmp_path: Path
) -> None:
    theirs = load_loop_generator(written(generator, tmp_path), GEOMETRY).state_dict()
    for name, ours in generator.state_dict().items():
        torch.testing.assert_close(theirs[name], ours, rtol=1e-6, atol=1e-7)


def test_the_bundled_pack_can_be_begun_from() -> None:
    cello = open_pack(find_pack("cello"))
    assert load_loop_generator(cello.generator, cello.geometry).seed.isfinite().all()


def test_a_network_of_other_weights_by_the_same_names_is_refused(
    generator: LoopGenerator, tmp_path: Path
) -> None:
    class Louder(LoopGenerator):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return 0.5 * super().forward(z)

    louder = Louder(n_mels=64, widths=(320,) * 4)
    louder.load_state_dict(generator.state_dict())
    path = written(louder, tmp_path)
    with pytest.raises(RunError, match="not of this version's architecture loop"):
        load_loop_generator(path, GEOMETRY)


def test_a_run_is_warm_started_from_a_pack_and_records_it(
    dataset_folder: Path, tmp_path: Path
) -> None:
    run, pack = tmp_path / "run", find_pack("cello")
    begun = asked(dataset_folder, "-o", run, "--steps", 1, "--begin-from", pack)
    assert begun.exit_code == 0, begun.exception
    assert read_config(run).begun_from == str(pack.resolve())
    cello = open_pack(pack)
    theirs = load_loop_generator(cello.generator, cello.geometry).first[0].conv.weight
    assert (open_run(run).generator.first[0].conv.weight - theirs).norm() < 0.1 * theirs.norm()
    again = asked(dataset_folder, "-o", run, "--steps", 2)
    assert again.exit_code == 0, again.exception


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
