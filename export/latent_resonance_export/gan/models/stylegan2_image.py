"""StyleGAN2 (Karras et al. 2020) for square images, to run what its authors' programs trained.

Not trained here: `stylegan2.py` is, whose time is circular. The attributes are the keys of the
public layout of StyleGAN2-ADA (Karras et al. 2020, arXiv 2006.06676), so weights load as they are.
Noise is the constant pattern of the file. Modulation scales the input of a convolution and
demodulation its output, as in `stylegan2.py`, so that the network exports to ONNX.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from latent_resonance_export.gan.models.stylegan2 import Linear, activate


@dataclass(frozen=True)
class ImageShape:
    """Everything about a network that its weights do not contain, and their shapes.

    widths : side of each level, 4, 8, 16 …, and its channels
    mapping_rate : learning rate of the mapping network relative to the others, a factor of weights
    clamp : limit of each layer's output, None for none
    truncation : psi in w = w_avg + psi (w - w_avg); below 1 the images are more alike
    """

    latent_dim: int
    n_style: int
    n_mapping: int
    widths: dict[int, int]
    n_channels: int
    mapping_rate: float = 0.01
    clamp: float | None = None
    truncation: float = 1.0


def low_pass(x: Tensor, taps: Tensor) -> Tensor:
    """Convolves each channel with `taps` (4, 4) times four, the loss of zero insertion."""
    kernel = (4.0 * taps.flip(0, 1)).expand(x.shape[1], 1, -1, -1)
    return functional.conv2d(x, kernel, groups=x.shape[1])


def double_image(x: Tensor, taps: Tensor) -> Tensor:
    """(batch, channels, side, side) -> twice the side: zeros in between, then `taps`."""
    kernel = (4.0 * taps).expand(x.shape[1], 1, -1, -1)
    return functional.conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])


def limited(x: Tensor, clamp: float | None) -> Tensor:
    """Within ±clamp."""
    return x if clamp is None else x.clamp(-clamp, clamp)


class Mapping(nn.Module):
    """z -> w, pulled towards the mean w by truncation."""

    w_avg: Tensor

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        self.truncation = shape.truncation
        sides = (shape.latent_dim, *(shape.n_style,) * shape.n_mapping)
        for index, (n_in, n_out) in enumerate(pairwise(sides)):
            self.add_module(f"fc{index}", Linear(n_in, n_out, rate=shape.mapping_rate))
        self.register_buffer("w_avg", torch.zeros(shape.n_style))

    def forward(self, z: Tensor) -> Tensor:
        """(batch, latent_dim) of any length -> (batch, n_style)."""
        w = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.children():
            w = activate(layer(w))
        return self.w_avg + self.truncation * (w - self.w_avg)


class ImageLayer(nn.Module):
    """Modulated 3 × 3 convolution, noise, bias and activation; the first of a level doubles."""

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self, n_in: int, n_out: int, side: int, shape: ImageShape, *, doubles: bool
    ) -> None:
        super().__init__()
        self.doubles, self.clamp = doubles, shape.clamp
        self.affine = Linear(shape.n_style, n_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(n_out, n_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.zeros(side, side))
        self.register_buffer("resample_filter", torch.zeros(4, 4))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(batch, n_in, side, side) and (batch, n_style) -> (batch, n_out, side, side)."""
        scales = self.affine(w)
        power = scales.square() @ self.weight.square().sum(dim=(2, 3)).T
        x = (
            self._convolve(x * scales[:, :, None, None])
            * torch.rsqrt(power + 1e-8)[:, :, None, None]
        )
        x = x + self.noise_strength * self.noise_const + self.bias[:, None, None]
        return limited(activate(x), self.clamp)

    def _convolve(self, x: Tensor) -> Tensor:
        if not self.doubles:
            return functional.conv2d(x, self.weight, padding=1)
        x = functional.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
        return low_pass(functional.pad(x, (1, 1, 1, 1)), self.resample_filter)


class ToImage(nn.Module):
    """Modulated 1 × 1 convolution from a level's channels to those of the image."""

    def __init__(self, n_in: int, shape: ImageShape) -> None:
        super().__init__()
        self.gain, self.clamp = 1.0 / math.sqrt(n_in), shape.clamp
        self.affine = Linear(shape.n_style, n_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(shape.n_channels, n_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(shape.n_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(batch, n_in, side, side) and (batch, n_style) -> (batch, n_channels, side, side)."""
        scales = self.gain * self.affine(w)
        image = functional.conv2d(x * scales[:, :, None, None], self.weight)
        return limited(image + self.bias[:, None, None], self.clamp)


class FirstLevel(nn.Module):
    """A learned constant of 4 × 4 and one layer."""

    resample_filter: Tensor

    def __init__(self, width: int, shape: ImageShape) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.randn(width, 4, 4))
        self.conv1 = ImageLayer(width, width, 4, shape, doubles=False)
        self.torgb = ToImage(width, shape)
        self.register_buffer("resample_filter", torch.zeros(4, 4))

    def forward(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, n_style) -> the level's channels and its image."""
        x = self.conv1(self.const.expand(w.shape[0], -1, -1, -1), w)
        return x, self.torgb(x, w)


class Level(nn.Module):
    """Two layers at twice the side, and what they add to the image."""

    resample_filter: Tensor

    def __init__(self, n_in: int, n_out: int, side: int, shape: ImageShape) -> None:
        super().__init__()
        self.conv0 = ImageLayer(n_in, n_out, side, shape, doubles=True)
        self.conv1 = ImageLayer(n_out, n_out, side, shape, doubles=False)
        self.torgb = ToImage(n_out, shape)
        self.register_buffer("resample_filter", torch.zeros(4, 4))

    def forward(self, x: Tensor, image: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """The channels and the image of the level below, and w -> those of this level."""
        x = self.conv1(self.conv0(x, w), w)
        return x, double_image(image, self.resample_filter) + self.torgb(x, w)


class Synthesis(nn.Module):
    """w -> an image: a level for each doubling of 4 × 4."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        sides = sorted(shape.widths)
        self.b4 = FirstLevel(shape.widths[4], shape)
        for below, side in pairwise(sides):
            level = Level(shape.widths[below], shape.widths[side], side, shape)
            self.add_module(f"b{side}", level)

    def forward(self, w: Tensor) -> Tensor:
        """(batch, n_style) -> (batch, n_channels, side, side)."""
        x, image = self.b4(w)
        for level in list(self.children())[1:]:
            x, image = level(x, image, w)
        result: Tensor = image
        return result


class ImageGenerator(nn.Module):
    """z (batch, latent_dim) -> images (batch, n_channels, side, side)."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        self.latent_dim = shape.latent_dim
        self.mapping, self.synthesis = Mapping(shape), Synthesis(shape)

    def forward(self, z: Tensor) -> Tensor:
        """Implements the class's contract."""
        image: Tensor = self.synthesis(self.mapping(z))
        return image
