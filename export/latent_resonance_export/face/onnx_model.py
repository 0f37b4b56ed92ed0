"""Builds an ONNX model of a TFLite graph: channels first, explicit padding, float16 weights. Pure.

The input and the outputs of the model keep TFLite's layout (batch, height, width, channels). Only
the operators of the face networks are supported.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

from latent_resonance_export.face.onnx_graph_builder import (
    GraphBuilder,
    layout,
    tensor_name,
    unsupported,
)
from latent_resonance_export.face.onnx_operators import CONVERTERS
from latent_resonance_export.face.tflite import Operator, Shape, TfliteGraph

OPSET, IR_VERSION = 17, 9  # supported by every ONNX Runtime since 1.14


def build_onnx(
    graph: TfliteGraph, name: str, outputs: Sequence[tuple[int, str, Shape]]
) -> onnx.ModelProto:
    """The model that computes `outputs`, (tensor, name, shape) each, of the input `name`.

    Raises
    ------
    ConversionError
        The graph contains an unsupported operator.
    """
    builder = GraphBuilder(graph)
    (first,) = graph.inputs
    shape = graph.shapes[first]
    builder.add("Transpose", [name], tensor_name(first), perm=layout(len(shape)))
    for operator in _needed(graph, {tensor for tensor, *_ in outputs}):
        if operator.kind not in CONVERTERS:
            raise unsupported(operator.kind)
        CONVERTERS[operator.kind](builder, operator)
    for tensor, output, result in outputs:
        shape_name = builder.integers(f"{output}.shape", result)
        builder.add("Reshape", [tensor_name(tensor), shape_name], output)
    model = helper.make_model(
        helper.make_graph(
            builder.nodes,
            "face",
            [_value(name, shape)],
            [_value(output, result) for _, output, result in outputs],
            list(builder.initializers.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="latent-resonance",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _needed(graph: TfliteGraph, tensors: set[int]) -> list[Operator]:
    """The operators that these tensors depend on."""
    required, kept = set(tensors), []
    for operator in reversed(graph.operators):
        if operator.output in required:
            required.update(operator.inputs)
            kept.append(operator)
    return kept[::-1]


def _value(name: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
