"""Takes the network out of a TorchScript archive (`torch.jit.save`), which is a program.

Its text is searched for operators that reach files before anything opens it; then it is read by a
process with limits (`torchscript_reader.py`), which returns the graph as data. Here that graph is
only interpreted, operator by operator, and only those that are listed: no code of the archive runs
in this process. What remains is a flaw in PyTorch's own reader, which the limits contain but do not
exclude.
"""

from __future__ import annotations

import io
import operator
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latent_resonance.pack.archive import DAMAGED
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.foreign.formats import names_in_zip
from latent_resonance_export.pack.foreign.torchscript_ops import STRUCTURE, TENSOR_OPS

MAX_CODE_BYTES = 16 << 20
MAX_TEXT = 1000  # characters of an error
TIMEOUT_S = 300
MAX_ROUNDS = 1000  # of a loop
IDENTIFIER = re.compile(r"[^\W\d]\w*")
AFTER_OPS = re.compile(r"\bops\b\W*(\w*)")  # the namespace of `ops.aten.relu`, however it is spaced
NAMESPACES = {"aten", "prim"}  # of the operators that are known
FILES = {"from_file", "save"}  # the only two of those namespaces that name files
AT_LOAD = {"__setstate__", "classes"}  # what runs, or makes native objects, when it is opened


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive with code, whatever its name."""
    return any("/code/" in name for name in names_in_zip(path))


def load_torchscript(path: Path) -> GraphNetwork:
    """The network of an archive, its weights included.

    Raises
    ------
    ConversionError
        It uses unknown operators, or cannot be read within the limits.
    """
    check_code(path)
    network = GraphNetwork(read_in_process(path))
    if unknown := sorted(filter(is_unknown, network.kinds())):
        raise ConversionError(f"{path}: {unsupported(unknown)}")
    return network


def is_unknown(kind: str) -> bool:
    """Whether an operator, such as aten::relu, is none of those that are interpreted."""
    namespace, _, name = kind.rpartition("::")
    known = name in TENSOR_OPS or name in NUMBERS or name in STRUCTURE
    return namespace not in NAMESPACES or not known


def unsupported(names: list[str]) -> str:
    """Why operators are refused, and what to do."""
    return (
        f"its program has {', '.join(names[:5])}, which is not on the list of plain operators: "
        "name the network's code with --factory, and give its state_dict"
    )


def check_code(path: Path) -> None:
    """Refuses a program whose text names an operator that reaches files, or another namespace.

    Every word counts, whether it is a call or not, so that no way of writing hides one.

    Raises
    ------
    ConversionError
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = [i for i in archive.infolist() if "/code/" in i.filename]
            if sum(i.file_size for i in files) > MAX_CODE_BYTES:
                raise ConversionError(f"{path}: its program has over 16 MiB: it is not opened")
            text = "\n".join(archive.read(i).decode("utf-8") for i in files if is_code(i.filename))
    except (OSError, *DAMAGED) as error:
        raise ConversionError(f"{path} is a broken archive ({error}): download it again") from error
    words = FILES | AT_LOAD | {f"ops.{each}" for each in set(AFTER_OPS.findall(text)) - NAMESPACES}
    found = set(IDENTIFIER.findall(text))
    if refused := sorted(word for word in words if word in found or word.startswith("ops.")):
        raise ConversionError(f"{path} was not opened: {unsupported(refused)}")


def is_code(name: str) -> bool:
    """Whether a file of an archive is program text; the others are tables for debuggers."""
    return not name.endswith(".debug_pkl")


def read_in_process(path: Path) -> dict[str, Any]:
    """The graph of an archive, read by a process with limits.

    Raises
    ------
    ConversionError
        It failed, or took too long.
    """
    command = [
        sys.executable,
        "-m",
        "latent_resonance_export.pack.foreign.torchscript_reader",
        str(path),
    ]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConversionError(f"{path} was not read within {TIMEOUT_S} s: it is broken") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"{done.returncode}"]
        raise ConversionError(f"{path} cannot be read as TorchScript ({lines[-1][:MAX_TEXT]})")
    graph: dict[str, Any] = torch.load(io.BytesIO(done.stdout), weights_only=True)
    return graph


