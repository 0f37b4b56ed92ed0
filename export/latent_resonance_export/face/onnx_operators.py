"""Converts each operator of the face networks from TFLite to ONNX. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from latent_resonance_export.face.onnx_graph_builder import (
    NCHW,
    GraphBuilder,
    layout,
    require,
    tensor_name,
)
from latent_resonance_export.face.tflite import Operator, Shape

Converter = Callable[[GraphBuilder, Operator], None]

_SAME = 0  # TFLite's Padding enum


def padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding (before, after): an odd sample goes after, as in SAME_UPPER."""
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2


class Strided(Protocol):
    """The common options of convolution and pooling."""

    padding: int
    strideH: int  # noqa: N815  # TFLite's names
    strideW: int  # noqa: N815


def _convolution(builder: GraphBuilder, operator: Operator) -> None:
    """TFLite's kernels are (out, height, width, in), depthwise (1, height, width, channels)."""
    graph, options = builder.graph, operator.options
    image, kernel, bias = operator.inputs
    depthwise = operator.kind == "DEPTHWISE_CONV_2D"
    values = graph.constants[kernel].transpose((3, 0, 1, 2) if depthwise else NCHW)
    require(options.dilationHFactor == options.dilationWFactor == 1, "a dilation")
    before, after = builder.sign(image), builder.choose_sign(operator)
    builder.add_activated(
        "Conv",
        [
            tensor_name(image),
            builder.weights(f"w{kernel}", before * after * values),
            builder.weights(f"w{bias}", after * graph.constants[bias]),
        ],
        operator,
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


def _prelu(builder: GraphBuilder, operator: Operator) -> None:
    """PReLU, x or a·x, of an image that is kept negated: −y = −x + (a − 1)·max(−x, 0).

    ONNX Runtime's PRelu does not support the channel-blocked layout, so each of the 69 would
    convert the layout of its image: 12 ms per face instead of 4 on x86. The product is a depthwise
    convolution, into which ONNX Runtime fuses the sum; without the negation a second one would be
    needed, for a·x.
    """
    image, slope = operator.inputs
    slopes = builder.graph.constants[slope].reshape(-1, 1, 1, 1)
    x, y = builder.negated(image), tensor_name(operator.output)
    steep = builder.weights(f"w{slope}", slopes)
    # in float32, on loading: a − 1 needs more digits than a
    rest = builder.add("Sub", [steep, builder.one()], f"{y}.rest")
    below = builder.add("Relu", [x], f"{y}.below")
    less = builder.add("Conv", [below, rest], f"{y}.less", group=len(slopes))
    builder.add("Add", [x, less], y)
    builder.signs[operator.output] = -1


def _pad(builder: GraphBuilder, operator: Operator) -> None:
    """Zeros around an image; further channels by a convolution, in the channel-blocked layout."""
    image, amounts = operator.inputs
    pads = builder.graph.constants[amounts][list(NCHW)]
    if pads[0].any() or pads[2:].any():
        name = builder.integers(f"w{amounts}", pads.T.ravel())
        builder.add("Pad", [builder.plain(image), name], tensor_name(operator.output))
        return
    n, (before, behind) = builder.graph.shapes[image][-1], pads[1]
    kept = np.pad(np.eye(n, dtype=np.float32), ((before, behind), (0, 0)))[:, :, None, None]
    sign = builder.sign(image) * builder.choose_sign(operator)
    weights = builder.weights(f"w{amounts}.kept", sign * kept)
    builder.add("Conv", [tensor_name(image), weights], tensor_name(operator.output))


def _max_pool(builder: GraphBuilder, operator: Operator) -> None:
    options = operator.options
    kernel = options.filterHeight, options.filterWidth
    builder.add(
        "MaxPool",
        [builder.plain(operator.inputs[0])],
        tensor_name(operator.output),
        kernel_shape=kernel,
        strides=[options.strideH, options.strideW],
        pads=_pads(builder.graph.shapes[operator.inputs[0]], kernel, options),
    )


def _resize(builder: GraphBuilder, operator: Operator) -> None:
    image, output = operator.inputs[0], tensor_name(operator.output)
    require(operator.options.halfPixelCenters, "resize without halfPixelCenters")
    size = builder.graph.shapes[operator.output]
    sizes = builder.integers(f"{output}.size", (size[i] for i in NCHW))
    builder.add(
        "Resize",
        [tensor_name(image), "", "", sizes],
        output,
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _depth_to_space(builder: GraphBuilder, operator: Operator) -> None:
    """The channels are row, column, depth in both formats (ONNX's default mode, DCR)."""
    inputs, output = [tensor_name(operator.inputs[0])], tensor_name(operator.output)
    builder.add("DepthToSpace", inputs, output, blocksize=operator.options.blockSize)


def _reshape(builder: GraphBuilder, operator: Operator) -> None:
    source, shapes = operator.inputs[0], builder.graph.shapes
    output = operator.output
    builder.reshape(tensor_name(source), len(shapes[source]), shapes[output], tensor_name(output))


def _transpose(builder: GraphBuilder, operator: Operator) -> None:
    source, order = operator.inputs
    laid_out = layout(len(builder.graph.shapes[source]))
    perm = [laid_out.index(each) for each in builder.graph.constants[order][list(laid_out)]]
    builder.add("Transpose", [tensor_name(source)], tensor_name(operator.output), perm=perm)


def _slice(builder: GraphBuilder, operator: Operator) -> None:
    """Where a bit of beginMask or endMask is set, that dimension has no limit."""
    source, begin, end, strides = operator.inputs
    constants, options, output = builder.graph.constants, operator.options, operator.output
    shape = np.array(builder.graph.shapes[source])
    require(not options.ellipsisMask | options.newAxisMask, "slice that adds dimensions")
    require(bool(np.all(constants[strides] == 1)), "slice with strides")
    bits = 1 << np.arange(len(shape))
    starts = np.where(options.beginMask & bits, 0, constants[begin])
    ends = np.where(options.endMask & bits, shape, constants[end])
    name, laid_out = tensor_name(output), list(layout(len(shape)))
    limits = [
        builder.integers(f"{name}.begin", starts[laid_out]),
        builder.integers(f"{name}.end", ends[laid_out]),
    ]
    if options.shrinkAxisMask:
        kept = builder.add("Slice", [tensor_name(source), *limits], f"{name}.slice")
        builder.reshape(kept, len(shape), builder.graph.shapes[output], name)
    else:
        builder.add("Slice", [tensor_name(source), *limits], name)


def _concatenation(builder: GraphBuilder, operator: Operator) -> None:
    rank = len(builder.graph.shapes[operator.output])
    axis = layout(rank).index(operator.options.axis % rank)
    builder.add_activated("Concat", builder.operands(operator), operator, axis=axis)


def _mean(builder: GraphBuilder, operator: Operator) -> None:
    axes = _reduced(builder, operator)
    inputs, output = [tensor_name(operator.inputs[0])], tensor_name(operator.output)
    builder.add("ReduceMean", inputs, output, axes=axes)


def _sum(builder: GraphBuilder, operator: Operator) -> None:
    source, axes = operator.inputs
    inputs = [tensor_name(source), builder.integers(f"w{axes}", _reduced(builder, operator))]
    builder.add("ReduceSum", inputs, tensor_name(operator.output))


def _reduced(builder: GraphBuilder, operator: Operator) -> list[int]:
    """The axes over which an operator reduces."""
    source, axes = operator.inputs
    require(operator.options.keepDims, "reduction that drops dimensions")
    rank = len(builder.graph.shapes[source])
    return [layout(rank).index(each % rank) for each in builder.graph.constants[axes].ravel()]


def _squared_difference(builder: GraphBuilder, operator: Operator) -> None:
    output = tensor_name(operator.output)
    difference = builder.add("Sub", builder.operands(operator), f"{output}.difference")
    builder.add("Mul", [difference, difference], output)


def _reciprocal_root(builder: GraphBuilder, operator: Operator) -> None:
    output = tensor_name(operator.output)
    root = builder.add("Sqrt", [tensor_name(operator.inputs[0])], f"{output}.root")
    builder.add("Reciprocal", [root], output)


def _unary(kind: str) -> Converter:
    """An operator of one tensor that is the same in TFLite and ONNX."""

    def convert(builder: GraphBuilder, operator: Operator) -> None:
        builder.add(kind, [tensor_name(operator.inputs[0])], tensor_name(operator.output))

    return convert


def _add(builder: GraphBuilder, operator: Operator) -> None:
    """A sum; of images of which one is kept negated, it is kept negated too."""
    if any(builder.sign(tensor) < 0 for tensor in operator.inputs):
        inputs = [builder.negated(tensor) for tensor in operator.inputs]
        require(operator.options.fusedActivationFunction == 0, "activation of a negated sum")
        builder.add("Add", inputs, tensor_name(operator.output))
        builder.signs[operator.output] = -1
    else:
        builder.add_activated("Add", builder.operands(operator), operator)


def _binary(kind: str) -> Converter:
    """An operator of two tensors, with broadcasting, that is the same in TFLite and ONNX."""

    def convert(builder: GraphBuilder, operator: Operator) -> None:
        builder.add_activated(kind, builder.operands(operator), operator)

    return convert


CONVERTERS: dict[str, Converter] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "PRELU": _prelu,
    "PAD": _pad,
    "MAX_POOL_2D": _max_pool,
    "RESIZE_BILINEAR": _resize,
    "DEPTH_TO_SPACE": _depth_to_space,
    "RESHAPE": _reshape,
    "TRANSPOSE": _transpose,
    "STRIDED_SLICE": _slice,
    "CONCATENATION": _concatenation,
    "MEAN": _mean,
    "SUM": _sum,
    "SQUARED_DIFFERENCE": _squared_difference,
    "RSQRT": _reciprocal_root,
    "RELU": _unary("Relu"),
    "SQRT": _unary("Sqrt"),
    "NEG": _unary("Neg"),
    "LOGISTIC": _unary("Sigmoid"),
    "ADD": _add,
    "SUB": _binary("Sub"),
    "MUL": _binary("Mul"),
    "DIV": _binary("Div"),
}
