"""Render recordings of bowed metal: plates, bars, bowls and rods.

    uv run --all-packages python docs/metal.py recordings/metal

Modal synthesis: an object has fixed modes; the bow decides how loud, how bright and how rough it
sounds and around which mode, and water inside the object bends all modes together. All of these
move slowly and independently of each other, so that no sound is tied to a rhythm and none rests.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfilt

RATE = 48_000  # Hz
HOP = 480  # samples between two values of a control
LENGTH_S = 60.0
N_RECORDINGS = 30
HIGHEST_HZ = 10_000.0  # no mode lies above it: the top of the spectrogram stays free

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Object:
    """A piece of metal: its modes in Hz, how far its water bends them, and how deep they beat."""

    modes_hz: Array
    bend_semitones: float
    beating: float  # 0..1


def overtones(fundamental_hz: float, ratios: Array) -> Array:
    """The modes below HIGHEST_HZ."""
    modes = fundamental_hz * ratios
    return modes[modes < HIGHEST_HZ]


def plate_ratios(shape: float, n: int) -> Array:
    """The lowest modes of a supported rectangular plate with sides 1 and `shape` (Kirchhoff)."""
    m, k = np.meshgrid(np.arange(1, 12), np.arange(1, 12))
    ratios = np.unique((m**2 + (k / shape) ** 2).ravel())
    return ratios[:n] / ratios[0]


def four_rods() -> Array:
    """The modes of four rods on one base, lowest first."""
    return np.sort(np.concatenate([overtones(f, ROD) for f in (220.0, 293.7, 392.0, 440.0)]))


ORDER = np.arange(1, 12)
BAR = ((2 * ORDER + 1) / 3.0112) ** 2  # free at both ends (Fletcher & Rossing 1998, 2.12)
ROD = np.array([1.0, 6.267, 17.55, 34.39])  # clamped at one end
BOWL = (ORDER + 1) ** 1.5 / 2**1.5
HARMONICS = np.arange(1, 25)  # a bow on the edge of a plate locks the modes to harmonics

OBJECTS = (
    Object(overtones(196.0, BAR), 1.0, 0.3),
    Object(overtones(261.6, BOWL), 0.5, 0.6),
    Object(overtones(98.0, plate_ratios(1.37, 30)), 0.5, 0.4),
    Object(four_rods(), 1.5, 0.4),
    Object(overtones(147.0, HARMONICS), 1.0, 0.2),
)


def random_walk(rng: np.random.Generator, n: int, turn_s: float) -> Array:
    """(n,) smooth values of a control within 0..1 that turn every `turn_s` or so."""
    n_knots = max(int(n * HOP / RATE / turn_s), 1) + 4
    knots = rng.uniform(0, 1, n_knots)
    times = np.linspace(0, n_knots - 1.001, n)
    return np.clip(CubicSpline(np.arange(n_knots), knots)(times), 0.0, 1.0)


def strokes_db(rng: np.random.Generator, n: int) -> Array:
    """(n,) level of the bow, which turns every two to five seconds and never leaves the metal."""
    level, start = np.zeros(n), 0
    while start < n:
        length = int(rng.uniform(2, 5) * RATE / HOP)
        t = np.arange(min(length, n - start)) / length
        rise = rng.uniform(0.05, 0.5)
        attack = -12 * (1 - np.minimum(t / rise, 1)) ** 2
        level[start : start + length] = attack - 6 * np.maximum(t - 0.7, 0) / 0.3
        start += length
    return level


def mode_levels_db(rng: np.random.Generator, modes_hz: Array, beating: float, n: int) -> Array:
    """(n_modes, n): tilt by brightness, a focus that moves over the modes, slow beats."""
    octave = np.log2(modes_hz / 200.0)[:, None]
    tilt = -18 + 15 * random_walk(rng, n, 2.0)  # dB per octave
    focus, width = -1 + 6 * random_walk(rng, n, 3.0), 1.0 + 1.5 * random_walk(rng, n, 4.0)
    level = tilt * octave * 0.6 - 6 * ((octave - focus) / width) ** 2
    time_s = np.arange(n) * HOP / RATE
    rates = rng.uniform(0.3, 3.5, (len(modes_hz), 1))
    phases = 2 * np.pi * (rates * time_s + rng.uniform(0, 1, rates.shape))
    beats = 1 - beating * (0.5 + 0.5 * np.cos(phases))
    own = np.stack([8 * random_walk(rng, n, 1.5) for _ in modes_hz])
    return np.maximum(level, -70.0) + 20 * np.log10(beats + 0.05) + own


def bowed(item: Object, rng: np.random.Generator, seconds: float) -> Array:
    """One object, bowed for some seconds: (samples,) of RMS about 1."""
    n, n_samples = int(seconds * RATE / HOP), int(seconds * RATE)
    at = np.arange(n_samples) / HOP
    roughness = random_walk(rng, n, 2.5) ** 2
    bend = 2 ** (item.bend_semitones * (2 * random_walk(rng, n, 2.5) - 1) / 12)
    levels = mode_levels_db(rng, item.modes_hz, item.beating, n)
    power_db = 10 * np.log10((10 ** (levels / 10)).sum(axis=0))
    levels = levels - power_db + strokes_db(rng, n)
    turns = np.cumsum(np.interp(at, np.arange(n), bend) / RATE)
    tone = np.zeros(n_samples)
    for mode_hz, level in zip(item.modes_hz, levels, strict=True):
        jitter = np.cumsum(roughness * rng.normal(0, 1.2, n)) * 0.05
        phase = mode_hz * turns + np.interp(at, np.arange(n), jitter) + rng.uniform()
        tone += 10 ** (np.interp(at, np.arange(n), level) / 20) * np.sin(2 * np.pi * phase)
    band = butter(2, (500, 6000), "bandpass", fs=RATE, output="sos")
    noise = sosfilt(band, rng.normal(size=n_samples))
    force = 10 ** (strokes_db(rng, n) / 20) * 0.1 * roughness
    return tone + noise / noise.std() * np.interp(at, np.arange(n), force)


def recording(number: int) -> Array:
    """One object or, in one recording of three, a second and quieter one with it."""
    rng = np.random.default_rng((19, number))
    sound = bowed(OBJECTS[number % len(OBJECTS)], rng, LENGTH_S)
    if number % 3 == 2:
        sound += 0.5 * bowed(OBJECTS[rng.integers(len(OBJECTS))], rng, LENGTH_S)
    return 0.5 * sound / np.abs(sound).max()


def main(folder: Path) -> None:
    """Write the recordings and their licence."""
    folder.mkdir(parents=True, exist_ok=True)
    licence = "file,licence,author\n*.wav,CC0-1.0,Latent Resonance\n"
    (folder / "LICENSES.csv").write_text(licence, encoding="utf-8")
    for number in range(N_RECORDINGS):
        sound = recording(number).astype(np.float32)
        soundfile.write(folder / f"metal-{number:02}.wav", sound, RATE)
        print(f"{number + 1} of {N_RECORDINGS} recordings", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/metal.py FOLDER")
    main(Path(sys.argv[1]))
