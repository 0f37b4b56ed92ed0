"""What the gallery plays is what the workshop trained: PyTorch equals ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.face_state import FEATURES

torch = pytest.importorskip("torch")
conversion = pytest.importorskip("latent_resonance_export.pack")
onnx_file = pytest.importorskip("latent_resonance_export.pack.onnx_export")
pack_folder = pytest.importorskip("latent_resonance_export.pack.writer")
choose = pytest.importorskip("latent_resonance_export.gan.models.registry")
networks = pytest.importorskip("latent_resonance_export.gan.models.loop_vaegan")
regressors = pytest.importorskip("latent_resonance_export.regressor.model")

BATCHES = (1, 2, 3, 7, 16)
LENGTHS = (1e-2, 1.0, 30.0)
CONTRACTS = {
    "generator": (128, ("z", "spectrogram")),
    "regressor": (len(FEATURES), ("features", "z")),
}


class Written:
    """The default networks, in PyTorch and as the files that the workshop wrote of them."""

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(5)
        self.folder = folder
        generator = networks.LoopGenerator()
        # as after training: the pictures use the whole range, to the last decibel
        for layer in generator.to_mel:
            torch.nn.init.normal_(layer.weight, std=1.5 / layer.in_channels**0.5)
        regressor = regressors.Regressor(generator.latent_dim)
        self.networks = {"generator": generator, "regressor": regressor}
        for network in self.networks.values():
            network.eval().requires_grad_(False)
        self.differences = [
            onnx_file.write_network(
                self.networks[name],
                torch.from_numpy(randn(onnx_file.N_EXAMPLES, width)),
                ends,
                folder / f"{name}.onnx",
            )
            for name, (width, ends) in CONTRACTS.items()
        ]

    def both(self, name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(PyTorch's answer, ONNX Runtime's)."""
        path = self.folder / f"{name}.onnx"
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (source,) = session.get_inputs()
        theirs = session.run(None, {source.name: x})[0]
        return self.networks[name](torch.from_numpy(x)).numpy(), theirs


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return Written(tmp_path_factory.mktemp("networks"))


def randn(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("n", BATCHES)
def test_the_generator_dreams_the_same_in_batches_of_any_size(written: Written, n: int) -> None:
    ours, theirs = written.both("generator", randn(n, 128))
    assert theirs.shape == (n, 1, 512, 512)
    assert theirs.dtype == np.float32
    assert np.abs(theirs).max() > 0.9, "too faint to compare"
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("n", BATCHES)
def test_the_regressor_hears_a_face_the_same_in_batches_of_any_size(
    written: Written, n: int
) -> None:
    ours, theirs = written.both("regressor", randn(n, len(FEATURES)))
    assert theirs.shape == (n, 128)
    assert np.square(theirs).mean() == pytest.approx(1.0, abs=0.01)
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("length", LENGTHS)
def test_both_agree_on_short_and_long_inputs(written: Written, length: float) -> None:
    for name, width in (("generator", 128), ("regressor", len(FEATURES))):
        ours, theirs = written.both(name, length * randn(2, width))
        assert np.abs(ours - theirs).max() < 1e-4


def test_the_stated_differences_are_those_of_64_inputs_and_within_what_is_allowed(
    written: Written,
) -> None:
    assert onnx_file.N_EXAMPLES == 64
    assert onnx_file.AGREEMENT == 1e-4
    assert all(0.0 < difference <= 1e-4 for difference in written.differences)


def test_each_network_is_one_file_with_the_names_of_the_contract(written: Written) -> None:
    assert sorted(p.name for p in written.folder.iterdir()) == ["generator.onnx", "regressor.onnx"]
    for name, (width, ends) in CONTRACTS.items():
        session = onnxruntime.InferenceSession(written.folder / f"{name}.onnx")
        found = (*session.get_inputs(), *session.get_outputs())
        assert tuple(end.name for end in found) == ends
        assert isinstance(found[0].shape[0], str), "the batch size is fixed"
        assert found[0].shape[1] == width


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(choose.ARCHITECTURES))
def test_every_architecture_becomes_the_same_network_and_a_closed_loop(
    name: str, tmp_path: Path
) -> None:
    geometry = Geometry(n_mels=64, n_frames=64)
    torch.manual_seed(8)
    generator = choose.make_generator(name, geometry).eval().requires_grad_(False)
    pictures = pack_folder.check_generator(generator, geometry)
    assert pictures.std() > 1e-3, "too flat to compare"
    examples = torch.from_numpy(randn(onnx_file.N_EXAMPLES, generator.latent_dim))
    ends = CONTRACTS["generator"][1]
    assert onnx_file.write_network(generator, examples, ends, tmp_path / "g.onnx") <= 1e-4


