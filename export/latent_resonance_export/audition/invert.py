"""Spectrograms to sound, as in the gallery.

Real and generated clips go through the same inversion, so its losses affect both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.griffin_lim import StreamingGriffinLim, griffin_lim
from latent_resonance.audio.mel_inversion import (
    amplitude_to_magnitude,
    mel_to_amplitude,
    spectrogram_to_magnitude,
)
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.audio.wav import WavFile
from latent_resonance.config.settings import Loop
from latent_resonance.voice.synthesis.loop_frames import frames_of
from latent_resonance.voice.synthesis.spectrogram_loop import SpectrogramLoop

FloatArray = NDArray[np.float32]
WARM_UP_FRAMES = 32  # frames of the loop's end, inverted first so that the phases settle
FRAMES_PER_Z = 10  # frames between two generated spectrograms, about as in the gallery
GLIDE = 0.5  # share of the time at a waypoint in which z moves to the next
CROSSFADE_S = 0.6  # from one real loop to the next
FADE_S = 0.1  # at both ends of a file
LEVEL_DB = -20.0  # RMS of the files, unless a peak of one would exceed PEAK_DB
PEAK_DB = -1.5
SILENCE = 1e-6  # RMS below which no gain is applied


def loop_to_audio(pixels: FloatArray, geometry: Geometry) -> FloatArray:
    """One period of a loop: (n_mels, n_frames) -> (loop_length,) samples."""
    around = np.concatenate([pixels[:, -WARM_UP_FRAMES:], pixels], axis=1)
    return griffin_lim(spectrogram_to_magnitude(around, geometry), geometry)[
        WARM_UP_FRAMES * geometry.hop_length :
    ]


def columns_to_audio(
    columns: Iterable[FloatArray], geometry: Geometry, seed: int
) -> Iterator[FloatArray]:
    """Columns of mel amplitudes (n_mels,) -> hops of samples, without the latency at the start."""
    stream = StreamingGriffinLim(geometry, seed=seed, highest_hz=geometry.f_max_hz)
    n_latency = -(-stream.latency_samples // geometry.hop_length)
    silence = (np.zeros(geometry.n_mels, np.float32) for _ in range(n_latency))
    hops = (
        stream.push(amplitude_to_magnitude(mel_to_amplitude(column, geometry), geometry))
        for column in chain(columns, silence)
    )
    for index, samples in enumerate(hops):
        if index >= n_latency:
            yield samples


def real_columns(spectrograms: Iterable[FloatArray], geometry: Geometry) -> Iterator[FloatArray]:
    """One period of each loop, with a crossfade to the next."""
    loop = SpectrogramLoop(geometry, Loop(morph="blend", morph_s=CROSSFADE_S))
    for spectrogram in spectrograms:
        loop.receive(frames_of(spectrogram, geometry))
        for _ in range(geometry.n_frames):
            yield loop.column(1.0)


def generated_columns(
    spectrograms: Iterable[FloatArray], geometry: Geometry
) -> Iterator[FloatArray]:
    """The loop repeats while a new spectrogram fades in every FRAMES_PER_Z frames."""
    loop = SpectrogramLoop(geometry, Loop(morph_s=FRAMES_PER_Z * geometry.hop_s))
    for spectrogram in spectrograms:
        loop.receive(frames_of(spectrogram, geometry))
        for _ in range(FRAMES_PER_Z):
            yield loop.column(1.0)


def z_path(waypoints: FloatArray, n_steps: int) -> FloatArray:
    """The path of a z that rests at each waypoint (n, latent_dim), then moves on to the next.

    Returns
    -------
    (n_steps, latent_dim) : each waypoint gets the same time, the last one without a next.
    """
    position = np.arange(n_steps) * len(waypoints) / n_steps
    index = position.astype(int)
    progress = np.clip((position - index - (1 - GLIDE)) / GLIDE, 0, 1)
    eased = progress * progress * (3 - 2 * progress)
    following = np.minimum(index + 1, len(waypoints) - 1)
    pairs = zip(waypoints[index], waypoints[following], eased, strict=True)
    return np.stack([slerp(a, b, float(share)) for a, b, share in pairs])


def slerp(a: FloatArray, b: FloatArray, share: float) -> FloatArray:
    """Spherical interpolation (Shoemake 1985): a at 0, b at 1; lengths change in proportion."""
    norms = np.linalg.norm(a), np.linalg.norm(b)
    product = max(cast("float", norms[0] * norms[1]), 1e-12)
    angle = np.arccos(np.clip(a @ b / product, -1, 1))
    if not 1e-4 < angle < np.pi - 1e-4:  # no great circle, or no unique one
        return ((1 - share) * a + share * b).astype(np.float32)
    direction = (
        np.sin((1 - share) * angle) * a / norms[0] + np.sin(share * angle) * b / norms[1]
    ) / np.sin(angle)
    scaled = direction * ((1 - share) * norms[0] + share * norms[1])
    return cast("FloatArray", scaled.astype(np.float32))


def match_levels(sounds: list[FloatArray]) -> list[FloatArray]:
    """Scales all to one RMS level: LEVEL_DB, or less if a peak would exceed PEAK_DB."""
    rms = np.array([np.sqrt(np.mean(np.square(s, dtype=np.float64))) for s in sounds])
    peaks = np.array([np.abs(s).max() for s in sounds])
    crest = float(np.max(peaks / np.maximum(rms, SILENCE)))
    level: float = min(10 ** (LEVEL_DB / 20), 10 ** (PEAK_DB / 20) / max(crest, 1.0))
    gains = np.where(rms > SILENCE, level / np.maximum(rms, SILENCE), 1.0)
    return [s * np.float32(gain) for s, gain in zip(sounds, gains, strict=True)]


def fade_ends(samples: FloatArray, sample_rate: int) -> FloatArray:
    """Fades in and out by half a cosine, so that a file has no click at its ends."""
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
