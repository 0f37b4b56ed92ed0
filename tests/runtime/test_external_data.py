"""Networks that keep weights in another file, wherever in the graph, are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tests.conftest import generator_network
from tests.support.audio_measures import settings_of
from tests.support.fuzz import damaged, fuzz, fuzzed

from latent_resonance.pack import PackError, open_pack
from latent_resonance.voice.synthesis.external_data import refers_to_other_files
from latent_resonance.voice.synthesis.networks import load_networks


def external(name: str) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.data")
    return tensor


def inner_graph() -> onnx.GraphProto:
    return helper.make_graph([], "inner", [], [], [external("w")])


def with_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(external("w"))


def with_constant(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["w"], value=external("w")))


def with_branch(model: onnx.ModelProto) -> None:
    both = {"then_branch": inner_graph(), "else_branch": helper.make_graph([], "x", [], [])}
    model.graph.node.append(helper.make_node("If", ["c"], ["w"], **both))


def with_sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(external("w"))


def with_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["w"], value=external("w"))
    model.functions.append(
        helper.make_function("own", "f", [], ["w"], [node], [helper.make_opsetid("", 18)])
    )


def test_a_network_with_its_weights_inside_refers_to_no_other_file(pack_folder: Path) -> None:
    assert not refers_to_other_files(pack_folder / "generator.onnx")
    assert not refers_to_other_files(pack_folder / "regressor.onnx")


@pytest.mark.parametrize(
    "edit", [with_initializer, with_constant, with_branch, with_sparse, with_function]
)
def test_weights_in_another_file_are_found_wherever_they_are(
    tmp_path: Path, edit: Callable[[onnx.ModelProto], None]
) -> None:
    model = generator_network()
    edit(model)
    (tmp_path / "n.onnx").write_bytes(model.SerializeToString())
    assert refers_to_other_files(tmp_path / "n.onnx")


def test_a_pack_with_weights_beside_its_network_is_refused_although_its_hashes_hold(
    make_pack: Callable[..., Path],
) -> None:
    folder = make_pack()
    path = folder / "generator.onnx"
    model = onnx.load(path)
    onnx.save_model(
        model, path, save_as_external_data=True, location="weights.data", size_threshold=0
    )
    manifest = yaml.safe_load((folder / "pack.yaml").read_text())
    manifest["sha256"]["generator.onnx"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "pack.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(PackError, match="keeps weights in another file, which no hash covers"):
        load_networks(open_pack(folder), settings_of(folder).inference)


@fuzzed
def test_a_network_of_any_bytes_opens_or_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "generator.onnx"
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "w")
    small = helper.make_model(helper.make_graph([], "g", [], [], [tensor])).SerializeToString()

    def check(content: bytes) -> None:
        path.write_bytes(content)
        try:
            assert refers_to_other_files(path) in (True, False)
        except ValueError as error:
            assert str(error)  # noqa: PT017  one of two valid outcomes

    fuzz(check, damaged(small) | st.binary(max_size=100))


@fuzzed
def test_a_pack_whose_generator_is_damaged_at_random_is_played_or_refused_in_words(
    make_pack: Callable[..., Path],
) -> None:
    folder = make_pack()
    path, manifest = folder / "generator.onnx", folder / "pack.yaml"
    whole, content = path.read_bytes(), yaml.safe_load(manifest.read_text())

    def check(damage: bytes) -> None:
        path.write_bytes(damage)
        content["sha256"]["generator.onnx"] = hashlib.sha256(damage).hexdigest()
        manifest.write_text(yaml.safe_dump(content, default_flow_style=None))
        try:
            load_networks(open_pack(folder), settings_of(folder).inference)
        except PackError as error:
            assert "\n" not in str(error)  # noqa: PT017

    fuzz(check, damaged(whole))
