"""Composes looping phrases and renders them with FluidSynth, from a SoundFont alone.

Made the sounds of the default pack `cello`: single notes, slow melodies, double stops, pulses and
slides with varied dynamics and vibrato. Every phrase has the period of the loop, so that its tail
decays into its own beginning.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import mido
import numpy as np
import soundfile

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.dataset.loops import close_loop

TICKS_PER_S = 1920  # 960 ticks a beat at 120 beats a minute
PRE_ROLL_S = 2.0  # the end of the previous period, which decays into the loop
FADE_S = 0.25  # cross-fade that closes the loop
GAP_S = 1.0  # silence between phrases in one rendering
BEND_RANGE = 2.0  # semitones, General MIDI's default
SCALES = ((0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 3, 5, 7, 10), (0, 2, 4, 7, 9))


class SynthesisError(LatentResonanceError):
    """The corpus cannot be rendered on this machine."""


@dataclass(frozen=True)
class Note:
    """One note; times in seconds from the start of the loop, pitch as MIDI number.

    A note that lasts the whole loop is held and never struck again.
    """

    start_s: float
    duration_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Phrase:
    """A loop of notes with one curve of expression (0..127) and one of bend (semitones)."""

    notes: list[Note]
    swell: tuple[float, float, int]  # (minimum 0..1, phase in rad, periods per loop)
    vibrato: tuple[float, int, float]  # (depth in semitones, periods per loop, onset in s)
    slide: tuple[float, int] = field(default=(0.0, 1))  # (depth in semitones, periods per loop)

    def expression(self, time_s: float, loop_s: float) -> int:
        """MIDI controller 11 at a time within the loop."""
        floor, phase, periods = self.swell
        wave = 0.5 + 0.5 * np.sin(2 * np.pi * periods * time_s / loop_s + phase)
        return round(float(127 * (floor + (1 - floor) * wave)))

    def bend(self, time_s: float, loop_s: float) -> float:
        """Pitch bend in semitones at a time within the loop."""
        depth, cycles, onset_s = self.vibrato
        starts = [n.start_s for n in self.notes]
        since_s = min((time_s - s) % loop_s for s in starts)
        ramp = np.clip((since_s - onset_s) / 0.4, 0.0, 1.0)
        turn = 2 * np.pi * time_s / loop_s
        vibrato = depth * ramp * np.sin(cycles * turn)
        return float(vibrato + self.slide[0] * np.sin(self.slide[1] * turn))


def compose_phrase(rng: np.random.Generator, loop_s: float) -> Phrase:
    """A random phrase."""
    kinds = (_melody, _single, _double_stops, _pulse, _slide, _sustained)
    kind = kinds[rng.choice(len(kinds), p=(0.3, 0.2, 0.2, 0.14, 0.08, 0.08))]
    return kind(rng, loop_s)


def _pitches(rng: np.random.Generator, n: int) -> list[int]:
    """A random walk of n steps on a random scale within the cello's range."""
    scale = SCALES[rng.integers(len(SCALES))]
    root = int(rng.integers(36, 60))
    ladder = [p for o in (0, 12, 24) for p in (root + o + s for s in scale) if 36 <= p <= 79]
    index = int(rng.integers(len(ladder)))
    walk = []
    for _ in range(n):
        walk.append(ladder[index])
        index = int(np.clip(index + rng.choice((-3, -2, -1, 1, 2, 3, 4)), 0, len(ladder) - 1))
    return walk


def _velocity(rng: np.random.Generator) -> int:
    return int(rng.integers(45, 125))


def _vibrato(rng: np.random.Generator) -> tuple[float, int, float]:
    depth = float(rng.uniform(0.12, 0.45)) if rng.random() < 0.8 else 0.0
    return depth, int(rng.integers(25, 35)), float(rng.uniform(0.0, 0.5))


def _swell(rng: np.random.Generator) -> tuple[float, float, int]:
    return float(rng.uniform(0.35, 1.0)), float(rng.uniform(0, 2 * np.pi)), int(rng.integers(1, 3))


