"""The user's own generator: package.module:factory, called with the geometry."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import nn

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry

MAX_PIXEL = 1.0 + 1e-4  # beyond this, clipping would be noticeable


class ArchitectureError(LatentResonanceError):
    """The generator's name is unknown, or what it names cannot be trained."""


def make_custom(factory: str, geometry: Geometry) -> nn.Module:
    """Calls the factory and checks the network that it returns.

    Raises
    ------
    ArchitectureError
        It cannot be imported or called, or its network does not satisfy `Generator`.
    """
    make = find_factory(factory)
    try:
        network = make(geometry)
    except (Exception, SystemExit) as error:  # user code may raise anything
        raise ArchitectureError(
            f"{factory} raised {summarise(error)}: it is called with the geometry alone"
        ) from error
    if not isinstance(network, nn.Module):
        kind = type(network).__name__
        raise ArchitectureError(f"{factory} returned {kind}: return a torch.nn.Module")
    check_generator(network, factory, geometry)
    return network


def find_factory(factory: str) -> Callable[[Geometry], object]:
    """The function that package.module:factory names; the working folder is searched too.

    Raises
    ------
    ArchitectureError
        There is no such function.
    """
    module_name, _, name = factory.partition(":")
    if not (module_name and name):
        raise ArchitectureError(f"{factory!r} should read package.module:factory")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that it hides no installed package
    try:
        make = getattr(importlib.import_module(module_name), name)
    except (Exception, SystemExit) as error:  # user code may raise anything
        raise ArchitectureError(
            f"{factory} cannot be imported from {here} ({summarise(error)}): run the command in "
            "the folder that contains its package"
        ) from error
    if not callable(make):
        raise ArchitectureError(f"{factory} is {type(make).__name__}: name a function")
    return cast("Callable[[Geometry], object]", make)


def check_generator(network: nn.Module, factory: str, geometry: Geometry) -> None:
    """Calls a generator with two z.

    Raises
    ------
    ArchitectureError
        It has no `latent_dim` or no parameters, fails, or does not return spectrograms.
    """
    latent_dim = getattr(network, "latent_dim", None)
    if not (isinstance(latent_dim, int) and latent_dim > 0):
        raise ArchitectureError(f"{factory}: the network has no latent_dim: set it to a number")
    if not list(network.parameters()):
        raise ArchitectureError(f"{factory}: the network has no parameters to train")
    z = torch.randn(2, latent_dim, generator=torch.Generator().manual_seed(0))
    training = network.training
    try:
        with torch.no_grad():
            spectrograms = network.eval()(z)
    except Exception as error:  # user code may raise anything
        raise ArchitectureError(f"{factory}: generating raised {summarise(error)}") from error
    network.train(training)
    check_spectrograms(spectrograms, factory, geometry)


def check_spectrograms(spectrograms: object, factory: str, geometry: Geometry) -> None:
    """Refuses anything but two spectrograms of this geometry within [-1, 1]."""
    expected = (2, 1, geometry.n_mels, geometry.n_frames)
    if not isinstance(spectrograms, torch.Tensor):
        raise _wrong_shape(factory, type(spectrograms).__name__, expected)
    if spectrograms.shape != expected:
        raise _wrong_shape(factory, tuple(spectrograms.shape), expected)
    largest = spectrograms.abs().max().item()
    if not largest <= MAX_PIXEL:  # also true of NaN
        raise ArchitectureError(
            f"{factory} generates values up to {largest:.4g}, outside [-1, 1]: end it with a tanh"
        )


def _wrong_shape(factory: str, found: object, expected: tuple[int, ...]) -> ArchitectureError:
    return ArchitectureError(
        f"{factory} generates {found} for two z where this dataset needs {expected}: (batch, 1, "
        "n_mels, n_frames) of the geometry that the factory is called with"
    )


def summarise(error: BaseException) -> str:
    """The type of an error and its first line."""
    first = str(error).strip().partition("\n")[0][:160]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
