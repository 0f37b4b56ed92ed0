"""Where the loops of a stretch begin: every so often, or at the sound's own beginnings. Pure."""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
HOP_S = 0.01
WINDOW_HOPS = 4
LAG = 2  # hops between the spectra that are compared
COMPRESSION = 1000.0  # of magnitudes, before their logarithm: what is quiet counts too
AROUND_S = 0.5  # in which an onset must stand out
STANDS_OUT = 0.1  # of the strongest onset of the stretch, above the median around
APART_S = 0.1
PRE_ROLL_S = 0.02  # kept before an onset
CHUNK = 1024  # hops whose spectra are in memory at a time


def by_stride(first: int, last: int, stride: int) -> list[int]:
    """Multiples of the stride, counted from the recording's beginning, in first..last - 1."""
    return list(range(-(-first // stride) * stride, last, stride))


def by_onset(audio: FloatArray, last: int, stride: int, sample_rate: int) -> list[int]:
    """Onsets at least a stride apart; where a sound is held for two strides, also without.

    Parameters
    ----------
    audio : the stretch
    last : samples; every beginning is before
    """
    onsets = np.maximum(onsets_of(audio, sample_rate) - int(PRE_ROLL_S * sample_rate), 0)
    starts, at = [], 0
    while at < last:
        coming = onsets[np.searchsorted(onsets, at) :]
        if len(coming) and coming[0] < at + stride:
            at = int(coming[0])
        if at < last:
            starts.append(at)
        at += stride
    return starts


def onsets_of(audio: FloatArray, sample_rate: int) -> NDArray[np.intp]:
    """Samples at which something begins: peaks of the spectral flux, maximum-filtered.

    Böck & Widmer 2013, "Maximum filter vibrato suppression for onset detection" (SuperFlux).
    """
    from scipy.signal import find_peaks  # half of a worker's start, and --cut stride needs it not

    hop = max(round(HOP_S * sample_rate), 1)
    flux = _flux(audio, hop)
    if not flux.size:
        return np.zeros(0, np.intp)
    around = 2 * round(AROUND_S / HOP_S) + 1
    above = flux - scipy.ndimage.median_filter(flux, around)
    peaks, _ = find_peaks(
        above, height=max(STANDS_OUT * above.max(), 1e-6), distance=round(APART_S / HOP_S)
    )
    return peaks * hop


def _flux(audio: FloatArray, hop: int) -> FloatArray:
    """Rise of the compressed spectrum at each hop: (n_hops,)."""
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
