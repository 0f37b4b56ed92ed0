"""Differentiable augmentation (Zhao et al. 2020) of all that the critics see, real or generated.

The roll in time makes every rotation of a loop as good as another; level and tilt move
the whole spectrum by decibels; the mask hides a stretch of time. All differentiable.
"""

from __future__ import annotations

import torch
from torch import Tensor


def dequantise(pixels: Tensor) -> Tensor:
    """Bytes as `dataset.py` keeps them -> float32 in [-1, 1], on the same device.

    With uniform noise of one step's width, drawn by PyTorch's own chance; silence stays -1.
    """
    noise = torch.rand(pixels.shape, device=pixels.device) * (pixels > 0)
    return (pixels + noise) * (2.0 / 256.0) - 1.0


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """(batch, 1, n_mels, n_frames) in [-1, 1] -> the same, each clip changed at random."""
    return mask(tilt(roll(x, generator), generator), generator)


def roll(x: Tensor, generator: torch.Generator) -> Tensor:
    """Turns each loop by a random number of frames."""
    n_frames = x.shape[-1]
    turns = torch.randint(n_frames, (x.shape[0],), generator=generator)
    return torch.stack([torch.roll(c, int(t), dims=-1) for c, t in zip(x, turns, strict=True)])


def tilt(x: Tensor, generator: torch.Generator, level: float = 0.04, slope: float = 0.06) -> Tensor:
    """Raises or lowers the level and the slope of each spectrum, at most by some 4 dB."""
    drawn = torch.rand(2, x.shape[0], 1, 1, 1, generator=generator).to(x) * 2 - 1
    height = torch.linspace(-1, 1, x.shape[2], device=x.device, dtype=x.dtype).view(1, 1, -1, 1)
    audible = (x + 1).clamp(0, 0.2) * 5  # what is silent stays silent
    return x + audible * (level * drawn[0] + slope * drawn[1] * height)


def mask(x: Tensor, generator: torch.Generator, longest: float = 0.2) -> Tensor:
    """Silences one random stretch of each loop."""
    n_frames = x.shape[-1]
    width, start = torch.rand(2, x.shape[0], 1, 1, 1, generator=generator).to(x)
    frame = torch.arange(n_frames, device=x.device).view(1, 1, 1, -1) / n_frames
    hidden = (frame >= start) & (frame < start + width * longest)
    return torch.where(hidden, torch.full_like(x, -1.0), x)
