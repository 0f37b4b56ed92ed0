"""STFT and mel geometry, and the decibel scale of a spectrogram in [-1, 1].

Pure functions, used by both training (export) and playback (runtime).

A spectrogram is a *loop*: its frames are computed circularly, so the last frame
continues into the first. Its values, called *pixels*, are decibels mapped to [-1, 1].
*Amplitude* is linear and scaled so that a full-scale sinusoid peaks at 1 (0 dB);
*magnitude* is the unscaled |FFT| of a windowed frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio import fft
from latent_resonance.audio.sparse_matrix import SparseMatrix

FloatArray = NDArray[np.float32]
ComplexArray = NDArray[np.complex64]


@dataclass(frozen=True)
class Geometry:
    """The parameters that map a spectrogram's pixels to seconds, hertz and decibels."""

    sample_rate: int = 48_000  # Hz
    n_fft: int = 4096  # samples
    win_length: int = 4096  # samples
    hop_length: int = 512  # samples
    n_mels: int = 512
    n_frames: int = 512
    f_min_hz: float = 30.0
    f_max_hz: float = 16_000.0
    range_db: float = 80.0  # -range_db..0 dB is mapped to -1..1

    @property
    def n_bins(self) -> int:
        """Number of frequency bins of a real FFT."""
        return self.n_fft // 2 + 1

    @property
    def loop_length(self) -> int:
        """Samples in one pass of the loop."""
        return self.n_frames * self.hop_length

    @property
    def loop_s(self) -> float:
        """Seconds in one pass of the loop."""
        return self.loop_length / self.sample_rate

    @property
    def hop_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop_length / self.sample_rate


@lru_cache(maxsize=8)
def window(geometry: Geometry) -> FloatArray:
    """Periodic Hann window of `win_length` samples, centred in `n_fft`: (n_fft,)."""
    n = np.arange(geometry.win_length)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / geometry.win_length)
    left = (geometry.n_fft - geometry.win_length) // 2
    padded = np.zeros(geometry.n_fft)
    padded[left : left + geometry.win_length] = hann
    result = padded.astype(np.float32)
    result.flags.writeable = False
    return result


@lru_cache(maxsize=8)
def magnitude_scale(geometry: Geometry) -> float:
    """Factor from magnitude (|FFT|) to amplitude, where a full-scale sinusoid peaks at 1."""
    return 2.0 / float(window(geometry).sum())


def stft_circular(loop: FloatArray, geometry: Geometry) -> ComplexArray:
    """Circular short-time Fourier transform; frame t is centred on sample t * hop_length.

    Parameters
    ----------
    loop : (loop_length,) samples; the last is followed by the first

    Returns
    -------
    (n_bins, n_frames) complex, unscaled (librosa's convention).
    """
    half = geometry.n_fft // 2
    padded = np.concatenate([loop[-half:], loop, loop[:half]]).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, geometry.n_fft)
    frames = frames[: geometry.loop_length : geometry.hop_length]
    spectrum: ComplexArray = fft.rfft(frames * window(geometry)).T
    return spectrum


