"""What is measured of a clip before it is kept: level, rests, DC, flatness, a fingerprint. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
BLOCK_S = 0.05  # in which rests are found
REST_DB = 50.0  # a block this far below the loudest is a rest
FRAME_S = 0.085  # window of the flatness, long enough to part a contrabass's partials
BAND_HZ = 375.0  # width of a band of the flatness: 32 bins of 4096 at 48 kHz
FLATNESS_HZ = (50.0, 16_000.0)  # below, rumble falls so steeply that it would pass for a tone
TINY = 1e-30
FINGERPRINT_BANDS, FINGERPRINT_CELLS = 32, 64
FINGERPRINT_HARMONICS = 16  # of the loop's turn
FINGERPRINT_FLOOR_DB = -50.0  # below the peak: what a coder changes is not heard there


@dataclass(frozen=True)
class Measures:
    """Of one clip."""

    level_db: float  # RMS, dB re full scale
    sounding: float  # share that is no rest, 0..1
    clipped: float  # share of samples, 0..1
    dc: float  # mean over RMS
    flatness_db: float  # near -2.5 for noise, the lower the more tonal


def measure(loop: FloatArray, sample_rate: int, clipped: float) -> Measures:
    """Measures (n,) samples; `clipped` was counted before they were mixed and resampled."""
    power = float(np.square(loop, dtype=np.float64).mean())
    mean = abs(float(loop.mean(dtype=np.float64)))
    return Measures(
        level_db=10 * np.log10(power + TINY),
        sounding=sounding_share(loop, sample_rate),
        clipped=clipped,
        dc=mean / np.sqrt(power + TINY),
        flatness_db=flatness_db(loop, sample_rate),
    )


def sounding_share(loop: FloatArray, sample_rate: int) -> float:
    """Share of blocks of BLOCK_S within REST_DB of the loudest."""
    block = max(int(BLOCK_S * sample_rate), 1)
    blocks = loop[: len(loop) // block * block].reshape(-1, block)
    power = np.square(blocks, dtype=np.float64).mean(axis=1)
    return float((power > power.max(initial=TINY) * 10 ** (-REST_DB / 10)).mean())


def flatness_db(loop: FloatArray, sample_rate: int) -> float:
    """Geometric over arithmetic mean of the power in narrow bands, weighted by their power.

    MPEG-7's AudioSpectrumFlatness (ISO/IEC 15938-4) taken band by band, because coloured or
    band-limited noise is as much noise as white: over the whole spectrum, its slope would
    pass for a tone. Weighted, because a sound is as tonal as what is heard of it.
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


def fingerprint(level_db: FloatArray) -> NDArray[np.float16]:
    """What makes two loops alike, whatever their level and where in its turn a loop begins.

    Training rolls loops in time, so a loop that was only cut elsewhere is no other loop:
    hence the magnitudes of each band's first harmonics of the turn.

    Parameters
    ----------
    level_db : (n_mels, n_frames), of which the loudest is 0.

    Returns
    -------
    (bands * harmonics,), scaled so that the Euclidean distance of two is their difference in
    dB, RMS over bands and time.
    """
    coarse = _coarser(np.maximum(level_db, FINGERPRINT_FLOOR_DB), FINGERPRINT_BANDS, axis=0)
    coarse = _coarser(coarse, FINGERPRINT_CELLS, axis=1)
    harmonics = np.abs(np.fft.rfft(coarse, axis=1))[:, :FINGERPRINT_HARMONICS] / coarse.shape[1]
    harmonics[:, 1:] *= np.sqrt(2.0)  # their conjugates
    return (harmonics.ravel() / np.sqrt(len(coarse))).astype(np.float16)


def _coarser(picture: NDArray[np.floating], cells: int, axis: int) -> NDArray[np.floating]:
    """Means of about equal stretches of an axis, at most `cells` of them."""
    n = picture.shape[axis]
    edges = np.arange(min(cells, n)) * n // min(cells, n)
    counts = np.diff(np.append(edges, n))
    shape = [1, 1]
    shape[axis] = -1
    return np.add.reduceat(picture, edges, axis=axis) / counts.reshape(shape)
