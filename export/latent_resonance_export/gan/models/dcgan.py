"""DCGAN, the classic baseline (Radford, Metz & Chintala 2016), adapted to looped spectrograms.

As in the paper: transposed convolutions that double and strided ones that halve, kernels of
4, batch normalisation and ReLU in the generator, leaky ReLU in the discriminator, weights from a
normal distribution of 0.02. Differences: time is circular; z is scaled to unit mean square, so
that its length has no effect; the discriminator has no batch normalisation, since R1 keeps it
smooth, and returns a logit for each eighth of the loop.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from latent_resonance_export.gan.models.circular_layers import halving_widths, n_doublings
from latent_resonance_export.gan.models.loop_vaegan import bounded, circular_pad, unit_norm
from latent_resonance_export.gan.models.protocol import Discriminator

FIRST_WIDTH = 512  # channels of the seed


def initialise(network: nn.Module) -> None:
    """Initialises the weights as in section 3 of the paper."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=0.02)


class Doubling(nn.ConvTranspose2d):
    """Transposed convolution: twice the bands and frames."""

    def __init__(self, n_in: int, n_out: int) -> None:
        # crops the circularly padded frames again: two on each side
        super().__init__(n_in, n_out, kernel_size=4, stride=2, padding=(1, 3))

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(batch, n_in, mels, frames) -> (batch, n_out, 2 mels, 2 frames)."""
        return super().forward(circular_pad(x, 1, 1), output_size)


class Halving(nn.Conv2d):
    """Strided convolution: half the bands and frames."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, kernel_size=4, stride=2, padding=(1, 0))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_in, mels, frames) -> (batch, n_out, mels / 2, frames / 2)."""
        return super().forward(circular_pad(x, 1, 1))


class DcganGenerator(nn.Module):
    """z -> a seed of many channels, doubled until it is a spectrogram."""

    def __init__(
        self,
        n_mels: int = 512,
        n_frames: int = 512,
        latent_dim: int = 128,
        first_width: int = FIRST_WIDTH,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        n = n_doublings(n_mels, n_frames)
        widths = halving_widths(first_width, n, first_width)
        self.seed_shape = (widths[0], n_mels >> n, n_frames >> n)
        self.seed = nn.Linear(latent_dim, widths[0] * (n_mels >> n) * (n_frames >> n))
        self.normalise = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.doubling = nn.ModuleList(Doubling(a, b) for a, b in pairwise((*widths, 1)))
        initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, latent_dim) of any length -> (batch, 1, n_mels, n_frames) in [-1, 1]."""
        x = self.seed(unit_norm(z)).unflatten(1, self.seed_shape)
        for normalise, double in zip(self.normalise, self.doubling, strict=True):
            x = double(functional.relu(normalise(x)))
        return bounded(x)


class DcganDiscriminator(Discriminator):
    """The generator's mirror image: a logit for each eighth of the loop."""

    NAMES = ("apart",)

    def __init__(
        self, n_mels: int = 512, n_frames: int = 512, first_width: int = FIRST_WIDTH
    ) -> None:
        super().__init__()
        n = n_doublings(n_mels, n_frames)
        widths = halving_widths(first_width, n, first_width)[::-1]
        self.halve = nn.ModuleList(Halving(a, b) for a, b in pairwise((1, *widths)))
        self.logit = nn.Conv2d(widths[-1], 1, (n_mels >> n, 1))
        initialise(self)

    def forward(self, x: Tensor, _corners: Tensor) -> tuple[Tensor]:
        """(batch, 1, n_mels, n_frames) -> logits (batch, frames of the seed)."""
        for halve in self.halve:
            x = functional.leaky_relu(halve(x), 0.2)
        return (self.logit(x).flatten(1),)
