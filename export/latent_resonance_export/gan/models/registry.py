"""The generators by name, each with what judges it, the game that suits it and its recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.gan.hyperparameters import Recipe
from latent_resonance_export.gan.losses import HINGE, NON_SATURATING, Game
from latent_resonance_export.gan.models.custom import ArchitectureError, make_foreign
from latent_resonance_export.gan.models.dcgan import DcganCritic, DcganGenerator
from latent_resonance_export.gan.models.loop_vaegan import (
    CRITIC_WIDTHS,
    ENCODER_WIDTHS,
    WIDTHS,
    Critic,
    Encoder,
    LoopGenerator,
    fitted,
    n_halvings,
)
from latent_resonance_export.gan.models.stylegan2 import StyleCritic, StyleGenerator

__all__ = ["ARCHITECTURES", "Architecture", "ArchitectureError", "architecture_of"]
SMALLEST, LARGEST = 32, 4096  # of bands and of frames


@dataclass(frozen=True)
class Architecture:
    """A generator, see gan/models/protocol.py, and how it is taught.

    encoder : makes the network that gives z for real clips, with which a generator learns to
        re-create them; None trains a plain GAN
    """

    generator: Callable[[Geometry], nn.Module]
    critic: Callable[[Geometry], nn.Module]
    game: Game
    recipe: Recipe
    encoder: Callable[[Geometry], nn.Module] | None = None


def loop_generator(geometry: Geometry) -> LoopGenerator:
    """As deep as the loop is long."""
    widths = fitted(WIDTHS, n_halvings(geometry.n_frames) + 1)
    return LoopGenerator(n_mels=geometry.n_mels, widths=widths)


def loop_encoder(geometry: Geometry) -> Encoder:
    """As deep as the loop is long."""
    widths = fitted(ENCODER_WIDTHS, n_halvings(geometry.n_frames))
    return Encoder(n_mels=geometry.n_mels, widths=widths)


def loop_critic(geometry: Geometry) -> Critic:
    """As deep as the loop is long."""
    return Critic(geometry.n_mels, fitted(CRITIC_WIDTHS, n_halvings(geometry.n_frames)))


ARCHITECTURES: dict[str, Architecture] = {
    "loop": Architecture(loop_generator, loop_critic, HINGE, Recipe(), loop_encoder),
    "dcgan": Architecture(
        lambda geometry: DcganGenerator(geometry.n_mels, geometry.n_frames),
        lambda geometry: DcganCritic(geometry.n_mels, geometry.n_frames),
        NON_SATURATING,
        Recipe(warm_up=0, beta1=0.5, beta2=0.999, energy_weight=0.0, penalty_weight=1.0),
    ),
    "stylegan2": Architecture(
        lambda geometry: StyleGenerator(geometry.n_mels, geometry.n_frames),
        lambda geometry: StyleCritic(geometry.n_mels, geometry.n_frames),
        NON_SATURATING,
        Recipe(
            warm_up=0,
            generator_rate=2e-3,
            critic_rate=2e-3,
            energy_weight=0.0,
            penalty_weight=1.0,
            penalty_interval=16,
        ),
    ),
}


def architecture_of(name: str) -> Architecture:
    """One of ARCHITECTURES, or an artist's own generator before the default's critics.

    Raises
    ------
    ArchitectureError
        The name is unknown.
    """
    if ":" in name:
        return Architecture(partial(make_foreign, name), loop_critic, HINGE, Recipe(warm_up=0))
    if name not in ARCHITECTURES:
        names = ", ".join(ARCHITECTURES)
        raise ArchitectureError(
            f"no generator is called {name!r}: choose from {names}, or name your own as "
            "package.module:factory"
        )
    return ARCHITECTURES[name]


def make_generator(architecture: str, geometry: Geometry) -> nn.Module:
    """A fresh generator with an attribute `latent_dim`; see gan/models/protocol.py.

    Raises
    ------
    ArchitectureError
        The name is unknown, the network none, or the geometry of no size that can be drawn.
    """
    check_geometry(geometry)
    return architecture_of(architecture).generator(geometry)


def check_geometry(geometry: Geometry) -> None:
    """Refuses sides that no seed of 8 can be doubled to."""
    for name, side in (("n_mels", geometry.n_mels), ("n_frames", geometry.n_frames)):
        if side & (side - 1) or not SMALLEST <= side <= LARGEST:
            raise ArchitectureError(
                f"{name} is {side}, but a network doubles 8 up to it: write the dataset anew with "
                f"a power of two from {SMALLEST} to {LARGEST} (curate --geometry)"
            )
