"""PyTorch and ONNX Runtime compute the same: what was trained is what is played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.face_state import FEATURES

torch = pytest.importorskip("torch")
pack_export = pytest.importorskip("latent_resonance_export.pack")
onnx_export = pytest.importorskip("latent_resonance_export.pack.onnx_export")
onnx_check = pytest.importorskip("latent_resonance_export.pack.onnx_check")
pack_writer = pytest.importorskip("latent_resonance_export.pack.writer")
registry = pytest.importorskip("latent_resonance_export.gan.models.registry")
networks = pytest.importorskip("latent_resonance_export.gan.models.loop_vaegan")
regressors = pytest.importorskip("latent_resonance_export.regressor.model")

BATCHES = (1, 2, 3, 7, 16)
LENGTHS = (1e-2, 1.0, 30.0)
INTERFACES = {
    "generator": (128, ("z", "spectrogram")),
    "regressor": (len(FEATURES), ("features", "z")),
}


class ExportedNetworks:
    """The default networks in PyTorch, and their ONNX files."""

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(5)
        self.folder = folder
        generator = networks.LoopGenerator()
        # as after training: the spectrograms use the whole range
        for layer in generator.to_mel:
            torch.nn.init.normal_(layer.weight, std=1.5 / layer.in_channels**0.5)
        regressor = regressors.Regressor(generator.latent_dim)
        self.networks = {"generator": generator, "regressor": regressor}
        for network in self.networks.values():
            network.eval().requires_grad_(False)
        self.differences = [
            onnx_export.write_network(
                self.networks[name],
                torch.from_numpy(randn(onnx_check.N_EXAMPLES, width)),
                ends,
                folder / f"{name}.onnx",
            )
            for name, (width, ends) in INTERFACES.items()
        ]

    def run_both(self, name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(output of PyTorch, output of ONNX Runtime)."""
        path = self.folder / f"{name}.onnx"
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (source,) = session.get_inputs()
        theirs = session.run(None, {source.name: x})[0]
        return self.networks[name](torch.from_numpy(x)).numpy(), theirs


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ExportedNetworks:
    return ExportedNetworks(tmp_path_factory.mktemp("networks"))


def randn(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("n", BATCHES)
def test_the_generator_agrees_in_batches_of_any_size(exported: ExportedNetworks, n: int) -> None:
    ours, theirs = exported.run_both("generator", randn(n, 128))
    assert theirs.shape == (n, 1, 512, 512)
    assert theirs.dtype == np.float32
    assert np.abs(theirs).max() > 0.9, "too faint to compare"
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("n", BATCHES)
def test_the_regressor_agrees_in_batches_of_any_size(exported: ExportedNetworks, n: int) -> None:
    ours, theirs = exported.run_both("regressor", randn(n, len(FEATURES)))
    assert theirs.shape == (n, 128)
    assert np.square(theirs).mean() == pytest.approx(1.0, abs=0.01)
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("length", LENGTHS)
def test_both_agree_on_short_and_long_inputs(exported: ExportedNetworks, length: float) -> None:
    for name, width in (("generator", 128), ("regressor", len(FEATURES))):
        ours, theirs = exported.run_both(name, length * randn(2, width))
        assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.slow
def test_the_reported_differences_of_64_inputs_are_within_tolerance(
    exported: ExportedNetworks,
) -> None:
    assert onnx_check.N_EXAMPLES == 64
    assert onnx_check.TOLERANCE == 1e-4
    assert all(0.0 < difference <= 1e-4 for difference in exported.differences)


@pytest.mark.slow
def test_each_network_is_one_file_with_the_specified_names(exported: ExportedNetworks) -> None:
    assert sorted(p.name for p in exported.folder.iterdir()) == ["generator.onnx", "regressor.onnx"]
    for name, (width, ends) in INTERFACES.items():
        session = onnxruntime.InferenceSession(exported.folder / f"{name}.onnx")
        ends_found = (*session.get_inputs(), *session.get_outputs())
        assert tuple(end.name for end in ends_found) == ends
        assert isinstance(ends_found[0].shape[0], str), "the batch size is fixed"
        assert ends_found[0].shape[1] == width


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(registry.ARCHITECTURES))
def test_every_architecture_exports_faithfully_as_a_closed_loop(name: str, tmp_path: Path) -> None:
    geometry = Geometry(n_mels=32, n_frames=32)
    torch.manual_seed(8)
    generator = registry.make_generator(name, geometry).eval().requires_grad_(False)
    spectrograms = pack_writer.check_generator(generator, geometry)
    assert spectrograms.std() > 1e-3, "too flat to compare"
    examples = torch.from_numpy(randn(onnx_check.N_EXAMPLES, generator.latent_dim))
    ends = INTERFACES["generator"][1]
    assert onnx_export.write_network(generator, examples, ends, tmp_path / "g.onnx") <= 1e-4


