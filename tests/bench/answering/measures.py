"""Measures on samples, (n,) or (n_channels, n): pure.

*change* and *glide* are named in `docs/benchmarks.md`. Decibels are of mean squares: a sine of full
scale has −3 dB.
"""

from __future__ import annotations

from collections.abc import Iterator

import librosa
import numpy as np
import scipy.fft
import scipy.signal
from numpy import typing as npt
from numpy.typing import NDArray
from tests.support.audio_measures import flatness, power_spectrum

from latent_resonance.audio.loudness import FULL_SCALE_LUFS, MOMENTARY_S, k_sections
from latent_resonance.audio.spectrogram import Geometry, mel_power, window

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]

THIRD_OCTAVES_HZ = 100.0 * 2.0 ** (np.arange(21) / 3)  # centres, to 10 kHz
WINDOW = 4096  # samples, of every short-time spectrum
CHANGE_S = 0.032  # between the frames that are compared
DEPTH_DB, LOWEST_DB = 45.0, -80.0  # floor below the loudest frame; and in any case
SILENCE_DB = 30.0  # below the maximum, from which a frame counts as silent
STEP_S = 0.01  # between two loudness windows
GATE_LUFS, GATE_LU = -70.0, -10.0  # of BS.1770-4's integrated loudness
OCTAVES_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)
EDGE_S = 0.5  # of a filtered octave that is not measured
PITCH_HZ = (60.0, 1000.0)  # of pYIN
PITCH_HOP = 512  # samples
SMALLEST = 1e-12  # power, −120 dB


def decibels(power: npt.ArrayLike) -> NDArray[np.float64]:
    """10 log10, above −120 dB."""
    return 10.0 * np.log10(np.maximum(np.asarray(power, np.float64), SMALLEST))


def level_db(sound: FloatArray) -> float:
    """Mean square, dB."""
    return float(decibels(np.mean(np.square(sound, dtype=np.float64))))


# --- change -----------------------------------------------------------------------------------


def third_octaves_db(sound: FloatArray, sample_rate: int) -> NDArray[np.float64]:
    """Power in 21 third-octave bands from 100 Hz, floored: (21, n_frames).

    Frames are 32 ms apart, the first centred on the first sample. The floor is 45 dB below the
    loudest frame, and −80 dB at least.
    """
    hop = round(CHANGE_S * sample_rate)
    power = spectra(sound, hop)
    edges_hz = THIRD_OCTAVES_HZ[:, None] * 2.0 ** (np.array([-1.0, 1.0]) / 6)
    edges = np.round(edges_hz * WINDOW / sample_rate).astype(int)
    bands = np.array([power[low:high].sum(axis=0) for low, high in edges])
    floor_db = max(float(decibels(power.sum(axis=0).max())) - DEPTH_DB, LOWEST_DB)
    return np.maximum(decibels(bands), floor_db)


