"""A network that never returns: each of its runs is ended, and it is refused as a pack."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from tests.support.audio_measures import settings_of

from latent_resonance.pack import PackError, open_pack
from latent_resonance.voice.synthesis import networks, run_deadline
from latent_resonance.voice.synthesis.networks import NetworkError, load_networks


@pytest.fixture
def deadline_s(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(run_deadline.run_deadline.__wrapped__, "__defaults__", (0.3,))
    return 0.3


def looping(model: onnx.ModelProto, n_steps: int) -> onnx.ModelProto:
    """A network that first passes its input through a loop of n_steps steps."""
    graph, name = model.graph, model.graph.input[0].name
    for node in graph.node:
        node.input[:] = ["looped" if i == name else i for i in node.input]
    scalar = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Neg", ["x"], ["y"])],
        "body",
        [scalar("i", TensorProto.INT64, []), scalar("go", TensorProto.BOOL, []), _any_size("x")],
        [scalar("on", TensorProto.BOOL, []), _any_size("y")],
    )
    graph.initializer.append(numpy_helper.from_array(np.array(n_steps), "n_steps"))
    graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
    graph.node.insert(0, helper.make_node("Loop", ["n_steps", "true", name], ["looped"], body=body))
    return model


def _any_size(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "m"])


def with_loop(folder: Path, network: str, n_steps: int) -> Path:
    """Put a loop into one network of a pack, and the new hash into its manifest."""
    path, manifest = folder / network, folder / "pack.yaml"
    onnx.save(looping(onnx.load(path), n_steps), path)
    content = yaml.safe_load(manifest.read_text())
    content["sha256"][network] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(yaml.safe_dump(content))
    return folder


def test_a_loop_that_ends_is_played(make_pack: Callable[..., Path]) -> None:
    pack = open_pack(with_loop(make_pack(), "generator.onnx", 2))
    load_networks(pack, settings_of(pack.folder).inference)


@pytest.mark.parametrize("network", ["generator.onnx", "regressor.onnx"])
def test_a_pack_with_an_endless_network_is_refused_within_its_deadline(
    make_pack: Callable[..., Path], network: str, deadline_s: float
) -> None:
    pack = open_pack(with_loop(make_pack(), network, 2**62))
    began_s = time.monotonic()
    with pytest.raises(PackError, match=r"no result within 0\.3 s"):
        load_networks(pack, settings_of(pack.folder).inference)
    assert time.monotonic() - began_s < deadline_s + 1.0


def test_a_run_that_becomes_endless_raises_a_network_error_and_the_next_one_can_play(
    make_pack: Callable[..., Path], deadline_s: float
) -> None:
    folder = make_pack()
    good = load_networks(open_pack(folder), settings_of(folder).inference)
    with_loop(folder, "generator.onnx", 2**62)
    endless = networks._session(folder / "generator.onnx", settings_of(folder).inference)
    z = np.zeros((1, 8), np.float32)
    with pytest.raises(NetworkError, match=f"no result within {deadline_s} s"):
        networks._run(endless, "spectrogram", {"z": z})
    assert np.isfinite(good.spectrogram_of(z[0])).all()
