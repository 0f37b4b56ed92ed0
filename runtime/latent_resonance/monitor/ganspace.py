"""Directions in the latent space that change the sound most.

Runs in a worker thread of the monitor on first use; takes some seconds. In: a pack. Out: its
anchors, and directions of z. GANSpace (Härkönen et al. 2020, section 3.2) for a generator whose
latent space is z itself: principal components of the generated spectrograms, each mapped back to z
by least squares.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from latent_resonance.config.settings import Inference
from latent_resonance.link.requests import FloatArray
from latent_resonance.pack import open_pack

N_SAMPLES = 160
N_DIRECTIONS = 6
SHORTEST = 1e-6  # vector that has a direction
COARSE_BANDS, COARSE_FRAMES = 128, 16  # enough for timbre, and roughly for rhythm


class LatentSpace(NamedTuple):
    """What is known of a pack's latent space."""

    anchors: FloatArray  # (n, latent_dim)
    directions: FloatArray  # (N_DIRECTIONS, latent_dim), unit vectors, strongest first

    @property
    def centre(self) -> FloatArray:
        """Of a map: the first anchor (latent_dim,), or the third direction if that is 0."""
        first: FloatArray = self.anchors[0]
        return first if np.linalg.norm(first) > SHORTEST else self.directions[2]


def latent_space_of(folder: Path) -> LatentSpace:
    """Anchors and directions of a pack; deterministic.

    Raises
    ------
    PackError
        The pack cannot be opened.
    """
    from latent_resonance.voice.synthesis.networks import load_networks

    pack = open_pack(folder)
    networks = load_networks(pack, Inference())
    z = np.random.default_rng(0).standard_normal((N_SAMPLES, pack.latent_dim)).astype(np.float32)
    outputs = np.stack([_downsampled(networks.spectrogram_of(each)) for each in z])
    return LatentSpace(pack.anchors, principal_directions(z, outputs, N_DIRECTIONS))


def principal_directions(z: FloatArray, outputs: FloatArray, count: int) -> FloatArray:
    """Directions (count, latent_dim) from samples z (n, latent_dim) and outputs (n, anything)."""
    components, _, _ = np.linalg.svd(outputs - outputs.mean(axis=0), full_matrices=False)
    directions: FloatArray = components[:, :count].T @ (z - z.mean(axis=0))
    norms: FloatArray = np.linalg.norm(directions, axis=1, keepdims=True)
    return (directions / norms).astype(np.float32)


def _downsampled(spectrogram: FloatArray) -> FloatArray:
    """Block means of a spectrogram (n_mels, n_frames): (COARSE_BANDS * COARSE_FRAMES,) or fewer."""
    bands = min(COARSE_BANDS, spectrogram.shape[0])
    frames = min(COARSE_FRAMES, spectrogram.shape[1])
    per_band, per_frame = spectrogram.shape[0] // bands, spectrogram.shape[1] // frames
    whole = spectrogram[: per_band * bands, : per_frame * frames]
    means: FloatArray = whole.reshape(bands, per_band, frames, per_frame).mean(axis=(1, 3))
    return means.ravel()
