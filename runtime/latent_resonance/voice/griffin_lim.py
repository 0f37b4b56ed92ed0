"""Magnitudes to sound, one frame at a time: Griffin-Lim over a few frames of look-ahead.

Lives on the synthesis thread. In: the magnitudes of one frame a hop. Out: the hop of
samples that no later frame can change.

The newest `look_ahead` + 1 frames are open: each push projects them a few times, in turn
onto the spectrograms that some sound has and onto the magnitudes asked for, against what
is already committed (RTISI-LA: Zhu, Beauregard & Wyse 2007), with the momentum of fast
Griffin-Lim (Perraudin, Balazs & Sondergaard 2013). Then the oldest is committed.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from latent_resonance.spectrogram import FloatArray, Geometry, window

MAX_MAGNITUDE = np.float32(1e9)  # squares of sums of it still fit a float32
TINY = np.float32(1e-30)  # keeps 0 / 0 away; far below any magnitude that sounds
DITHER = np.float32(1e-3)  # share of random phase in a frame's first phase: sound after silence


class StreamingGriffinLim:
    """Phase reconstruction whose committed samples are never revised.

    Parameters
    ----------
    look_ahead : frames that stay open behind the one being committed, 0 or more.
    iterations : projections of all open frames a hop, 1 or more.
    momentum : 0 (plain Griffin-Lim) to below 1.
    seed : of the phases with which a sound begins after silence.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        look_ahead: int,
        iterations: int,
        momentum: float,
        seed: int = 0,
    ) -> None:
        _check(geometry, look_ahead, iterations, momentum)
        self.geometry = geometry
        self.look_ahead = look_ahead
        self.iterations = iterations
        self.momentum = np.float32(momentum)
        n_open, length = look_ahead + 1, geometry.n_fft + look_ahead * geometry.hop_length
        self._window = window(geometry)
        self._first = (geometry.n_fft - geometry.win_length) // 2  # where a window starts
        self._slices = [slice(t, t + geometry.n_fft) for t in _starts(geometry, n_open)]
        self._gain, self._commit_gain = _gains(geometry, n_open)
        angle = np.random.default_rng(seed).uniform(-np.pi, np.pi, geometry.n_bins)
        self._dither = DITHER * np.exp(1j * angle).astype(np.complex64)
        self._magnitude = np.zeros((n_open, geometry.n_bins), np.float32)
        self._frames = np.zeros((n_open, geometry.n_fft), np.float32)  # windowed syntheses
        self._previous = np.zeros((n_open, geometry.n_bins), np.complex64)
        self._norm = np.zeros((n_open, geometry.n_bins), np.float32)
        self._committed = np.zeros(length, np.float32)  # overlap-added, not yet normalised
        self._signal = np.zeros(length, np.float32)

    @property
    def latency_samples(self) -> int:
        """From the centre of the frame pushed to the first sample returned by that push."""
        geometry = self.geometry
        return geometry.win_length // 2 + self.look_ahead * geometry.hop_length

    def reset(self) -> None:
        """Back to silence; the same pushes then give the same bits."""
        for buffer in (self._magnitude, self._frames, self._previous, self._committed):
            buffer.fill(0)

    def push(self, magnitude: FloatArray) -> FloatArray:
        """Takes the next frame's magnitudes and returns the samples that are now final.

        Parameters
        ----------
        magnitude : (n_bins,) linear, |rfft(windowed frame)|. What is not finite or is
            negative counts as 0, so that a fault upstream is silence, never a bang.

        Returns
        -------
        (hop_length,) float32, the caller's own.
        """
        if magnitude.shape != (self.geometry.n_bins,):
            raise ValueError(f"magnitude has shape {magnitude.shape}, not {(self.geometry.n_bins,)}")
        self._open(magnitude)
        for _ in range(self.iterations):
            self._iterate()
        return self._commit()

    def _open(self, magnitude: FloatArray) -> None:
        """Moves all by a hop; the new frame begins as what the others say of its place."""
        for buffer in (self._magnitude, self._frames, self._previous):
            buffer[:-1] = buffer[1:]
            buffer[-1] = 0
        newest = self._magnitude[-1]
        np.copyto(newest, magnitude)
        newest[~np.isfinite(newest)] = 0.0
        np.clip(newest, 0.0, MAX_MAGNITUDE, out=newest)

    def _iterate(self) -> None:
        """One projection of every open frame."""
        self._overlap()
        spectrum = scipy.fft.rfft(self._frames, axis=1, overwrite_x=True)
        spectrum[-1] += self._dither * self._magnitude[-1]
        np.subtract(spectrum, self._previous, out=self._previous)
        self._previous *= self.momentum
        self._previous += spectrum
        self._previous, spectrum = spectrum, self._previous
        np.abs(spectrum, out=self._norm)
        np.maximum(self._norm, TINY, out=self._norm)
        np.divide(self._magnitude, self._norm, out=self._norm)
        spectrum *= self._norm
        frames = scipy.fft.irfft(spectrum, n=self.geometry.n_fft, axis=1, overwrite_x=True)
        np.multiply(frames, self._window, out=self._frames)

    def _overlap(self) -> None:
        """Open frames become what all frames together say of their place, windowed."""
        np.copyto(self._signal, self._committed)
        for frame, place in zip(self._frames, self._slices, strict=True):
            self._signal[place] += frame
        self._signal *= self._gain
        for frame, place in zip(self._frames, self._slices, strict=True):
            np.multiply(self._signal[place], self._window, out=frame)

    def _commit(self) -> FloatArray:
        """Closes the oldest frame."""
        hop, first = self.geometry.hop_length, self._first
        self._committed[self._slices[0]] += self._frames[0]
        samples = self._committed[first : first + hop] * self._commit_gain
        self._committed[:-hop] = self._committed[hop:]
        self._committed[-hop:] = 0
        return samples


