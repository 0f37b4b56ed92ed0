"""Chooses where the loops of a segment start: at a fixed stride, or at onsets. Pure."""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
HOP_S = 0.01
WINDOW_HOPS = 4
LAG = 2  # hops between the spectra that are compared
COMPRESSION = 1000.0  # factor of the magnitudes before the logarithm, so that quiet ones count
MEDIAN_WINDOW_S = 0.5  # of the local median that an onset must exceed
ONSET_THRESHOLD = 0.1  # above the local median, relative to the strongest onset of the segment
MIN_ONSET_DISTANCE_S = 0.1
PRE_ROLL_S = 0.02  # kept before an onset
CHUNK = 1024  # number of spectra in memory at a time


def stride_starts(first: int, last: int, stride: int) -> list[int]:
    """Multiples of the stride, counted from the recording's beginning, in first..last - 1."""
    return list(range(-(-first // stride) * stride, last, stride))


def onset_starts(audio: FloatArray, last: int, stride: int, sample_rate: int) -> list[int]:
    """Onsets at least one stride apart; further starts where there is no onset for two strides.

    Parameters
    ----------
    audio : (n,), the segment
    last, stride : samples; every start is before `last`
    """
    onsets = np.maximum(detect_onsets(audio, sample_rate) - int(PRE_ROLL_S * sample_rate), 0)
    starts, at = [], 0
    while at < last:
        following = onsets[np.searchsorted(onsets, at) :]
        if len(following) and following[0] < at + stride:
            at = int(following[0])
        if at < last:
            starts.append(at)
        at += stride
    return starts


def detect_onsets(audio: FloatArray, sample_rate: int) -> NDArray[np.intp]:
    """Samples of the onsets: peaks of the maximum-filtered spectral flux.

    Böck & Widmer 2013, "Maximum filter vibrato suppression for onset detection" (SuperFlux).
    """
    from scipy.signal import find_peaks  # slow to import, and not needed for --cut stride

    hop = max(round(HOP_S * sample_rate), 1)
    flux = _flux(audio, hop)
    if not flux.size:
        return np.zeros(0, np.intp)
    around = 2 * round(MEDIAN_WINDOW_S / HOP_S) + 1
    above = flux - scipy.ndimage.median_filter(flux, around)
    peaks, _ = find_peaks(
        above,
        height=max(ONSET_THRESHOLD * above.max(), 1e-6),
        distance=round(MIN_ONSET_DISTANCE_S / HOP_S),
    )
    return np.asarray(peaks * hop, np.intp)


def _flux(audio: FloatArray, hop: int) -> FloatArray:
    """Increase of the compressed spectrum at each hop: (n_hops,)."""
    size = WINDOW_HOPS * hop
    padded = np.pad(audio, (size // 2 + LAG * hop, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    shape = np.hanning(size).astype(np.float32)
    rises = []
    for first in range(0, len(frames) - LAG, CHUNK):
        spectrum = scipy.fft.rfft(frames[first : first + CHUNK + LAG] * shape, axis=1)
        level = np.log1p(COMPRESSION / size * np.abs(spectrum))
        widest = scipy.ndimage.maximum_filter1d(level[:-LAG], 3, axis=1)
        rises.append(np.maximum(level[LAG:] - widest, 0.0).mean(axis=1))
    return np.concatenate([*rises, np.zeros(0, np.float32)])[: -(-len(audio) // hop)]
