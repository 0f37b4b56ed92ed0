"""Reads files of weights that other programs wrote; nothing in them is executed.

`.safetensors` is read here: a length, a table in JSON, then the numbers
(https://huggingface.co/docs/safetensors, format 1). Reading it needs no further package.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latent_resonance.pack import sha256_of
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.foreign.formats import foreign_folder, foreign_format

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
READABLE = "it has to be a file of torch.save, .safetensors, TorchScript, or StyleGAN's .pkl"
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pkl")  # the preferred ones first


def weights_file_in(path: Path) -> Path:
    """The file of weights: the path itself, or the only one in a local Hugging Face folder.

    Where the weights are split into several files, their index.

    Raises
    ------
    ConversionError
        There is none, or more than one.
    """
    if not path.is_dir():
        return path
    if indices := [file for file in path.iterdir() if is_index(file)]:
        return min(indices, key=lambda file: ("safetensors" not in file.name, len(file.name)))
    for suffix in SUFFIXES:
        found = sorted(file for file in path.iterdir() if file.suffix == suffix)
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(file.name for file in found[:5])
            raise ConversionError(f"{path} holds several files of weights ({names}): name one")
    raise no_weights_in(path)


def no_weights_in(folder: Path) -> ConversionError:
    """Says what a folder without files of weights is, or where in it there are some."""
    if what := foreign_folder(folder):
        return ConversionError(f"{folder} is {with_remedy(what)}")
    below = {file.parent for suffix in SUFFIXES for file in folder.glob(f"*/**/*{suffix}")}
    where = f"name {min(below)}" if below else "name one"
    return ConversionError(f"{folder} holds no file of weights ({', '.join(SUFFIXES)}): {where}")


def is_index(path: Path) -> bool:
    """Whether a file lists the files into which weights are split, as Hugging Face does."""
    return path.name.endswith(".index.json")


def files_in_index(index: Path) -> list[Path]:
    """The files that an index names.

    Raises
    ------
    ConversionError
        It is broken, or one of them is missing or outside its folder.
    """
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        paths = [index.parent / name for name in names if name == Path(name).name]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConversionError(f"{index} is a broken index ({error}): download it again") from error
    missing = [path.name for path in paths if not path.is_file()]
    if missing or len(paths) < len(names) or not paths:
        what = f"lacks {', '.join(missing[:3])}" if missing else "names files outside its folder"
        raise ConversionError(f"{index} {what}: download the whole folder again")
    return paths


def weights_sha256(path: Path) -> str:
    """The hash of a file of weights, or of the hashes of all files of an index."""
    if not is_index(path):
        return sha256_of(path)
    hashes = (sha256_of(file) for file in (path, *files_in_index(path)))
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def refuse_what_is_no_checkpoint(path: Path) -> None:
    """Refuses web pages, pointers, and what other programs wrote, by the content.

    Raises
    ------
    ConversionError
    """
    if what := foreign_format(path):
        raise ConversionError(f"{path} is no checkpoint of PyTorch but {with_remedy(what)}")


def with_remedy(what: str) -> str:
    """What a file is, with what it has to be instead, unless that says another remedy."""
    return what if ": " in what else f"{what}: {READABLE}"


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as a .safetensors does, whatever its name."""
    with path.open("rb") as file:
        head = file.read(9)
    length = int.from_bytes(head[:8], "little")
    return len(head) == 9 and head[8:] == b"{" and length <= MAX_HEADER_BYTES


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
        if 8 + length > len(content):
            raise ValueError("its header is cut off")
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
