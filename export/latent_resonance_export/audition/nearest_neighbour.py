"""How near a loop is to those that a network was trained on, wherever the loop begins. Pure.

Training turns every loop to a random beginning, so a memorised loop comes back turned. The
distance is therefore the least over all turns: a circular cross-correlation by FFT, as two
periodic signals are registered (Oppenheim & Schafer 2010, "Discrete-Time Signal Processing",
section 8.7), on pictures of BANDS bands and no more than CYCLES changes a loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
BANDS = 64  # mel bands are averaged to so many
CYCLES = 64  # per loop; what moves faster is left out
CHUNK = 16  # clips whose correlations with all others are held at once


@dataclass(frozen=True)
class Loops:
    """Pictures ready to be compared: spectra over time, and mean squares.

    spectra : (CYCLES + 1, n, BANDS) complex64, the cycles first for one matrix product each
    power : (n,) mean square of a picture's pixels
    """

    spectra: NDArray[np.complex64]
    power: FloatArray
    n_frames: int


def prepare(pictures: FloatArray) -> Loops:
    """(n, n_mels, n_frames) in [-1, 1], few enough to be held in memory."""
    n, n_mels, n_frames = pictures.shape
    bands = min(BANDS, n_mels)
    height = n_mels // bands  # what is left over at the top of the spectrum is left out
    reduced = pictures[:, : bands * height].reshape(n, bands, height, n_frames).mean(axis=2)
    spectra = scipy.fft.rfft(reduced, axis=2)[:, :, : CYCLES + 1] / n_frames
    weight = _weight(spectra.shape[2], n_frames)
    power = (np.square(np.abs(spectra)) * weight).sum(axis=(1, 2)) / bands
    return Loops(np.ascontiguousarray(np.moveaxis(spectra, 2, 0)), power, n_frames)


def join(parts: list[Loops]) -> Loops:
    """Several preparations as one: a large dataset is prepared piece by piece."""
    spectra = np.concatenate([part.spectra for part in parts], axis=1)
    return Loops(spectra, np.concatenate([part.power for part in parts]), parts[0].n_frames)


def distances(loops: Loops, others: Loops) -> FloatArray:
    """Root mean square differences in pixels at the best turn: (n, m)."""
    n_loops, n_bands = loops.spectra.shape[1:]
    result = np.empty((n_loops, others.spectra.shape[1]), np.float32)
    for start in range(0, n_loops, CHUNK):
        part = slice(start, start + CHUNK)
        cross = loops.spectra[:, part].conj() @ others.spectra.transpose(0, 2, 1)
        turns = scipy.fft.irfft(cross, loops.n_frames, axis=0) * (loops.n_frames / n_bands)
        square = loops.power[part, None] + others.power - 2 * turns.max(axis=0)
        result[part] = np.sqrt(np.maximum(square, 0))
    return result


def best_turn(loops: Loops, others: Loops) -> NDArray[np.intp]:
    """By how many frames to roll each of the others to lie best on the one of its place: (n,)."""
    spectra = (loops.spectra.conj() * others.spectra).sum(axis=2)
    return -scipy.fft.irfft(spectra, loops.n_frames, axis=0).argmax(axis=0) % loops.n_frames


def memorisation(generated: FloatArray, held_out: FloatArray) -> float:
    """Median distance to the nearest training clip: generated over held out.

    Both (n, n_training). 1: as far from the training clips as clips never seen; towards 0: copies.
    """
    unseen = float(np.median(held_out.min(axis=1)))
    return float(np.median(generated.min(axis=1))) / max(unseen, 1e-6)


def _weight(n_cycles: int, n_frames: int) -> FloatArray:
    """How often each cycle of a real spectrum counts: once at 0 and at Nyquist, else twice."""
    weight = np.full(n_cycles, 2.0, np.float32)
    weight[0] = 1.0
    if 2 * (n_cycles - 1) == n_frames:
        weight[-1] = 1.0
    return weight
