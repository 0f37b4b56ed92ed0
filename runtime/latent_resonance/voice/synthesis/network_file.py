"""What an ONNX file may not hold, found before ONNX Runtime reads it.

Other files, as PyTorch's exporter writes them for weights: no hash of the pack covers them. And
what opens for minutes or fills the memory: functions, which ONNX Runtime copies to each place of
use, also within each other, and nodes without number. Pure, apart from reading the file. The
runtime has no `onnx`; protobuf's wire format is described at
protobuf.dev/programming-guides/encoding, and the field numbers are those of onnx.proto3.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

MODEL, TRAINING, GRAPH, NODE, ATTRIBUTE, FUNCTION, TENSOR, SPARSE = range(8)
# Where each message may hold others that hold a tensor: by field number.
INNER: Mapping[int, Mapping[int, int]] = {
    MODEL: {7: GRAPH, 20: TRAINING, 25: FUNCTION},
    TRAINING: {1: GRAPH, 2: GRAPH},
    GRAPH: {1: NODE, 5: TENSOR, 15: SPARSE},
    NODE: {5: ATTRIBUTE},
    ATTRIBUTE: {5: TENSOR, 6: GRAPH, 10: TENSOR, 11: GRAPH, 22: SPARSE, 23: SPARSE},
    FUNCTION: {7: NODE, 11: ATTRIBUTE},
    SPARSE: {1: TENSOR, 2: TENSOR},
    TENSOR: {},
}
EXTERNAL_DATA, DATA_LOCATION = (TENSOR, 13), (TENSOR, 14)  # 1 is the location of another file
OPERATOR, FUNCTIONS = (NODE, 4), (MODEL, 25)
IN_ANOTHER_FILE = (
    "keeps weights in another file, which no hash covers; export it with its weights inside"
)
COMPILED = "refers to a network compiled for one device (EPContext); export it as plain ONNX"
HAS_FUNCTIONS = (
    "has functions, which can grow without limit when they are opened; export it with its "
    "functions inlined"
)
VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5  # wire types
FIXED_BYTES = {FIXED_64: 8, FIXED_32: 4}
MAX_DEPTH = 32  # of graphs within attributes of nodes, each of which is three levels
MAX_FIELDS = 100_000  # read in 0.25 s; the generator of cello has 5,000

Field = tuple[int, int | memoryview]  # number; the value of a varint, or the bytes
Place = tuple[int, int]  # kind of message, number of the field


def why_not_opened(path: Path) -> str:
    """Why an ONNX file is not given to ONNX Runtime; "" if it is.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is empty, no protobuf message, nested too deeply, or has more than MAX_FIELDS fields.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed with the last view
    read = walk(memoryview(mapped))
    reasons = (_reason(place, value) for place, value in islice(read, MAX_FIELDS))
    reason = next(filter(None, reasons), "")
    if not reason and next(read, None) is not None:
        raise ValueError(f"more than {MAX_FIELDS} fields; export it with fewer nodes")
    return reason


def _reason(place: Place, value: int | memoryview) -> str:
    if place == EXTERNAL_DATA or (place == DATA_LOCATION and value != 0):
        return IN_ANOTHER_FILE
    if place == FUNCTIONS:
        return HAS_FUNCTIONS
    if place == OPERATOR and isinstance(value, memoryview) and value.tobytes() == b"EPContext":
        return COMPILED
    return ""


def walk(
    message: memoryview, kind: int = MODEL, depth: int = 0
) -> Iterator[tuple[Place, int | memoryview]]:
    """The fields of a serialised message, and after each those of the message that it holds.

    Raises
    ------
    ValueError
        It is no protobuf message, or nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise ValueError("graphs are nested too deeply")
    inner = INNER[kind]
    for number, value in fields(message):
        yield (kind, number), value
        if number in inner and isinstance(value, memoryview):
            yield from walk(value, inner[number], depth + 1)


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
