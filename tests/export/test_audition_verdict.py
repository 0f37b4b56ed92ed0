"""An audition is passed by what sounds like its recordings, and by nothing simpler.

Each worthless generator passes some figures: stripes loop without a seam and are voiced, noise is
far from all training clips, copies are at the floor. The verdict names each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.audition import metrics
from latent_resonance_export.audition.metrics import MetricValues, compare
from latent_resonance_export.audition.subject import Subject
from latent_resonance_export.audition.verdict import caveats, verdict
from latent_resonance_export.dataset.dataset import Clip, Dataset, open_dataset, write_dataset

SIDE, LATENT_DIM, N = 64, 8, 24
GEOMETRY = Geometry(
    sample_rate=16_000,
    n_fft=512,
    win_length=512,
    hop_length=96,
    n_mels=SIDE,
    n_frames=SIDE,
    f_max_hz=8000.0,
)
Generate = Callable[[np.ndarray], np.ndarray]


def harmonic_lines(n: int, seed: int) -> np.ndarray:
    """Partials of random pitch, each swelling at its own time: (n, side, side) in [-1, 1]."""
    rng = np.random.default_rng(seed)
    pitch, turn = rng.uniform(5, 12, (n, 1, 1)), rng.uniform(0, 2 * np.pi, (n, SIDE, 1))
    band, frame = np.arange(SIDE)[:, None], np.arange(SIDE)
    from_partial = np.abs((band + pitch / 2) % pitch - pitch / 2)
    lines = np.exp(-np.square(from_partial)) * np.exp(-band / 40) * (band > pitch / 2)
    swell = 0.55 + 0.45 * np.cos(3 * frame * 2 * np.pi / SIDE + turn)
    return (2 * lines * swell - 1 + 0.02 * rng.random((n, SIDE, SIDE))).astype(np.float32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """256 training clips and 24 held-out ones."""
    folder = tmp_path_factory.mktemp("datasets") / "lines"
    spectrograms = harmonic_lines(256 + N, 1)
    clips = [Clip(f"{i}", 0.0, "CC0-1.0", "", held_out=i >= 256) for i in range(256 + N)]
    write_dataset(spectrograms, clips, folder, GEOMETRY, about={"sounds": "lines"})
    return open_dataset(folder)


def write_constant(path: Path) -> None:
    """A network that costs nothing: only its time is measured."""
    z = onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["batch", LATENT_DIM])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", LATENT_DIM])
    node = onnx.helper.make_node("Identity", ["z"], ["y"])
    graph = onnx.helper.make_graph([node], "constant", [z], [out])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def drawn_from(clips: np.ndarray) -> Generate:
    """One of the clips for each z."""
    return lambda z: clips[(np.abs(z[:, 0]) * 1e4).astype(int) % len(clips)]


def stripes(z: np.ndarray) -> np.ndarray:
    """Steady partials: they close, are voiced, and differ from z to z."""
    steady = drawn_from(harmonic_lines(200, 7).mean(axis=2, keepdims=True))(z)
    return np.repeat(steady, SIDE, axis=2).astype(np.float32)


def noise(z: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng((np.abs(z[0]) * 1e4).astype(np.int64))
    return rng.uniform(-1, 1, (len(z), SIDE, SIDE)).astype(np.float32)


def audition_of(generate: Generate, dataset: Dataset) -> MetricValues:
    # the name of code, which is not run: what untrained networks do takes most of the time
    subject = Subject("test", GEOMETRY, LATENT_DIM, generate, write_constant, "of:test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "TONALITY_CLIPS", 3)  # pYIN takes most of the time
        return compare(subject, dataset, clips=N, loops=2).figures


@pytest.fixture(scope="module")
def figures(dataset: Dataset) -> Callable[[str], MetricValues]:
    training = dataset.spectrograms(dataset.training)
    generators: dict[str, Generate] = {
        "good": drawn_from(harmonic_lines(200, 2)),
        "stripes": stripes,
        "noise": noise,
        "copies": drawn_from(training),
        "the same": lambda z: np.repeat(harmonic_lines(1, 5), len(z), axis=0),
    }
    found: dict[str, MetricValues] = {}

    def figures_of(name: str) -> MetricValues:
        if name not in found:
            found[name] = audition_of(generators[name], dataset)
        return found[name]

    return figures_of


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stripes", "noise", "copies", "the same"])
def test_a_worthless_generator_fails_by_name(
    figures: Callable[[str], MetricValues], name: str
) -> None:
    found = verdict(figures(name))
    assert found.passed is False
    assert any(failure.startswith(name) for failure in found.failures), str(found)


@pytest.mark.slow
def test_what_is_like_the_recordings_and_new_passes(
    figures: Callable[[str], MetricValues],
) -> None:
    assert verdict(figures("good")).passed, str(verdict(figures("good")))


@pytest.mark.slow
def test_noise_earns_nothing_by_being_far_from_the_training_clips(
    figures: Callable[[str], MetricValues],
) -> None:
    assert figures("noise")["memorisation"] > 1.0
    assert "memorisation" in caveats(figures("noise"))
    assert "memorisation" not in caveats(figures("good"))
