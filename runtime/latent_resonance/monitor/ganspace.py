"""Directions through the latent space that change the sound most.

In a worker thread of the monitor's process, some seconds long, when first asked for. In: a pack.
Out: directions of z. GANSpace (Härkönen et al. 2020, section 3.2) for a generator whose latent
space is z itself: principal components of what it generates, and of each the z that brings it
about, by least squares.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latent_resonance.config.settings import Inference
from latent_resonance.link.requests import FloatArray
from latent_resonance.pack import open_pack

SAMPLES = 160
COUNT = 6
BANDS, STEPS = 128, 16  # in which a spectrogram is compared: its timbre, and its rhythm roughly


def directions_of(folder: Path) -> FloatArray:
    """(COUNT, latent_dim) unit vectors, the strongest first; the same for the same pack.

    Raises
    ------
    PackError
        The pack cannot be opened.
    """
    from latent_resonance.voice.synthesis.networks import open_networks

    pack = open_pack(folder)
    networks = open_networks(pack, Inference())
    z = np.random.default_rng(0).standard_normal((SAMPLES, pack.latent_dim)).astype(np.float32)
    heard = np.stack([_outline(networks.spectrogram_of(each)) for each in z])
    return principal_directions(z, heard, COUNT)


def principal_directions(z: FloatArray, heard: FloatArray, count: int) -> FloatArray:
    """(count, latent_dim) from samples z (n, latent_dim) and what they sound like (n, anything)."""
    components, _strengths, _ = np.linalg.svd(heard - heard.mean(axis=0), full_matrices=False)
    found = components[:, :count].T @ (z - z.mean(axis=0))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def _outline(picture: FloatArray) -> FloatArray:
    """A spectrogram (n_mels, n_frames), coarsely: (BANDS * STEPS,) or fewer if it is smaller."""
    bands, steps = min(BANDS, picture.shape[0]), min(STEPS, picture.shape[1])
    whole = picture[: picture.shape[0] // bands * bands, : picture.shape[1] // steps * steps]
    shape = (bands, whole.shape[0] // bands, steps, whole.shape[1] // steps)
    return whole.reshape(shape).mean(axis=(1, 3)).ravel()
