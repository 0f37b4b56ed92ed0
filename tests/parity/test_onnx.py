"""What the gallery plays is what the workshop trained: PyTorch equals ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from latent_resonance.face_state import FEATURES

torch = pytest.importorskip("torch")
convert = pytest.importorskip("latent_resonance_export.convert")
networks = pytest.importorskip("latent_resonance_export.networks")
regressors = pytest.importorskip("latent_resonance_export.train_regressor")

BATCHES = (1, 2, 3, 7, 16)
LENGTHS = (1e-2, 1.0, 30.0)


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
        self.differences = convert.write_networks(generator, regressor, folder)

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


def test_the_stated_difference_is_the_one_measured(written: Written) -> None:
    stated = written.differences
    assert stated.keys() == {"generator_disagreement", "regressor_disagreement"}
    assert all(0.0 <= value <= convert.AGREEMENT for value in stated.values())


def test_each_network_is_one_file_with_the_names_of_the_contract(written: Written) -> None:
    assert sorted(p.name for p in written.folder.iterdir()) == list(convert.NETWORKS)
    for name, ends in (("generator", ("z", "spectrogram")), ("regressor", ("features", "z"))):
        session = onnxruntime.InferenceSession(written.folder / f"{name}.onnx")
        found = (*session.get_inputs(), *session.get_outputs())
        assert tuple(end.name for end in found) == ends
        assert isinstance(found[0].shape[0], str), "the batch size is fixed"


class Unfaithful(torch.nn.Linear):
    """Exports something else than it computes."""

    def forward(self, x: Any) -> Any:
        lie = 0.01 if torch.compiler.is_exporting() else 0.0
        return super().forward(x) + lie


def test_nothing_is_converted_that_plays_differently(tmp_path: Path) -> None:
    generator = networks.LoopGenerator(8, 16, widths=(16,) * 7, n_style=8).requires_grad_(False)
    with pytest.raises(convert.ConversionError, match=r"regressor\.onnx.* differ by 0\.01"):
        convert.write_networks(generator, Unfaithful(len(FEATURES), 8), tmp_path)


def test_disagreement_counts_nan_and_other_shapes_as_the_worst(
    written: Written,
) -> None:
    path, x = written.folder / "regressor.onnx", [torch.zeros(2, len(FEATURES))]
    assert convert.disagreement(lambda y: y, path, x) > 1e300
    assert convert.disagreement(lambda _: torch.full((2, 128), torch.nan), path, x) > 1e300
    assert convert.disagreement(written.networks["regressor"], path, x) < 1e-4


def loops() -> np.ndarray:
    turn = np.arange(512) * 2 * np.pi / 512
    return (0.5 * np.sin(turn + np.arange(64)[:, None]))[None, None].astype(np.float32)


def test_a_loop_that_closes_is_accepted_and_a_seam_is_not() -> None:
    convert.check_loop(loops())
    with pytest.raises(convert.ConversionError, match="does not close"):
        convert.check_loop(loops() * np.linspace(0.2, 1.0, 512, dtype=np.float32))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.001, -2.0])
def test_a_picture_outside_its_range_is_refused(wrong: float) -> None:
    pictures = loops()
    pictures[0, 0, 5, 7] = wrong
    with pytest.raises(convert.ConversionError, match="leaves"):
        convert.check_loop(pictures)
