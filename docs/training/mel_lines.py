"""Mel power of sinusoids that move, and of noise, without a waveform."""

from __future__ import annotations

import math

import numpy as np
import torch
from controls import GEOMETRY
from scipy.signal import butter, sosfreqz
from torch import Tensor

from latent_resonance.audio.spectrogram import mel_filterbank, mel_frequencies

BIN_HZ = GEOMETRY.sample_rate / GEOMETRY.n_fft
N_FRAMES, N_MELS = GEOMETRY.n_frames, GEOMETRY.n_mels
HIGHEST_HZ = 11_000.0  # of a sinusoid
STEPS_PER_BIN = 8  # of the table of sinusoids
REACH = 12  # bands on each side of a sinusoid, at least seven bins


def sinusoids() -> tuple[Tensor, Tensor]:
    """Power of a sinusoid of amplitude 1 in the bands around it, and the first of these bands.

    Returns
    -------
    (frequencies, 2 REACH + 1) and (frequencies,); frequencies are 1 / STEPS_PER_BIN bins apart
    """
    at = np.arange(int(HIGHEST_HZ / BIN_HZ * STEPS_PER_BIN)) / STEPS_PER_BIN
    offset = np.arange(GEOMETRY.n_bins) - at[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        hann = np.sinc(offset) / (1 - offset**2)  # Harris 1978
    hann[np.abs(np.abs(offset) - 1) < 1e-9] = 0.5
    mel = (mel_filterbank(GEOMETRY) @ np.square(hann).T.astype(np.float32)).T
    centre = np.searchsorted(mel_frequencies(GEOMETRY)[1:-1], at * BIN_HZ)
    first = np.clip(centre - REACH, 0, N_MELS - 2 * REACH - 1)
    near = np.take_along_axis(mel, first[:, None] + np.arange(2 * REACH + 1), axis=1)
    return torch.from_numpy(near), torch.from_numpy(first)


TABLE, FIRST_BAND = sinusoids()


def lines(hz: Tensor, power: Tensor) -> Tensor:
    """Sinusoids, frequency and power of each (sinusoids, n_frames) -> (n_mels, n_frames)."""
    row = (hz * (STEPS_PER_BIN / BIN_HZ)).round().long().clamp(max=len(TABLE) - 1)
    place = FIRST_BAND[row].unsqueeze(2) + torch.arange(2 * REACH + 1)
    place = place * N_FRAMES + torch.arange(N_FRAMES).view(1, -1, 1)
    values = TABLE[row] * power.unsqueeze(2)
    bands = torch.zeros(N_MELS * N_FRAMES).scatter_add_(0, place.flatten(), values.flatten())
    return bands.view(N_MELS, N_FRAMES)


def noise_band(lowest_hz: float, highest_hz: float) -> np.ndarray:
    """Second-order sections of the band-pass that white noise passes."""
    band = (lowest_hz, highest_hz)
    return np.asarray(butter(2, band, "bandpass", fs=GEOMETRY.sample_rate, output="sos"))


def noise_level(sections: np.ndarray) -> Tensor:
    """Mean level, as power, of noise of variance 1 after these sections: (n_mels,)."""
    bins_hz = np.arange(GEOMETRY.n_bins) * BIN_HZ
    power = np.abs(sosfreqz(sections, bins_hz, fs=GEOMETRY.sample_rate)[1]) ** 2
    hann = 6.0 / GEOMETRY.n_fft  # power of white noise of variance 1 in a bin
    mean_of_db = math.exp(-0.577)  # the mean of decibels lies below the mean of power
    shape = (hann * mean_of_db * power / power.mean()).astype(np.float32)
    return torch.from_numpy(mel_filterbank(GEOMETRY) @ shape[:, None])[:, 0]
