"""StyleGAN2 (Karras et al. 2020), adapted to looped spectrograms, in plain PyTorch operators.

As in the paper: mapping network, weight demodulation, noise, skip connections in the
generator, residual blocks in the discriminator, equalised learning rates, filters of
(1, 3, 3, 1). Modulation scales the input of a convolution and demodulation its output, which
equals scaling the weights (the paper's section 2.2) but needs no separate convolution for each
clip, and so exports to ONNX. Differences: time is circular; a tanh bounds the output; noise is
random in training and one fixed pattern afterwards; style mixing and path length regularisation
are left out. The attributes are keys of state_dicts, so their names stay.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from latent_resonance_export.gan.models.circular_layers import (
    double,
    halve,
    halving_widths,
    n_doublings,
    pad_by_one,
)
from latent_resonance_export.gan.models.loop_vaegan import batch_deviation, bounded, unit_norm
from latent_resonance_export.gan.models.protocol import Discriminator

FIRST_WIDTH, MAX_WIDTH = 512, 256  # channels of the seed before the limit, and the limit
N_STYLE = 256
MAPPING_RATE = 0.01  # learning rate of the mapping network, relative to the others
OUTPUT_GAIN = 0.25  # keeps the sum of the levels where the tanh is not flat


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance."""
    return functional.leaky_relu(x, 0.2) * math.sqrt(2.0)


class Linear(nn.Module):
    """Linear layer with an equalised learning rate (Karras et al. 2018, section 4.1)."""

    def __init__(self, n_in: int, n_out: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / rate)
        self.bias = nn.Parameter(torch.full((n_out,), bias / rate))
        self.scale, self.rate = rate / n_in**0.5, rate

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_in) -> (batch, n_out)."""
        return functional.linear(x, self.weight * self.scale, self.bias * self.rate)


class Conv(nn.Module):
    """Convolution with an equalised learning rate, circular in time."""

    def __init__(self, n_in: int, n_out: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, *size))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.scale = 1.0 / math.sqrt(n_in * math.prod(size))
        self.padded = size == (3, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_in, mels, frames) -> (batch, n_out, mels, frames)."""
        x = pad_by_one(x) if self.padded else x
        return functional.conv2d(x, self.weight * self.scale, self.bias)


class ModulatedConv(nn.Module):
    """Convolution of channels scaled by the style; demodulation restores unit variance."""

    def __init__(self, n_in: int, n_out: int, *, demodulated: bool = True) -> None:
        super().__init__()
        self.style = Linear(N_STYLE, n_in, bias=1.0)
        size = 3 if demodulated else 1
        self.weight = nn.Parameter(torch.randn(n_out, n_in, size, size))
        self.scale = 1.0 / (n_in * size**2) ** 0.5
        self.demodulated = demodulated

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(batch, n_in, mels, frames) and (batch, N_STYLE) -> (batch, n_out, mels, frames)."""
        scales, weight = self.style(style).float(), self.weight * self.scale
        x = x * scales[:, :, None, None]
        if not self.demodulated:
            return functional.conv2d(x, weight)
        power = (scales.square().unsqueeze(1) * weight.square().sum(dim=(2, 3))).sum(dim=2)
        return (
            functional.conv2d(pad_by_one(x), weight) * torch.rsqrt(power + 1e-8)[:, :, None, None]
        )


class StyledLayer(nn.Module):
    """Modulated convolution, noise, bias and activation at one size."""

    noise: Tensor

    def __init__(self, n_in: int, n_out: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.conv = ModulatedConv(n_in, n_out)
        self.bias = nn.Parameter(torch.zeros(n_out, 1, 1))
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, *size))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(batch, n_in, mels, frames) and (batch, N_STYLE) -> (batch, n_out, mels, frames)."""
        noise = self.noise
        if self.training:
            noise = torch.randn(len(x), *noise.shape[1:], device=x.device)
        return activate(self.conv(x, style) + self.strength * noise + self.bias)


class StyleGenerator(nn.Module):
    """z -> style; a learned seed is doubled, each level adding to the spectrogram."""

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
        widths = halving_widths(first_width, n + 1, min(first_width, MAX_WIDTH))
        sizes = [(n_mels >> k, n_frames >> k) for k in range(n, -1, -1)]
        sides = (latent_dim, N_STYLE, N_STYLE, N_STYLE, N_STYLE)
        self.mapping = nn.ModuleList(Linear(a, b, rate=MAPPING_RATE) for a, b in pairwise(sides))
        self.seed = nn.Parameter(torch.randn(1, widths[0], *sizes[0]))
        n_in = (widths[0], *widths[:-1])
        levels = list(zip(n_in, widths, sizes, strict=True))
        self.first = nn.ModuleList(StyledLayer(a, b, size) for a, b, size in levels)
        self.second = nn.ModuleList(StyledLayer(b, b, size) for _, b, size in levels[1:])
        self.draw = nn.ModuleList(ModulatedConv(width, 1, demodulated=False) for width in widths)
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        """(batch, latent_dim) of any length -> (batch, 1, n_mels, n_frames) in [-1, 1]."""
        style = unit_norm(z)
        for layer in self.mapping:
            style = activate(layer(style))
        x = self.first[0](self.seed.expand(z.shape[0], -1, -1, -1), style)
        spectrogram = self.draw[0](x, style)
        levels = zip(self.first[1:], self.second, self.draw[1:], strict=True)
        for first, second, draw in levels:
            x = second(first(double(x), style), style)
            spectrogram = double(spectrogram) + draw(x, style)
        return bounded(OUTPUT_GAIN * spectrogram + self.level)


class ResidualBlock(nn.Module):
    """Two 3 × 3 convolutions and a 1 × 1 shortcut; half the bands and frames."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first, self.second = Conv(n_in, n_in, (3, 3)), Conv(n_in, n_out, (3, 3))
        self.beside = Conv(n_in, n_out, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_in, mels, frames) -> (batch, n_out, mels / 2, frames / 2)."""
        y = activate(self.second(halve(activate(self.first(x)))))
        shortcut: Tensor = self.beside(halve(x))
        return (y + shortcut) * math.sqrt(0.5)


class StyleDiscriminator(Discriminator):
    """Residual discriminator with batch deviation; a logit for each eighth of the loop."""

    NAMES = ("apart",)

    def __init__(
        self, n_mels: int = 512, n_frames: int = 512, first_width: int = FIRST_WIDTH
    ) -> None:
        super().__init__()
        n = n_doublings(n_mels, n_frames)
        widths = halving_widths(first_width, n + 1, min(first_width, MAX_WIDTH))[::-1]
        self.enter = Conv(1, widths[0], (1, 1))
        self.blocks = nn.ModuleList(ResidualBlock(a, b) for a, b in pairwise(widths))
        self.judge = Conv(widths[-1] + 1, widths[-1], (3, 3))
        self.whole = Conv(widths[-1], widths[-1], (n_mels >> n, 1))
        self.logit = Conv(widths[-1], 1, (1, 1))

    def forward(self, x: Tensor, _corners: Tensor) -> tuple[Tensor]:
        """(batch, 1, n_mels, n_frames) -> logits (batch, frames of the seed)."""
        x = activate(self.enter(x))
        for block in self.blocks:
            x = block(x)
        varied = torch.unflatten(batch_deviation(x.flatten(2)), 2, x.shape[2:])
        x = activate(self.judge(torch.cat([x, varied], dim=1)))
        return (self.logit(activate(self.whole(x))).flatten(1),)
