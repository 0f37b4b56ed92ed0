"""Loads a generator that was trained elsewhere, from package.module:function and a checkpoint.

Without the function, the file must contain the network in a form that is known: StyleGAN's, or
TorchScript's.

A checkpoint is read without executing code of it (state_dicts.py). One that cannot be read so, of
PyTorch's formats before 1.6, is refused without --trust. The function is the user's own code and is
called.
"""

from __future__ import annotations

import re
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
from torch import nn

from latent_resonance_export.gan.models.custom import find_factory, summarise
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.foreign.state_dicts import (
    State,
    difference,
    load_inert,
    not_finite,
    state_dicts,
    without_prefixes,
)
from latent_resonance_export.pack.foreign.stylegan_file import is_pickle, load_stylegan
from latent_resonance_export.pack.foreign.torchscript_file import is_torchscript, load_torchscript
from latent_resonance_export.pack.foreign.weights_file import (
    files_in_index,
    is_index,
    is_safetensors,
    read_safetensors,
    refuse_what_is_no_checkpoint,
    weights_file_in,
)

TORCHSCRIPT = "TorchScript"


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
    if not (is_index(path) or is_safetensors(path)):
        refuse_what_is_no_checkpoint(path)
    if is_pickle(path):
        return Loaded(load_stylegan(path, truncation), "G_ema")
    if is_torchscript(path):
        return Loaded(load_torchscript(path), TORCHSCRIPT)
    raise ConversionError(
        f"{path} holds no network, at most weights: name the code of the network with --factory "
        "package.module:function"
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
    if is_index(path):
        parts = [read_checkpoint(file, trust=trust) for file in files_in_index(path)]
        return {k: v for part in parts if isinstance(part, dict) for k, v in part.items()}
    if is_safetensors(path):
        return read_safetensors(path)
    refuse_what_is_no_checkpoint(path)
    if is_torchscript(path):
        raise ConversionError(
            f"{path} is a TorchScript archive, which holds its network: leave out --factory"
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # for programmers
            if not trust and zipfile.is_zipfile(path):
                return load_inert(path)
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:  # a pickle may raise anything
        if not trust and (target := _code_in(path, error)):
            raise ConversionError(
                f"{path} executes code when it is opened ({target}), so it was not opened: ask for "
                "its state_dict, or add --trust if you trust its author"
            ) from error
        raise ConversionError(unreadable(path, error)) from error


def unreadable(path: Path, error: Exception) -> str:
    """Why a file cannot be read; PyTorch's own advice is left out, which is not for this case."""
    if tarfile.is_tarfile(path):
        return (
            f"{path} is of PyTorch 0.1, whose files execute code when they are opened: save its "
            "state_dict again, or add --trust if you trust its author"
        )
    if isinstance(error, UnpicklingError):
        return f"{path} is broken, or no file that torch.save wrote: save the state_dict with it"
    return f"{path} is broken ({summarise(error)}): download it again, or save it again"


def _code_in(path: Path, error: Exception) -> str | None:
    """What a refused file would have called; None if the file is broken."""
    if not isinstance(error, UnpicklingError):
        return None
    if match := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return match[1]
    return "an object of its own" if zipfile.is_zipfile(path) else None


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
    expected, closest = network.state_dict(), (-1, "")
    for name, state in state_dicts(content):
        for prefix, part in without_prefixes(state, expected):
            try:
                network.load_state_dict(part)
            except (RuntimeError, TypeError, AttributeError) as error:
                reason = difference(part, expected) or summarise(error)
                n_common = len(part.keys() & expected.keys())
                closest = max(closest, (n_common, f"{name}: {reason}"), key=lambda pair: pair[0])
            else:
                refuse_not_finite(part, path)
                return name + (f", without the prefix {prefix}" if prefix else "")
    if closest[0] < 0:
        raise ConversionError(
            f"{path} holds no state dict: save the generator's state_dict() with torch.save"
        )
    raise ConversionError(
        f"{path} does not fit the network of {factory} ({closest[1]}): name the function that "
        "creates the network as it was trained"
    )


def refuse_not_finite(state: State, path: Path) -> None:
    """Refuses weights of a training that diverged.

    Raises
    ------
    ConversionError
    """
    if names := not_finite(state):
        raise ConversionError(
            f"{path}: {len(names)} of {len(state)} weights hold NaN or infinity, such as "
            f"{names[0]}: use an earlier checkpoint"
        )
