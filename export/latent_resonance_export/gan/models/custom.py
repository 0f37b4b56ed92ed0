"""A generator of the artist's own: package.module:factory, called with the geometry."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry

LIMIT = 1.0 + 1e-4  # of a picture; beyond that it would be clipped unheard


class ArchitectureError(LatentResonanceError):
    """No generator goes by that name, or it is none that can be trained."""


def make_foreign(factory: str, geometry: Geometry) -> nn.Module:
    """Calls the factory and tries what it made.

    Raises
    ------
    ArchitectureError
        It cannot be imported or called, or what it makes keeps no `Generator`'s contract.
    """
    make = find(factory)
    try:
        network = make(geometry)
    except (Exception, SystemExit) as error:  # an artist's code may raise anything
        raise ArchitectureError(
            f"{factory} raised {in_short(error)}: it is called with the geometry alone"
        ) from error
    if not isinstance(network, nn.Module):
        kind = type(network).__name__
        raise ArchitectureError(f"{factory} returned {kind}: return a torch.nn.Module")
    check(network, factory, geometry)
    return network


def find(factory: str) -> Callable[[Geometry], object]:
    """What package.module:factory names; looked for in the working folder too.

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
        sys.path.append(here)  # last, so that nothing that is installed is hidden
    try:
        make = getattr(importlib.import_module(module_name), name)
    except (Exception, SystemExit) as error:  # the same
        raise ArchitectureError(
            f"{factory} cannot be imported from {here} ({in_short(error)}): go to the folder "
            "that its package lies in"
        ) from error
    if not callable(make):
        raise ArchitectureError(f"{factory} is {type(make).__name__}: name a function")
    return make


def check(network: nn.Module, factory: str, geometry: Geometry) -> None:
    """Tries a generator on two z.

    Raises
    ------
    ArchitectureError
        It has no `latent_dim`, fails, or draws what is no spectrogram.
    """
    latent_dim = getattr(network, "latent_dim", None)
    if not (isinstance(latent_dim, int) and latent_dim > 0):
        raise ArchitectureError(f"what {factory} returned has no latent_dim: set it, as a number")
    parameters = list(network.parameters())
    if not parameters:
        raise ArchitectureError(f"what {factory} returned has no parameters: nothing can be learnt")
    z = torch.randn(2, latent_dim, generator=torch.Generator().manual_seed(0))
    training = network.training
    try:
        with torch.no_grad():
            pictures = network.eval()(z)
    except Exception as error:  # the same
        raise ArchitectureError(f"{factory}: drawing raised {in_short(error)}") from error
    network.train(training)
    check_pictures(pictures, factory, geometry)


def check_pictures(pictures: object, factory: str, geometry: Geometry) -> None:
    """Refuses what is no pair of spectrograms of this geometry."""
    owed = (2, 1, geometry.n_mels, geometry.n_frames)
    found = tuple(pictures.shape) if isinstance(pictures, torch.Tensor) else type(pictures).__name__
    if found != owed:
        raise ArchitectureError(
            f"{factory} draws {found} for two z where this dataset needs {owed}: (batch, 1, "
            "n_mels, n_frames) of the geometry that the factory is given"
        )
    most = pictures.abs().max().item()
    if not most <= LIMIT:  # NaN is not either
        raise ArchitectureError(
            f"{factory} draws values up to {most:.4g}, outside [-1, 1]: end it with a tanh"
        )


def in_short(error: BaseException) -> str:
    """The kind of an error and its first line."""
    first = str(error).strip().partition("\n")[0][:160]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