def spectra(sound: FloatArray, hop: int) -> NDArray[np.float64]:
    """Power of each bin in each frame, whose sum is the mean square: (n_bins, n_frames)."""
    padded = np.pad(sound, WINDOW // 2)
    hann = np.hanning(WINDOW + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: len(sound) : hop]
    spectrum = scipy.fft.rfft(frames * hann, axis=1).T
    power: NDArray[np.float64] = np.square(np.abs(spectrum), dtype=np.float64)
    power *= 2.0 / (WINDOW * np.square(hann).sum())
    return power


def change_db_per_s(bands_db: FloatArray, during: BoolArray | None = None) -> float:
    """Mean absolute difference between successive frames, per second: dB/s per third-octave.

    Parameters
    ----------
    bands_db : (n_bands, n_frames), of `third_octaves_db`
    during : (n_frames,), the frames that count: a difference counts if both of its frames do
    """
    steps = np.abs(np.diff(bands_db, axis=1)).mean(axis=0)
    if during is not None:
        steps = steps[during[1:] & during[:-1]]
    return float(steps.mean() / CHANGE_S) if len(steps) else float("nan")


# --- spectrum ---------------------------------------------------------------------------------


def flatness_db(sound: FloatArray) -> float:
    """Geometric over arithmetic mean power of the mean spectrum, 100 Hz to 8 kHz, at 48 kHz."""
    return float(decibels(flatness(np.asarray(sound, np.float32))))


def roll_off_hz(sound: FloatArray, sample_rate: int, share: float = 0.95) -> float:
    """Frequency below which this share of the energy lies."""
    power = np.cumsum(power_spectrum(np.asarray(sound, np.float32)))
    found = int(np.searchsorted(power, share * power[-1]))
    return found * sample_rate / (2.0 * (len(power) - 1))


# --- loudness ---------------------------------------------------------------------------------


def windows_lufs(
    sound: FloatArray, sample_rate: int, seconds: float = MOMENTARY_S
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(start in seconds, LUFS) of each window that lies within the sound, 10 ms apart."""
    weighted = scipy.signal.sosfilt(k_sections(sample_rate), sound.astype(np.float64))
    energy = np.concatenate([[0.0], np.cumsum(np.square(weighted))])
    length, step = round(seconds * sample_rate), round(STEP_S * sample_rate)
    starts = np.arange(0, max(len(sound) - length + 1, 0), step)
    power = (energy[starts + length] - energy[starts]) / length
    return starts / sample_rate, FULL_SCALE_LUFS + decibels(power)


def integrated_lufs(sound: FloatArray, sample_rate: int) -> float:
    """Gated loudness of the whole (BS.1770-4)."""
    lufs = windows_lufs(sound, sample_rate)[1]
    lufs = lufs[lufs > GATE_LUFS]
    if not len(lufs):
        return float("-inf")
    return mean_lufs(lufs[lufs > mean_lufs(lufs) + GATE_LU])


def mean_lufs(lufs: FloatArray) -> float:
    """Loudness of the mean power."""
    return float(10.0 * np.log10(np.mean(10.0 ** (lufs / 10.0))))


# --- silence ----------------------------------------------------------------------------------


def frame_levels_db(sound: FloatArray, geometry: Geometry) -> NDArray[np.float64]:
    """Sum of the mel power of each frame, as it is of a spectrogram's frames: (n_frames,)."""
    padded = np.pad(sound, geometry.n_fft // 2).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, geometry.n_fft)
    frames = frames[: len(sound) : geometry.hop_length]
    blocks = (frames[i : i + 512] for i in range(0, len(frames), 512))  # a bounded amount of memory
    return np.concatenate([_mel_levels_db(block, geometry) for block in blocks])


def _mel_levels_db(frames: FloatArray, geometry: Geometry) -> NDArray[np.float64]:
    spectrum = scipy.fft.rfft(frames * window(geometry), axis=1).T
    return decibels(mel_power(spectrum, geometry).sum(axis=0))


def longest_run(flags: BoolArray) -> int:
    """Length of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int(np.max(edges[1::2] - edges[::2], initial=0))


def spread(values: FloatArray) -> float:
    """From the 5th to the 95th percentile."""
    low, high = np.percentile(values, (5, 95))
    return float(high - low)


# --- pitch ------------------------------------------------------------------------------------


def pitches_hz(sound: FloatArray, sample_rate: int) -> NDArray[np.float64]:
    """Pitch of each frame by pYIN (Mauch & Dixon 2014), not a number where unvoiced: (n_frames,).

    Frame k is centred on sample k * PITCH_HOP.
    """
    low, high = PITCH_HZ
    pitch_hz, voiced, _ = librosa.pyin(
        np.asarray(sound, np.float32),
        fmin=low,
        fmax=high,
        sr=sample_rate,
        frame_length=WINDOW,
        hop_length=PITCH_HOP,
    )
    return np.where(voiced, pitch_hz, np.nan)


def ways(pitch_hz: FloatArray, start_hz: FloatArray, end_hz: FloatArray) -> NDArray[np.float64]:
    """How far a pitch is on the way from one to another, in octaves: 0 at the start, 1 at the end.

    Not a number where one of them is.
    """
    return np.log2(pitch_hz / start_hz) / np.log2(end_hz / start_hz)


# --- channels ---------------------------------------------------------------------------------


def correlations(channels: FloatArray, sample_rate: int) -> NDArray[np.float64]:
    """|Pearson| of each pair of channels in each octave from 125 Hz to 4 kHz: (6, n_pairs).

    Zero-phase band-pass, Butterworth of the fourth order, run forwards and backwards. EDGE_S at
    either end are left out: they hold the filter's response to the cut, which all channels share.
    """
    pairs, edge = np.triu_indices(len(channels), 1), round(EDGE_S * sample_rate)
    bands = (band[:, edge:-edge] for band in octaves(channels, sample_rate))
    matrices = [np.asarray(np.corrcoef(band)) for band in bands]
    return np.array([np.abs(matrix[pairs]) for matrix in matrices])


def octaves(channels: FloatArray, sample_rate: int) -> Iterator[NDArray[np.float64]]:
    """Each octave of (n_channels, n) samples."""
    for centre_hz in OCTAVES_HZ:
        edges_hz = centre_hz * np.sqrt([0.5, 2.0])
        sections = scipy.signal.butter(4, edges_hz, "bandpass", fs=sample_rate, output="sos")
        yield scipy.signal.sosfiltfilt(sections, channels, axis=1)


def channel_spread_db(channels: FloatArray) -> float:
    """From the softest to the loudest channel."""
    levels = [level_db(channel) for channel in channels]
    return max(levels) - min(levels)


def mono_sum_db(channels: FloatArray) -> float:
    """The sum of the channels against the sum of their powers: 0 if they are independent."""
    powers = np.square(channels, dtype=np.float64).mean(axis=1).sum()
    return level_db(channels.sum(axis=0)) - float(decibels(powers))