class ExportsAnOffset(torch.nn.Linear):
    """Exports another function than it computes."""

    def forward(self, x: Any) -> Any:
        offset = 0.01 if torch.compiler.is_exporting() else 0.0
        return super().forward(x) + offset


def error_of(network: Any, examples: Any, path: Path) -> str:
    with pytest.raises(pack_export.ConversionError) as caught:
        onnx_export.write_network(network.requires_grad_(False), examples, ("features", "z"), path)
    assert not path.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.slow
def test_a_network_that_computes_something_else_is_rejected(tmp_path: Path) -> None:
    examples = torch.from_numpy(randn(onnx_check.N_EXAMPLES, 4))
    message = error_of(ExportsAnOffset(4, 8), examples, tmp_path / "regressor.onnx")
    assert message.startswith("regressor.onnx: PyTorch and ONNX Runtime differ by 0.01")


class DataDependent(torch.nn.Linear):
    """Branches on the values of its input, which a graph cannot do."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) if float(x.sum()) > 0 else x


@pytest.mark.slow
def test_an_export_failure_is_reported_in_one_line(tmp_path: Path) -> None:
    examples = torch.from_numpy(randn(onnx_check.N_EXAMPLES, 4))
    message = error_of(DataDependent(4, 4), examples, tmp_path / "regressor.onnx")
    assert message.startswith("regressor.onnx: PyTorch cannot export this network (")


class FixesTheBatch(torch.nn.Linear):
    """Reads the batch size in a way that makes it a constant."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) + self.bias.expand(len(x), -1)


@pytest.mark.slow
def test_a_network_that_fixes_the_batch_is_rejected_with_the_remedy(tmp_path: Path) -> None:
    examples = torch.from_numpy(randn(onnx_check.N_EXAMPLES, 4))
    message = error_of(FixesTheBatch(4, 4), examples, tmp_path / "regressor.onnx")
    assert "fixes the batch size at 2" in message
    assert "x.shape[0]" in message


@pytest.mark.slow
def test_disagreement_counts_nan_and_other_shapes_as_the_worst(exported: ExportedNetworks) -> None:
    path = exported.folder / "regressor.onnx"
    examples = torch.zeros(onnx_check.N_EXAMPLES, len(FEATURES))
    assert onnx_check.max_difference(lambda x: x, path, examples) > 1e300

    def nan(x: Any) -> Any:
        return torch.full((len(x), 128), torch.nan)

    assert onnx_check.max_difference(nan, path, examples) > 1e300
    assert onnx_check.max_difference(exported.networks["regressor"], path, examples) < 1e-4


def loops() -> np.ndarray:
    angle = np.arange(512) * 2 * np.pi / 512
    return (0.5 * np.sin(angle + np.arange(64)[:, None]))[None, None].astype(np.float32)


def test_a_closed_loop_is_accepted_and_a_seam_is_not() -> None:
    onnx_check.check_spectrograms(loops(), (1, 1, 64, 512))
    slope = np.linspace(0.2, 1.0, 512, dtype=np.float32)
    with pytest.raises(pack_export.ConversionError, match="does not close"):
        onnx_check.check_spectrograms(loops() * slope, (1, 1, 64, 512))


def test_a_spectrogram_of_another_size_is_rejected() -> None:
    with pytest.raises(
        pack_export.ConversionError, match="1 × 1 × 64 × 512, a pack requires 1 × 1 ×"
    ):
        onnx_check.check_spectrograms(loops(), (1, 1, 512, 512))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.001, -2.0])
def test_a_spectrogram_out_of_range_is_rejected(wrong: float) -> None:
    spectrograms = loops()
    spectrograms[0, 0, 5, 7] = wrong
    with pytest.raises(pack_export.ConversionError, match="leaves"):
        onnx_check.check_spectrograms(spectrograms, (1, 1, 64, 512))
