"""Measures a clip: level, rests, bands, spectral flatness, bandwidth, and a fingerprint. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import Geometry, mel_frequencies

FloatArray = NDArray[np.float32]
BLOCK_S = 0.05  # resolution of rests
SILENCE_DB = 50.0  # a block this far below the loudest is a rest
FRAME_S = 0.085  # window of the flatness, long enough to resolve a contrabass's partials
BAND_HZ = 375.0  # bandwidth of the flatness: 32 bins of 4096 at 48 kHz
FLATNESS_HZ = (50.0, 16_000.0)  # below, rumble falls so steeply that it resembles a tone
TINY = 1e-30
BANDWIDTH_DB = 70.0  # below the loudest band nothing counts as content
FINGERPRINT_BANDS, FINGERPRINT_CELLS = 32, 64
FINGERPRINT_HARMONICS = 16  # of the loop's period
FINGERPRINT_FLOOR_DB = -50.0  # below it, the changes that a lossy coder makes are inaudible


@dataclass(frozen=True)
class ClipMeasures:
    """Measurements of one clip."""

    level_db: float  # RMS, dB re full scale
    active: float  # share that is not a rest, 0..1
    clipped: float  # share of samples, 0..1
    flatness_db: float  # near -2.5 for noise, lower for tonal sounds
    in_band_db: float  # power within the geometry's frequencies, re the whole


def measure(loop: FloatArray, geometry: Geometry, clipped: float) -> ClipMeasures:
    """Measures (n,) samples; `clipped` was counted before they were mixed and resampled."""
    power = float(np.square(loop, dtype=np.float64).mean())
    return ClipMeasures(
        level_db=10 * np.log10(power + TINY),
        active=active_share(loop, geometry.sample_rate),
        clipped=clipped,
        flatness_db=flatness_db(loop, geometry.sample_rate),
        in_band_db=in_band_db(loop, geometry),
    )


def active_share(loop: FloatArray, sample_rate: int) -> float:
    """Share of blocks of BLOCK_S of a loop (n,) within SILENCE_DB of the loudest, 0 to 1."""
    block = max(int(BLOCK_S * sample_rate), 1)
    blocks = loop[: len(loop) // block * block].reshape(-1, block)
    power = np.square(blocks, dtype=np.float64).mean(axis=1)
    return float((power > power.max(initial=TINY) * 10 ** (-SILENCE_DB / 10)).mean())


def flatness_db(loop: FloatArray, sample_rate: int) -> float:
    """Geometric over arithmetic mean power of a loop (n,) in narrow bands, in dB, at most 0.

    MPEG-7's AudioSpectrumFlatness (ISO/IEC 15938-4), band by band: over the whole spectrum the
    slope of coloured or band-limited noise would look tonal. Weighted by their power, because
    loud bands determine how tonal a sound is.
    """
    size = 1 << round(np.log2(FRAME_S * sample_rate))
    frames = np.lib.stride_tricks.sliding_window_view(loop, size)[:: size // 2]
    spectrum = scipy.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)
    low, high = (math.ceil(hz * size / sample_rate) for hz in FLATNESS_HZ)
    power = np.square(np.abs(spectrum[:, low:high]), dtype=np.float64) + TINY
    width = max(round(BAND_HZ * size / sample_rate), 2)
    bands = power[:, : power.shape[1] // width * width].reshape(len(power), -1, width)
    mean = bands.mean(axis=2)
    flatness = 10 * (np.log10(bands).mean(axis=2) - np.log10(mean))
    return float((flatness * mean).sum() / mean.sum())


def in_band_db(loop: FloatArray, geometry: Geometry) -> float:
    """Power between the lowest and the highest frequency of the bands, in dB re the whole.

    Of the whole circular loop (n,), without a window: what is outside does not leak into the bands.
    """
    power = np.square(np.abs(scipy.fft.rfft(loop)), dtype=np.float64)
    hz = scipy.fft.rfftfreq(len(loop), 1 / geometry.sample_rate)
    inside = (hz >= geometry.f_min_hz) & (hz <= geometry.f_max_hz)
    return float(10 * np.log10((power[inside].sum() + TINY) / (power.sum() + TINY)))


def bandwidth_hz(level_db: FloatArray, geometry: Geometry) -> float:
    """The upper end of what sounds: the centre of the highest band within BANDWIDTH_DB.

    level_db : (n_mels, n_frames), with a maximum of 0.
    """
    sounding = np.flatnonzero(level_db.max(axis=1) > -BANDWIDTH_DB)
    return float(mel_frequencies(geometry)[int(sounding[-1]) + 1])


def fingerprint(level_db: FloatArray) -> NDArray[np.float16]:
    """A descriptor of a loop that is invariant to its level and to circular shifts.

    Training rolls loops in time, so a loop with another start is still the same loop. Hence the
    magnitudes of the first harmonics of each band's level over time.

    Parameters
    ----------
    level_db : (n_mels, n_frames), with a maximum of 0.

    Returns
    -------
    (bands * harmonics,), scaled so that the Euclidean distance between two is their difference
    in dB, RMS over bands and time.
    """
    coarse = _block_means(np.maximum(level_db, FINGERPRINT_FLOOR_DB), FINGERPRINT_BANDS, axis=0)
    coarse = _block_means(coarse, FINGERPRINT_CELLS, axis=1)
    harmonics = np.abs(np.fft.rfft(coarse, axis=1))[:, :FINGERPRINT_HARMONICS] / coarse.shape[1]
    harmonics[:, 1:] *= np.sqrt(2.0)  # their conjugates
    descriptor: NDArray[np.float16] = (harmonics.ravel() / np.sqrt(len(coarse))).astype(np.float16)
    return descriptor


def _block_means(spectrogram: NDArray[np.floating], cells: int, axis: int) -> NDArray[np.floating]:
    """Means of at most `cells` blocks of about equal length along an axis."""
    n = spectrogram.shape[axis]
    edges = np.arange(min(cells, n)) * n // min(cells, n)
    counts = np.diff(np.append(edges, n))
    shape = [1, 1]
    shape[axis] = -1
    return np.add.reduceat(spectrogram, edges, axis=axis) / counts.reshape(shape)
