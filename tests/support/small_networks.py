"""Architectures narrow enough to train on 64 × 64 in seconds."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from latent_resonance_export.gan.hyperparameters import Hyperparameters
from latent_resonance_export.gan.losses import HINGE
from latent_resonance_export.gan.models.dcgan import DcganDiscriminator, DcganGenerator
from latent_resonance_export.gan.models.loop_vaegan import Encoder, LoopDiscriminator, LoopGenerator
from latent_resonance_export.gan.models.registry import ARCHITECTURES, Architecture
from latent_resonance_export.gan.models.stylegan2 import StyleDiscriminator, StyleGenerator


class Own(nn.Module):
    """A custom generator with dropout and batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.latent_dim = 12
        self.small = nn.Linear(12, 8 * 16 * 16)
        self.norm, self.drop = nn.BatchNorm2d(8), nn.Dropout(0.1)
        self.draw = nn.ConvTranspose2d(8, 1, 4, stride=4)

    def forward(self, z: Tensor) -> Tensor:
        x = self.drop(self.norm(self.small(z).unflatten(1, (8, 16, 16)))).relu()
        return self.draw(x).tanh()


def narrow(name: str) -> Architecture:
    """One of the architectures; `own` is a custom generator."""
    if name == "own":
        hyperparameters = Hyperparameters(warm_up=0)
        return Architecture(
            lambda _g: Own(), lambda _g: LoopDiscriminator(64, (48,) * 3), HINGE, hyperparameters
        )
    networks = {
        "loop": {
            "generator": lambda _g: LoopGenerator(16, 64, (48,) * 4, 32),
            "encoder": lambda _g: Encoder(16, 64, (48,) * 3),
            "discriminator": lambda _g: LoopDiscriminator(64, (48,) * 3),
        },
        "dcgan": {
            "generator": lambda _g: DcganGenerator(64, 64, 16, 64),
            "discriminator": lambda _g: DcganDiscriminator(64, 64, 64),
        },
        "stylegan2": {
            "generator": lambda _g: StyleGenerator(64, 64, 16, 32),
            "discriminator": lambda _g: StyleDiscriminator(64, 64, 32),
        },
    }
    return replace(ARCHITECTURES[name], **networks[name])
