"""Synthesisers whose controls are numbers of z, each a slow curve over the loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import Geometry

GEOMETRY = Geometry()
LATENT_DIM = 128
PER_CONTROL = 5  # numbers of z: a mean, and cosine and sine of the first two harmonics of the loop
SHARES = torch.tensor([0.45, 0.35, 0.35, 0.2, 0.2])  # of a control's variance

PHASE = 2 * math.pi * torch.arange(GEOMETRY.n_frames) / GEOMETRY.n_frames
BASIS = torch.stack(
    [torch.ones(len(PHASE)), PHASE.cos(), PHASE.sin(), (2 * PHASE).cos(), (2 * PHASE).sin()]
) * SHARES.sqrt().unsqueeze(1)


def direction(z: Tensor) -> Tensor:
    """(latent_dim,) with unit mean square: the generator sees the direction of z alone."""
    return z * torch.rsqrt(z.square().mean() + 1e-6)


def curve(numbers: Tensor) -> Tensor:
    """(…, PER_CONTROL) numbers of z -> (…, n_frames) of a control in 0..1, evenly distributed."""
    return 0.5 * (1 + torch.erf(numbers @ BASIS / math.sqrt(2)))


@dataclass(frozen=True)
class Synthesiser:
    """What the generator of network.py learns: the spectrogram of every z.

    Its controls take the first numbers of z, PER_CONTROL each. What sounds, which of some objects
    or notes, is decided by the numbers after them; `choose` sets the first weights that see those:
    it gets both layers of the mapping and the first of their units that carry no control.

    Attributes
    ----------
    pair_weight, pair_frames : of the error in the GAN, and over how many frames it is averaged: the
        more, the noisier the clips are
    """

    controls: tuple[str, ...]
    spectrogram: Callable[[Tensor], Tensor]  # (latent_dim,) -> (1, 1, n_mels, n_frames) in [-1, 1]
    choose: Callable[[nn.Linear, nn.Linear, int], None]
    pair_weight: float
    pair_frames: int

    @property
    def n_numbers(self) -> int:
        """Numbers of z that are controls."""
        return PER_CONTROL * len(self.controls)

    def numbers_of(self, control: str) -> slice:
        """The numbers of z that move a control."""
        first = PER_CONTROL * self.controls.index(control)
        return slice(first, first + PER_CONTROL)

    def spectrograms(self, z: Tensor) -> Tensor:
        """(batch, latent_dim) -> (batch, 1, n_mels, n_frames)."""
        return torch.cat([self.spectrogram(one) for one in z])