def reconstruct(
    magnitude: FloatArray,
    geometry: Geometry,
    *,
    look_ahead: int = 6,
    iterations: int = 3,
    momentum: float = 0.5,
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
    tail = -(-stream.latency_samples // geometry.hop_length)
    frames = np.pad(magnitude.T, ((0, tail), (0, 0)))
    samples = np.concatenate([stream.push(frame) for frame in frames])
    return samples[stream.latency_samples :][: magnitude.shape[1] * geometry.hop_length]


def _check(geometry: Geometry, look_ahead: int, iterations: int, momentum: float) -> None:
    if 4 * geometry.hop_length > geometry.win_length:
        raise ValueError(
            f"hop_length is {geometry.hop_length}; at most a quarter of win_length"
            f" ({geometry.win_length // 4}) can be reconstructed"
        )
    if look_ahead < 0 or iterations < 1 or not 0.0 <= momentum < 1.0:
        raise ValueError(
            f"look_ahead {look_ahead}, iterations {iterations}, momentum {momentum}:"
            " at least 0, at least 1, and from 0 to below 1"
        )


def _starts(geometry: Geometry, n_frames: int) -> range:
    """First samples of frames that follow each other."""
    return range(0, n_frames * geometry.hop_length, geometry.hop_length)


def _gains(geometry: Geometry, n_open: int) -> tuple[FloatArray, FloatArray]:
    """1 / sum of the squared windows: over the open region, and of the hop being committed."""
    n_past = -(-geometry.n_fft // geometry.hop_length)
    before = n_past * geometry.hop_length
    total = np.zeros(before + geometry.n_fft + (n_open - 1) * geometry.hop_length)
    squared = np.square(window(geometry).astype(np.float64))
    for start in _starts(geometry, n_past + n_open):
        total[start : start + geometry.n_fft] += squared
    first = before + (geometry.n_fft - geometry.win_length) // 2
    gain = 1.0 / np.maximum(total, 1e-8)
    committed = gain[first : first + geometry.hop_length]
    return gain[before:].astype(np.float32), committed.astype(np.float32)
