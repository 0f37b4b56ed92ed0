"""Loads a generator that was trained elsewhere, from package.module:function and a checkpoint.

Without the function, the file must contain the network in a form that is known: StyleGAN's, or
TorchScript's.

Wrappers leave prefixes in the names of weights (torch.compile `_orig_mod.`, DataParallel and
AveragedModel `module.`, a training script `netG.`): they are removed where the rest then fits.

A checkpoint is read as tensors and numbers only. One that needs more executes code when it is
opened and is refused without --trust. The function is the user's own code and is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
from torch import nn

from latent_resonance_export.gan.models.custom import find_factory, summarise
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.stylegan_file import is_pickle, load_stylegan
from latent_resonance_export.pack.torchscript_file import is_torchscript, load_torchscript
from latent_resonance_export.pack.weights_file import (
    is_safetensors,
    read_safetensors,
    refuse_what_is_no_checkpoint,
    weights_file_in,
)

PREFIXES = ("_orig_mod.", "module.", "generator.", "netG.", "ema.", "g_ema.", "G.", "model.")
TORCHSCRIPT = "TorchScript"
COUNTERS = {"n_averaged"}  # of torch.optim.swa_utils.AveragedModel, beside the weights
EMA_NAMES = ("g_ema", "ema", "generator_ema", "average", "G_ema", "netG_ema")


class Loaded(NamedTuple):
    """A network, and which weights of the checkpoint it has, for people."""

    network: nn.Module
    weights: str


def load_external(
    checkpoint: Path, factory: str | None, *, trust: bool = False, truncation: float = 1.0
) -> Loaded:
    """The network that a factory creates, with the weights of a checkpoint or its folder.

    Parameters
    ----------
    factory : None for a file that contains its network
    truncation : of w, for StyleGAN's files

    Raises
    ------
    ConversionError
        One of them cannot be loaded, or they do not match.
    """
    checkpoint = weights_file_in(checkpoint)
    if not checkpoint.is_file():
        raise ConversionError(f"there is no {checkpoint}: name a file that torch.save wrote")
    if factory is None:
        return load_self_contained(checkpoint, truncation)
    network = make_network(factory)
    content = read_checkpoint(checkpoint, trust=trust)
    return Loaded(network, load_weights(network, content, checkpoint, factory))


def has_own_truncation(checkpoint: Path, factory: str | None) -> bool:
    """Whether the network truncates w itself, as StyleGAN does, so that the pack need not."""
    path = weights_file_in(checkpoint)
    return factory is None and path.is_file() and is_pickle(path)


def load_self_contained(path: Path, truncation: float) -> Loaded:
    """The network of a file that contains it; no code of the file is executed.

    Raises
    ------
    ConversionError
        The file holds weights only, or is no such file.
    """
    refuse_what_is_no_checkpoint(path)
    if is_pickle(path):
        return Loaded(load_stylegan(path, truncation), "G_ema")
    if is_torchscript(path):
        return Loaded(load_torchscript(path), TORCHSCRIPT)
    raise ConversionError(
        f"{path} holds weights but no network: name its code with --factory package.module:function"
    )


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
        It is broken, no checkpoint, or would execute code.
    """
    refuse_what_is_no_checkpoint(path)
    if is_safetensors(path):
        return read_safetensors(path)
    if is_torchscript(path):
        raise ConversionError(
            f"{path} is a TorchScript archive, which holds its network: leave out --factory"
        )
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


def load_weights(network: nn.Module, content: Any, path: Path, factory: str) -> str:  # noqa: ANN401
    """Loads the first matching state dict of a checkpoint, averaged weights before others.

    Returns
    -------
    what was loaded, for a message: the name of the state dict, and a prefix that was removed

    Raises
    ------
    ConversionError
        None matches.
    """
    failures = []
    for name, state in state_dicts(content):
        for prefix, part in without_prefixes(state):
            try:
                network.load_state_dict(part)
            except (RuntimeError, TypeError, AttributeError) as error:
                reason = " ".join(str(error).partition("\n\t")[2].split())
                failures.append(f"{name}: {reason or summarise(error)}")
            else:
                return name + (f", without the prefix {prefix}" if prefix else "")
    reason = failures[0][:200] if failures else "it holds no state dict"
    raise ConversionError(f"{path} does not fit the network of {factory} ({reason})")


def without_prefixes(
    state: dict[str, Any], removed: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what was removed, the state dict) as it is, then without each prefix that names have."""
    state = {key: value for key, value in state.items() if key not in COUNTERS}
    yield removed, state
    for prefix in PREFIXES:
        part = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        if part:
            yield from without_prefixes(part, removed + prefix)


def state_dicts(content: Any, name: str = "weights") -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """Every state dict in what torch.save wrote, with its name; averages come first."""
    if isinstance(content, nn.Module):
        content = content.state_dict()
    if not isinstance(content, dict):
        return
    if any(isinstance(value, torch.Tensor) for value in content.values()):
        yield name, {str(key): value for key, value in content.items()}
    inner = {key: value for key, value in content.items() if isinstance(value, dict | nn.Module)}
    for key in sorted(inner, key=lambda key: key not in EMA_NAMES):
        yield from state_dicts(inner[key], str(key))
