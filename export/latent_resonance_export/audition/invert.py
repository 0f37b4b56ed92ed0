"""Spectrograms to sound as the gallery makes it, and a minute of each to listen to.

Real and generated go through the same inversion: what is lost by it is lost by both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.griffin_lim import StreamingGriffinLim, griffin_lim
from latent_resonance.audio.spectrogram import Geometry, spectrogram_to_magnitude
from latent_resonance.audio.wav import WavFile
from latent_resonance.voice.synthesis.spectrogram_loop import SpectrogramLoop

FloatArray = NDArray[np.float32]
WARM_UP_FRAMES = 32  # frames of the loop's end, heard before it begins so that the phases have settled
FRAMES_PER_Z = 10  # between two generated pictures, about as often as in the gallery
GLIDE = 0.5  # share of a turn in which z travels on to the next
CROSSFADE_S = 0.6  # from one real loop to the next
FADE_S = 0.1  # at both ends of a file
LEVEL_DB = -20.0  # RMS of a file, if no peak of the two would pass PEAK_DB
PEAK_DB = -1.5
SILENCE = 1e-6  # RMS below which there is nothing to bring to a level


def loop_to_audio(pixels: FloatArray, geometry: Geometry) -> FloatArray:
    """One turn of a loop: (n_mels, n_frames) -> (loop_length,) samples."""
    around = np.concatenate([pixels[:, -WARM_UP_FRAMES:], pixels], axis=1)
    return griffin_lim(spectrogram_to_magnitude(around, geometry), geometry)[WARM_UP_FRAMES * geometry.hop_length :]


def columns_to_audio(
    columns: Iterable[FloatArray], geometry: Geometry, seed: int
) -> Iterator[FloatArray]:
    """Columns of pixels (n_mels,) to hops of samples, the latency taken off the beginning."""
    spectrograms_of = StreamingGriffinLim(geometry, seed=seed)
    waiting = -(-spectrograms_of.latency_samples // geometry.hop_length)
    rest = (np.full(geometry.n_mels, -1.0, np.float32) for _ in range(waiting))
    hops = (spectrograms_of.push(spectrogram_to_magnitude(c, geometry)) for c in chain(columns, rest))
    for index, samples in enumerate(hops):
        if index >= waiting:
            yield samples


def real_columns(pictures: Iterable[FloatArray], geometry: Geometry) -> Iterator[FloatArray]:
    """One turn of each loop, the next fading in at its beginning."""
    loop = SpectrogramLoop(geometry, CROSSFADE_S)
    for picture in pictures:
        loop.receive(picture)
        for _ in range(geometry.n_frames):
            yield loop.column(1.0)


def generated_columns(pictures: Iterable[FloatArray], geometry: Geometry) -> Iterator[FloatArray]:
    """The loop goes round while a new picture melts in every DREAM_FRAMES."""
    loop = SpectrogramLoop(geometry, FRAMES_PER_Z * geometry.hop_s)
    for picture in pictures:
        loop.receive(picture)
        for _ in range(FRAMES_PER_Z):
            yield loop.column(1.0)


def z_path(waypoints: FloatArray, n_steps: int) -> FloatArray:
    """Way of a z that rests at each station (n, latent_dim), and travels on to the next.

    Returns
    -------
    (n_dreams, latent_dim) : evenly through all stations, the last followed by none.
    """
    place = np.arange(n_steps) * len(waypoints) / n_steps
    at = place.astype(int)
    travelled = np.clip((place - at - (1 - GLIDE)) / GLIDE, 0, 1)
    eased = travelled * travelled * (3 - 2 * travelled)
    following = np.minimum(at + 1, len(waypoints) - 1)
    pairs = zip(waypoints[at], waypoints[following], eased, strict=True)
    return np.stack([slerp(a, b, float(share)) for a, b, share in pairs])


def slerp(a: FloatArray, b: FloatArray, share: float) -> FloatArray:
    """Spherical interpolation (Shoemake 1985): a at 0, b at 1; lengths change in proportion."""
    norms = np.linalg.norm(a), np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / max(norms[0] * norms[1], 1e-12), -1, 1))
    if not 1e-4 < angle < np.pi - 1e-4:  # there is no way round, or every way is as short
        return ((1 - share) * a + share * b).astype(np.float32)
    direction = (
        np.sin((1 - share) * angle) * a / norms[0] + np.sin(share * angle) * b / norms[1]
    ) / np.sin(angle)
    return (direction * ((1 - share) * norms[0] + share * norms[1])).astype(np.float32)


def match_levels(sounds: list[FloatArray]) -> list[FloatArray]:
    """Brings all to one RMS level, LEVEL_DB or as near as lets no peak pass PEAK_DB."""
    rms = np.array([np.sqrt(np.mean(np.square(s, dtype=np.float64))) for s in sounds])
    peaks = np.array([np.abs(s).max() for s in sounds])
    crest = float(np.max(peaks / np.maximum(rms, SILENCE)))
    level = min(10 ** (LEVEL_DB / 20), 10 ** (PEAK_DB / 20) / max(crest, 1.0))
    gains = np.where(rms > SILENCE, level / np.maximum(rms, SILENCE), 1.0)
    return [s * np.float32(gain) for s, gain in zip(sounds, gains, strict=True)]


def fade_ends(samples: FloatArray, sample_rate: int) -> FloatArray:
    """Fades in and out by half a cosine, so that a file neither begins nor ends with a click."""
    n = min(int(FADE_S * sample_rate), len(samples) // 2)
    rise = (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, n))).astype(np.float32)
    faded = samples.copy()
    faded[:n] *= rise
    faded[len(faded) - n :] *= rise[::-1]
    return faded


def write_wav(samples: FloatArray, path: Path, sample_rate: int) -> None:
    """Mono, 16 bits, dithered."""
    file = WavFile(path, sample_rate)
    file.write(samples)
    file.close()
