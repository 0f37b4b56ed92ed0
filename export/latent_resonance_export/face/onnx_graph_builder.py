"""Builds an ONNX model of a TFLite graph: channels first, explicit padding, float16 weights. Pure.

The inputs and outputs of the model keep TFLite's layout (batch, height, width, channels). Only the
operators of the face networks are supported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from latent_resonance_export.face.tflite import Operator, Shape, TfliteGraph
from latent_resonance_export.pack import ConversionError

OPSET, IR_VERSION = 17, 9  # supported by every ONNX Runtime since 1.14
IMAGE = "image"
_NCHW, _NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
_SAME = 0  # TFLite's Padding enum
_NO_ACTIVATION = 0


def build_onnx(graph: TfliteGraph, outputs: Sequence[tuple[int, str, Shape]]) -> onnx.ModelProto:
    """The model that computes `outputs` of a graph: (tensor, name, shape) each.

    Raises
    ------
    ConversionError
        The graph contains an unsupported operator.
    """
    builder = _GraphBuilder(graph)
    (image,) = graph.inputs
    builder.add("Transpose", [IMAGE], _name(image), perm=_NCHW)
    for operator in _needed(graph, {tensor for tensor, *_ in outputs}):
        if operator.kind not in _CONVERTERS:
            raise _unsupported(operator.kind)
        _CONVERTERS[operator.kind](builder, operator)
    for tensor, name, shape in outputs:
        builder.add("Reshape", [_name(tensor), builder.integers(f"{name}.shape", shape)], name)
    model = helper.make_model(
        helper.make_graph(
            builder.nodes,
            "face",
            [_value(IMAGE, graph.shapes[image])],
            [_value(name, shape) for _, name, shape in outputs],
            list(builder.initializers.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="latent-resonance",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding (before, after): an odd sample goes after, as in SAME_UPPER."""
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


class Strided(Protocol):
    """The common options of convolution and pooling."""

    padding: int
    strideH: int  # noqa: N815  # TFLite's names
    strideW: int  # noqa: N815