class Unfaithful(torch.nn.Linear):
    """Exports something else than it computes."""

    def forward(self, x: Any) -> Any:
        lie = 0.01 if torch.compiler.is_exporting() else 0.0
        return super().forward(x) + lie


def refusal(network: Any, examples: Any, path: Path) -> str:
    with pytest.raises(conversion.ConversionError) as caught:
        onnx_file.write_network(network.requires_grad_(False), examples, ("features", "z"), path)
    assert not path.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_is_converted_that_plays_differently(tmp_path: Path) -> None:
    examples = torch.from_numpy(randn(onnx_file.N_EXAMPLES, 4))
    said = refusal(Unfaithful(4, 8), examples, tmp_path / "regressor.onnx")
    assert said.startswith("regressor.onnx: PyTorch and ONNX Runtime differ by 0.01")


class Stubborn(torch.nn.Linear):
    """Goes a way that depends on the numbers, which no graph can."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) if float(x.sum()) > 0 else x


def test_what_cannot_be_exported_is_refused_in_one_line(tmp_path: Path) -> None:
    examples = torch.from_numpy(randn(onnx_file.N_EXAMPLES, 4))
    said = refusal(Stubborn(4, 4), examples, tmp_path / "regressor.onnx")
    assert said.startswith("regressor.onnx: PyTorch cannot export this network (")


class Counting(torch.nn.Linear):
    """Asks for the batch in a way that makes a number of it."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) + self.bias.expand(len(x), -1)


def test_a_network_that_fixes_the_batch_is_refused_with_the_remedy(tmp_path: Path) -> None:
    examples = torch.from_numpy(randn(onnx_file.N_EXAMPLES, 4))
    said = refusal(Counting(4, 4), examples, tmp_path / "regressor.onnx")
    assert "fixes the batch at 2" in said
    assert "x.shape[0]" in said


def test_disagreement_counts_nan_and_other_shapes_as_the_worst(written: Written) -> None:
    path = written.folder / "regressor.onnx"
    examples = torch.zeros(onnx_file.N_EXAMPLES, len(FEATURES))
    assert onnx_file.disagreement(lambda x: x, path, examples) > 1e300

    def nan(x: Any) -> Any:
        return torch.full((len(x), 128), torch.nan)

    assert onnx_file.disagreement(nan, path, examples) > 1e300
    assert onnx_file.disagreement(written.networks["regressor"], path, examples) < 1e-4


def loops() -> np.ndarray:
    turn = np.arange(512) * 2 * np.pi / 512
    return (0.5 * np.sin(turn + np.arange(64)[:, None]))[None, None].astype(np.float32)


def test_a_loop_that_closes_is_accepted_and_a_seam_is_not() -> None:
    onnx_file.check_pictures(loops(), (1, 1, 64, 512))
    slope = np.linspace(0.2, 1.0, 512, dtype=np.float32)
    with pytest.raises(conversion.ConversionError, match="does not close"):
        onnx_file.check_pictures(loops() * slope, (1, 1, 64, 512))


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(conversion.ConversionError, match="1 × 1 × 64 × 512, a pack plays 1 × 1 ×"):
        onnx_file.check_pictures(loops(), (1, 1, 512, 512))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.001, -2.0])
def test_a_picture_outside_its_range_is_refused(wrong: float) -> None:
    pictures = loops()
    pictures[0, 0, 5, 7] = wrong
    with pytest.raises(conversion.ConversionError, match="leaves"):
        onnx_file.check_pictures(pictures, (1, 1, 64, 512))
