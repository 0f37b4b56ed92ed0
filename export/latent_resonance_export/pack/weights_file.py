"""Reads files of weights that other programs wrote; nothing in them is executed.

`.safetensors` is read here: a length, a table in JSON, then the numbers
(https://huggingface.co/docs/safetensors, format 1). Reading it needs no further package.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latent_resonance_export.dataset.content import HEAD_BYTES, describe_content
from latent_resonance_export.pack import ConversionError

MAX_HEADER_BYTES = 100_000_000
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pkl")  # the preferred ones first


def weights_file_in(path: Path) -> Path:
    """The file of weights: the path itself, or the only one in a local Hugging Face folder.

    Raises
    ------
    ConversionError
        There is none, or more than one.
    """
    if not path.is_dir():
        return path
    for suffix in SUFFIXES:
        found = sorted(file for file in path.iterdir() if file.suffix == suffix)
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(file.name for file in found[:5])
            raise ConversionError(f"{path} holds several files of weights ({names}): name one")
    raise ConversionError(f"{path} holds no file of weights ({', '.join(SUFFIXES)}): name one")


def refuse_what_is_no_checkpoint(path: Path) -> None:
    """Refuses web pages, pointers and images that have the name of a checkpoint.

    Raises
    ------
    ConversionError
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    what = "" if head.startswith(b"PK\x03\x04") else describe_content(head)  # a ZIP may be one
    if what:
        raise ConversionError(f"{path} is no checkpoint but {what}; download it again")


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as a .safetensors does, whatever its name."""
    with path.open("rb") as file:
        head = file.read(9)
    length = int.from_bytes(head[:8], "little")
    return len(head) == 9 and head[8:] == b"{" and 8 + length <= path.stat().st_size


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file by name.

    Raises
    ------
    ConversionError
        It is broken.
    """
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    try:
        if length > MAX_HEADER_BYTES:
            raise ValueError("its header is too long")
        table = json.loads(content[8 : 8 + length])
        table.pop("__metadata__", None)
        data = bytearray(content[8 + length :])
        return {name: _tensor(entry, data) for name, entry in table.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ConversionError(
            f"{path} is a broken .safetensors file ({reason}): download it again"
        ) from error


def _tensor(entry: dict[str, Any], data: bytearray) -> Tensor:
    dtype, shape = DTYPES[entry["dtype"]], [int(side) for side in entry["shape"]]
    first, last = entry["data_offsets"]
    if last - first != math.prod(shape) * dtype.itemsize or not 0 <= first <= last <= len(data):
        raise ValueError(f"{entry['dtype']} {shape} does not fit bytes {first} to {last}")
    if first == last:
        return torch.zeros(shape, dtype=dtype)
    part = memoryview(data)[first:last]
    return torch.frombuffer(part, dtype=dtype).reshape(shape).clone()
