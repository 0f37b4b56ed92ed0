"""The parts of ONNX's file format that the latency pack needs, read and written.

The runtime has no `onnx`. Protobuf's wire format is described at protobuf.dev/programming-guides/
encoding; the field numbers are those of onnx.proto3. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Field = tuple[int, int | bytes]  # field number; a varint, or length-delimited bytes

IR_VERSION, GRAPH, OPSETS = 1, 7, 8  # of a model
NODE, GRAPH_NAME, INITIALIZER, INPUT, OUTPUT = 1, 2, 5, 11, 12  # of a graph
NODE_INPUT, NODE_OUTPUT, OPERATOR = 1, 2, 4  # of a node
DIMENSION, TYPE, TENSOR_NAME, RAW = 1, 2, 8, 9  # of a tensor
FLOAT = 1
TYPES = {"float32": FLOAT, "int64": 7}
VARINT, LENGTH = 0, 2  # wire types


def fields(message: bytes) -> Iterator[Field]:
    """The fields of a message, in order.

    Raises
    ------
    ValueError
        It has a wire type that ONNX networks do not use, or is truncated.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == VARINT:
            yield key >> 3, value
        elif key & 7 == LENGTH and at + value <= len(message):
            yield key >> 3, message[at : at + value]
            at += value
        else:
            raise ValueError("not a network")


def message(parts: Iterable[Field]) -> bytes:
    """Fields as a message."""
    return b"".join(_field(number, value) for number, value in parts)


def node(operator: str, inputs: Iterable[str], output: str) -> Field:
    """A node of a graph, without attributes."""
    parts: list[Field] = [(NODE_INPUT, name.encode()) for name in inputs]
    parts += [(NODE_OUTPUT, output.encode()), (OPERATOR, operator.encode())]
    return NODE, message(parts)


def constant(name: str, value: NDArray[np.float32] | NDArray[np.int64]) -> Field:
    """An initializer of a graph."""
    parts: list[Field] = [(DIMENSION, size) for size in value.shape]
    parts += [(TYPE, TYPES[value.dtype.name]), (TENSOR_NAME, name.encode())]
    return INITIALIZER, message([*parts, (RAW, np.ascontiguousarray(value).tobytes())])


def rows(number: int, name: str, width: int) -> Field:
    """An input or output of a graph: float32 [n, width]."""
    shape = message([(1, message([(2, b"n")])), (1, message([(1, width)]))])
    tensor = message([(1, FLOAT), (2, shape)])
    return number, message([(1, name.encode()), (2, message([(1, tensor)]))])


def model(graph: bytes, ir_version: int, opset: int) -> bytes:
    """The content of a whole file."""
    opsets = message([(1, b""), (2, opset)])
    return message([(IR_VERSION, ir_version), (GRAPH, graph), (OPSETS, opsets)])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, offset of its end): seven bits a byte, the lowest first."""
    number = shift = 0
    for place in range(at, min(at + 10, len(data))):
        number |= (data[place] & 0x7F) << shift
        shift += 7
        if data[place] < 0x80:
            return number, place + 1
    raise ValueError("not a network")


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _bytes_of(number << 3 | VARINT) + _bytes_of(value)
    return _bytes_of(number << 3 | LENGTH) + _bytes_of(len(value)) + value


def _bytes_of(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])
