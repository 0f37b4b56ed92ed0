"""Distances between sets of real and of generated spectrograms.

Pure functions of arrays. A spectrogram is (n_mels, n_frames) in [-1, 1] and circular in time, so
every neighbourhood wraps around.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

FloatArray = NDArray[np.float32]
PIXEL_DB = 40.0  # 80 dB over -1..1
PATCH = 7  # mel bands and frames of a patch's side (Karras et al. 2018, section 5)
PATCHES_PER_LEVEL = 128  # of one spectrogram
N_DIRECTIONS = 512
COARSEST = 16  # the pyramid ends at this many bands
CHUNK = 16  # spectrograms whose pyramids are held at once
BLUR = np.array([1, 4, 6, 4, 1], np.float32) / 16


def swd(real: FloatArray, fake: FloatArray, seed: int = 0) -> float:
    """Sliced Wasserstein distance of patches, x 1000, mean over the levels of a Laplacian pyramid.

    Karras et al. 2018, "Progressive Growing of GANs", section 5, with one difference: both
    sets are scaled by the *real* patches' mean and deviation, so a wrong level or a wrong
    contrast counts too.

    Parameters
    ----------
    real, fake : (n, n_mels, n_frames), of the same shape

    Raises
    ------
    ValueError
        The shapes differ: the distance of small sets depends on their size.
    """
    if real.shape != fake.shape:
        raise ValueError(f"{real.shape} and {fake.shape}: compare sets of the same shape")
    return swd_of_patches(all_patches(real, seed), all_patches(fake, seed + 1000), seed)


def swd_of_patches(real: list[FloatArray], fake: list[FloatArray], seed: int = 0) -> float:
    """`swd` of patches from `all_patches`, the fake ones drawn with seed + 1000."""
    levels = zip(real, fake, strict=True)
    return float(np.mean([_level_distance(r, f, seed + i) for i, (r, f) in enumerate(levels)]))


def all_patches(spectrograms: FloatArray, seed: int) -> list[FloatArray]:
    """Patches of each level of the pyramid of (n, n_mels, n_frames), in chunks."""
    levels: list[list[FloatArray]] = []
    for start in range(0, len(spectrograms), CHUNK):
        for i, level in enumerate(pyramid(spectrograms[start : start + CHUNK])):
            if i == len(levels):
                levels.append([])
            levels[i].append(patches(level, seed + i, start, len(spectrograms)))
    return [np.concatenate(parts) for parts in levels]


def pyramid(spectrograms: FloatArray) -> Iterator[FloatArray]:
    """Laplacian pyramid (Burt & Adelson 1983), finest level first, halved along both axes."""
    while min(spectrograms.shape[1:]) > COARSEST:
        smaller = _blur(spectrograms)[:, ::2, ::2]
        yield spectrograms - _double(smaller)
        spectrograms = smaller
    yield spectrograms


def sliced_wasserstein(
    real: FloatArray, fake: FloatArray, n_slices: int = 64, seed: int = 0
) -> float:
    """Mean distance of sorted random projections (Bonneel et al. 2015): (n, d) and (n, d)."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((real.shape[1], n_slices)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    a, b = np.sort(real @ directions, axis=0), np.sort(fake @ directions, axis=0)
    return float(np.abs(a - b).mean())


def distances(real: FloatArray, fake: FloatArray) -> dict[str, float]:
    """Distances of spectra (single frames) and of onsets (differences in time), in dB.

    real, fake : (n, n_mels, n_frames) in [-1, 1]
    """

    def frames(x: FloatArray) -> FloatArray:
        return np.swapaxes(x[:, :, ::4], 1, 2).reshape(-1, x.shape[1]) * PIXEL_DB

    def changes(x: FloatArray) -> FloatArray:
        return frames(x - np.roll(x, 3, axis=2))

    return {
        "spectrum_db": round(sliced_wasserstein(frames(real), frames(fake)), 3),
        "onset_db": round(sliced_wasserstein(changes(real), changes(fake)), 3),
    }


def patches(level: FloatArray, seed: int, start: int = 0, total: int | None = None) -> FloatArray:
    """Random square patches of one level: (n * PATCHES_PER_LEVEL, PATCH**2).

    The n spectrograms are those from `start` on, of `total`; in chunks or at once, the patches'
    positions are the same.
    """
    n, n_mels, n_frames = level.shape
    size = (total or n, PATCHES_PER_LEVEL, 1, 1)
    rng = np.random.default_rng(seed)
    top = rng.integers(n_mels - PATCH + 1, size=size)[start : start + n]
    left = rng.integers(n_frames, size=size)[start : start + n]
    rows = top + np.arange(PATCH)[:, None]
    columns = (left + np.arange(PATCH)) % n_frames
    cut: FloatArray = level[np.arange(n)[:, None, None, None], rows, columns]
    return cut.reshape(-1, PATCH**2)


def _level_distance(real: FloatArray, fake: FloatArray, seed: int) -> float:
    mean, deviation = real.mean(), real.std() + 1e-8
    a, b = ((patches - mean) / deviation for patches in (real, fake))
    return 1e3 * sliced_wasserstein(a, b, N_DIRECTIONS, seed)


def _blur(spectrograms: FloatArray) -> FloatArray:
    across = convolve1d(spectrograms, BLUR, axis=1, mode="mirror")
    blurred: FloatArray = convolve1d(across, BLUR, axis=2, mode="wrap")
    return blurred


def _double(spectrograms: FloatArray) -> FloatArray:
    """Twice the size along both axes, interpolated with the same blur."""
    n, n_mels, n_frames = spectrograms.shape
    larger = np.zeros((n, 2 * n_mels, 2 * n_frames), np.float32)
    larger[:, ::2, ::2] = 4 * spectrograms
    return _blur(larger)
