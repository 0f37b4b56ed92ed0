"""Distance of a loop from the training clips, whatever its starting point. Pure.

Training rolls every loop by a random number of frames, so a memorised loop comes back rolled. The
distance is therefore the minimum over all shifts: a circular cross-correlation by FFT, as two
periodic signals are registered (Oppenheim & Schafer 2010, "Discrete-Time Signal Processing",
section 8.7), on spectrograms of BANDS bands and at most CYCLES cycles per loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
BANDS = 64  # mel bands are averaged to this number
CYCLES = 64  # per loop; faster changes are left out
CHUNK = 16  # clips whose correlations with all others are held at once


@dataclass(frozen=True)
class Loops:
    """Spectrograms prepared for comparison: spectra over time, and mean squares.

    spectra : (CYCLES + 1, n, BANDS) complex64, with cycles first for one matrix product each
    power : (n,) mean square of a spectrogram's pixels
    """

    spectra: NDArray[np.complex64]
    power: FloatArray
    n_frames: int


def prepare(spectrograms: FloatArray) -> Loops:
    """Prepares (n, n_mels, n_frames) in [-1, 1]; all are held in memory."""
    n, n_mels, n_frames = spectrograms.shape
    bands = min(BANDS, n_mels)
    height = n_mels // bands  # remaining bands at the top of the spectrum are left out
    reduced = spectrograms[:, : bands * height].reshape(n, bands, height, n_frames).mean(axis=2)
    spectra = scipy.fft.rfft(reduced, axis=2)[:, :, : CYCLES + 1] / n_frames
    weight = _weight(spectra.shape[2], n_frames)
    power = (np.square(np.abs(spectra)) * weight).sum(axis=(1, 2)) / bands
    return Loops(np.ascontiguousarray(np.moveaxis(spectra, 2, 0)), power, n_frames)


def join(parts: list[Loops]) -> Loops:
    """Concatenates parts of a dataset that were prepared one by one."""
    spectra = np.concatenate([part.spectra for part in parts], axis=1)
    return Loops(spectra, np.concatenate([part.power for part in parts]), parts[0].n_frames)


def distances(loops: Loops, others: Loops) -> FloatArray:
    """Root mean square differences in pixels at the best shift: (n, m)."""
    n_loops, n_bands = loops.spectra.shape[1:]
    result = np.empty((n_loops, others.spectra.shape[1]), np.float32)
    for start in range(0, n_loops, CHUNK):
        part = slice(start, start + CHUNK)
        cross = loops.spectra[:, part].conj() @ others.spectra.transpose(0, 2, 1)
        correlation = scipy.fft.irfft(cross, loops.n_frames, axis=0) * (loops.n_frames / n_bands)
        square = loops.power[part, None] + others.power - 2 * correlation.max(axis=0)
        result[part] = np.sqrt(np.maximum(square, 0))
    return result


def best_roll(loops: Loops, others: Loops) -> NDArray[np.intp]:
    """By how many frames to roll each of the others to fit the loop of the same index: (n,)."""
    spectra = (loops.spectra.conj() * others.spectra).sum(axis=2)
    correlation = scipy.fft.irfft(spectra, loops.n_frames, axis=0)
    shifts: NDArray[np.intp] = -correlation.argmax(axis=0) % loops.n_frames
    return shifts


def memorisation(generated: FloatArray, held_out: FloatArray) -> float:
    """Median distance to the nearest training clip: generated over held out.

    Both (n, n_training). 1: as far from the training clips as unseen clips; towards 0: copies.
    """
    unseen = float(np.median(held_out.min(axis=1)))
    return float(np.median(generated.min(axis=1))) / max(unseen, 1e-6)


def _weight(n_cycles: int, n_frames: int) -> FloatArray:
    """The weight of each cycle of a one-sided spectrum: 1 at 0 and at Nyquist, else 2."""
    weight = np.full(n_cycles, 2.0, np.float32)
    weight[0] = 1.0
    if 2 * (n_cycles - 1) == n_frames:
        weight[-1] = 1.0
    return weight
