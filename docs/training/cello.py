"""Compose loops of a bowed cello, with the sound of a SoundFont, and write them as a dataset.

    uv run --all-packages python docs/training/cello.py datasets/cello

One note, or two or three at once, sounds through the whole loop. It slides by up to two semitones,
passes a filter whose tilt, focus and ripples move slowly, and is joined by the noise of the bow.
All of these move independently of each other, so that no loop is tied to a rhythm and none rests,
and at even power, so that no loop is louder than the others.

The SoundFont's notes are measured, partials and what sounds between them, and the spectrograms are
computed from that, noise as its mean: a generator cannot know from z how noise differs from frame
to frame, nor where the vibrato of a sample is. For network.py the controls are numbers of z: see
SYNTHESISER. It needs FluidSynth and FluidR3_GM (Debian: fluidsynth, fluid-soundfont-gm).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import mido
import numpy as np
import torch
from controls import GEOMETRY, LATENT_DIM, PER_CONTROL, Synthesiser, curve, direction
from mel_lines import lines, noise_band, noise_level
from numpy.typing import NDArray
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import loop_to_spectrogram, mel_frequencies
from latent_resonance_export.dataset.dataset import Clip, write_dataset
from latent_resonance_export.dataset.fluidsynth_corpus import render_midi, save_midi

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
PROGRAM = 42
SOUNDS = "notes of the cello of FluidR3_GM (MIT licence, Frank Wen), measured; slides and filters"
NOTES = (36, 38, 41, 43, 45, 48, 50, 53, 55, 57, 60, 62, 65, 67, 69)  # MIDI: pentatonic
N_LOOPS, N_HELD_OUT = 1280, 160

RATE = GEOMETRY.sample_rate
HZ = 440.0 * 2 ** ((np.array(NOTES) - 69) / 12)
N_PARTIALS, HIGHEST_HZ = 64, 9000.0
LEVEL_DB = -1.0  # of a loop's tones together, in every frame, at a full stroke
AUDIBLE = 0.05  # amplitude of a note
NOISE_BAND = noise_band(300, 5000)

Array = NDArray[np.float64]

# --- z as controls ------------------------------------------------------------------------------

RIPPLES = tuple(f"ripple {i}" for i in range(1, 7))
CONTROLS = ("tilt", "focus", "width", "roughness", "bend", "stroke", *RIPPLES)
NOTE_AT = PER_CONTROL * len(CONTROLS)
CERTAINTY = 7.0  # of one note against the others
THRESHOLDS = (0.2, 0.7, 1.2, 1.7, 2.2)  # of the first weights, along these directions
BANDS_HZ = torch.from_numpy(mel_frequencies(GEOMETRY)[1:-1]).float().unsqueeze(1)
PARTIALS_HZ = torch.from_numpy(np.outer(HZ, np.arange(1, N_PARTIALS + 1))).float()
NOISE = noise_level(NOISE_BAND)

Curves = dict[str, Tensor]


def note_directions() -> Tensor:
    """Orthogonal directions of the numbers of z that are no control, one for each note."""
    n, rng = LATENT_DIM - NOTE_AT, torch.Generator().manual_seed(19)
    orthogonal: Tensor = torch.linalg.qr(torch.randn(n, n, generator=rng))[0]
    return orthogonal[:, : len(NOTES)]


TO_NOTE = note_directions()


def curves(z: Tensor) -> Curves:
    """(latent_dim,) -> (n_frames,) in 0..1 for each control."""
    return dict(zip(CONTROLS, curve(z[:NOTE_AT].view(-1, PER_CONTROL)), strict=True))


def amplitudes(z: Tensor) -> Tensor:
    """(latent_dim,) -> (notes,), whose sum is 1."""
    return torch.softmax(CERTAINTY * (z[NOTE_AT:] @ TO_NOTE), 0)


def bend(controls: Curves) -> Tensor:
    """(n_frames,) in semitones, mostly near the note."""
    both_ways = 2 * controls["bend"] - 1
    return 2.0 * both_ways * both_ways.abs()


def filter_db(hz: Tensor, controls: Curves) -> Tensor:
    """Gain of the filter at frequencies (…, 1) or (…, n_frames), in dB: (…, n_frames)."""
    octave = torch.log2(hz.clamp(min=30.0) / 200.0)
    gain = (-9 + 13 * controls["tilt"]) * octave.clamp(max=math.log2(7000 / 200))
    focus, width = -1 + 6 * controls["focus"], 1.0 + 2.0 * controls["width"]
    gain = gain - 9 * ((octave - focus) / width) ** 2
    for i, name in enumerate(RIPPLES, 1):
        gain = gain + 4 * (2 * controls[name] - 1) * torch.cos(math.pi * i * (octave + 2) / 7.5)
    return (gain - 24 * torch.log2(hz.clamp(min=7000.0) / 7000.0)).clamp(min=-80.0)


def noise_amplitude(controls: Curves) -> Tensor:
    """(n_frames,) of the noise of the bow; the tones together have an amplitude of 1."""
    return 0.15 * controls["roughness"] ** 4


def stroke(controls: Curves) -> Tensor:
    """(n_frames,) amplitude of all."""
    return 10 ** (-7 * (1 - controls["stroke"]) / 20)


def spectrogram(z: Tensor) -> Tensor:
    """What is composed from z: (latent_dim,) -> (1, 1, n_mels, n_frames)."""
    z = direction(z)
    controls, notes = curves(z), amplitudes(z)
    sounding = notes > AUDIBLE
    hz = PARTIALS_HZ[sounding].unsqueeze(2) * 2 ** (bend(controls) / 12)
    share = notes[sounding].square()
    timbre = measured()
    power = timbre.partials[sounding].unsqueeze(2) * db_to_power(filter_db(hz, controls))
    power = power * (hz < HIGHEST_HZ) * share.view(-1, 1, 1)
    total = power.sum((0, 1))
    power = (power / total).flatten(0, 1)
    strong = power.amax(1) > 1e-8
    bands = lines(hz.flatten(0, 1)[strong], power[strong])
    between = (share @ timbre.between[sounding]).unsqueeze(1)
    bands = bands + between * db_to_power(filter_db(BANDS_HZ, controls)) / total
    bands = bands + NOISE.unsqueeze(1) * noise_amplitude(controls).square()
    db = 10 * torch.log10(bands * stroke(controls).square() + 1e-12)
    return ((db + LEVEL_DB) / (GEOMETRY.range_db / 2) + 1).clamp(-1, 1)[None, None]


def db_to_power(db: Tensor) -> Tensor:
    """Decibels as a ratio of powers."""
    return torch.pow(10.0, db / 10)


def choose(first: nn.Linear, second: nn.Linear, unit: int) -> None:
    """Set the first weights that see which note sounds: one unit for each note and threshold."""
    n = len(first.weight) - unit
    note = torch.arange(n) % len(NOTES)
    first.weight[unit:] = 0.0
    first.weight[unit:, NOTE_AT:] = 1.5 * TO_NOTE.T[note]
    first.bias[unit:] = -1.5 * torch.tensor(THRESHOLDS)[torch.arange(n) // len(NOTES)]
    second.weight[unit:, :unit] *= 0.3
    second.weight[unit:, unit:] += torch.eye(n)


SYNTHESISER = Synthesiser(CONTROLS, spectrogram, choose, pair_weight=24.0, pair_frames=2)


# --- notes --------------------------------------------------------------------------------------

NOTE_S, PAUSE_S = 7.5, 1.0
FROM_S = 1.0  # from there on a note is steady


@dataclass(frozen=True)
class Timbre:
    """How the SoundFont's notes sound, as powers where a sinusoid of amplitude 1 has 1.

    Attributes
    ----------
    partials : (notes, partials), 1 in sum for each note
    between : (notes, n_mels), what sounds between them
    """

    partials: Tensor
    between: Tensor


@cache
def measured() -> Timbre:
    """Render every note once, and measure it."""
    partials, between = zip(*map(measure, HZ, render()), strict=True)
    return Timbre(torch.stack(partials), torch.stack(between))


def measure(hz: float, sound: Array) -> tuple[Tensor, Tensor]:
    """Powers of the partials of a note of `hz`, (partials,), and between them, (n_mels,).

    Between them, in the middle, sound their vibrato, their beats and noise.
    """
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) / (len(sound) / 4)
    partials = np.zeros(N_PARTIALS)
    for i in range(min(N_PARTIALS, int(HIGHEST_HZ / hz))):
        near = (hz * (i + 1 + np.array([-0.2, 0.2])) / RATE * len(sound)).astype(int)
        partials[i] = np.square(spectrum[slice(*near)]).sum() / 1.5  # a Hann window's bandwidth
    total = partials.sum()
    pixels = loop_to_spectrogram((sound / total**0.5).astype(np.float32), GEOMETRY)
    db = (np.median(pixels, axis=1) - 1) * (GEOMETRY.range_db / 2)
    gaps_hz = np.arange(0.5, RATE / 2 / hz) * hz
    between_db = np.interp(BANDS_HZ[:, 0], gaps_hz, np.interp(gaps_hz, BANDS_HZ[:, 0], db))
    between = db_to_power(torch.from_numpy(between_db)).float()
    return torch.from_numpy(partials / total).float(), between


def render() -> Iterator[Array]:
    """The steady part of every note, by FluidSynth."""
    events = [(0.0, mido.Message("program_change", program=PROGRAM))]
    for i, note in enumerate(NOTES):
        start_s = i * (NOTE_S + PAUSE_S)
        events.append((start_s, mido.Message("note_on", note=note, velocity=100)))
        events.append((start_s + NOTE_S, mido.Message("note_off", note=note)))
    with TemporaryDirectory() as work:
        midi = Path(work) / "notes.mid"
        save_midi(events, len(NOTES) * (NOTE_S + PAUSE_S), midi)
        audio = render_midi(midi, SOUNDFONT, Path(work) / "notes.wav", RATE)
    for i in range(len(NOTES)):
        start_s = i * (NOTE_S + PAUSE_S)
        start = int((start_s + FROM_S) * RATE)
        yield audio[start : start + GEOMETRY.loop_length]


# --- loops --------------------------------------------------------------------------------------


def spectrograms(n: int) -> Iterator[NDArray[np.float32]]:
    """Spectrograms of the first n loops."""
    for number in range(n):
        z = np.random.default_rng((7, number)).normal(size=LATENT_DIM)
        yield spectrogram(torch.from_numpy(z).float())[0, 0].numpy()
        if (number + 1) % 64 == 0 or number + 1 == n:
            print(f"{number + 1} of {n} loops", file=sys.stderr)


def main(folder: Path) -> None:
    """Write the dataset."""
    n = N_LOOPS + N_HELD_OUT
    clips = [Clip(f"loop {i}", 0.0, "MIT", SOUNDS, held_out=i >= N_LOOPS) for i in range(n)]
    write_dataset(spectrograms(n), clips, folder, GEOMETRY, about={"sounds": SOUNDS})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/training/cello.py FOLDER")
    main(Path(sys.argv[1]))
