"""Generate a sound from a point z in the latent space of a pack, without a face.

    python docs/examples/z_to_sound.py models/cello out.wav [SEED]

The sound is one pass of the loop, about five seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from latent_resonance import (
    Settings,
    griffin_lim,
    load_networks,
    open_pack,
    spectrogram_to_magnitude,
)


def sound_of(folder: Path, seed: int) -> tuple[np.ndarray, int]:
    """One pass of the loop that a random z gives: (loop_length,) samples, and their rate."""
    pack = open_pack(folder)
    networks = load_networks(pack, Settings().inference)
    z = np.random.default_rng(seed).standard_normal(pack.latent_dim).astype(np.float32)
    spectrogram = networks.spectrogram_of(z)  # (n_mels, n_frames) in -1..1
    magnitude = spectrogram_to_magnitude(spectrogram, pack.geometry)
    return griffin_lim(magnitude, pack.geometry), pack.geometry.sample_rate


if __name__ == "__main__":
    folder, target, *seed = sys.argv[1:]
    sound, rate = sound_of(Path(folder), int(seed[0]) if seed else 0)
    sound *= 0.5 / max(np.abs(sound).max(), 1e-9)
    wavfile.write(target, rate, sound)