class GraphNetwork(nn.Module):
    """Interprets a graph of known operators.

    Parameters
    ----------
    graph : as `torchscript_reader.read_graph` returns it
    """

    def __init__(self, graph: dict[str, Any]) -> None:
        super().__init__()
        self.graph = {key: value for key, value in graph.items() if key != "tensors"}
        for i, tensor in enumerate(graph["tensors"]):
            self.register_buffer(f"constant{i}", tensor)
        if (latent_dim := self._width_of_first_weight(graph["tensors"])) is not None:
            self.latent_dim = latent_dim

    def forward(self, z: Tensor) -> Any:  # noqa: ANN401  a tensor, or several
        """Z, as the archive's network takes it, to what that returns."""
        values: dict[str, Any] = dict.fromkeys(self.graph["inputs"])
        values[self.graph["inputs"][0]] = z
        self._run(self.graph["nodes"], values)
        return values[self.graph["outputs"][0]]

    def kinds(self) -> set[str]:
        """The operators that every run executes: those of branches are checked when taken."""
        return {node["kind"] for node in self.graph["nodes"]}

    def _width_of_first_weight(self, tensors: list[Tensor]) -> int | None:
        """The length of z by the operator that takes the input's first product; None if unknown."""
        places = {
            node["outputs"][0]: node["value"]["tensor"]
            for node in self.graph["nodes"]
            if node["kind"] == "prim::Constant"
            and isinstance(node["value"], dict)
            and "tensor" in node["value"]
        }
        for node in self.graph["nodes"]:
            kind = node["kind"].rpartition("::")[2]
            if kind in {"linear", "conv_transpose2d", "conv_transpose1d", "_convolution", "conv2d"}:
                weight = tensors[places[node["inputs"][1]]]
                return int(weight.shape[1] if kind in {"linear", "conv2d"} else weight.shape[0])
        return None

    def _run(self, nodes: list[dict[str, Any]], values: dict[str, Any]) -> None:
        for node in nodes:
            results = self._results(node, values)
            values.update(zip(node["outputs"], results, strict=True))

    def _results(self, node: dict[str, Any], values: dict[str, Any]) -> tuple[Any, ...]:
        """What a node gives, one value for each of its outputs."""
        name = node["kind"].rpartition("::")[2]
        if name == "Constant":
            return (self._constant(node["value"]),)
        arguments = [values[each] for each in node["inputs"]]
        if name == "If":
            return self._of_block(node["blocks"][0 if arguments[0] else 1], [], values)
        if name == "Loop":
            return self._of_loop(node["blocks"][0], arguments, values)
        if name in {"ListUnpack", "TupleUnpack"}:
            return tuple(arguments[0])
        result = call(name, node, arguments)
        return (result,) if len(node["outputs"]) == 1 else tuple(result or ())

    def _of_block(
        self, block: dict[str, Any], arguments: list[Any], values: dict[str, Any]
    ) -> tuple[Any, ...]:
        """What a branch, or one round of a loop, gives."""
        values.update(zip(block["inputs"], arguments, strict=True))
        self._run(block["nodes"], values)
        return tuple(values[each] for each in block["outputs"])

    def _of_loop(
        self, block: dict[str, Any], arguments: list[Any], values: dict[str, Any]
    ) -> tuple[Any, ...]:
        """What a loop gives: its arguments are the rounds, whether to begin, and what changes."""
        rounds, goes_on, *carried = arguments
        for i in range(min(rounds, MAX_ROUNDS + 1)):
            if not goes_on:
                break
            if i == MAX_ROUNDS:
                raise ConversionError(f"a loop of its program has more than {MAX_ROUNDS} rounds")
            goes_on, *carried = self._of_block(block, [i, *carried], values)
        return tuple(carried)

    def _constant(self, value: Any) -> Any:  # noqa: ANN401  plain data
        if isinstance(value, dict):
            return self.get_buffer(f"constant{value['tensor']}") if "tensor" in value else None
        return [self._constant(each) for each in value] if isinstance(value, list) else value


def call(name: str, node: dict[str, Any], arguments: list[Any]) -> Any:  # noqa: ANN401  a value of the graph
    """An operator of numbers, else one of tensors."""
    with_tensor = any(map(is_tensor, arguments))
    if name in NUMBERS and not (with_tensor and name in TENSOR_OPS):
        return NUMBERS[name](*arguments)
    if is_unknown(node["kind"]) or name not in TENSOR_OPS:
        raise ConversionError(unsupported([name]))
    if name == "_convolution":  # and four switches of cuDNN
        return torch.ops.aten.convolution.default(*arguments[:9])
    overload = getattr(getattr(torch.ops.aten, name), node.get("overload") or "default")
    pairs = list(zip(node["keywords"], arguments, strict=True))
    keywords = {key: value for key, value in pairs if key}
    return overload(*(value for key, value in pairs if not key), **keywords)


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor, or a list with one."""
    return isinstance(value, Tensor) or (isinstance(value, list) and any(map(is_tensor, value)))


def refuse(message: object = "", *_: object) -> None:
    """What `raise` in the program does."""
    raise RuntimeError(str(message))


def divided(a: float, b: float) -> float:
    """True division, as TorchScript's div of numbers."""
    return a / b


def itself(value: Any, *_: object) -> Any:  # noqa: ANN401  a value of the graph
    """A conversion between kinds of numbers, which Python's own do not need."""
    return value


def appended(values: list[Any], value: Any) -> list[Any]:  # noqa: ANN401  a value of the graph
    """The same list, longer by one."""
    values.append(value)
    return values


NUMBERS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": divided,
    "floordiv": operator.floordiv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "neg": operator.neg,
    "pow": operator.pow,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "__and__": lambda a, b: a and b,
    "__or__": lambda a, b: a or b,
    "__not__": operator.not_,
    "__is__": operator.is_,
    "__isnot__": operator.is_not,
    "__getitem__": operator.getitem,
    "len": len,
    "size": lambda x, axis=None: list(x.shape) if axis is None else x.shape[axis],
    "dim": lambda x: x.dim(),
    "numel": lambda x: x.numel(),
    "is_floating_point": lambda x: x.is_floating_point(),
    "dtype": lambda x: x.dtype,
    "device": lambda x: x.device,
    "Int": itself,
    "Float": itself,
    "Bool": bool,
    "ScalarImplicit": itself,
    "NumToTensor": itself,
    "unchecked_cast": itself,
    "annotate": itself,
    "format": itself,
    "warn": lambda *_: None,
    "RaiseException": refuse,
    "append": appended,
    "Uninitialized": lambda *_: None,
    "uninitialized": lambda *_: None,
    "ListConstruct": lambda *values: list(values),
    "TupleConstruct": lambda *values: values,
}
