"""Reads a TFLite file to plain data: operators in order, shapes, and constants in float32. Pure.

The file is a flatbuffer in the schema of TensorFlow Lite, version 3, which LiteRT contains. Weights
that are stored sparse with a DENSIFY operator, or as float16 with a DEQUANTIZE operator, are
converted here, and the operator removed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from latent_resonance_export.face.sparse import densify
from latent_resonance_export.pack import ConversionError

Shape = tuple[int, ...]

_KINDS = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}
_TYPES: dict[int, type[np.generic]] = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT32: np.int32,
}
_DAMAGED = (  # what reading an invalid offset, number or name raises
    *(struct.error, ValueError, IndexError, TypeError, KeyError, AttributeError),
    *(OverflowError, MemoryError),
)


@dataclass(frozen=True)
class Operator:
    """An operator: TFLite's name for its kind, input and output tensors, options."""

    kind: str
    inputs: tuple[int, ...]
    output: int
    options: Any


@dataclass(frozen=True)
class TfliteGraph:
    """A network; tensors are identified by number.

    Attributes
    ----------
    shapes
        Of every tensor; an image's is batch, height, width, channels.
    constants
        Values of the constant tensors.
    """

    operators: tuple[Operator, ...]
    shapes: dict[int, Shape]
    constants: dict[int, NDArray[Any]]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite(name: str, data: bytes) -> TfliteGraph:
    """Reads the only graph of a TFLite file; errors say its name.

    Raises
    ------
    ConversionError
        The file is not TFLite, is damaged, or is quantised.
    """
    if data[4:8] != b"TFL3":
        raise ConversionError(f"{name} is not a TFLite file; give MediaPipe's own, unpacked")
    try:
        return _graph(schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0)))
    except _DAMAGED as error:
        raise ConversionError(f"{name} is damaged ({error}); copy it again") from error


def _graph(model: schema.ModelT) -> TfliteGraph:
    (graph,) = model.subgraphs
    constants = _constants(model, graph)
    operators = []
    for each in graph.operators:
        operator = _operator(model, each)
        if operator.kind == "DENSIFY":  # its constant is dense here already
            constants[operator.output] = constants[operator.inputs[0]]
        elif operator.kind == "DEQUANTIZE" and operator.inputs[0] in constants:
            constants[operator.output] = constants[operator.inputs[0]].astype(np.float32)
        else:
            operators.append(operator)
    return TfliteGraph(
        tuple(operators),
        {i: _shape(tensor) for i, tensor in enumerate(graph.tensors)},
        constants,
        _numbers(graph.inputs),
        _numbers(graph.outputs),
    )


def _operator(model: schema.ModelT, operator: schema.OperatorT) -> Operator:
    code = model.operatorCodes[operator.opcodeIndex]
    kind = _KINDS[max(code.builtinCode, code.deprecatedBuiltinCode)]  # the older field is a byte
    (output,) = _numbers(operator.outputs)
    return Operator(kind, _numbers(operator.inputs), output, operator.builtinOptions)


def _constants(model: schema.ModelT, graph: schema.SubGraphT) -> dict[int, NDArray[Any]]:
    found = {}
    for i, tensor in enumerate(graph.tensors):
        values = model.buffers[tensor.buffer].data
        if values is not None and len(values):
            found[i] = _dense(tensor, np.frombuffer(bytes(values), _type(tensor)))
    return found


def _dense(tensor: schema.TensorT, values: NDArray[Any]) -> NDArray[Any]:
    if tensor.sparsity is None:
        return values.reshape(_shape(tensor))
    return densify(values, _shape(tensor), tensor.sparsity)


def _type(tensor: schema.TensorT) -> type[np.generic]:
    if tensor.type not in _TYPES:
        name = tensor.name.decode()
        raise ConversionError(f"{name} has TFLite's type {tensor.type}; use a float network")
    return _TYPES[tensor.type]


def _shape(tensor: schema.TensorT) -> Shape:
    return () if tensor.shape is None else _numbers(tensor.shape)


def _numbers(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(map(int, values))
