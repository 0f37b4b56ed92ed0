"""What a user would write instead, timed beside ours in the same run.

Machines differ by a factor of ten, and one machine by three from day to day; the ratio of two
times of one run does not. Each family divides its own time by one of these.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import ComplexArray, FloatArray, Geometry, window
from latent_resonance.bench.timing import times_of
from latent_resonance.config.settings import Eye
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.sandbox import drop_thread_network
from latent_resonance.eye.tracking.select import tracker_choice
from latent_resonance.pack import models_folder

IMPORTS = "import numpy, scipy.fft, onnxruntime"
LIBROSA_MOMENTUM = 0.99
TINY = np.float32(1e-20)
TIMED_ITERATIONS = 8  # the time grows in proportion
WARM_UP = 10  # images in which MediaPipe detects a face and starts to follow it
NS = 1_000_000_000


def import_s() -> float:
    """Wall-clock seconds of a Python that imports what any implementation has to, and ends."""
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], env=environment, check=True)
    return time.monotonic() - began_s


def librosa_cpu_s(magnitude: FloatArray, geometry: Geometry, iterations: int) -> float:
    """CPU-s in which librosa's algorithm reconstructs a second of sound.

    Parameters
    ----------
    magnitude : (n_bins, n_frames)
    """
    phase = np.random.default_rng(0).uniform(0.0, 2 * np.pi, magnitude.shape)
    times = times_of(
        lambda: fast_griffin_lim(magnitude, phase, geometry, TIMED_ITERATIONS), 0.0, warm_up=0
    )
    seconds: float = magnitude.shape[1] * geometry.hop_s
    return times.median_cpu_s * iterations / TIMED_ITERATIONS / seconds


def fast_griffin_lim(
    magnitude: FloatArray, phase: NDArray[np.float64], geometry: Geometry, iterations: int
) -> FloatArray:
    """`librosa.griffinlim`: fast Griffin-Lim (Perraudin et al. 2013), as a numpy loop.

    Parameters
    ----------
    magnitude, phase : (n_bins, n_frames); the phase to begin with, in rad

    Returns
    -------
    ((n_frames - 1) * hop_length,) samples
    """
    target = np.ascontiguousarray(magnitude.T)  # a frame in a row, as the FFT wants it
    spectrum = target * np.exp(1j * phase.T).astype(np.complex64)
    before, share = np.zeros_like(spectrum), LIBROSA_MOMENTUM / (1 + LIBROSA_MOMENTUM)
    for _ in range(iterations):
        consistent = _stft(_istft(spectrum, geometry), geometry)
        spectrum = consistent - np.float32(share) * before
        spectrum *= target / (np.abs(spectrum) + TINY)
        before = consistent
    return _istft(spectrum, geometry)


def mediapipe_cpu_s(images: list[Image], settings: Eye, seconds: float) -> float | None:
    """CPU-s in which MediaPipe alone finds the landmarks in an image; None where it cannot run.

    Parameters
    ----------
    images : of a face, played in a loop for some seconds
    """
    if tracker_choice(settings.model_copy(update={"tracker": "auto"})).name != "mediapipe":
        return None
    from latent_resonance.eye.tracking.mediapipe_landmarker import MediaPipeLandmarker

    with ThreadPoolExecutor(1, "mediapipe") as thread:
        if not settings.allow_network:
            thread.submit(drop_thread_network).result()
        opened = thread.submit(MediaPipeLandmarker, models_folder(), settings.min_confidence)
    tracker, numbered = opened.result(), enumerate(itertools.cycle(images))

    def detect_next() -> None:
        i, image = next(numbered)
        tracker.detect(image.pixels, i * NS // 30)

    times = times_of(detect_next, seconds, warm_up=WARM_UP)
    tracker.close()
    return times.mean_cpu_s


def _stft(samples: FloatArray, geometry: Geometry) -> ComplexArray:
    """(n_frames, n_bins); frame t is centred on sample t * hop_length, silence around the sound."""
    padded = np.pad(samples, geometry.n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, geometry.n_fft)
    windowed = frames[:: geometry.hop_length] * window(geometry)
    return np.fft.rfft(windowed, axis=1).astype(np.complex64, copy=False)


def _istft(spectrum: ComplexArray, geometry: Geometry) -> FloatArray:
    """The samples whose STFT is nearest to (n_frames, n_bins)."""
    n_fft, hop = geometry.n_fft, geometry.hop_length
    frames = np.fft.irfft(spectrum, n_fft, axis=1) * window(geometry)
    padded = np.zeros(n_fft + hop * (len(frames) - 1), np.float32)
    for start, frame in zip(range(0, hop * len(frames), hop), frames, strict=True):
        padded[start : start + n_fft] += frame
    padded /= _overlap(geometry, len(frames))
    return padded[n_fft // 2 : len(padded) - n_fft // 2]


@lru_cache(maxsize=2)
def _overlap(geometry: Geometry, n_frames: int) -> FloatArray:
    """Sum of the squared windows at each sample, 1 where there are none."""
    n_fft, hop = geometry.n_fft, geometry.hop_length
    total = np.zeros(n_fft + hop * (n_frames - 1), np.float32)
    for start in range(0, hop * n_frames, hop):
        total[start : start + n_fft] += np.square(window(geometry))
    return np.where(total > TINY, total, np.float32(1.0))
