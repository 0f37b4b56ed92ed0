"""How tonal a sound is: the share of voiced frames, and spectral flatness."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import librosa
import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.audition.compile_lock import compiling_alone, lock_file

FloatArray = NDArray[np.float32]
SAMPLE_RATE = 22_050  # Hz, of pitch detection
FRAME, HOP = 2048, 512  # samples
PITCH_HZ = (55.0, 1760.0)  # A1 to A6
SEMITONE_STEPS = (
    0.25  # of pYIN's grid, in semitones: coarse, since only voicing is used; a quarter of the cost
)
SOUNDING_DB = 40.0  # frames further below the loudest are rests and not counted


@dataclass(frozen=True)
class Tonality:
    """Pooled over several sounds."""

    voiced: float  # share of sounding frames, 0..1
    flatness_db: float  # median of sounding frames; noise is near 0, a pure tone far below


def measure_tonality(audio: FloatArray, sample_rate: int) -> tuple[NDArray[np.bool_], FloatArray]:
    """For the sounding frames of one sound: whether each is voiced, and its flatness in dB.

    Voicing by pYIN (Mauch & Dixon 2014); flatness is the geometric over the
    arithmetic mean of the power spectrum, 0..11 kHz (Dubnov 2004).
    """
    compile_librosa()
    return _measure(audio, sample_rate)


@cache
def compile_librosa() -> None:
    """Compiles what `_measure` calls, or loads it, while no other process does."""
    turns = np.arange(2 * FRAME) * (220.0 / SAMPLE_RATE)
    with compiling_alone(lock_file()):
        _measure(np.sin(2 * np.pi * turns).astype(np.float32), SAMPLE_RATE)


def _measure(audio: FloatArray, sample_rate: int) -> tuple[NDArray[np.bool_], FloatArray]:
    audio = librosa.resample(audio, orig_sr=sample_rate, target_sr=SAMPLE_RATE)
    loud = librosa.amplitude_to_db(librosa.feature.rms(y=audio, frame_length=FRAME, hop_length=HOP))
    sounding = loud[0] > max(float(loud.max()) - SOUNDING_DB, -80.0)
    low, high = PITCH_HZ
    _, voiced, _ = librosa.pyin(
        audio,
        fmin=low,
        fmax=high,
        sr=SAMPLE_RATE,
        frame_length=FRAME,
        hop_length=HOP,
        resolution=SEMITONE_STEPS,
    )
    flatness = librosa.feature.spectral_flatness(y=audio, n_fft=FRAME, hop_length=HOP)[0]
    return voiced[sounding], 10 * np.log10(np.maximum(flatness[sounding], 1e-10))


def pool(frames: list[tuple[NDArray[np.bool_], FloatArray]]) -> Tonality | None:
    """Pools the frames of all sounds; None if no frame sounds."""
    voiced = np.concatenate([found for found, _ in frames])
    flatness = np.concatenate([found for _, found in frames])
    if not len(voiced):
        return None
    return Tonality(float(voiced.mean()), float(np.median(flatness)))
