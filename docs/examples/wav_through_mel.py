"""Convert a mono WAV to a mel spectrogram and back.

    python docs/examples/wav_through_mel.py in.wav out.wav

The difference between the two files is the loss of the mel spectrogram and of its inversion.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
from scipy.io import wavfile

from latent_resonance import Geometry, griffin_lim, loop_to_spectrogram, spectrogram_to_magnitude


def through_mel(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Samples (n,) in -1..1 -> the same sound after mel spectrogram and Griffin-Lim, (n,)."""
    geometry = Geometry(sample_rate=sample_rate, f_max_hz=min(16_000.0, sample_rate / 2))
    # A spectrogram is a loop: pad with silence, so that its end does not run into its beginning.
    n_frames = -(-(len(samples) + geometry.n_fft) // geometry.hop_length)
    geometry = replace(geometry, n_frames=n_frames)
    loop = np.pad(samples, (0, geometry.loop_length - len(samples)))
    spectrogram = loop_to_spectrogram(loop, geometry)  # (n_mels, n_frames) in -1..1
    return griffin_lim(spectrogram_to_magnitude(spectrogram, geometry), geometry)[: len(samples)]


if __name__ == "__main__":
    source, target = sys.argv[1:]
    rate, pcm = wavfile.read(source)
    if pcm.ndim != 1 or pcm.dtype != np.int16:
        sys.exit(f"{source}: {pcm.ndim}-D {pcm.dtype}; this example needs mono, 16 bits")
    sound = through_mel(pcm.astype(np.float32) / 32768, rate)
    wavfile.write(target, rate, (np.clip(sound, -1, 1) * 32767).astype(np.int16))
