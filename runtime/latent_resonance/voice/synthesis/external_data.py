"""Whether an ONNX file refers to other files, as PyTorch's exporter writes them for weights.

Pure, apart from reading the file. No hash of the pack covers another file, so that half of it could
be missing. The runtime has no `onnx`; protobuf's wire format is described at
protobuf.dev/programming-guides/encoding, and the field numbers are those of onnx.proto3.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

MODEL, GRAPH, NODE, ATTRIBUTE, FUNCTION, TENSOR, SPARSE = range(7)
# Where each message may hold others that hold a tensor: by field number.
INNER: Mapping[int, Mapping[int, int]] = {
    MODEL: {7: GRAPH, 25: FUNCTION},
    GRAPH: {1: NODE, 5: TENSOR, 15: SPARSE},
    NODE: {5: ATTRIBUTE},
    ATTRIBUTE: {5: TENSOR, 6: GRAPH, 10: TENSOR, 11: GRAPH, 22: SPARSE, 23: SPARSE},
    FUNCTION: {7: NODE, 11: ATTRIBUTE},
    SPARSE: {1: TENSOR, 2: TENSOR},
    TENSOR: {},
}
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # of a tensor; the location is 1 if it is another file
VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5  # wire types
FIXED_BYTES = {FIXED_64: 8, FIXED_32: 4}
MAX_DEPTH = 32  # of graphs within attributes of nodes, each of which is three levels

Field = tuple[int, int | memoryview]  # number; the value of a varint, or the bytes


def refers_to_other_files(path: Path) -> bool:
    """Whether any tensor of an ONNX file is in another file.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is empty, or no protobuf message.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed with the last view
    return has_external_data(memoryview(mapped))


def has_external_data(model: memoryview, kind: int = MODEL, depth: int = 0) -> bool:
    """Whether any tensor of a serialised ONNX model is in another file.

    Raises
    ------
    ValueError
        It is no protobuf message, or nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise ValueError("graphs are nested too deeply")
    inner = INNER[kind]
    return any(
        (kind == TENSOR and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0)))
        or (
            number in inner
            and isinstance(value, memoryview)
            and has_external_data(value, inner[number], depth + 1)
        )
        for number, value in fields(model)
    )


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of a message, in order.

    Raises
    ------
    ValueError
        It is truncated, or has a wire type that is not in use any more.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        length, at = _varint(message, at) if kind == LENGTH else (FIXED_BYTES.get(kind, -1), at)
        if not 0 <= length <= len(message) - at:
            raise ValueError("it is truncated or damaged")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("it is truncated or damaged")
