"""Finds the state dicts in what a checkpoint holds, and the one that fits a network.

A file of torch.save names the classes of what it holds: a whole network, hyperparameters, paths.
Here each of them becomes an `Inert` object with the state as data, so nothing is imported and no
code of the file runs, and the weights of a network that was saved whole can still be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

AVERAGES = {"ema", "average", "averaged", "swa", "polyak"}  # words in names: G_ema, modelEMA
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")  # at any depth
COUNTERS = {"n_averaged"}  # of torch.optim.swa_utils.AveragedModel, beside the weights
MAX_DEPTH = 100  # of the modules of a network
DICTS = {"collections.defaultdict"}
State = dict[str, Tensor]


class Inert:
    """An object of a class that a file names: its state as data, without the class."""

    state: dict[str, Any] = {}  # noqa: RUF012  # never changed, only replaced

    def __init__(self, *arguments: object) -> None:
        """Accepts what the class's own would."""

    def __setstate__(self, state: object) -> None:
        """What unpickling calls with the object's attributes."""
        self.state = state if isinstance(state, dict) else {}


def load_inert(path: Path) -> Any:  # noqa: ANN401  # whatever torch.save wrote
    """What a file of torch.save holds; its classes become Inert, and none of their code runs.

    The unpickler is PyTorch's own for `weights_only`: it calls only what is on its list, to which
    the two stand-ins are added.

    Raises
    ------
    Exception
        Whatever torch.load raises.
    """
    unknown = get_unsafe_globals_in_checkpoint(str(path))
    stand_ins: list[Any] = [(_empty_dict if name in DICTS else Inert, name) for name in unknown]
    with safe_globals(stand_ins):
        return torch.load(path, map_location="cpu", weights_only=True)


def _empty_dict(*_: object) -> dict[Any, Any]:
    return {}


def state_dicts(content: Any) -> Iterator[tuple[str, State]]:  # noqa: ANN401
    """Every state dict in the content of a checkpoint, with its name; averages come first."""
    stack, seen = [("weights", content)], {}
    while stack:
        name, item = stack.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item  # kept, so that no other gets its id
        if state := _state_of(item):
            yield name, state
        inner = sorted(_children(item, name), key=lambda child: not is_average(child[0]))
        stack += reversed(inner)


def is_average(name: str) -> bool:
    """Whether weights of this name, or with this prefix, are averaged over the training."""
    return not AVERAGES.isdisjoint(word.lower() for word in WORDS.findall(name))


def _children(item: Any, name: str) -> list[tuple[str, Any]]:  # noqa: ANN401
    if isinstance(item, Inert):
        item = item.state
    if isinstance(item, dict):
        return [(str(key), value) for key, value in item.items()]
    return [(name, value) for value in item] if isinstance(item, list | tuple) else []


def _state_of(item: Any) -> State:  # noqa: ANN401
    """The weights of a network, or the tensors of a dict; those of nested dicts are not its own."""
    if isinstance(item, nn.Module):
        return item.state_dict()
    if isinstance(item, Inert):
        return dict(_weights_of(item))
    entries = item.items() if isinstance(item, dict) else ()
    return {str(key): plain(value) for key, value in entries if isinstance(value, Tensor)}


def _weights_of(module: Inert, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """The state dict of a network that was saved whole, as nn.Module.state_dict would name it."""
    attributes, hidden = module.state, module.state.get("_non_persistent_buffers_set")
    hidden = hidden if isinstance(hidden, set) else set()
    for group in ("_parameters", "_buffers"):
        for name, value in _named(attributes.get(group)):
            if isinstance(value, Tensor) and name not in hidden:
                yield prefix + name, plain(value)
    for name, child in _named(attributes.get("_modules")):
        if isinstance(child, Inert) and depth < MAX_DEPTH:
            yield from _weights_of(child, f"{prefix}{name}.", depth + 1)


def _named(group: Any) -> list[tuple[str, Any]]:  # noqa: ANN401
    items = group.items() if isinstance(group, dict) else ()
    return [(name, value) for name, value in items if isinstance(name, str)]


def plain(tensor: Tensor) -> Tensor:
    """A tensor with all its numbers: not quantised, not sparse."""
    if tensor.is_quantized:
        return tensor.dequantize()
    return tensor if tensor.layout == torch.strided else tensor.to_dense()


def without_prefixes(state: State, expected: State) -> Iterator[tuple[str, State]]:
    """(what was removed, the state dict) as it is, then without what precedes the expected names.

    Wrappers leave prefixes (DataParallel `module.`, a training script `netG.`), and torch.compile
    a part at any depth (`_orig_mod.`). Averages come first.
    """
    state = {key: value for key, value in state.items() if key not in COUNTERS}
    yield "", state
    yield from _below_prefixes(state, expected)
    for wrapper in WRAPPERS:
        inner = {key.replace(wrapper, ""): value for key, value in state.items()}
        if inner.keys() != state.keys():
            yield wrapper, inner
            yield from ((f"{p}{wrapper}", part) for p, part in _below_prefixes(inner, expected))


def _below_prefixes(state: State, expected: State) -> Iterator[tuple[str, State]]:
    first = "." + next(iter(expected), "")
    prefixes = [key[: 1 - len(first)] for key in state if len(first) > 1 and key.endswith(first)]
    for prefix in sorted(prefixes, key=lambda prefix: not is_average(prefix)):
        yield prefix, {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def difference(state: State, expected: State) -> str:
    """How a state dict differs from the one that a network expects; "" if names and sizes fit."""
    for key, value in expected.items():
        if key in state and state[key].shape != value.shape:
            sizes = (" × ".join(map(str, t.shape)) or "a number" for t in (state[key], value))
            return "{} is {}, the network has {}".format(key, *sizes)
    if any(value.is_meta for value in state.values()):
        return "its weights have no values: they were saved on the device meta"
    if missing := [key for key in expected if key not in state]:
        return f"it lacks {len(missing)} of {len(expected)} weights, such as {missing[0]}"
    more = [key for key in state if key not in expected]
    return f"the network lacks {len(more)} of its weights, such as {more[0]}" if more else ""


def not_finite(state: State) -> list[str]:
    """The names of weights that hold NaN or infinity."""
    return [key for key, value in state.items() if not bool(value.isfinite().all())]
