"""Differentiable augmentation (Zhao et al. 2020) of the discriminator's input, real or generated.

The roll in time makes the loop's starting point arbitrary; level and tilt change the whole
spectrum by a few decibels; the mask silences a stretch of time.
"""

from __future__ import annotations

import torch
from torch import Tensor


def dequantise(pixels: Tensor) -> Tensor:
    """Bytes as stored by `dataset.py` -> float32 in [-1, 1], on the same device.

    Adds uniform noise one quantisation step wide from PyTorch's global generator; silence stays
    exactly -1.
    """
    noise = torch.rand(pixels.shape, device=pixels.device) * (pixels > 0)
    return (pixels + noise) * (2.0 / 256.0) - 1.0


def augment(x: Tensor, rng: torch.Generator) -> Tensor:
    """(batch, 1, n_mels, n_frames) in [-1, 1] -> the same shape, each clip changed at random."""
    return mask(tilt(roll(x, rng), rng), rng)


def roll(x: Tensor, rng: torch.Generator) -> Tensor:
    """Rolls each loop by a random number of frames."""
    n_frames = x.shape[-1]
    shifts = torch.randint(n_frames, (x.shape[0],), generator=rng)
    return torch.stack([torch.roll(c, int(s), dims=-1) for c, s in zip(x, shifts, strict=True)])


def tilt(x: Tensor, rng: torch.Generator, level: float = 0.04, slope: float = 0.06) -> Tensor:
    """Changes the level and the spectral slope of each clip, by at most about 4 dB."""
    drawn = torch.rand(2, x.shape[0], 1, 1, 1, generator=rng).to(x) * 2 - 1
    height = torch.linspace(-1, 1, x.shape[2], device=x.device, dtype=x.dtype).view(1, 1, -1, 1)
    audible = (x + 1).clamp(0, 0.2) * 5  # silent pixels stay silent
    return x + audible * (level * drawn[0] + slope * drawn[1] * height)


def mask(x: Tensor, rng: torch.Generator, max_width: float = 0.2) -> Tensor:
    """Silences one random stretch of each loop, at most `max_width` of its length."""
    n_frames = x.shape[-1]
    width, start = torch.rand(2, x.shape[0], 1, 1, 1, generator=rng).to(x)
    frame = torch.arange(n_frames, device=x.device).view(1, 1, 1, -1) / n_frames
    masked = (frame >= start) & (frame < start + width * max_width)
    return torch.where(masked, torch.full_like(x, -1.0), x)
