"""Networks that need another file, or grow without limit when they are opened, are refused."""

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
from latent_resonance.voice.synthesis.network_file import (
    COMPILED,
    HAS_FUNCTIONS,
    IN_ANOTHER_FILE,
    MAX_FIELDS,
    why_not_opened,
)
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


def with_training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.initializer.append(external("w"))


def with_list_of_tensors(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("all", [external("w")]))


def with_address_in_memory(model: onnx.ModelProto) -> None:
    tensor = external("w")
    tensor.external_data[0].value = "*/_ORT_MEM_ADDR_/*"  # ONNX Runtime's mark for a pointer
    model.graph.initializer.append(tensor)


def with_location_alone(model: onnx.ModelProto) -> None:
    tensor = external("w")
    tensor.data_location = TensorProto.DEFAULT
    model.graph.initializer.append(tensor)


def test_a_network_with_its_weights_inside_is_opened(pack_folder: Path) -> None:
    assert not why_not_opened(pack_folder / "generator.onnx")
    assert not why_not_opened(pack_folder / "regressor.onnx")


@pytest.mark.parametrize(
    "edit",
    [
        with_initializer,
        with_constant,
        with_branch,
        with_sparse,
        with_training,
        with_list_of_tensors,
        with_address_in_memory,
        with_location_alone,
    ],
)
def test_weights_in_another_file_are_found_wherever_they_are(
    tmp_path: Path, edit: Callable[[onnx.ModelProto], None]
) -> None:
    model = generator_network()
    edit(model)
    assert reason_for(model, tmp_path) == IN_ANOTHER_FILE


def reason_for(model: onnx.ModelProto, folder: Path) -> str:
    (folder / "n.onnx").write_bytes(model.SerializeToString())
    return why_not_opened(folder / "n.onnx")


def test_functions_that_double_each_other_are_refused_before_they_are_inlined(
    tmp_path: Path,
) -> None:
    model = generator_network()
    opsets = [helper.make_opsetid("own", 1), helper.make_opsetid("", 18)]
    for i in range(40):  # 2 ** 40 nodes
        inner = f"f{i - 1}" if i else "Neg"
        twice = [("x", "half"), ("half", "y")]
        nodes = [helper.make_node(inner, [a], [b], domain="own" if i else "") for a, b in twice]
        model.functions.append(helper.make_function("own", f"f{i}", ["x"], ["y"], nodes, opsets))
    assert reason_for(model, tmp_path) == HAS_FUNCTIONS


def test_a_network_that_a_compiler_for_one_device_keeps_elsewhere_is_refused(
    tmp_path: Path,
) -> None:
    model = generator_network()
    node = helper.make_node("EPContext", ["z"], ["y"], domain="com.microsoft", embed_mode=0)
    model.graph.node.append(node)
    assert reason_for(model, tmp_path) == COMPILED


def test_nodes_without_number_are_refused_and_not_counted_to_the_end(tmp_path: Path) -> None:
    small = helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString()
    nodes = b"\x3a\x80\x80\x80\x04" + b"\x0a\x00" * (1 << 22)  # a graph of empty nodes: 8 MiB
    (tmp_path / "n.onnx").write_bytes(small + nodes)
    with pytest.raises(ValueError, match=f"more than {MAX_FIELDS} fields"):
        why_not_opened(tmp_path / "n.onnx")


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
            assert why_not_opened(path) in ("", IN_ANOTHER_FILE, HAS_FUNCTIONS, COMPILED)
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
