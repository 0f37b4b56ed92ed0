"""Figures of the phase reconstruction beside `librosa.griffinlim`: quality and CPU time.

    OMP_NUM_THREADS=1 uv run --all-packages python tests/bench/phase.py [--pack models/cello]

A script, not a test: it prints the Markdown tables of docs/decisions.md. Needs FluidSynth
and its SoundFont (apt install fluidsynth fluid-soundfont-gm), espeak-ng for speech.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import librosa
import numpy as np
import soundfile

from latent_resonance.pack import open_pack
from latent_resonance.settings import Inference
from latent_resonance.spectrogram import (
    FloatArray,
    Geometry,
    amplitude_of_pixels,
    magnitude_scale,
    mel_interpolation,
    spectrogram_of_loop,
    stft_circular,
)
from latent_resonance.voice.generator import open_networks
from latent_resonance.voice.griffin_lim import reconstruct
from latent_resonance_export.synthesise import render_corpus

GEOMETRY = Geometry()
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
PROGRAMS = {"cello": 42, "violin": 40, "choir": 52}
SENTENCE = (
    "The machine turns the energy of that movement into a point in the latent space,"
    " and the sound follows the face of the visitor, who has not said a word."
)
EDGE = 20  # frames at either end that are not measured
Method = Callable[[FloatArray], FloatArray]


def ours(**settings: float) -> Method:
    """The stream, with these settings instead of its defaults."""
    return lambda magnitude: reconstruct(magnitude, GEOMETRY, **settings)


def librosas(iterations: int) -> Method:
    """librosa's fast Griffin-Lim, which wants the frame after the last as well."""

    def run(magnitude: FloatArray) -> FloatArray:
        return librosa.griffinlim(
            np.hstack([magnitude, magnitude[:, :1]]),
            n_iter=iterations,
            hop_length=GEOMETRY.hop_length,
            n_fft=GEOMETRY.n_fft,
            momentum=0.99,
            init="random",
            random_state=0,
            length=magnitude.shape[1] * GEOMETRY.hop_length,
        )

    return run


# Ours are named by look-ahead, iterations and momentum.
METHODS: dict[str, Method] = {
    "librosa, 64 iterations": librosas(64),
    "librosa, 32 iterations": librosas(32),
    "default (7, 7, 0.95)": ours(),
    "lean (7, 2, 0.95)": ours(iterations=2),
    "(6, 3, 0.5)": ours(look_ahead=6, iterations=3, momentum=0.5),
    "(3, 2, 0.95)": ours(look_ahead=3, iterations=2),
}


def instruments(work: Path) -> Iterator[tuple[str, FloatArray]]:
    """A phrase of each instrument."""
    for name, program in PROGRAMS.items():
        clips = list(render_corpus(3, SOUNDFONT, work, GEOMETRY, seed=5, program=program))
        yield name, clips[1]


def speech(work: Path) -> FloatArray:
    """A sentence by espeak-ng, as long as the loop."""
    path = work / "speech.wav"
    subprocess.run(["espeak-ng", "-s", "150", "-w", str(path), SENTENCE], check=True)
    samples, rate = soundfile.read(path, dtype="float32")
    samples = librosa.resample(samples, orig_sr=rate, target_sr=GEOMETRY.sample_rate)
    return samples[: GEOMETRY.loop_length]


def synthetic() -> Iterator[tuple[str, FloatArray]]:
    """Noise, ten clicks a second and a sweep of seven octaves."""
    n = np.arange(GEOMETRY.loop_length)
    frequency_hz = 60.0 * 2.0 ** (7.0 * n / len(n))
    phase = 2 * np.pi * np.cumsum(frequency_hz) / GEOMETRY.sample_rate
    yield "noise", np.random.default_rng(0).normal(0.0, 0.1, len(n)).astype(np.float32)
    yield "clicks", (n % 4800 == 0).astype(np.float32)
    yield "sweep", (0.3 * np.sin(phase)).astype(np.float32)


def magnitude_of_pixels(pixels: FloatArray) -> FloatArray:
    """What the voice makes of a picture: (n_mels, n_frames) -> (n_bins, n_frames)."""
    amplitude = mel_interpolation(GEOMETRY) @ amplitude_of_pixels(pixels, GEOMETRY.range_db)
    return amplitude / np.float32(magnitude_scale(GEOMETRY))


