"""Padding, doubling and halving of (batch, channels, n_mels, n_frames).

Time, the last axis, is circular; the mel axis is not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from latent_resonance_export.gan.models.loop_vaegan import circular_pad, smooth_double

SEED = 8  # the shorter side of the array that a spectrogram is doubled from


def n_doublings(n_mels: int, n_frames: int) -> int:
    """How often the seed is doubled to reach a spectrogram."""
    return (min(n_mels, n_frames) // SEED).bit_length() - 1


def halving_widths(first: int, n: int, most: int) -> tuple[int, ...]:
    """Channels that halve where the sides double, so that each level costs about the same."""
    return tuple(min(most, max(first >> level, 4)) for level in range(n))


def pad_by_one(x: Tensor) -> Tensor:
    """Pads the mel axis with zeros and the time axis circularly, by one on each side."""
    return functional.pad(circular_pad(x, 1, 1), (0, 0, 1, 1))


def double(x: Tensor) -> Tensor:
    """Twice the bands and frames, with linear interpolation."""
    below = torch.cat([x[:, :, :1], x[:, :, :-1]], dim=2)
    above = torch.cat([x[:, :, 1:], x[:, :, -1:]], dim=2)
    pair = torch.stack([0.75 * x + 0.25 * below, 0.75 * x + 0.25 * above], dim=3)
    return smooth_double(pair.flatten(2, 3))


def halve(x: Tensor) -> Tensor:
    """Half the bands and frames, with the filter (1, 3, 3, 1) / 8 of `double`."""
    bands = torch.cat([x[:, :, :1], x, x[:, :, -1:]], dim=2)
    x = 0.375 * (bands[:, :, 1:-2:2] + bands[:, :, 2:-1:2])
    x = x + 0.125 * (bands[:, :, 0:-3:2] + bands[:, :, 3::2])
    frames = circular_pad(x, 1, 1)
    inner = frames[..., 1:-2:2] + frames[..., 2:-1:2]
    return 0.375 * inner + 0.125 * (frames[..., 0:-3:2] + frames[..., 3::2])
