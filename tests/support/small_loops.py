"""Settings with small loops for the tests of `curate`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.dataset.settings import CurationSettings

RATE = 16_000
SMALL = Geometry(
    sample_rate=RATE,
    n_fft=1024,
    win_length=1024,
    hop_length=256,
    n_mels=64,
    n_frames=64,
    f_max_hz=7000.0,
)  # loops of 1.02 s
SETTINGS = CurationSettings(SMALL)
Play = Callable[[float, int, int], np.ndarray]
