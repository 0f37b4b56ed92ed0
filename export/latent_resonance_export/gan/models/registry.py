"""The architectures by name: generator, discriminator, losses and hyperparameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.gan.hyperparameters import Hyperparameters
from latent_resonance_export.gan.losses import HINGE, NON_SATURATING, AdversarialLoss
from latent_resonance_export.gan.models.custom import ArchitectureError, make_custom
from latent_resonance_export.gan.models.dcgan import DcganDiscriminator, DcganGenerator
from latent_resonance_export.gan.models.loop_vaegan import (
    DISCRIMINATOR_WIDTHS,
    ENCODER_WIDTHS,
    WIDTHS,
    Encoder,
    LoopDiscriminator,
    LoopGenerator,
    fitted,
    n_halvings,
)
from latent_resonance_export.gan.models.protocol import Discriminator
from latent_resonance_export.gan.models.stylegan2 import StyleDiscriminator, StyleGenerator

__all__ = ["ARCHITECTURES", "Architecture", "ArchitectureError", "architecture_of"]
WIDTH_FACTORS = {"loop": 1.0, "loop-pi5": 0.8, "loop-pi4": 0.6}  # of the generator's channels
PRESETS = {"desktop": "loop", "pi5": "loop-pi5", "pi4": "loop-pi4"}  # see pack/room.py
SMALLEST, LARGEST = 32, 4096  # of bands and of frames


@dataclass(frozen=True)
class Architecture:
    """A generator, see gan/models/protocol.py, and how it is trained.

    encoder : makes the network that maps real clips to z, so that the generator learns to
        reconstruct them; None trains a plain GAN
    """

    generator: Callable[[Geometry], nn.Module]
    discriminator: Callable[[Geometry], Discriminator]
    adversarial_loss: AdversarialLoss
    hyperparameters: Hyperparameters
    encoder: Callable[[Geometry], nn.Module] | None = None


def loop_generator(geometry: Geometry, architecture: str = "loop") -> LoopGenerator:
    """A generator with one level for each doubling of the seed."""
    scaled = tuple(round(width * WIDTH_FACTORS[architecture]) for width in WIDTHS)
    widths = fitted(scaled, n_halvings(geometry.n_frames) + 1)
    return LoopGenerator(n_mels=geometry.n_mels, widths=widths)


def loop_encoder(geometry: Geometry) -> Encoder:
    """An encoder with one level for each halving of the loop."""
    widths = fitted(ENCODER_WIDTHS, n_halvings(geometry.n_frames))
    return Encoder(n_mels=geometry.n_mels, widths=widths)


def loop_discriminator(geometry: Geometry) -> LoopDiscriminator:
    """A discriminator with one level for each halving of the loop."""
    widths = fitted(DISCRIMINATOR_WIDTHS, n_halvings(geometry.n_frames))
    return LoopDiscriminator(geometry.n_mels, widths)


def loop_architecture(name: str) -> Architecture:
    """The default, at one of WIDTH_FACTORS."""
    make = partial(loop_generator, architecture=name)
    return Architecture(make, loop_discriminator, HINGE, Hyperparameters(), loop_encoder)


ARCHITECTURES: dict[str, Architecture] = {
    "loop": loop_architecture("loop"),
    "dcgan": Architecture(
        lambda geometry: DcganGenerator(geometry.n_mels, geometry.n_frames),
        lambda geometry: DcganDiscriminator(geometry.n_mels, geometry.n_frames),
        NON_SATURATING,
        Hyperparameters(warm_up=0, beta1=0.5, beta2=0.999, energy_weight=0.0, penalty_weight=1.0),
    ),
    "stylegan2": Architecture(
        lambda geometry: StyleGenerator(geometry.n_mels, geometry.n_frames),
        lambda geometry: StyleDiscriminator(geometry.n_mels, geometry.n_frames),
        NON_SATURATING,
        Hyperparameters(
            warm_up=0,
            generator_rate=2e-3,
            critic_rate=2e-3,
            energy_weight=0.0,
            penalty_weight=1.0,
            penalty_interval=16,
        ),
    ),
    **{name: loop_architecture(name) for name in WIDTH_FACTORS if name != "loop"},
}


def architecture_of(name: str) -> Architecture:
    """One of ARCHITECTURES, or the user's generator with the default's discriminator.

    Raises
    ------
    ArchitectureError
        The name is unknown.
    """
    if ":" in name:
        make = partial(make_custom, name)
        return Architecture(make, loop_discriminator, HINGE, Hyperparameters(warm_up=0))
    if name not in ARCHITECTURES:
        names = ", ".join(ARCHITECTURES)
        raise ArchitectureError(
            f"no generator is called {name!r}: choose from {names}, or name your own as "
            "package.module:factory"
        )
    return ARCHITECTURES[name]


def make_generator(architecture: str, geometry: Geometry) -> nn.Module:
    """A freshly initialised generator; see gan/models/protocol.py.

    Raises
    ------
    ArchitectureError
        The name is unknown, the custom network is not valid, or the geometry is not supported.
    """
    check_geometry(geometry)
    return architecture_of(architecture).generator(geometry)


def check_geometry(geometry: Geometry) -> None:
    """Refuses sides that cannot be reached by doubling a seed of 8.

    Raises
    ------
    ArchitectureError
        n_mels or n_frames is no power of two, or too small or large.
    """
    for name, side in (("n_mels", geometry.n_mels), ("n_frames", geometry.n_frames)):
        if side & (side - 1) or not SMALLEST <= side <= LARGEST:
            raise ArchitectureError(
                f"{name} is {side}, but a network reaches it by doubling 8: write the dataset "
                f"again with a power of two from {SMALLEST} to {LARGEST} (curate --geometry)"
            )