def _note_times(rng: np.random.Generator, n: int, loop_s: float) -> list[tuple[float, float]]:
    """(start, length) of n notes on a grid of sixteenths that fill the loop."""
    inner = rng.choice(np.arange(1, 16), size=n - 1, replace=False) if n > 1 else np.arange(0)
    edges = np.concatenate([[0], np.sort(inner), [16]]) * loop_s / 16
    return list(zip(edges[:-1], np.diff(edges), strict=True))


def _melody(rng: np.random.Generator, loop_s: float) -> Phrase:
    n = int(rng.integers(2, 7))
    duration_share = rng.choice((0.8, 0.95, 1.02))
    slots = zip(_note_times(rng, n, loop_s), _pitches(rng, n), strict=True)
    notes = [Note(s, d * duration_share, p, _velocity(rng)) for (s, d), p in slots]
    return Phrase(notes, _swell(rng), _vibrato(rng))


def _single(rng: np.random.Generator, loop_s: float) -> Phrase:
    duration_share = float(rng.choice((0.8, 0.92, 1.0)))
    note = Note(0.0, loop_s * duration_share, _pitches(rng, 1)[0], _velocity(rng))
    return Phrase([note], _swell(rng), _vibrato(rng))


def _double_stops(rng: np.random.Generator, loop_s: float) -> Phrase:
    n = int(rng.integers(1, 4))
    notes = []
    for (start, length), low in zip(_note_times(rng, n, loop_s), _pitches(rng, n), strict=True):
        velocity = _velocity(rng)
        interval = int(rng.choice((3, 4, 7, 7, 8, 9, 12)))
        notes += [Note(start, length * 0.92, p, velocity) for p in (low, low + interval)]
    return Phrase(notes, _swell(rng), _vibrato(rng))


def _pulse(rng: np.random.Generator, loop_s: float) -> Phrase:
    n = int(rng.choice((8, 12, 16)))
    pattern = _pitches(rng, int(rng.integers(1, 5)))
    step = loop_s / n
    notes = [
        Note(i * step, step * 0.7, pattern[i % len(pattern)], _velocity(rng)) for i in range(n)
    ]
    return Phrase(notes, _swell(rng), (0.0, 25, 0.0))


def _slide(rng: np.random.Generator, loop_s: float) -> Phrase:
    note = Note(0.0, loop_s, _pitches(rng, 1)[0], _velocity(rng))
    slide = (float(rng.uniform(0.5, 2.0)), int(rng.integers(1, 3)))
    return Phrase([note], _swell(rng), (0.0, 25, 0.0), slide)


def _sustained(rng: np.random.Generator, loop_s: float) -> Phrase:
    """One held note without vibrato or swell: the source of the pack's pure anchors."""
    note = Note(0.0, loop_s, _pitches(rng, 1)[0], int(rng.integers(60, 100)))
    return Phrase([note], (1.0, 0.0, 1), (0.0, 25, 0.0))


def _note_spans(notes: list[Note], loop_s: float) -> Iterator[tuple[Note, float, float]]:
    """(note, start, end) of every note from the pre-roll to the cross-fade.

    A note ends before the next one of the same pitch starts.
    """
    first, last = -PRE_ROLL_S, loop_s + FADE_S
    for note in notes:
        if note.duration_s >= loop_s:
            yield note, first, last
            continue
        again = (other.start_s - note.start_s for other in notes if other.pitch == note.pitch)
        room_s = min((wait % loop_s for wait in again if wait % loop_s > 0), default=loop_s) - 0.01
        for shift in (-loop_s, 0.0, loop_s):
            start = max(note.start_s + shift, first)
            end = min(note.start_s + min(note.duration_s, room_s) + shift, last)
            if end - start > 0.01:
                yield note, start, end


def _events(phrase: Phrase, loop_s: float) -> Iterator[tuple[float, mido.Message]]:
    """(seconds from the loop's start, message), from PRE_ROLL_S before to FADE_S after the loop."""
    for note, start_s, end_s in _note_spans(phrase.notes, loop_s):
        yield start_s, mido.Message("note_on", note=note.pitch, velocity=note.velocity)
        yield end_s, mido.Message("note_off", note=note.pitch)
    for time_s in np.arange(-PRE_ROLL_S, loop_s + FADE_S, 0.01):
        bend = phrase.bend(time_s % loop_s, loop_s) / BEND_RANGE
        yield time_s, mido.Message("pitchwheel", pitch=int(np.clip(bend, -1, 1) * 8191))
        value = phrase.expression(time_s % loop_s, loop_s)
        yield time_s, mido.Message("control_change", control=11, value=value)


