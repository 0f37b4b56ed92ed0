"""Sound of a held face, and measures of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance.config.settings import Settings, load_settings
from latent_resonance.face_state import FEATURES, neutral_features
from latent_resonance.pack import open_pack
from latent_resonance.voice.synthesis.networks import load_networks
from latent_resonance.voice.synthesis.spectrogram_generator import SpectrogramGenerator
from latent_resonance.voice.synthesis.synthesiser import Synthesiser

RATE = 48_000
Samples = NDArray[np.float32]


def face(**values: float) -> NDArray[np.float32]:
    """The features of a neutral face with some of them replaced."""
    features = neutral_features()
    for name, value in values.items():
        features[FEATURES.index(name)] = value
    return features


def settings_of(folder: object) -> Settings:
    return load_settings(None).model_copy(update={"pack": str(folder)})


def play(folder: object, features: NDArray[np.float32], seconds: float = 2.0) -> Samples:
    """The samples of one held face, after the first two seconds; the same for the same face."""
    return _play(str(folder), tuple(features.tolist()), seconds)


@cache
def _play(folder: str, face: tuple[float, ...], seconds: float) -> Samples:
    features = np.array(face, np.float32)
    settings = settings_of(folder)
    pack = open_pack(Path(folder))
    generator = SpectrogramGenerator(
        pack, load_networks(pack, settings.inference), settings, seed=0
    )
    synthesiser = Synthesiser(pack, settings, seed=0)
    hops = []
    for i in range(int((seconds + 2.0) / pack.geometry.hop_s)):
        if i % 10 == 0:
            synthesiser.receive(generator.step(features, 10 * pack.geometry.hop_s))
        hops.append(synthesiser.hop(features))
    return np.concatenate(hops)[2 * RATE :]


def power_spectrum(sound: Samples, size: int = 8192) -> NDArray[np.float64]:
    """Mean power over windows of `size` samples: (size // 2 + 1,)."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[:: size // 4]
    return np.mean(np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)) ** 2, axis=0)


def centroid_hz(sound: Samples) -> float:
    """Spectral centroid of the power."""
    power = power_spectrum(sound)
    return float(np.sum(power * np.arange(len(power))) / np.sum(power) * RATE / 8192)


def flatness(sound: Samples, low_hz: float = 100.0, high_hz: float = 8000.0) -> float:
    """Spectral flatness, geometric over arithmetic mean of the power: 0 tonal, 1 noise."""
    power = power_spectrum(sound)[int(low_hz * 8192 / RATE) : int(high_hz * 8192 / RATE)] + 1e-12
    return float(np.exp(np.mean(np.log(power))) / np.mean(power))


def peak_hz(sound: Samples, near_hz: float, within: float = 0.1) -> float:
    """Frequency of the strongest partial near a frequency, interpolated between bins."""
    size = 32768
    spectrum = np.abs(np.fft.rfft(sound[:size] * np.hanning(size)))
    low, high = (int(near_hz * f * size / RATE) for f in (1 - within, 1 + within))
    k = low + int(np.argmax(spectrum[low:high]))
    a, b, c = np.log(spectrum[k - 1 : k + 2] + 1e-12)
    return float((k + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / size)
