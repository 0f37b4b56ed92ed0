"""Networks that never return, or need more memory than there is, in otherwise valid packs."""

from __future__ import annotations

import functools
import hashlib
import timeit
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import yaml
from onnx import TensorProto, helper, numpy_helper


def with_network(folder: Path, name: str, model: onnx.ModelProto) -> Path:
    """Replace a network of a pack, and its hash in the manifest."""
    onnx.save(model, folder / name)
    manifest = folder / "pack.yaml"
    content = yaml.safe_load(manifest.read_text())
    content["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    manifest.write_text(yaml.safe_dump(content))
    return folder


def looping(model: onnx.ModelProto, n_steps: int) -> onnx.ModelProto:
    """A network whose input first passes a loop of n_steps steps."""
    model.graph.initializer.append(numpy_helper.from_array(np.array(n_steps), "n_steps"))
    return _through_loop(model)


def stuck(model: onnx.ModelProto, n_steps: int) -> onnx.ModelProto:
    """The same with a loop inside which ONNX Runtime does not look whether it is to end."""
    model.graph.initializer.append(numpy_helper.from_array(np.array(n_steps), "n_steps"))
    return _through_loop(model, empty=True)


def empty_steps_in(run_s: float) -> int:
    """How many steps of a loop without a node take at least about so long on this machine."""
    return round(run_s * _most_empty_steps_per_s())


@functools.cache
def _most_empty_steps_per_s() -> float:
    """The fastest of ten short runs: other work makes a run slower, never faster."""
    n_steps, same = 50_000, helper.make_node("Identity", ["in"], ["out"])
    graph = helper.make_graph([same], "same", [_any_size("in")], [_any_size("out")])
    opset = helper.make_opsetid("", 17)
    model = stuck(helper.make_model(graph, opset_imports=[opset], ir_version=9), n_steps)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = {"in": np.ones((1, 16), np.float32)}
    return n_steps / min(timeit.repeat(lambda: session.run(None, x), number=1, repeat=10))


def looping_while_moving(
    model: onnx.ModelProto, n_steps: float = 1e18, *, empty: bool = False
) -> onnx.ModelProto:
    """A regressor that returns for a face whose features are all zero, and for no other one.

    Parameters
    ----------
    n_steps : for features whose magnitudes have the sum 1
    empty : without a node inside the loop, so that its run cannot be ended
    """
    name = model.graph.input[0].name
    many = numpy_helper.from_array(np.array(n_steps, np.float32), "many")
    model.graph.initializer.append(many)
    counting = [
        helper.make_node("Abs", [name], ["absolute"]),
        helper.make_node("ReduceSum", ["absolute"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "many"], ["product"]),
        helper.make_node("Cast", ["product"], ["n_steps"], to=TensorProto.INT64),
    ]
    _through_loop(model, empty=empty)
    for node in reversed(counting):
        model.graph.node.insert(0, node)
    return model


def hungry(model: onnx.ModelProto, gib: int) -> onnx.ModelProto:
    """A network that fills some memory with ones before it does its work."""
    graph, name = model.graph, model.graph.input[0].name
    for node in graph.node:
        node.input[:] = ["fed" if i == name else i for i in node.input]
    shape = numpy_helper.from_array(np.array([gib, 256, 1024, 1024]), "memory")
    graph.initializer.append(shape)
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    work = [
        helper.make_node("Shape", [name], ["n"]),
        helper.make_node("ReduceMin", ["n"], ["least"], keepdims=0),
        helper.make_node("Mul", ["memory", "least"], ["scaled"]),  # not a constant to be folded
        helper.make_node("ConstantOfShape", ["scaled"], ["ones"], value=one),
        helper.make_node("ReduceMax", ["ones"], ["top"], keepdims=0),
        helper.make_node("Mul", [name, "top"], ["fed"]),
    ]
    for node in reversed(work):
        graph.node.insert(0, node)
    return model


def slow_to_open(model: onnx.ModelProto) -> onnx.ModelProto:
    """A network with minutes of constant work, which ONNX Runtime does while it opens it."""
    factor = np.full((2000, 2000), 0.0005, np.float32)
    model.graph.initializer.append(numpy_helper.from_array(factor, "power0"))
    for i in range(2000 - 1):
        model.graph.node.append(
            helper.make_node("MatMul", [f"power{i}", "power0"], [f"power{i + 1}"])
        )
    for node in model.graph.node:
        node.output[:] = ["quiet" if o == "spectrogram" else o for o in node.output]
    work = [
        helper.make_node("ReduceMean", ["power1999"], ["one"], keepdims=0),
        helper.make_node("Mul", ["quiet", "one"], ["spectrogram"]),
    ]
    model.graph.node.extend(work)
    return model


def _through_loop(model: onnx.ModelProto, *, empty: bool = False) -> onnx.ModelProto:
    graph, name = model.graph, model.graph.input[0].name
    for node in graph.node:
        node.input[:] = ["looped" if i == name else i for i in node.input]
    scalar = helper.make_tensor_value_info
    work = [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Neg", ["x"], ["y"])]
    on, y = ("go", "x") if empty else ("on", "y")
    body = helper.make_graph(
        [] if empty else work,
        "body",
        [scalar("i", TensorProto.INT64, []), scalar("go", TensorProto.BOOL, []), _any_size("x")],
        [scalar(on, TensorProto.BOOL, []), _any_size(y)],
    )
    graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
    loop = helper.make_node("Loop", ["n_steps", "true", name], ["looped"], body=body)
    graph.node.insert(0, loop)
    return model


def _any_size(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "m"])
