"""Our STFT and mel filters equal those of librosa, except where they differ on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.audio.spectrogram import (
    Geometry,
    hz_to_mel,
    mel_filterbank,
    mel_frequencies,
    mel_power,
    mel_to_hz,
    stft_circular,
    window,
)
from latent_resonance.bench.yardsticks import LIBROSA_MOMENTUM, fast_griffin_lim

librosa = pytest.importorskip("librosa")

COARSE = Geometry(sample_rate=44_100, n_fft=2048, win_length=1600, hop_length=256, n_frames=40)
GEOMETRIES = [Geometry(n_frames=32), COARSE]
pytestmark = pytest.mark.filterwarnings("ignore:Empty filters detected")  # librosa's, in COARSE


def noise(geometry: Geometry) -> np.ndarray:
    return np.random.default_rng(0).normal(0.0, 0.2, geometry.loop_length).astype(np.float32)


def librosas_mel(geometry: Geometry) -> np.ndarray:
    """(n_mels, n_bins) filters, each summing to 1."""
    return librosa.filters.mel(
        sr=geometry.sample_rate,
        n_fft=geometry.n_fft,
        n_mels=geometry.n_mels,
        fmin=geometry.f_min_hz,
        fmax=geometry.f_max_hz,
        htk=False,
        norm=1,
    )


def wide_bands(geometry: Geometry) -> np.ndarray:
    """Mask of the bands neither side of which is narrower than a bin: (n_mels,)."""
    bin_hz = geometry.sample_rate / geometry.n_fft
    sides = np.diff(mel_frequencies(geometry)) >= bin_hz
    return sides[:-1] & sides[1:]


def librosas_stft(loop: np.ndarray, geometry: Geometry) -> np.ndarray:
    """(n_bins, n_frames + 1): the last frame is centred on the loop's end, its beginning.

    librosa.stft refuses pad_mode="wrap", so the loop is wrapped before.
    """
    return librosa.stft(
        np.pad(loop, geometry.n_fft // 2, mode="wrap"),
        n_fft=geometry.n_fft,
        win_length=geometry.win_length,
        hop_length=geometry.hop_length,
        center=False,
    )


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_stft_of_a_loop_is_librosas_with_wrapped_padding(geometry: Geometry) -> None:
    loop = noise(geometry)
    theirs = librosas_stft(loop, geometry)
    ours = stft_circular(loop, geometry)
    assert ours.shape == (geometry.n_bins, geometry.n_frames)
    np.testing.assert_allclose(ours, theirs[:, :-1], atol=1e-4)
    np.testing.assert_allclose(ours[:, 0], theirs[:, -1], atol=1e-4)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_window_is_librosas_hann(geometry: Geometry) -> None:
    hann = librosa.filters.get_window("hann", geometry.win_length, fftbins=True)
    padded = librosa.util.pad_center(hann, size=geometry.n_fft)
    np.testing.assert_allclose(window(geometry), padded, atol=1e-7)


def test_the_mel_scale_is_slaneys_as_in_librosa() -> None:
    frequencies_hz = np.geomspace(20.0, 20_000.0, 200)
    mels = librosa.hz_to_mel(frequencies_hz, htk=False)
    np.testing.assert_allclose(hz_to_mel(frequencies_hz), mels, rtol=1e-9)
    np.testing.assert_allclose(mel_to_hz(mels), frequencies_hz, rtol=1e-9)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_mel_filters_not_narrower_than_a_bin_are_librosas(geometry: Geometry) -> None:
    wide = wide_bands(geometry)
    assert wide.sum() > geometry.n_mels / 8
    ours = mel_filterbank(geometry).toarray()
    np.testing.assert_allclose(ours[wide], librosas_mel(geometry)[wide], atol=1e-6)


def test_no_filter_of_ours_is_empty_where_librosas_are() -> None:
    geometry = COARSE
    assert (librosas_mel(geometry).sum(axis=1) == 0.0).any()
    np.testing.assert_allclose(mel_filterbank(geometry).toarray().sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_mel_spectrogram_of_a_loop_is_librosas(geometry: Geometry) -> None:
    loop = noise(geometry)
    wide = wide_bands(geometry)
    power = np.square(np.abs(librosas_stft(loop, geometry)[:, :-1]))
    full_scale = float(window(geometry).sum()) / 2.0
    theirs = librosas_mel(geometry) @ power / full_scale**2
    ours = mel_power(stft_circular(loop, geometry), geometry)
    np.testing.assert_allclose(ours[wide], theirs[wide], rtol=1e-3)


@pytest.mark.parametrize("iterations", [1, 5])
def test_the_yardstick_of_the_phases_is_librosas_griffin_lim(iterations: int) -> None:
    geometry = Geometry(n_frames=32)
    magnitude = np.abs(librosas_stft(noise(geometry), geometry)).astype(np.float32)
    seed = 7
    phase = np.random.default_rng(seed).random(magnitude.shape) * 2 * np.pi  # as librosa draws it
    ours = fast_griffin_lim(magnitude, phase, geometry, iterations)
    theirs = librosa.griffinlim(
        magnitude,
        n_iter=iterations,
        n_fft=geometry.n_fft,
        hop_length=geometry.hop_length,
        momentum=LIBROSA_MOMENTUM,
        random_state=np.random.default_rng(seed),
        pad_mode="constant",
    )
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-3 * np.abs(theirs).max())