def hz_to_mel(frequency_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, then logarithmic."""
    frequency_hz = np.asarray(frequency_hz, dtype=np.float64)
    log_part = 15.0 + 27.0 * np.log(np.maximum(frequency_hz, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(frequency_hz < 1000.0, frequency_hz * 3.0 / 200.0, log_part)


def mel_to_hz(mel: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    log_part = 1000.0 * np.exp(np.log(6.4) * (np.maximum(mel, 15.0) - 15.0) / 27.0)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, log_part)


@lru_cache(maxsize=8)
def mel_frequencies(geometry: Geometry) -> NDArray[np.float64]:
    """Edges and centres of the mel bands in Hz: (n_mels + 2,)."""
    low, high = hz_to_mel(geometry.f_min_hz), hz_to_mel(geometry.f_max_hz)
    return mel_to_hz(np.linspace(low, high, geometry.n_mels + 2))


@lru_cache(maxsize=8)
def mel_filterbank(geometry: Geometry) -> SparseMatrix:
    """Triangular mel filters over power, each row summing to 1: (n_mels, n_bins), sparse.

    The triangles of `librosa.filters.mel(norm=1)`, except that no side is narrower than
    one FFT bin, so that no low band is empty.
    """
    edges = mel_frequencies(geometry)
    bin_hz = geometry.sample_rate / geometry.n_fft
    centre = edges[1:-1]
    rise = np.maximum(centre - edges[:-2], bin_hz)
    fall = np.maximum(edges[2:] - centre, bin_hz)
    bands, bins = _covered(centre - rise, centre + fall, geometry)
    above = bins * bin_hz - centre[bands]
    weights = np.maximum(np.minimum(above / rise[bands], -above / fall[bands]) + 1.0, 0.0)
    weights /= np.bincount(bands, weights)[bands]
    shape = (geometry.n_mels, geometry.n_bins)
    return SparseMatrix.from_entries(bands, bins, weights.astype(np.float32), shape)


def _covered(
    low_hz: NDArray[np.float64], high_hz: NDArray[np.float64], geometry: Geometry
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All pairs of a band and a bin between its edges, each (n,)."""
    bin_hz = geometry.sample_rate / geometry.n_fft
    first = np.maximum(np.ceil(low_hz / bin_hz), 0).astype(np.intp)
    last = np.minimum(np.floor(high_hz / bin_hz), geometry.n_bins - 1).astype(np.intp)
    counts = last - first + 1
    bands = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return bands, first[bands] + within


def mel_power(spectrum: ComplexArray, geometry: Geometry) -> FloatArray:
    """Mel power of a complex spectrum: (n_bins, n_frames) -> (n_mels, n_frames)."""
    power = np.square(np.abs(spectrum) * magnitude_scale(geometry))
    mel: FloatArray = mel_filterbank(geometry) @ power.astype(np.float32)
    return mel


def power_to_db(power: FloatArray, range_db: float) -> FloatArray:
    """Power to decibels re full scale, floored at -range_db."""
    floor = 10.0 ** (-range_db / 10.0)
    level_db: FloatArray = (10.0 * np.log10(np.maximum(power, floor))).astype(np.float32)
    return level_db


def normalise_db(level_db: FloatArray, range_db: float) -> FloatArray:
    """-range_db..0 dB to -1..1, clipped."""
    pixels: FloatArray = np.clip(level_db * (2.0 / range_db) + 1.0, -1.0, 1.0).astype(np.float32)
    return pixels


def loop_to_spectrogram(loop: FloatArray, geometry: Geometry) -> FloatArray:
    """Mel spectrogram that the networks are trained on: (loop_length,) -> (n_mels, n_frames)."""
    power = mel_power(stft_circular(loop, geometry), geometry)
    return normalise_db(power_to_db(power, geometry.range_db), geometry.range_db)


def pixels_to_amplitude(pixels: FloatArray, range_db: float) -> FloatArray:
    """-1..1 to linear amplitude; the floor (-1) becomes 0, without a step above it."""
    floor = np.float32(10.0 ** (-range_db / 20.0))
    amplitude: FloatArray = pixels - np.float32(1.0)  # the one new array: a loop has a megabyte
    amplitude *= np.float32(range_db * np.log(10.0) / 40.0)
    np.exp(amplitude, out=amplitude)
    amplitude -= floor
    return np.maximum(amplitude, np.float32(0.0), out=amplitude)


def amplitude_to_pixels(amplitude: FloatArray, range_db: float) -> FloatArray:
    """Linear amplitude to -1..1, the inverse of `pixels_to_amplitude`."""
    floor = np.float32(10.0 ** (-range_db / 20.0))
    scale = np.float32(40.0 / (range_db * np.log(10.0)))
    pixels: FloatArray = np.log(amplitude + floor) * scale + np.float32(1.0)
    return pixels
