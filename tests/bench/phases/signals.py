"""The input magnitudes: of sounds, of their mel spectrograms, and of a pack's spectrograms.

FluidSynth plays cello, violin and choir, and espeak-ng speaks the sentence, if they are installed.
Otherwise simple models replace them; each signal names its source.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from latent_resonance.audio.mel_inversion import spectrogram_to_magnitude
from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    loop_to_spectrogram,
    stft_circular,
)
from latent_resonance.config.settings import Inference
from latent_resonance.pack import open_pack
from latent_resonance.voice.synthesis.networks import load_networks
from latent_resonance_export.dataset.fluidsynth_corpus import render_corpus

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
PROGRAMS = {"cello": 42, "violin": 40, "choir": 52}  # General MIDI, from 0
MODEL_PITCHES_HZ = {"cello": 110.0, "violin": 440.0, "choir": 220.0}
SENTENCE = (
    "The machine turns the energy of that movement into a point in the latent space,"
    " and the sound follows the face of the visitor, who has not said a word."
)
MAIN_LOBE = 2  # bins on either side of a frequency, of the Hann window
FORMANTS_HZ = (700.0, 1200.0, 2600.0)  # of an open vowel
CLICK_RATE_HZ = 10.0
N_POINTS = 3  # random z of the pack


@dataclass(frozen=True)
class Signal:
    """The input of a reconstruction.

    Attributes
    ----------
    kind : "tonal", "test", "mel" or "pack"; results are averaged by kind
    source : the program or model that produced it
    magnitude : (n_bins, n_frames), |STFT|
    """

    name: str
    kind: str
    source: str
    magnitude: FloatArray


def signals(geometry: Geometry, pack: Path | None, *, modelled: bool) -> Iterator[Signal]:
    """All signals, those of `pack` if there is one; `modelled` needs no other program.

    Raises
    ------
    PackError
        The pack cannot be opened.
    """
    sounds = list(modelled_sounds(geometry) if modelled else rendered_sounds(geometry))
    for name, source, loop in sounds:
        yield Signal(name, "tonal", source, magnitude_in_band(loop, geometry))
    for name, loop in test_sounds(geometry):
        yield Signal(name, "test", "computed", magnitude_in_band(loop, geometry))
    for name, source, loop in sounds:
        spectrogram = loop_to_spectrogram(loop, geometry)
        yield Signal(f"{name}, mel", "mel", source, spectrogram_to_magnitude(spectrogram, geometry))
    if pack:
        yield from pack_signals(pack)


def magnitude_in_band(loop: FloatArray, geometry: Geometry) -> FloatArray:
    """|STFT| (n_bins, n_frames) of what a loop has up to the pack's highest frequency.

    A spectrogram of the pack holds no more, and the voice reconstructs no more.
    """
    hz = np.fft.rfftfreq(len(loop), 1.0 / geometry.sample_rate)
    highest_hz = geometry.f_max_hz - MAIN_LOBE * geometry.sample_rate / geometry.n_fft
    spectrum = np.where(hz <= highest_hz, np.fft.rfft(loop), 0.0)
    in_band = np.fft.irfft(spectrum, len(loop)).astype(np.float32)
    magnitude: FloatArray = np.abs(stft_circular(in_band, geometry))
    return magnitude


def rendered_sounds(geometry: Geometry) -> Iterator[tuple[str, str, FloatArray]]:
    """(name, source, loop) from installed programs, from models for those that are missing."""
    models = {name: (source, loop) for name, source, loop in modelled_sounds(geometry)}
    with tempfile.TemporaryDirectory() as folder:
        for name, program in PROGRAMS.items():
            if shutil.which("fluidsynth") and SOUNDFONT.is_file():
                clips = render_corpus(2, SOUNDFONT, Path(folder), geometry, seed=5, program=program)
                yield name, "FluidSynth, FluidR3", list(clips)[1]
            else:
                yield name, *models[name]
        if shutil.which("espeak-ng"):
            yield "speech", "espeak-ng", synthesise_speech(geometry, Path(folder) / "speech.wav")
        else:
            yield "speech", *models["speech"]


def synthesise_speech(geometry: Geometry, path: Path) -> FloatArray:
    """A sentence by espeak-ng, (loop_length,)."""
    subprocess.run(["espeak-ng", "-s", "150", "-w", str(path), SENTENCE], check=True)
    samples, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(samples, rate, geometry.sample_rate)[: geometry.loop_length]
    return np.pad(samples, (0, geometry.loop_length - len(samples)))


def modelled_sounds(geometry: Geometry) -> Iterator[tuple[str, str, FloatArray]]:
    """(name, source, loop) of notes with vibrato, and of a vowel with falling pitch."""
    time_s = np.arange(geometry.loop_length) / geometry.sample_rate
    for name, pitch_hz in MODEL_PITCHES_HZ.items():
        bend = 1.0 + 0.004 * np.sin(2 * np.pi * 5.0 * time_s)
        steps = 2.0 ** (np.floor(2.0 * time_s) % 4 / 6.0)
        yield name, "model: partials", partials(pitch_hz * bend * steps, geometry, ())
    fall = 160.0 - 60.0 * (time_s % 1.0)
    syllables = np.sin(np.pi * (4.0 * time_s % 1.0)).astype(np.float32)
    yield "speech", "model: vowel", syllables * partials(fall, geometry, FORMANTS_HZ)


def partials(
    pitch_hz: NDArray[np.float64], geometry: Geometry, formants_hz: tuple[float, ...]
) -> FloatArray:
    """Partials up to 12 kHz, falling by 6 dB an octave, of (loop_length,) pitches."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / geometry.sample_rate
    sound = np.zeros(len(phase))
    for k in range(1, int(12_000 / pitch_hz.max()) + 1):
        peaks = sum(1.0 / (1.0 + np.square((k * pitch_hz - f) / 100.0)) for f in formants_hz)
        sound += (0.1 / k + 0.1 * peaks) * np.sin(k * phase)
    return sound.astype(np.float32)


def test_sounds(geometry: Geometry) -> Iterator[tuple[str, FloatArray]]:
    """White noise, a sweep of seven octaves, ten clicks a second."""
    n = np.arange(geometry.loop_length)
    frequency_hz = 60.0 * 2.0 ** (7.0 * n / len(n))
    phase = 2 * np.pi * np.cumsum(frequency_hz) / geometry.sample_rate
    yield "noise", np.random.default_rng(0).normal(0.0, 0.1, len(n)).astype(np.float32)
    yield "sweep", (0.3 * np.sin(phase)).astype(np.float32)
    yield "clicks", (n % round(geometry.sample_rate / CLICK_RATE_HZ) == 0).astype(np.float32)


def pack_signals(folder: Path) -> Iterator[Signal]:
    """The pack's spectrograms at random z: no sound has exactly these magnitudes."""
    pack = open_pack(folder)
    networks = load_networks(pack, Inference())
    points = np.random.default_rng(0).standard_normal((N_POINTS, pack.latent_dim))
    for index, z in enumerate(points.astype(np.float32), 1):
        magnitude = spectrogram_to_magnitude(networks.spectrogram_of(z), pack.geometry)
        yield Signal(f"pack {index}", "pack", pack.name, magnitude)