def write_midi(phrases: list[Phrase], path: Path, program: int, loop_s: float) -> list[float]:
    """Writes the phrases in sequence; returns the start of each loop in seconds."""
    length_s = PRE_ROLL_S + loop_s + FADE_S + GAP_S
    loop_starts = [PRE_ROLL_S + i * length_s for i in range(len(phrases))]
    events = [(0.0, mido.Message("program_change", program=program))]
    for loop_start, phrase in zip(loop_starts, phrases, strict=True):
        events += [(loop_start + t, message) for t, message in _events(phrase, loop_s)]
    end_s = loop_starts[-1] + loop_s + FADE_S + GAP_S
    save_midi(events, end_s, path)
    return loop_starts


def save_midi(events: list[tuple[float, mido.Message]], end_s: float, path: Path) -> None:
    """Writes messages at their times, in seconds and in any order, as a file of one track."""
    track, now = mido.MidiTrack(), 0
    ordered = sorted(events, key=lambda event: event[0])
    for time_s, message in [*ordered, (end_s, mido.Message("note_off", note=0))]:
        tick = round(time_s * TICKS_PER_S)
        track.append(message.copy(time=tick - now))
        now = tick
    midi = mido.MidiFile(ticks_per_beat=TICKS_PER_S // 2)
    midi.tracks.append(track)
    midi.save(path)


def render_corpus(
    n_clips: int,
    soundfont: Path,
    work: Path,
    geometry: Geometry,
    *,
    seed: int = 0,
    program: int = 42,
) -> Iterator[np.ndarray]:
    """Yields n_clips loops of (loop_length,) float32 samples; deterministic for a seed.

    Raises
    ------
    SynthesisError
        FluidSynth or the SoundFont is missing or unusable; the message names the remedy.
    """
    _require(soundfont)
    rng = np.random.default_rng(seed)
    fade = int(FADE_S * geometry.sample_rate)
    for first in range(0, n_clips, 64):
        phrases = [compose_phrase(rng, geometry.loop_s) for _ in range(min(64, n_clips - first))]
        loop_starts = write_midi(phrases, work / "phrases.mid", program, geometry.loop_s)
        audio = render_midi(
            work / "phrases.mid", soundfont, work / "phrases.wav", geometry.sample_rate
        )
        for loop_start in loop_starts:
            start = round(loop_start * geometry.sample_rate)
            segment = audio[start : start + geometry.loop_length + fade]
            yield close_loop(segment, geometry.loop_length)


def _require(soundfont: Path) -> None:
    if shutil.which("fluidsynth") is None:
        raise SynthesisError("fluidsynth is not installed: apt install fluidsynth")
    if not soundfont.is_file():
        raise SynthesisError(
            f"no SoundFont at {soundfont}: apt install fluid-soundfont-gm, or name another file"
        )
    with soundfont.open("rb") as file:
        if file.read(4) != b"RIFF":
            raise SynthesisError(f"{soundfont} is not a SoundFont (.sf2 or .sf3)")


def render_midi(midi: Path, soundfont: Path, wav: Path, sample_rate: int) -> np.ndarray:
    """MIDI to mono samples, dry (no reverb, no chorus)."""
    command = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.6", "-r", str(sample_rate)]
    command += ["-O", "float", "-T", "wav", "-F", str(wav), str(soundfont), str(midi)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    # its exit code is 0 even after an error, when it plays the system's default SoundFont instead
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    if done.returncode != 0 or errors:
        reason = errors[0] if errors else f"fluidsynth exited with {done.returncode}"
        raise SynthesisError(f"{soundfont} cannot be played: {reason}")
    audio, _ = soundfile.read(wav, dtype="float32", always_2d=True)
    wav.unlink()
    if not audio.any():
        raise SynthesisError(f"fluidsynth renders only silence from {soundfont}: try another file")
    return np.asarray(audio.mean(axis=1))
