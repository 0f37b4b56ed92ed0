"""Compose loops of a bowed cello, from a SoundFont, and write them as a dataset.

    uv run --all-packages python docs/training/cello.py datasets/cello

One note of a SoundFont, or two or three at once, sounds through the whole loop. It slides by up to
two semitones, passes a filter whose tilt, focus and ripples move slowly, and is joined by the noise
of the bow. All of these move independently of each other, so that no loop is tied to a rhythm and
none rests, and at even power, so that no loop is louder than the others.

For network.py the same controls are numbers of z: see SYNTHESISER. It needs FluidSynth and
FluidR3_GM (Debian: fluidsynth, fluid-soundfont-gm).
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
from scipy.signal import sosfreqz
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import loop_to_spectrogram
from latent_resonance_export.dataset.dataset import Clip, write_dataset
from latent_resonance_export.dataset.fluidsynth_corpus import render_midi, save_midi
from latent_resonance_export.dataset.loops import close_loop

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
PROGRAM = 42
SOUNDS = "cello of FluidR3_GM (MIT licence, Frank Wen), slides and filters, rendered by FluidSynth"
NOTES = (36, 38, 41, 43, 45, 48, 50, 53, 55, 57, 60, 62, 65, 67, 69)  # MIDI: pentatonic
N_LOOPS, N_HELD_OUT = 1280, 160

RATE, N_FRAMES = GEOMETRY.sample_rate, GEOMETRY.n_frames
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
    """What is composed from z, but for vibrato: (latent_dim,) -> (1, 1, n_mels, n_frames)."""
    z = direction(z)
    controls, notes = curves(z), amplitudes(z)
    sounding = notes > AUDIBLE
    hz = PARTIALS_HZ[sounding].unsqueeze(2) * 2 ** (bend(controls) / 12)
    power = 10 ** ((partials_db()[sounding].unsqueeze(2) + filter_db(hz, controls)) / 10)
    power = power * (hz < HIGHEST_HZ) * notes[sounding].square().view(-1, 1, 1)
    power = (power / power.sum((0, 1), keepdim=True)).flatten(0, 1)
    strong = power.amax(1) > 1e-8
    bands = lines(hz.flatten(0, 1)[strong], power[strong])
    bands = bands + NOISE.unsqueeze(1) * noise_amplitude(controls).square()
    db = 10 * torch.log10(bands * stroke(controls).square() + 1e-12)
    return ((db + LEVEL_DB) / (GEOMETRY.range_db / 2) + 1).clamp(-1, 1)[None, None]


def choose(first: nn.Linear, second: nn.Linear, unit: int) -> None:
    """Set the first weights that see which note sounds: one unit for each note and threshold."""
    n = len(first.weight) - unit
    note = torch.arange(n) % len(NOTES)
    first.weight[unit:] = 0.0
    first.weight[unit:, NOTE_AT:] = 1.5 * TO_NOTE.T[note]
    first.bias[unit:] = -1.5 * torch.tensor(THRESHOLDS)[torch.arange(n) // len(NOTES)]
    second.weight[unit:, :unit] *= 0.3
    second.weight[unit:, unit:] += torch.eye(n)


SYNTHESISER = Synthesiser(CONTROLS, spectrogram, choose)


# --- notes --------------------------------------------------------------------------------------

PRE_ROLL_S, FADE_S, GAP_S = 0.6, 0.25, 0.5
BEND_RANGE = 2.5  # semitones
BEND_STEP_S = 0.008


@dataclass(frozen=True)
class Sound:
    """A loop of notes: MIDI number and relative amplitude of each, loudest first, at most three."""

    notes: list[tuple[int, float]]
    bend: Array  # (n_frames,) in semitones


def render(sounds: list[Sound]) -> Iterator[Array]:
    """Loops of (loop_length,) samples, by FluidSynth."""
    with TemporaryDirectory() as work:
        midi = Path(work) / "sounds.mid"
        starts_s = write_midi(sounds, midi)
        audio = render_midi(midi, SOUNDFONT, Path(work) / "sounds.wav", RATE)
    length = GEOMETRY.loop_length + int(FADE_S * RATE)
    for start_s in starts_s:
        start = round(start_s * RATE)
        yield close_loop(audio[start : start + length], GEOMETRY.loop_length).astype(np.float64)


def write_midi(sounds: list[Sound], path: Path) -> list[float]:
    """Write the sounds in sequence, a note per channel; returns when their loops begin, in s."""
    length_s = PRE_ROLL_S + GEOMETRY.loop_s + FADE_S + GAP_S
    events = [event for channel in range(3) for event in preparation(channel)]
    for i, sound in enumerate(sounds):
        for channel, (note, amplitude) in enumerate(sound.notes):
            played = events_of_note(channel, note, amplitude, sound.bend)
            events += [(i * length_s + time_s, message) for time_s, message in played]
    save_midi(events, len(sounds) * length_s + 1.0, path)
    return [i * length_s + PRE_ROLL_S for i in range(len(sounds))]


def preparation(channel: int) -> list[tuple[float, mido.Message]]:
    """The instrument and the range of its bend: registered parameter 0, semitones and cents."""
    values = ((101, 0), (100, 0), (6, int(BEND_RANGE)), (38, round(BEND_RANGE % 1 * 100)))
    return [
        (0.0, mido.Message("program_change", program=PROGRAM, channel=channel)),
        *((0.0, control(channel, number, value)) for number, value in values),
    ]


def events_of_note(
    channel: int, note: int, amplitude: float, semitones: Array
) -> Iterator[tuple[float, mido.Message]]:
    """(seconds from the beginning of the pre-roll, message) of a note through the whole loop."""
    volume = 127 * amplitude**0.5  # FluidSynth's gain is the square of the controller
    yield 0.0, control(channel, 7, max(round(volume), 1))
    times_s = np.arange(-PRE_ROLL_S, GEOMETRY.loop_s + FADE_S, BEND_STEP_S)
    for time_s, bent in zip(times_s, over_loop(semitones, times_s / GEOMETRY.loop_s), strict=True):
        wheel = int(np.clip(bent / BEND_RANGE, -1, 1) * 8191)
        yield time_s + PRE_ROLL_S, mido.Message("pitchwheel", pitch=wheel, channel=channel)
    yield 0.002, mido.Message("note_on", note=note, velocity=100, channel=channel)
    end_s = PRE_ROLL_S + GEOMETRY.loop_s + FADE_S + 0.2
    yield end_s, mido.Message("note_off", note=note, channel=channel)


def control(channel: int, number: int, value: int) -> mido.Message:
    """A controller's value."""
    return mido.Message("control_change", control=number, value=value, channel=channel)


