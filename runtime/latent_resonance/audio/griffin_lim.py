"""Magnitudes to sound, one frame at a time: Griffin-Lim over a few frames of look-ahead.

Lives on the synthesis thread. In: the magnitudes of one frame a hop. Out: the hop of
samples that no later frame can change.

The newest `look_ahead` + 1 frames are *open*. A push opens one more, whose first phase is
what the others already say of its place. Then the open frames are projected, in turn onto
the spectra that a sound can have and onto the magnitudes asked for, with the momentum of
fast Griffin-Lim: all of them once, then the newer half alone, where the error is. Then the
oldest is committed.

References
----------
Zhu, Beauregard & Wyse (2007), "Real-time signal estimation from modified short-time Fourier
transform magnitude spectra" (RTISI-LA). Perraudin, Balazs & Søndergaard (2013), "A fast
Griffin-Lim algorithm". What was tried, with figures, is in docs/decisions.md.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from latent_resonance.audio.spectrogram import ComplexArray, FloatArray, Geometry, window

LOOK_AHEAD = 7  # frames; with the newest they are two whole batches
ITERATIONS = 7
MOMENTUM = 0.95
MAX_MAGNITUDE = 1e9  # a million times full scale: nothing computed from it overflows a float32
TINY = np.float32(1e-30)  # keeps 0 / 0 away, far below what can be heard
EDGE_FLOOR = 0.03  # least sum of squared windows through which a first phase is read
EXPLAINED = np.float32(2.0)  # an overlap with half the magnitude asked for gives the phase alone
SPARK = np.float32(1e-3)  # least share of an attack in a first phase: sound after silence
BLUR = 0.5  # rad, up to which an attack's phases stray from a click's
LEAST_SQUARE = 1e-8  # of the windows summed, at the far end of the newest frame
BATCH = 4  # rows that the FFT takes at once; whole batches cost least


class StreamingGriffinLim:
    """Phase reconstruction whose committed samples are never revised.

    Parameters
    ----------
    look_ahead : frames that stay open behind the one being committed, 0 or more.
    iterations : projections a hop, 1 or more: one of all open frames, then the newer half.
    momentum : 0 (plain Griffin-Lim) to 1.
    seed : varies the phases with which attacks begin.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        look_ahead: int = LOOK_AHEAD,
        iterations: int = ITERATIONS,
        momentum: float = MOMENTUM,
        seed: int = 0,
    ) -> None:
        _check(geometry, look_ahead, iterations, momentum)
        self.geometry = geometry
        self.look_ahead = look_ahead
        self.iterations = iterations
        self.momentum = np.float32(momentum)
        self._newer = _first_of_newer_half(look_ahead + 1)
        self._window = window(geometry)
        self._first_gain, self._gain, self._commit_gain = _gains(geometry, look_ahead + 1)
        self._attack = _attack_phases(geometry, seed)
        self._allocate(look_ahead + 1)

    def _allocate(self, n_open: int) -> None:
        geometry = self.geometry
        self._magnitude = np.zeros((n_open, geometry.n_bins), np.float32)
        self._norm = np.zeros((n_open, geometry.n_bins), np.float32)
        self._spectrum = np.zeros((n_open, geometry.n_bins), np.complex64)
        self._previous = np.zeros((n_open, geometry.n_bins), np.complex64)
        self._frames = np.zeros((n_open, geometry.n_fft), np.float32)  # windowed syntheses
        length = geometry.n_fft + (n_open - 1) * geometry.hop_length
        self._committed = np.zeros(length, np.float32)  # overlap-added, not yet normalised
        self._base = np.zeros(length, np.float32)  # the committed and the frames at rest
        self._signal = np.zeros(length, np.float32)
        self._places = sliding_window_view(self._signal, geometry.n_fft)[:: geometry.hop_length]

    @property
    def latency_samples(self) -> int:
        """From the centre of the frame pushed back to the first sample that the push returns."""
        return self.geometry.win_length // 2 + self.look_ahead * self.geometry.hop_length

    def reset(self) -> None:
        """Back to silence; the same pushes then give the same bits."""
        for buffer in (self._magnitude, self._previous, self._frames, self._committed):
            buffer.fill(0)

    def push(self, magnitude: FloatArray) -> FloatArray:
        """Takes the next frame's magnitudes and returns the samples that are now final.

        Parameters
        ----------
        magnitude : (n_bins,) linear, |rfft(windowed frame)|. What is negative or not finite
            counts as 0: a fault upstream becomes silence, never a bang.

        Returns
        -------
        (hop_length,) float32, the caller's own.

        Raises
        ------
        ValueError
            The magnitude has another shape.
        """
        self._open(magnitude)
        self._guess_phase()
        self._project(0)
        np.copyto(self._base, self._committed)
        self._add_frames(self._base, 0, self._newer)
        for _ in range(self.iterations - 1):
            np.copyto(self._signal, self._base)
            self._add_frames(self._signal, self._newer, len(self._frames))
            self._project(self._newer)
        return self._commit()

    def _open(self, magnitude: FloatArray) -> None:
        """Moves the open frames on by one and takes in the newest magnitudes."""
        newest = self._magnitude[-1]
        if magnitude.shape != newest.shape:
            raise ValueError(f"magnitude has shape {magnitude.shape}, the geometry {newest.shape}")
        for buffer in (self._magnitude, self._previous, self._frames):
            buffer[:-1] = buffer[1:]
        self._previous[-1] = 0
        np.copyto(newest, magnitude)
        newest[~np.isfinite(newest)] = 0.0
        np.clip(newest, 0.0, MAX_MAGNITUDE, out=newest)

    def _guess_phase(self) -> None:
        """First phase of the newest frame: the overlap's, or an attack's where it explains little.

        The overlap is divided by the squared windows summed there, the newest frame's own
        not among them; its last hop, of which nothing is known, is tapered off. Leaves the
        sum of all frames, the newest with that phase, in the signal.
        """
        np.copyto(self._signal, self._committed)
        self._add_frames(self._signal, 0, self.look_ahead)
        np.multiply(self._places[-1], self._first_gain, out=self._frames[-1])
        spectrum = scipy.fft.rfft(self._frames[-1], overwrite_x=True)
        magnitude = self._magnitude[-1]
        unexplained = magnitude - EXPLAINED * np.abs(spectrum)
        spectrum += self._attack * np.maximum(unexplained, SPARK * magnitude)
        self._spectrum[-1] = spectrum
        self._synthesise(self.look_ahead)
        self._add_frames(self._signal, self.look_ahead, len(self._frames))

    def _project(self, first: int) -> None:
        """One fast Griffin-Lim iteration of the open frames from `first` on, out of the signal."""
        self._analyse(first)
        self._synthesise(first)

    def _analyse(self, first: int) -> None:
        """Spectra that the sum of all frames has at each place, carried on by momentum."""
        self._signal *= self._gain
        frames, previous = self._frames[first:], self._previous[first:]
        np.multiply(self._places[first:], self._window, out=frames)
        consistent = scipy.fft.rfft(frames, axis=1, overwrite_x=True)
        spectrum = np.subtract(consistent, previous, out=self._spectrum[first:])
        spectrum *= self.momentum
        spectrum += consistent
        np.copyto(previous, consistent)

    def _synthesise(self, first: int) -> None:
        """Windowed frames of the spectra's phases and the magnitudes asked for."""
        spectrum, norm = self._spectrum[first:], self._norm[first:]
        np.abs(spectrum, out=norm)
        np.maximum(norm, TINY, out=norm)
        np.divide(self._magnitude[first:], norm, out=norm)
        spectrum *= norm
        frames = scipy.fft.irfft(spectrum, self.geometry.n_fft, axis=1, overwrite_x=True)
        np.multiply(frames, self._window, out=self._frames[first:])

    def _add_frames(self, signal: FloatArray, first: int, last: int) -> None:
        """Overlap-adds the open frames from `first` to before `last`."""
        for index in range(first, last):
            start = index * self.geometry.hop_length
            signal[start : start + self.geometry.n_fft] += self._frames[index]

    def _commit(self) -> FloatArray:
        """Adds the oldest open frame for good; no later frame reaches the samples returned."""
        geometry, committed = self.geometry, self._committed
        hop = geometry.hop_length
        committed[: geometry.n_fft] += self._frames[0]
        first = _first_sample(geometry)
        samples = committed[first : first + hop] * self._commit_gain
        committed[:-hop] = committed[hop:]
        committed[-hop:] = 0
        return samples


