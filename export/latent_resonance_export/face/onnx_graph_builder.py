"""A TFLite graph in ONNX's words: channels first, padding in numbers, weights in half precision.

Pure. In: a `TfliteGraph`. Out: an ONNX model whose input and outputs keep TFLite's layout (batch,
height, width, channels). Only the operators that the face networks use are known.
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

OPSET, IR_VERSION = 17, 9  # every ONNX Runtime since 1.14 plays it
IMAGE = "image"
_NCHW, _NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
_SAME = 0  # TFLite's Padding enum
_NO_ACTIVATION = 0


def onnx_of(graph: TfliteGraph, outputs: Sequence[tuple[int, str, Shape]]) -> onnx.ModelProto:
    """The model that computes `outputs` of a graph: (tensor, name, shape) each.

    Raises
    ------
    ConversionError
        The graph needs what is not known here.
    """
    writer = _Writer(graph)
    (image,) = graph.inputs
    writer.add("Transpose", [IMAGE], _name(image), perm=_NCHW)
    for operator in _needed(graph, {tensor for tensor, *_ in outputs}):
        if operator.kind not in _EMITTERS:
            raise ConversionError(f"TFLite's {operator.kind} is not known here; it is to be added")
        _EMITTERS[operator.kind](writer, operator)
    for tensor, name, shape in outputs:
        writer.add("Reshape", [_name(tensor), writer.integers(f"{name}.shape", shape)], name)
    model = helper.make_model(
        helper.make_graph(
            writer.nodes,
            "face",
            [_value(IMAGE, graph.shapes[image])],
            [_value(name, shape) for _, name, shape in outputs],
            list(writer.initializers.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="latent-resonance",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding before and after: the odd one after, unlike ONNX's SAME_LOWER."""
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


class Strided(Protocol):
    """What the options of convolutions and of pooling have in common."""

    padding: int
    strideH: int  # noqa: N815  # TFLite's names
    strideW: int  # noqa: N815


class _Writer:
    """Collects nodes and weights."""

    def __init__(self, graph: TfliteGraph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def weights(self, name: str, values: NDArray[np.float32]) -> str:
        """float16 in the file, as Google stores them; ONNX Runtime widens them when it loads."""
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
    """The operators that these tensors come of."""
    target, kept = set(tensors), []
    for operator in reversed(graph.operators):
        if operator.output in target:
            target.update(operator.inputs)
            kept.append(operator)
    return kept[::-1]


def _convolution(writer: _Writer, operator: Operator) -> None:
    """Kernels come as (out, height, width, in); depthwise ones as (1, height, width, channels)."""
    graph, options = writer.graph, operator.options
    image, kernel, bias = operator.inputs
    depthwise = operator.kind == "DEPTHWISE_CONV_2D"
    values = graph.constants[kernel].transpose((3, 0, 1, 2) if depthwise else _NCHW)
    _refuse_unless(options.fusedActivationFunction == _NO_ACTIVATION, "a fused activation")
    _refuse_unless(options.dilationHFactor == options.dilationWFactor == 1, "a dilation")
    writer.add(
        "Conv",
        [
            _name(image),
            writer.weights(f"w{kernel}", values),
            writer.weights(f"w{bias}", graph.constants[bias]),
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


def _prelu(writer: _Writer, operator: Operator) -> None:
    """The parametric rectifier, x or a·x, as a·x + (1 − a)·max(x, 0): two depthwise convolutions.

    ONNX Runtime's own PRelu does not know images that are blocked by channels, so each of the 69
    would have its image laid out anew: 12 ms a face instead of 4 on x86.
    """
    image, slope = operator.inputs
    slopes = writer.graph.constants[slope].reshape(-1, 1, 1, 1)
    x, y = _name(image), _name(operator.output)
    steep = writer.weights(f"w{slope}", slopes)
    # in float32, when the network is loaded: 1 − a has more digits than a
    rest = writer.add("Sub", [writer.one(), steep], f"{y}.rest")
    rectified = writer.add("Relu", [x], f"{y}.positive")
    below = writer.add("Conv", [x, steep], f"{y}.below", group=len(slopes))
    above = writer.add("Conv", [rectified, rest], f"{y}.above", group=len(slopes))
    writer.add("Add", [below, above], y)


def _pad(writer: _Writer, operator: Operator) -> None:
    image, amounts = operator.inputs
    pads = writer.graph.constants[amounts][list(_NCHW)].T.ravel()
    pads_name = writer.integers(f"w{amounts}", pads)
    writer.add("Pad", [_name(image), pads_name], _name(operator.output))


def _max_pool(writer: _Writer, operator: Operator) -> None:
    options = operator.options
    kernel = options.filterHeight, options.filterWidth
    writer.add(
        "MaxPool",
        [_name(operator.inputs[0])],
        _name(operator.output),
        kernel_shape=kernel,
        strides=[options.strideH, options.strideW],
        pads=_pads(writer.graph.shapes[operator.inputs[0]], kernel, options),
    )


def _reshape(writer: _Writer, operator: Operator) -> None:
    """Its result is no image any more, so it is laid out as TFLite does before."""
    output = _name(operator.output)
    laid_out = writer.add("Transpose", [_name(operator.inputs[0])], f"{output}.nhwc", perm=_NHWC)
    shape = writer.integers(f"{output}.shape", writer.graph.shapes[operator.output])
    writer.add("Reshape", [laid_out, shape], output)


def _concatenation(writer: _Writer, operator: Operator) -> None:
    inputs = [_name(each) for each in operator.inputs]
    flat = all(len(writer.graph.shapes[each]) < 4 for each in operator.inputs)
    _refuse_unless(flat, "a concatenation of images")
    writer.add("Concat", inputs, _name(operator.output), axis=operator.options.axis)


def _plain(kind: str) -> Callable[[_Writer, Operator], None]:
    """An operator that is the same in both."""

    def emit(writer: _Writer, operator: Operator) -> None:
        inputs = [_name(each) for each in operator.inputs]
        writer.add(kind, inputs, _name(operator.output))

    return emit


_EMITTERS: dict[str, Callable[[_Writer, Operator], None]] = {
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


def _refuse_unless(allowed: bool, what: str) -> None:
    if not allowed:
        raise ConversionError(f"TFLite's {what} is not known here; it is to be added")


def _name(tensor: int) -> str:
    return f"t{tensor}"


def _value(name: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
