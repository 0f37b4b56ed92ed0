"""Fixtures of all tests: a tiny pack with real networks, made when it is first used."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from latent_resonance.face_state import FEATURES

LATENT_DIM = 8
N_ANCHORS = 4
GEOMETRY = {
    "sample_rate": 48_000,
    "n_fft": 4096,
    "win_length": 4096,
    "hop_length": 512,
    "n_mels": 512,
    "n_frames": 512,
    "f_min_hz": 30.0,
    "f_max_hz": 16_000.0,
    "range_db": 80.0,
}
MISSING = ("not installed", "could not import", "no module named", "not found", "apt install")
EXPORT_PACKAGES = ("torch", "librosa", "soundfile", "onnxscript", "mido", "latent_resonance_export")
EXPORT_IS_INSTALLED = importlib.util.find_spec("latent_resonance_export") is not None


def pytest_configure(config: pytest.Config) -> None:
    """Give each worker one thread, and a numba cache of its own.

    PyTorch's threads spin while they wait: two workers with two threads each took nine times as
    long on two busy cores. Two processes that fill one numba cache at once leave a generalized
    ufunc in it that crashes every later process that loads it.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    cache = config.rootpath / ".pytest_cache" / "numba" / (worker or "main")
    os.environ["NUMBA_CACHE_DIR"] = str(cache)  # workers inherit that of the main process


@pytest.fixture(scope="session", autouse=True)
def no_saved_quality(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the quality preset saved on this machine out of the defaults."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        environment.setattr(
            "latent_resonance.config.presets.SYSTEM_FOLDER", Path("/nowhere/latent-resonance")
        )
        yield


@pytest.fixture(autouse=True)
def subnormal_numbers_stay() -> Iterator[None]:
    """Fail the test after which its thread flushes subnormal numbers to zero, not later ones."""
    yield
    assert sys.float_info.min / 2 > 0, "subnormal numbers are flushed to zero"


@pytest.fixture(scope="session")
def pack_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid pack: a harmonic tone whose pitch and brightness depend on z."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    write_pack(folder)
    return folder


@pytest.fixture
def make_pack(tmp_path: Path) -> Callable[..., Path]:
    """Write a pack into the test's own folder; keywords replace keys of its manifest."""
    folder = tmp_path / "pack"
    folder.mkdir()
    return lambda **changes: write_pack(folder, **changes)


def write_pack(folder: Path, **changes: object) -> Path:
    """Write both networks and the manifest; `changes` replace keys of the manifest."""
    onnx.save(generator_network(), folder / "generator.onnx")
    onnx.save(regressor_network(), folder / "regressor.onnx")
    manifest = manifest_of(folder) | changes
    (folder / "pack.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder


def manifest_of(folder: Path) -> dict[str, object]:
    """A valid pack.yaml for the networks in the folder."""
    anchors = np.random.default_rng(7).standard_normal((N_ANCHORS, LATENT_DIM)).round(4)
    return {
        "format": 1,
        "name": "tiny",
        "licence": "CC0-1.0",
        "sounds": "sums of cosines, made by the tests",
        "geometry": dict(GEOMETRY),
        "latent_dim": LATENT_DIM,
        "features": list(FEATURES),
        "level_reference_db": -20.0,
        "anchors": anchors.tolist(),
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in ("generator.onnx", "regressor.onnx")
        },
    }


def generator_network() -> onnx.ModelProto:
    """z (n, 8) -> tanh(z·W + b) as a (n, 1, 512, 512) spectrogram of harmonic lines.

    The rows of W are lines at different pitches and tilts, so that each z sounds different
    and none like noise. Rank one in time: a swell that closes the loop.
    """
    lines, floor = _lines(), np.full((1, 1, 512, 1), -2.6, np.float32)
    swell = 1.0 + 0.2 * np.cos(2 * np.pi * np.arange(512) / 512)
    nodes = [
        helper.make_node("MatMul", ["z", "lines"], ["mix"]),
        helper.make_node("Reshape", ["mix", "shape"], ["column"]),
        helper.make_node("Add", ["column", "base"], ["loud"]),
        helper.make_node("Mul", ["loud", "swell"], ["moving"]),
        helper.make_node("Add", ["moving", "floor"], ["low"]),
        helper.make_node("Tanh", ["low"], ["spectrogram"]),
    ]
    constants = {
        "lines": lines * 0.6,
        "shape": np.array([-1, 1, 512, 1]),
        "base": (4.5 * lines[0]).reshape(1, 1, 512, 1),
        "swell": swell.astype(np.float32).reshape(1, 1, 1, 512),
        "floor": floor,
    }
    return _model(nodes, constants, ("z", LATENT_DIM), ("spectrogram", 1, 512, 512))


def regressor_network() -> onnx.ModelProto:
    """features (n, 16) -> z (n, 8), linear; the neutral face has the z of its open eyes."""
    weights = np.random.default_rng(3).standard_normal((len(FEATURES), LATENT_DIM)) * 0.5
    nodes = [helper.make_node("MatMul", ["features", "weights"], ["z"])]
    constants = {"weights": weights.astype(np.float32)}
    return _model(nodes, constants, ("features", len(FEATURES)), ("z", LATENT_DIM))


def _lines() -> np.ndarray:
    """(8, 512) bumps at the partials of eight pitches, each with its own decay."""
    band = np.arange(512)
    lines = np.zeros((LATENT_DIM, 512), np.float32)
    for i in range(LATENT_DIM):
        for partial in range(1, 13):
            centre = 30 + 6 * i + 95 * np.log2(partial)
            lines[i] += np.exp(-0.5 * np.square((band - centre) / 2.0)) * partial ** -(0.2 + i / 9)
    return lines


def _model(
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    source: tuple[object, ...],
    result: tuple[object, ...],
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
        for name, *shape in (source, result)
    ]
    graph = helper.make_graph(nodes, "tiny", ends[:1], ends[1:], tensors)
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.checker.check_model(model)
    return model


Outcome = TypeVar("Outcome", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """For tests that skip themselves."""
    return fail_on_missing((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """For modules that skip themselves."""
    return fail_on_missing((yield))


def fail_on_missing(report: Outcome) -> Outcome:
    """Where CI is set, turn a skip for a missing package or program into a failure.

    Packages of `export` may be missing where it is not installed.
    """
    if os.environ.get("CI") and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].lower()
        excused = not EXPORT_IS_INSTALLED and any(name in reason for name in EXPORT_PACKAGES)
        if any(phrase in reason for phrase in MISSING) and not excused:
            report.outcome = "failed"
            report.longrepr = f"skipped although CI is set: {report.longrepr[2]}"
    return report