def reconstruct(
    magnitude: FloatArray,
    geometry: Geometry,
    *,
    look_ahead: int = LOOK_AHEAD,
    iterations: int = ITERATIONS,
    momentum: float = MOMENTUM,
    seed: int = 0,
) -> FloatArray:
    """A whole spectrogram to sound: the stream, frame by frame, without its latency.

    Parameters
    ----------
    magnitude : (n_bins, n_frames), frame t centred on sample t * hop_length.

    Returns
    -------
    (n_frames * hop_length,) samples.
    """
    stream = StreamingGriffinLim(
        geometry, look_ahead=look_ahead, iterations=iterations, momentum=momentum, seed=seed
    )
    rest = -(-stream.latency_samples // geometry.hop_length)
    frames = np.pad(magnitude.T, ((0, rest), (0, 0)))
    samples = np.concatenate([stream.push(frame) for frame in frames])
    length = magnitude.shape[1] * geometry.hop_length
    return samples[stream.latency_samples : stream.latency_samples + length]


def _check(geometry: Geometry, look_ahead: int, iterations: int, momentum: float) -> None:
    if 4 * geometry.hop_length > geometry.win_length:
        raise ValueError(
            f"hop_length is {geometry.hop_length}; windows of {geometry.win_length} samples"
            f" need at most a quarter of that, {geometry.win_length // 4}"
        )
    rules = (
        ("look_ahead", look_ahead, "0 or more", look_ahead >= 0),
        ("iterations", iterations, "1 or more", iterations >= 1),
        ("momentum", momentum, "from 0 to 1", 0.0 <= momentum <= 1.0),
    )
    for name, value, rule, kept in rules:
        if not kept:
            raise ValueError(f"{name} is {value}; it must be {rule}")


def _first_of_newer_half(n_open: int) -> int:
    """Index of the first frame of the newer half, which is whole batches if there are enough."""
    half = BATCH * max(1, round(n_open / (2 * BATCH)))
    return max(0, n_open - half)


def _first_sample(geometry: Geometry) -> int:
    """Where the window begins within n_fft samples."""
    return (geometry.n_fft - geometry.win_length) // 2


def _attack_phases(geometry: Geometry, seed: int) -> ComplexArray:
    """Unit phases (n_bins,) of sound that begins in a frame: blurred clicks near its end.

    What no earlier frame has heard can only lie where none of them reaches.
    """
    place = _first_sample(geometry) + geometry.win_length - geometry.hop_length
    angle = -2.0 * np.pi * np.arange(geometry.n_bins) * place / geometry.n_fft
    angle += np.random.default_rng(seed).uniform(-BLUR, BLUR, geometry.n_bins)
    return np.exp(1j * angle).astype(np.complex64)


def _gains(geometry: Geometry, n_open: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Reciprocals of the squared windows summed, for each of three readings.

    Returns
    -------
    for the first phase of the newest frame, its window included : (n_fft,)
    for the open region : (n_fft + (n_open - 1) * hop_length,)
    for the hop being committed : (hop_length,)
    """
    hann, hop = window(geometry).astype(np.float64), geometry.hop_length
    past = -(-geometry.n_fft // hop)  # frames that reach into the oldest open one
    total = np.zeros((past + n_open - 1) * hop + geometry.n_fft)
    for start in range(0, (past + n_open) * hop, hop):
        total[start : start + geometry.n_fft] += np.square(hann)
    known = total[-geometry.n_fft :] - np.square(hann)
    first_gain = (hann / np.maximum(known, EDGE_FLOOR)).astype(np.float32)
    gain = (1.0 / np.maximum(total[past * hop :], LEAST_SQUARE)).astype(np.float32)
    first = _first_sample(geometry)
    return first_gain, gain, gain[first : first + hop]
