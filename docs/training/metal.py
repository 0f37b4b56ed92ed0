"""Render recordings of bowed metal: plates, bars, bowls and rods.

    uv run --all-packages python docs/training/metal.py recordings/metal

Modal synthesis: an object has fixed modes; the bow decides how loud, how bright and how rough it
sounds and around which mode, and water inside the object bends all modes together. All of these
move slowly and independently of each other, so that no sound is tied to a rhythm and none rests.

For network.py the same controls are numbers of z: see SYNTHESISER.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from controls import GEOMETRY, LATENT_DIM, PER_CONTROL, Synthesiser, curve, direction
from mel_lines import lines, noise_band, noise_level
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.signal import sosfilt
from torch import Tensor, nn

RATE = GEOMETRY.sample_rate  # Hz
HOP = 480  # samples between two values of a control
LENGTH_S = 60.0
N_RECORDINGS = 30
HIGHEST_HZ = 10_000.0  # no mode lies above it: the top of the spectrogram stays free

NOISE_BAND = noise_band(500, 6000)

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

# --- z as controls ------------------------------------------------------------------------------

CONTROLS = ("tilt", "focus", "width", "roughness", "bend", "stroke")
OBJECT_AT = PER_CONTROL * len(CONTROLS)
OWN_AT = OBJECT_AT + len(OBJECTS)
N_OWN = 70  # numbers of z from which the modes' own levels are mixed
CERTAINTY = 3.5  # of one object against the others
OBJECT_GAIN = 3.0  # of the first weights that see the object: five numbers of 128 decide it
PEAK_DB = -3.0  # of every loop, as of the recordings' loudest

N_MODES = max(len(each.modes_hz) for each in OBJECTS)
MODES_HZ = torch.tensor(
    np.stack([np.pad(each.modes_hz, (0, N_MODES - len(each.modes_hz))) for each in OBJECTS])
).float()  # (objects, modes), 0 where there is none
BEND_OCTAVES = torch.tensor([each.bend_semitones / 12 for each in OBJECTS])
OWN = torch.randn(
    N_OWN, len(OBJECTS) * N_MODES, PER_CONTROL, generator=torch.Generator().manual_seed(19)
) / math.sqrt(N_OWN)
NOISE = noise_level(NOISE_BAND)


def spectrogram(z: Tensor) -> Tensor:
    """What the synthesiser plays: (latent_dim,) -> (1, 1, n_mels, n_frames) in [-1, 1]."""
    z = direction(z)
    tilt, focus, width, roughness, bend, stroke = curve(z[:OBJECT_AT].view(-1, PER_CONTROL))
    amplitudes = torch.softmax(CERTAINTY * z[OBJECT_AT:OWN_AT], 0)
    own = curve(torch.einsum("i,imk->mk", z[OWN_AT : OWN_AT + N_OWN], OWN))
    own_db = 8 * own.view(len(OBJECTS), N_MODES, GEOMETRY.n_frames)
    octave = torch.log2(MODES_HZ.clamp(min=1.0) / 200.0).unsqueeze(2)
    level_db = 0.6 * (-18 + 15 * tilt) * octave
    level_db = level_db - 6 * ((octave - (-1 + 6 * focus)) / (1 + 1.5 * width)) ** 2
    power = 10 ** ((level_db.clamp(min=-70.0) + own_db) / 10) * (MODES_HZ > 0).unsqueeze(2)
    power = power / power.sum(1, keepdim=True) * amplitudes.square().view(-1, 1, 1)
    hz = MODES_HZ.unsqueeze(2) * 2 ** (BEND_OCTAVES.view(-1, 1, 1) * (2 * bend - 1))
    audible = (MODES_HZ > 0) & (amplitudes > 0.03).unsqueeze(1)
    bands = lines(hz[audible], power[audible]) + NOISE.unsqueeze(1) * (0.1 * roughness**2).square()
    db = 10 * torch.log10(bands * 10 ** (-0.9 * (1 - stroke)) + 1e-12)
    return ((db - db.max() + PEAK_DB) / 40 + 1).clamp(-1, 1)[None, None]


def choose(first: nn.Linear, second: nn.Linear, unit: int) -> None:
    """Set the first weights that see which object sounds."""
    del second
    first.weight[unit:, OBJECT_AT:OWN_AT] *= OBJECT_GAIN


assert OWN_AT + N_OWN <= LATENT_DIM
SYNTHESISER = Synthesiser(CONTROLS, spectrogram, choose, pair_weight=6.0, pair_frames=8)

# --- recordings ---------------------------------------------------------------------------------


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
    noise = sosfilt(NOISE_BAND, rng.normal(size=n_samples))
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
        sys.exit("usage: python docs/training/metal.py FOLDER")
    main(Path(sys.argv[1]))