def over_loop(values: Array, turns: Array) -> Array:
    """A curve of a loop, (n_frames,), at other times, in turns of the loop."""
    closed = np.append(values, values[0])
    return np.asarray(np.interp(turns % 1.0 * N_FRAMES, np.arange(N_FRAMES + 1), closed))


@cache
def partials_db() -> Tensor:
    """Levels of the SoundFont's partials, (notes, partials), where they lie below HIGHEST_HZ."""
    levels = np.full(PARTIALS_HZ.shape, -200.0)
    steady = [Sound([(note, 1.0)], np.zeros(N_FRAMES)) for note in NOTES]
    for k, loop in enumerate(render(steady)):
        amplitude = np.abs(np.fft.rfft(loop * np.hanning(len(loop)))) / (len(loop) / 4)
        for i in range(int(HIGHEST_HZ / HZ[k])):
            near = (HZ[k] * (i + 1 + np.array([-0.2, 0.2])) / RATE * len(loop)).astype(int)
            if i < N_PARTIALS:
                power = np.square(amplitude[slice(*near)]).sum() / 1.5  # a Hann window's bandwidth
                levels[k, i] = 10 * np.log10(power + 1e-20)
    return torch.from_numpy(levels).float()


# --- loops --------------------------------------------------------------------------------------

SIZE, STEP = 2048, 512  # of the filter's Fourier transforms
RATES = (26, 34)  # of vibrato, turns in a loop
DEEPEST = 0.25  # vibrato, semitones
BELOW = 0.7  # of the lowest partial: what sounds there is the SoundFont's own noise