class _GraphBuilder:
    """Collects nodes and weights."""

    def __init__(self, graph: TfliteGraph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def weights(self, name: str, values: NDArray[np.float32]) -> str:
        """Stores float16, as Google does; ONNX Runtime folds the cast to float32 on loading."""
        if name not in self.initializers:
            stored = np.ascontiguousarray(values, np.float16)
            self.initializers[name] = numpy_helper.from_array(stored, name)
            self.add("Cast", [name], f"{name}.wide", to=TensorProto.FLOAT)
        return f"{name}.wide"

    def one(self) -> str:
        self.initializers["one"] = numpy_helper.from_array(np.ones(1, np.float32), "one")
        return "one"

    def integers(self, name: str, values: Iterable[int]) -> str:
        self.initializers[name] = numpy_helper.from_array(np.array([*values], np.int64), name)
        return name


def _needed(graph: TfliteGraph, tensors: set[int]) -> list[Operator]:
    """The operators that these tensors depend on."""
    required, kept = set(tensors), []
    for operator in reversed(graph.operators):
        if operator.output in required:
            required.update(operator.inputs)
            kept.append(operator)
    return kept[::-1]


def _convolution(builder: _GraphBuilder, operator: Operator) -> None:
    """TFLite's kernels are (out, height, width, in), depthwise (1, height, width, channels)."""
    graph, options = builder.graph, operator.options
    image, kernel, bias = operator.inputs
    depthwise = operator.kind == "DEPTHWISE_CONV_2D"
    values = graph.constants[kernel].transpose((3, 0, 1, 2) if depthwise else _NCHW)
    _require(options.fusedActivationFunction == _NO_ACTIVATION, "a fused activation")
    _require(options.dilationHFactor == options.dilationWFactor == 1, "a dilation")
    builder.add(
        "Conv",
        [
            _name(image),
            builder.weights(f"w{kernel}", values),
            builder.weights(f"w{bias}", graph.constants[bias]),
        ],
        _name(operator.output),
        group=values.shape[0] if depthwise else 1,
        strides=[options.strideH, options.strideW],
        pads=_pads(graph.shapes[image], values.shape[2:], options),
    )


def _pads(image: Shape, kernel: Shape, options: Strided) -> list[int]:
    if options.padding != _SAME:
        return [0, 0, 0, 0]
    top, bottom = padding(image[1], kernel[0], options.strideH)
    left, right = padding(image[2], kernel[1], options.strideW)
    return [top, left, bottom, right]


def _prelu(builder: _GraphBuilder, operator: Operator) -> None:
    """PReLU, x or a·x, as a·x + (1 − a)·max(x, 0) by two depthwise convolutions.

    ONNX Runtime's PRelu does not support the channel-blocked layout, so each of the 69 would
    convert the layout of its image: 12 ms per face instead of 4 on x86.
    """
    image, slope = operator.inputs
    slopes = builder.graph.constants[slope].reshape(-1, 1, 1, 1)
    x, y = _name(image), _name(operator.output)
    steep = builder.weights(f"w{slope}", slopes)
    # in float32, on loading: 1 − a needs more digits than a
    rest = builder.add("Sub", [builder.one(), steep], f"{y}.rest")
    rectified = builder.add("Relu", [x], f"{y}.positive")
    below = builder.add("Conv", [x, steep], f"{y}.below", group=len(slopes))
    above = builder.add("Conv", [rectified, rest], f"{y}.above", group=len(slopes))
    builder.add("Add", [below, above], y)


def _pad(builder: _GraphBuilder, operator: Operator) -> None:
    image, amounts = operator.inputs
    pads = builder.graph.constants[amounts][list(_NCHW)].T.ravel()
    pads_name = builder.integers(f"w{amounts}", pads)
    builder.add("Pad", [_name(image), pads_name], _name(operator.output))


def _max_pool(builder: _GraphBuilder, operator: Operator) -> None:
    options = operator.options
    kernel = options.filterHeight, options.filterWidth
    builder.add(
        "MaxPool",
        [_name(operator.inputs[0])],
        _name(operator.output),
        kernel_shape=kernel,
        strides=[options.strideH, options.strideW],
        pads=_pads(builder.graph.shapes[operator.inputs[0]], kernel, options),
    )


def _reshape(builder: _GraphBuilder, operator: Operator) -> None:
    """Restores TFLite's layout first, because the result is not an image."""
    output = _name(operator.output)
    laid_out = builder.add("Transpose", [_name(operator.inputs[0])], f"{output}.nhwc", perm=_NHWC)
    shape = builder.integers(f"{output}.shape", builder.graph.shapes[operator.output])
    builder.add("Reshape", [laid_out, shape], output)


def _concatenation(builder: _GraphBuilder, operator: Operator) -> None:
    inputs = [_name(each) for each in operator.inputs]
    flat = all(len(builder.graph.shapes[each]) < 4 for each in operator.inputs)
    _require(flat, "a concatenation of images")
    builder.add("Concat", inputs, _name(operator.output), axis=operator.options.axis)


def _plain(kind: str) -> Callable[[_GraphBuilder, Operator], None]:
    """An operator that is the same in TFLite and ONNX."""

    def convert(builder: _GraphBuilder, operator: Operator) -> None:
        inputs = [_name(each) for each in operator.inputs]
        builder.add(kind, inputs, _name(operator.output))

    return convert


_CONVERTERS: dict[str, Callable[[_GraphBuilder, Operator], None]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "PRELU": _prelu,
    "PAD": _pad,
    "MAX_POOL_2D": _max_pool,
    "RESHAPE": _reshape,
    "CONCATENATION": _concatenation,
    "RELU": _plain("Relu"),
    "ADD": _plain("Add"),
}


def _require(allowed: bool, what: str) -> None:
    if not allowed:
        raise _unsupported(what)


def _unsupported(what: str) -> ConversionError:
    return ConversionError(f"TFLite's {what} is not supported: add it to onnx_graph_builder.py")


def _name(tensor: int) -> str:
    return f"t{tensor}"


def _value(name: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
