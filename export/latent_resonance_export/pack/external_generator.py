"""A generator that was trained elsewhere: its code by package.module:function, its weights by file.

Weights are read as tensors and numbers; a file that wants more runs code when it is opened, and
is refused unless its author is trusted. The function is the user's own code and is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from latent_resonance_export.gan.models.custom import find, in_short
from latent_resonance_export.pack import ConversionError

EXPONENTIAL_AVERAGES = ("g_ema", "ema", "generator_ema", "average", "G_ema", "netG_ema")


def load_outside(checkpoint: Path, factory: str, *, trust: bool = False) -> nn.Module:
    """The network that a factory makes, with the weights of a checkpoint.

    Raises
    ------
    ConversionError
        One of them cannot be read, or they do not fit each other.
    """
    if not checkpoint.is_file():
        raise ConversionError(f"there is no {checkpoint}: --checkpoint names what torch.save wrote")
    network = make_network(factory)
    content = read_checkpoint(checkpoint, trust=trust)
    load_weights(network, content, checkpoint, factory)
    return network


def make_network(factory: str) -> nn.Module:
    """Calls package.module:function, which is looked for in the working folder too.

    Raises
    ------
    ArchitectureError
        It cannot be imported.
    ConversionError
        It cannot be called, or what it returns is no torch.nn.Module.
    """
    make = find(factory)
    try:
        network = make()
    except (Exception, SystemExit) as error:  # the user's own code may do anything
        raise ConversionError(
            f"--factory {factory} raised {in_short(error)}: it must make the generator without "
            "being told anything"
        ) from error
    if not isinstance(network, nn.Module):
        raise ConversionError(
            f"--factory {factory} returned {type(network).__name__}, not a torch.nn.Module"
        )
    return network


def read_checkpoint(path: Path, *, trust: bool) -> Any:  # noqa: ANN401  # whatever torch.save wrote
    """What a file holds; without trust nothing of it is executed.

    Raises
    ------
    ConversionError
        It is broken, or would run code.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:  # a pickle may raise anything
        if not trust and (target := _code_in(error)):
            raise ConversionError(
                f"{path} runs code when it is opened ({target}), so it was not: ask for its "
                "state_dict, or name --trust if you trust whoever made it"
            ) from error
        raise ConversionError(f"{path} cannot be read by torch.load ({in_short(error)})") from error


def _code_in(error: Exception) -> str | None:
    """Which code the refused file would have run; None if it is merely broken."""
    if not isinstance(error, UnpicklingError):
        return None
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    return named[1] if named else None


def load_weights(network: nn.Module, content: Any, path: Path, factory: str) -> None:  # noqa: ANN401
    """Loads the first state dict in a checkpoint that fits, averaged weights before others.

    Raises
    ------
    ConversionError
        None fits.
    """
    misfits = []
    for name, state in state_dicts(content):
        try:
            network.load_state_dict(state)
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).partition("\n\t")[2].split())
            misfits.append(f"{name}: {reason or in_short(error)}")
        else:
            return
    found = misfits[0][:200] if misfits else "it holds no state dict"
    raise ConversionError(f"{path} does not fit the network of {factory} ({found})")


def state_dicts(content: Any, name: str = "weights") -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """Every state dict in what torch.save wrote, by its name; averages come first."""
    if isinstance(content, nn.Module):
        content = content.state_dict()
    if not isinstance(content, dict):
        return
    if any(isinstance(value, torch.Tensor) for value in content.values()):
        yield name, {str(key).removeprefix("module."): value for key, value in content.items()}
    inner = {key: value for key, value in content.items() if isinstance(value, dict | nn.Module)}
    for key in sorted(inner, key=lambda key: key not in EXPONENTIAL_AVERAGES):
        yield from state_dicts(inner[key], str(key))