def pictures_of_pack(folder: Path) -> Iterator[tuple[str, FloatArray]]:
    """Three of the pack's own dreams, as magnitudes."""
    pack = open_pack(folder)
    networks = open_networks(pack, Inference())
    points = np.random.default_rng(0).standard_normal((3, pack.latent_dim), dtype=np.float32)
    for index, z in enumerate(points):
        yield f"{pack.name} {index + 1}", magnitude_of_pixels(networks.spectrogram_of(z))


def all_magnitudes(pack: Path | None) -> dict[str, FloatArray]:
    """Every signal's magnitudes, (n_bins, n_frames), by name."""
    with tempfile.TemporaryDirectory() as folder:
        sounds = dict(instruments(Path(folder)))
        if shutil.which("espeak-ng"):
            sounds["speech"] = speech(Path(folder))
    mel_sources = dict(sounds)
    sounds.update(synthetic())
    result = {name: np.abs(stft_circular(loop, GEOMETRY)) for name, loop in sounds.items()}
    for name, loop in mel_sources.items():
        result[f"{name} through mel"] = magnitude_of_pixels(spectrogram_of_loop(loop, GEOMETRY))
    return result | dict(pictures_of_pack(pack) if pack else ())


def convergence_db(samples: FloatArray, magnitude: FloatArray) -> float:
    """Spectral convergence away from the edges: 20 log10(|| |STFT(y)| - M || / || M ||)."""
    inner = slice(EDGE, -EDGE)
    found = np.abs(stft_circular(samples, GEOMETRY))
    error = np.linalg.norm((found - magnitude)[:, inner])
    return float(20 * np.log10(error / np.linalg.norm(magnitude[:, inner])))


def measure(method: Method, magnitude: FloatArray) -> tuple[float, float]:
    """(spectral convergence in dB, CPU seconds a second of sound)."""
    begin = time.process_time()
    samples = method(magnitude)
    cpu_s = time.process_time() - begin
    return convergence_db(samples, magnitude), cpu_s / GEOMETRY.loop_s


def quality_table(magnitudes: dict[str, FloatArray]) -> Iterator[str]:
    """Spectral convergence of each signal and method, as Markdown."""
    yield "| dB | " + " | ".join(METHODS) + " |"
    yield "|---|" + "---|" * len(METHODS)
    for name, magnitude in magnitudes.items():
        row = (f"{measure(method, magnitude)[0]:.1f}" for method in METHODS.values())
        yield f"| {name} | " + " | ".join(row) + " |"


def time_table(magnitude: FloatArray, rounds: int) -> Iterator[str]:
    """CPU time of each method in turns, so that what else the machine does falls on all."""
    costs = [[measure(m, magnitude)[1] for m in METHODS.values()] for _ in range(rounds)]
    yield "| | CPU-s a second of sound | of librosa 64 | of librosa 32 |"
    yield "|---|---|---|---|"
    for index, name in enumerate(METHODS):
        cost = statistics.median(turn[index] for turn in costs)
        shares = (statistics.median(turn[index] / turn[base] for turn in costs) for base in (0, 1))
        yield f"| {name} | {cost:.3f} | " + " | ".join(f"{s:.3f}" for s in shares) + " |"


def speed_line(pixels: FloatArray, rounds: int) -> str:
    """How much faster than it sounds a whole picture becomes sound, by CPU time."""

    def times_real() -> float:
        begin = time.process_time()
        reconstruct(magnitude_of_pixels(pixels), GEOMETRY)
        return GEOMETRY.loop_s / (time.process_time() - begin)

    median = statistics.median(times_real() for _ in range(rounds))
    return f"{GEOMETRY.n_frames} frames of pixels to sound: {median:.1f} times real time"


def main() -> None:
    """Prints both tables and the speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, help="measure a pack's own output as well")
    parser.add_argument("--rounds", type=int, default=7, help="timings of each method")
    arguments = parser.parse_args()
    magnitudes = all_magnitudes(arguments.pack)
    for line in quality_table(magnitudes):
        print(line, flush=True)
    print()
    for line in time_table(magnitudes["cello"], arguments.rounds):
        print(line, flush=True)
    loop = reconstruct(magnitudes["cello"], GEOMETRY)
    print()
    print(speed_line(spectrogram_of_loop(loop, GEOMETRY), arguments.rounds))


if __name__ == "__main__":
    main()
