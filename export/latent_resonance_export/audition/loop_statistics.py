"""What a visitor hears in any loop: whistles, rests, one rhythm, uneven levels, sameness. Pure.

A spectrogram is (n_mels, n_frames) in [-1, 1]; the power of a frame is the sum over its bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import Geometry, mel_frequencies

FloatArray = NDArray[np.float32]
TOP_HZ, TOP_DB = 13_500.0, 40.0  # a band that reaches above, and is within, whistles
QUIET_DB = 30.0  # below its spectrogram's loudest frame, a frame is a rest
N_RHYTHMS, N_DIFFERENT = 100, 120  # loops whose rhythms, and whose pixels, are compared
THUMBNAIL = (64, 16)  # bands and times, at most
KERNEL_WIDTH = 0.25  # of the Vendi score, in 1 - cosine


@dataclass(frozen=True)
class LoopSummary:
    """All that the figures need of one loop, so that thousands can be measured.

    whistles : whether a top band is within TOP_DB of the maximum
    quiet : (n_frames,) of bool; level_db : mean power
    change : (n_frames,) mean absolute step from the previous frame; thumbnail : flat
    """

    whistles: bool
    quiet: NDArray[np.bool_]
    level_db: float
    change: FloatArray
    thumbnail: FloatArray


def summarise(spectrogram: FloatArray, geometry: Geometry) -> LoopSummary:
    """The summary of one loop."""
    unit_db = geometry.range_db / 2  # of a pixel
    power = np.exp((spectrogram - 1) * np.float32(unit_db * np.log(10) / 10)).sum(axis=0)
    top = spectrogram[mel_frequencies(geometry)[2:] > TOP_HZ]
    return LoopSummary(
        whistles=bool(top.max(initial=-np.inf) > spectrogram.max() - TOP_DB / unit_db),
        quiet=power < power.max() * 10 ** (-QUIET_DB / 10),
        level_db=float(10 * np.log10(power.mean())),
        change=np.abs(spectrogram - np.roll(spectrogram, 1, axis=1)).mean(axis=0),
        thumbnail=thumbnail(spectrogram).ravel(),
    )


def statistics(loops: Sequence[LoopSummary]) -> dict[str, float]:
    """The figures of at least two loops, by name; rhythms and pixels of evenly spaced ones."""
    quiet = np.stack([loop.quiet for loop in loops])
    low, high = np.percentile([loop.level_db for loop in loops], (5, 95))
    return {
        "top_bands": float(np.mean([loop.whistles for loop in loops])),
        "quiet_frames": float(quiet.mean()),
        "silent_frame": float(quiet.mean(axis=0).max()),
        "rhythm_alike": rhythm_alike(np.stack([loop.change for loop in _evenly(loops, N_RHYTHMS)])),
        "level_span": float(high - low),
        "different": vendi_score(
            np.stack([loop.thumbnail for loop in _evenly(loops, N_DIFFERENT)])
        ),
    }


def thumbnail(spectrogram: FloatArray) -> FloatArray:
    """Means over blocks of pixels: THUMBNAIL, or less of a smaller spectrogram."""
    for axis, n in enumerate(THUMBNAIL):
        parts = np.array_split(spectrogram, min(n, spectrogram.shape[axis]), axis=axis)
        spectrogram = np.stack([part.mean(axis=axis) for part in parts], axis=axis)
    return spectrogram


def rhythm_alike(change: FloatArray) -> float:
    """Mean correlation of two loops' changes (n, n_frames); a loop without any counts as 0."""
    deviation = change - change.mean(axis=1, keepdims=True)
    unit = deviation / np.maximum(np.linalg.norm(deviation, axis=1, keepdims=True), 1e-9)
    return _mean_off_diagonal(unit @ unit.T)


def vendi_score(points: FloatArray) -> float:
    """How many of n points (n, any) are effectively different, 1 to n.

    Friedman & Dieng 2022, "The Vendi Score": the exponential of the entropy of the eigenvalues
    of the similarities over n; points are centred on their mean and of unit length.
    """
    centred = points - points.mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    norms, products = np.square(unit).sum(axis=1), unit @ unit.T
    distance = (norms[:, None] + norms) / 2 - products  # 1 - cosine; 0 between equal points
    similarity = np.exp(-np.maximum(distance, 0) / KERNEL_WIDTH)
    shares = np.linalg.eigvalsh(similarity.astype(np.float64) / len(points))
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _evenly(loops: Sequence[LoopSummary], n: int) -> list[LoopSummary]:
    return [
        loops[i] for i in np.linspace(0, len(loops), min(n, len(loops)), endpoint=False, dtype=int)
    ]


def _mean_off_diagonal(matrix: NDArray[np.floating]) -> float:
    n = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / (n * (n - 1)))
