"""A few differentiable descriptors of a spectrogram's sound. Pure."""

from __future__ import annotations

import torch
from torch import Tensor

NAMES = ("centroid", "flatness", "level", "flux")


def describe(spectrograms: Tensor, range_db: float) -> Tensor:
    """(batch, 1, n_mels, n_frames) in [-1, 1] -> (batch, 4) in the order of NAMES.

    centroid : mean mel band of the power, 0..1
    flatness : geometric over arithmetic mean of the power in dB; lower is more tonal
    level : mean power in dB
    flux : mean change between frames in dB
    """
    level_db = (spectrograms.squeeze(1) - 1.0) * (0.5 * range_db)  # (batch, n_mels, n_frames)
    power = torch.pow(10.0, level_db / 10.0)
    height = torch.linspace(0, 1, power.shape[1], device=power.device).view(1, -1, 1)
    total = power.sum(dim=(1, 2)) + 1e-12
    centroid = (power * height).sum(dim=(1, 2)) / total
    spectrum = power.mean(dim=2)
    flatness = level_db.mean(dim=2).mean(dim=1) - 10 * torch.log10(spectrum.mean(dim=1) + 1e-12)
    level = 10 * torch.log10(total / power[0].numel())
    flux = (level_db - torch.roll(level_db, 2, dims=2)).abs().mean(dim=(1, 2))
    return torch.stack([centroid, flatness, level, flux], dim=1)
