"""Loads a generator that was trained elsewhere, from package.module:function and a checkpoint.

A checkpoint is read as tensors and numbers only. One that needs more executes code when it is
opened and is refused without --trust. The function is the user's own code and is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from latent_resonance_export.gan.models.custom import find_factory, summarise
from latent_resonance_export.pack import ConversionError

EMA_NAMES = ("g_ema", "ema", "generator_ema", "average", "G_ema", "netG_ema")


def load_external(checkpoint: Path, factory: str, *, trust: bool = False) -> nn.Module:
    """The network that a factory creates, with the weights of a checkpoint.

    Raises
    ------
    ConversionError
        One of them cannot be loaded, or they do not match.
    """
    if not checkpoint.is_file():
        raise ConversionError(f"there is no {checkpoint}: name a file that torch.save wrote")
    network = make_network(factory)
    content = read_checkpoint(checkpoint, trust=trust)
    load_weights(network, content, checkpoint, factory)
    return network


def make_network(factory: str) -> nn.Module:
    """Calls package.module:function; modules are also searched in the working folder.

    Raises
    ------
    ArchitectureError
        It cannot be imported.
    ConversionError
        It cannot be called, or does not return a torch.nn.Module.
    """
    make: Callable[..., object] = find_factory(factory)
    try:
        network = make()
    except (Exception, SystemExit) as error:  # the user's own code may do anything
        raise ConversionError(
            f"--factory {factory} raised {summarise(error)}: it must return the generator "
            "when called without arguments"
        ) from error
    if not isinstance(network, nn.Module):
        raise ConversionError(
            f"--factory {factory} returned {type(network).__name__}, not a torch.nn.Module"
        )
    return network


def read_checkpoint(path: Path, *, trust: bool) -> Any:  # noqa: ANN401  # whatever torch.save wrote
    """The content of a checkpoint; without `trust` no code in it is executed.

    Raises
    ------
    ConversionError
        It is broken, or would execute code.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:  # a pickle may raise anything
        if not trust and (target := _code_in(error)):
            raise ConversionError(
                f"{path} executes code when it is opened ({target}), so it was not opened: ask for "
                "its state_dict, or add --trust if you trust its author"
            ) from error
        raise ConversionError(f"torch.load cannot read {path} ({summarise(error)})") from error


def _code_in(error: Exception) -> str | None:
    """The function that a refused file would have called; None if the file is broken."""
    if not isinstance(error, UnpicklingError):
        return None
    match = re.search(r"GLOBAL ([\w.]+)", str(error))
    return match[1] if match else None


def load_weights(network: nn.Module, content: Any, path: Path, factory: str) -> None:  # noqa: ANN401
    """Loads the first matching state dict of a checkpoint, averaged weights before others.

    Raises
    ------
    ConversionError
        None matches.
    """
    failures = []
    for name, state in state_dicts(content):
        try:
            network.load_state_dict(state)
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).partition("\n\t")[2].split())
            failures.append(f"{name}: {reason or summarise(error)}")
        else:
            return
    reason = failures[0][:200] if failures else "it holds no state dict"
    raise ConversionError(f"{path} does not fit the network of {factory} ({reason})")


def state_dicts(content: Any, name: str = "weights") -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """Every state dict in what torch.save wrote, with its name; averages come first."""
    if isinstance(content, nn.Module):
        content = content.state_dict()
    if not isinstance(content, dict):
        return
    if any(isinstance(value, torch.Tensor) for value in content.values()):
        yield name, {str(key).removeprefix("module."): value for key, value in content.items()}
    inner = {key: value for key, value in content.items() if isinstance(value, dict | nn.Module)}
    for key in sorted(inner, key=lambda key: key not in EMA_NAMES):
        yield from state_dicts(inner[key], str(key))
