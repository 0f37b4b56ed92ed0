"""Reads a pickle as data: classes become records, tensors stay bytes, and nothing is called.

A pickle is a program. Before it is run, its opcodes are counted and the names it uses are
compared with a list; what it may then call are the few inert functions of this module. The source
of classes that StyleGAN's files carry (`torch_utils.persistence`) is kept as text.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from latent_resonance_export.pack import ConversionError

MAX_BYTES = 4 << 30
MAX_OPCODES = 500_000  # the largest of StyleGAN's files have 60,000
MAX_TUPLES = 20_000  # hashing nested tuples recurses, and 100,000 exhaust the stack
STORED = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
FORBIDDEN = {"EXT1", "EXT2", "EXT4", "FROZENSET", "INST", "NEXT_BUFFER", "PERSID"}
MEMO = {"PUT", "BINPUT", "LONG_BINPUT"}


class InertPickleError(ConversionError):
    """The pickle is broken, too large, or calls what is not on the list."""


class Record:
    """An instance of a class of the file, as data: its state, and the class's name and source."""

    kind, source = "", ""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: dict[Any, Any] = {}

    def __setstate__(self, state: object) -> None:
        """What unpickling calls with the object's attributes."""
        self.state = state if isinstance(state, dict) else {}


class PlainDict(dict[Any, Any]):
    """A dict with attributes (dnnlib.EasyDict), read as a dict."""

    def __setstate__(self, state: object) -> None:
        """Attributes beside the items are left out."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that was pickled: the bytes that torch.save wrote of its storage, and its view."""

    storage: bytes
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def tensor(self) -> Tensor:
        """The tensor, in memory of its own.

        Raises
        ------
        InertPickleError
            Its size and its bytes do not match.
        """
        values = read_storage(self.storage)
        if math.prod(self.size) > len(values):
            raise InertPickleError(f"a tensor of {self.size[:8]} has {len(values)} numbers")
        try:
            return values.as_strided(self.size, self.stride, self.offset).clone()
        except RuntimeError as error:
            raise InertPickleError(f"a tensor of {self.size[:8]} leaves its bytes") from error


class StorageKey(NamedTuple):
    """What the pickle of a storage says of the numbers that follow it."""

    dtype: torch.dtype
    n: int


def read_inert_pickle(path: Path) -> Any:  # noqa: ANN401  # whatever the file holds
    """The content of a pickle as plain containers, `Record` and `StoredTensor`.

    Raises
    ------
    InertPickleError
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise InertPickleError(f"{path} has {size / 2**30:.1f} GiB, at most 4 are read")
    try:
        return load(path.read_bytes(), ALLOWED)[0]
    except InertPickleError as error:
        raise InertPickleError(f"{path} was not opened: {error}") from error


def load(data: bytes, allowed: dict[str, Any]) -> tuple[Any, int]:
    """The object of the pickle that `data` begins with, and where the pickle ends.

    Raises
    ------
    InertPickleError
    """
    try:
        end = checked_end(data)
        return InertUnpickler(data[:end], allowed).load(), end
    except InertPickleError:
        raise
    except Exception as error:  # a broken pickle may raise anything
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InertPickleError(f"it is broken ({reason}); download it again") from error


def checked_end(data: bytes) -> int:
    """Counts the opcodes of a pickle without executing them, and returns where it ends.

    Raises
    ------
    InertPickleError
        They are too many, or one of them is not used for data.
    """
    tuples = end = 0
    for count, (opcode, argument, position) in enumerate(pickletools.genops(data)):
        tuples += opcode.name.startswith(("TUPLE", "EMPTY_TUPLE"))
        if count > MAX_OPCODES or tuples > MAX_TUPLES:
            raise InertPickleError("it has more parts than any network, or nests them endlessly")
        memo = opcode.name in MEMO and isinstance(argument, int) and argument > MAX_OPCODES
        if memo or opcode.name in FORBIDDEN:
            raise InertPickleError(f"it uses the opcode {opcode.name} in a way that data does not")
        end = (position or 0) + 1
    return end


class InertUnpickler(pickle.Unpickler):
    """An unpickler that knows nothing but `allowed`; modules of torch.nn become records."""

    def __init__(self, data: bytes, allowed: dict[str, Any]) -> None:
        super().__init__(io.BytesIO(data))
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        """The inert substitute of a name."""
        full = f"{module}.{name}"
        if full in self._allowed:
            return self._allowed[full]
        if module.startswith("torch.nn.modules.") and name.isidentifier():
            return type(name, (Record,), {"kind": full})
        raise InertPickleError(f"it executes code ({full[:80]}) when it is opened")

    def persistent_load(self, pid: Any) -> StorageKey:  # noqa: ANN401
        """What a storage says of itself: ("storage", type, key, device, count, view)."""
        tag, dtype, _, _, count, *view = pid
        if tag != "storage" or not isinstance(dtype, torch.dtype) or any(view):
            raise InertPickleError("a storage of a tensor is of an unknown kind")
        return StorageKey(dtype, int(count))


def read_storage(data: bytes) -> Tensor:
    """The numbers of a storage that torch.save wrote in its older format: (n,).

    Five pickles (magic number, version, machine, storage, keys), then the count and the bytes.

    Raises
    ------
    InertPickleError
    """
    storage: Any = None
    for part in range(5):
        found, end = load(data, STORAGES)
        storage = found if part == 3 else storage
        data = data[end:]
    if not isinstance(storage, StorageKey):
        raise InertPickleError("a tensor has no storage")
    count = int.from_bytes(data[:8], "little")
    if not count == storage.n == (len(data) - 8) / storage.dtype.itemsize:
        raise InertPickleError(f"a storage of {storage.n} numbers has {len(data) - 8} bytes")
    return torch.frombuffer(bytearray(data[8:]), dtype=storage.dtype) if count else torch.empty(0)


def rebuild_persistent(meta: dict[str, Any]) -> Record:
    """The record of a persistent object; its source is kept and not executed."""
    record = Record()
    record.kind, record.source = str(meta["class_name"]), str(meta["module_src"])
    record.__setstate__(meta["state"])
    return record


def rebuild_tensor(
    storage: bytes, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> StoredTensor:
    """A tensor that is not read until it is needed."""
    if not all(isinstance(n, int) and n >= 0 for n in (*size, *stride, offset)):
        raise InertPickleError("the size of a tensor is no list of numbers")
    return StoredTensor(storage, offset, tuple(size), tuple(stride))


def first(value: Any, *_: object) -> Any:  # noqa: ANN401
    """The tensor of a parameter, or the bytes of a storage."""
    return value


def encode(text: str, _encoding: str) -> bytes:
    """How protocol 2 writes bytes."""
    return text.encode("latin-1")


def _records(*names: str) -> dict[str, Callable[..., Any]]:
    return {name: type(name.rpartition(".")[2], (Record,), {"kind": name}) for name in names}


STORAGES: dict[str, Any] = {f"torch.{name}": dtype for name, dtype in STORED.items()} | {
    f"torch.storage.{name}": dtype for name, dtype in STORED.items()
}
ALLOWED: dict[str, Any] = {
    "torch_utils.persistence._reconstruct_persistent_obj": rebuild_persistent,
    "dnnlib.util.EasyDict": PlainDict,
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,
    "_codecs.encode": encode,
    "torch.Size": tuple,
    "torch.storage._load_from_bytes": first,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_tensor": rebuild_tensor,
    "torch._utils._rebuild_parameter": first,
} | _records(
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy._core.numeric._frombuffer",
    "torch.device",
    "torch.float16",
    "torch.float32",
)