def loop_of(sound: Array, controls: Curves, lowest_hz: float, rng: np.random.Generator) -> Array:
    """A rendered loop through the filter at even power, with noise: (loop_length,)."""
    turns = np.arange(len(sound)) / len(sound)
    white = np.fft.rfft(rng.normal(size=len(sound)))
    bins_hz = np.arange(len(white)) * RATE / len(sound)
    noise = np.fft.irfft(white * np.abs(sosfreqz(NOISE_BAND, bins_hz, fs=RATE)[1]), len(sound))
    noise *= over_loop(noise_amplitude(controls).numpy(), turns) / noise.std()
    level = over_loop(stroke(controls).numpy(), turns) * 10 ** (LEVEL_DB / 20)
    return (filtered(sound, controls, lowest_hz) + noise) * level


def filtered(sound: Array, controls: Curves, lowest_hz: float) -> Array:
    """A loop through the filter, with the power of a sinusoid of amplitude 1 in every frame."""
    n = len(sound) // STEP
    turns = np.arange(n) / n
    then = {
        name: torch.from_numpy(over_loop(values.numpy(), turns))
        for name, values in controls.items()
    }
    window = np.hanning(SIZE + 1)[:-1] ** 0.5
    place = (np.arange(n)[:, None] * STEP + np.arange(SIZE) - SIZE // 2) % len(sound)
    hz = np.arange(SIZE // 2 + 1) * RATE / SIZE
    gain_db = filter_db(torch.from_numpy(hz)[:, None], then).T.numpy()
    gain_db[:, hz < BELOW * lowest_hz] -= 40
    spectra = np.fft.rfft(sound[place] * window) * 10 ** (gain_db / 20)
    power = 2 * np.square(np.abs(spectra)).sum(axis=1) / SIZE / np.square(window).sum()
    spectra *= np.sqrt(0.5 / np.maximum(power, 1e-12))[:, None]
    made = np.zeros(len(sound))
    np.add.at(made, place, np.fft.irfft(spectra) * window / 2)
    return made


def compose(number: int) -> tuple[Sound, Curves, np.random.Generator]:
    """What is composed from the z of a loop, with vibrato."""
    rng = np.random.default_rng((7, number))
    z = direction(torch.from_numpy(rng.normal(size=LATENT_DIM)).float())
    controls, notes = curves(z), amplitudes(z)
    loudest = notes.argsort(descending=True)[:3].tolist()
    sounding = [
        (NOTES[k], float(notes[k] / notes[loudest[0]])) for k in loudest if notes[k] > AUDIBLE
    ]
    depth = rng.uniform(0.2, 1.0) * DEEPEST * (rng.random() < 0.6)
    turns = rng.integers(*RATES) * np.arange(N_FRAMES) / N_FRAMES + rng.random()
    vibrato = depth * np.sin(2 * np.pi * turns)
    return Sound(sounding, bend(controls).numpy() + vibrato), controls, rng


def spectrograms(n: int) -> Iterator[NDArray[np.float32]]:
    """Spectrograms of the first n loops."""
    for first in range(0, n, 64):
        composed = [compose(i) for i in range(first, min(first + 64, n))]
        rendered = render([sound for sound, _, _ in composed])
        for (sound, controls, rng), loop in zip(composed, rendered, strict=True):
            lowest_hz = min(440.0 * 2 ** ((note - 69) / 12) for note, _ in sound.notes)
            made = loop_of(loop, controls, lowest_hz, rng)
            yield loop_to_spectrogram(made.astype(np.float32), GEOMETRY)
        print(f"{first + len(composed)} of {n} loops", file=sys.stderr)


def main(folder: Path) -> None:
    """Write the dataset."""
    n = N_LOOPS + N_HELD_OUT
    clips = [Clip(f"loop {i}", 0.0, "MIT", SOUNDS, held_out=i >= N_LOOPS) for i in range(n)]
    write_dataset(spectrograms(n), clips, folder, GEOMETRY, about={"sounds": SOUNDS})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/training/cello.py FOLDER")
    main(Path(sys.argv[1]))
