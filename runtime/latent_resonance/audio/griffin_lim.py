"""Streaming Griffin-Lim phase reconstruction with a few frames of look-ahead.

Runs on the synthesis thread. In: the magnitudes of one frame per hop. Out: one hop of
samples, which no later frame changes.

The newest `look_ahead` + 1 frames are *open*. Each push opens one more; its phase is
initialised from the overlap of the frames already open. Then the open frames are projected
alternately onto the consistent spectra and onto the given magnitudes, with the momentum of
fast Griffin-Lim: all of them once, then only the newer half, where most of the error is.
Then the oldest frame is committed.

Where no frequency above a limit sounds, all of this happens at a lower sample rate, with the same
bins and at the same times: shorter FFTs, the same phases. Only the committed frame is computed at
the full rate.

For stereo the committed frame is overlap-added a second time, turned by 90 degrees: the two
channels are in quadrature (a Hilbert pair), so they have the same power spectrum, are uncorrelated
in every band, and sum to twice the power of each.

References
----------
Zhu, Beauregard & Wyse (2007), "Real-time signal estimation from modified short-time Fourier
transform magnitude spectra" (RTISI-LA). Perraudin, Balazs & Søndergaard (2013), "A fast
Griffin-Lim algorithm". docs/benchmarks.md compares the alternatives.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from latent_resonance.audio import fft
from latent_resonance.audio.spectrogram import ComplexArray, FloatArray, Geometry, window

LOOK_AHEAD = 7  # frames; with the newest they fill two batches
ITERATIONS = 7
MOMENTUM = 0.95
MAX_MAGNITUDE = 1e9  # a million times full scale: nothing computed from it overflows a float32
MIN_MAGNITUDE = np.float32(1e-30)  # added to avoid 0 / 0; far below audibility
MIN_WINDOW_POWER = 0.03  # floor of the summed squared windows in the initial phase estimate
OVERLAP_WEIGHT = np.float32(2.0)  # an overlap with half the given magnitude sets the phase alone
MIN_ATTACK_SHARE = np.float32(1e-3)  # of the attack in an initial phase: for sound after silence
ATTACK_PHASE_SPREAD_RAD = 0.5  # maximum deviation of an attack's phases from a click's
MIN_EDGE_POWER = 1e-8  # floor of the summed squared windows at the end of the newest frame
FFT_BATCH = 4  # rows that the FFT processes together; full batches are cheapest
WINDOW_BINS = 2  # by which the window widens a spectrum at its upper end


class StreamingGriffinLim:
    """Phase reconstruction whose committed samples are never revised.

    Parameters
    ----------
    look_ahead : open frames after the one being committed, 0 or more
    iterations : projections per hop, 1 or more: one of all open frames, then the newer half
    momentum : 0 (plain Griffin-Lim) to 1
    seed : of the initial phases of attacks
    quadrature : give a second channel, the first turned by 90 degrees
    drift_hz : shift all frequencies by so much: sounds of the same spectrogram that drift apart
        do not stay correlated
    highest_hz : magnitudes above it count as 0; a limit below half the sample rate saves time
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        look_ahead: int = LOOK_AHEAD,
        iterations: int = ITERATIONS,
        momentum: float = MOMENTUM,
        seed: int = 0,
        quadrature: bool = False,
        drift_hz: float = 0.0,
        highest_hz: float = math.inf,
    ) -> None:
        _check(geometry, look_ahead, iterations, momentum)
        self.geometry = geometry
        self._n_sounding = _n_bins_up_to(highest_hz, geometry)
        self._inner = inner = _inner_geometry(geometry, self._n_sounding)
        self._inner_scale = np.float32(inner.n_fft / geometry.n_fft)  # of magnitudes
        self.look_ahead = look_ahead
        self.iterations = iterations
        self._momentum_share = np.float32(momentum / (1.0 + momentum))
        self._first_newer = _first_of_newer_half(look_ahead + 1)
        self._window = window(inner)
        self._initial_gain, self._gain = _gains(inner, look_ahead + 1)
        self._commit_gain = _commit_gain(geometry)
        self._attack = _attack_phases(inner, seed)
        self._allocate(look_ahead + 1)
        self._quadrature = quadrature
        self._drift_per_hop = 2j * np.pi * drift_hz * geometry.hop_s
        self._n_committed = 0

    def _allocate(self, n_open: int) -> None:
        inner = self._inner
        self._magnitude = np.zeros((n_open, inner.n_bins), np.float32)
        self._norm = np.zeros((n_open, inner.n_bins), np.float32)
        self._spectrum = np.zeros((n_open, inner.n_bins), np.complex64)
        self._previous = np.zeros((n_open, inner.n_bins), np.complex64)  # times momentum's share
        self._frames = np.zeros((n_open, inner.n_fft), np.float32)  # windowed syntheses
        length = inner.n_fft + (n_open - 1) * inner.hop_length
        self._committed = np.zeros(length, np.float32)  # overlap-added, not yet normalised
        self._fixed_sum = np.zeros(length, np.float32)  # committed frames and the older half
        self._signal = np.zeros(length, np.float32)
        self._segments = sliding_window_view(self._signal, inner.n_fft)[:: inner.hop_length]
        self._final = np.zeros((2, self.geometry.n_fft), np.float32)  # committed, at the full rate
        self._final_spectrum = np.zeros((2, self.geometry.n_bins), np.complex64)

    @property
    def latency_samples(self) -> int:
        """From the first sample that a push returns to the centre of the frame pushed."""
        return self.geometry.win_length // 2 + self.look_ahead * self.geometry.hop_length

    def reset(self) -> None:
        """Return to silence; the same pushes then give the same bits."""
        for buffer in (self._magnitude, self._previous, self._frames, self._committed, self._final):
            buffer.fill(0)
        self._n_committed = 0

    @property
    def quadrature(self) -> bool:
        """Whether a push returns two channels; the second begins in silence."""
        return self._quadrature

    @quadrature.setter
    def quadrature(self, enabled: bool) -> None:
        if enabled is not self._quadrature:
            self._quadrature = enabled
            self._final[1] = 0

    def push(self, magnitude: FloatArray) -> FloatArray:
        """Add the next frame's magnitudes and return the samples that are now final.

        Parameters
        ----------
        magnitude : (n_bins,) linear, |rfft(windowed frame)|. Negative and non-finite values
            count as 0: a fault upstream becomes silence, never a bang.

        Returns
        -------
        (hop_length,) float32, or (2, hop_length) in quadrature; a new array.

        Raises
        ------
        ValueError
            The magnitude has another shape.
        """
        self._shift_in(magnitude)
        self._initialise_phase()
        self._project(0)
        np.copyto(self._fixed_sum, self._committed)
        self._add_frames(self._fixed_sum, 0, self._first_newer)
        for _ in range(self.iterations - 1):
            np.copyto(self._signal, self._fixed_sum)
            self._add_frames(self._signal, self._first_newer, len(self._frames))
            self._project(self._first_newer)
        return self._commit()

    def _shift_in(self, magnitude: FloatArray) -> None:
        """Shift the open frames by one and store the newest magnitudes."""
        if magnitude.shape != (shape := (self.geometry.n_bins,)):
            raise ValueError(f"magnitude has shape {magnitude.shape}; it must be {shape}")
        for buffer in (self._magnitude, self._previous, self._frames):
            buffer[:-1] = buffer[1:]
        self._previous[-1] = 0
        newest = self._magnitude[-1, : self._n_sounding]
        np.multiply(magnitude[: self._n_sounding], self._inner_scale, out=newest)
        newest[~np.isfinite(newest)] = 0.0
        np.clip(newest, 0.0, MAX_MAGNITUDE, out=newest)

    def _initialise_phase(self) -> None:
        """Initialise the newest frame's phase from the overlap, or as an attack where that is weak.

        The overlap is divided by the sum of the squared windows without the newest frame's;
        its last hop, which no earlier frame covers, is tapered. Leaves the sum of all
        frames, the newest with that phase, in the signal.
        """
        np.copyto(self._signal, self._committed)
        self._add_frames(self._signal, 0, self.look_ahead)
        np.multiply(self._segments[-1], self._initial_gain, out=self._frames[-1])
        spectrum = fft.rfft(self._frames[-1])
        magnitude = self._magnitude[-1]
        attack_magnitude = magnitude - OVERLAP_WEIGHT * np.abs(spectrum)
        spectrum += self._attack * np.maximum(attack_magnitude, MIN_ATTACK_SHARE * magnitude)
        self._spectrum[-1] = spectrum
        self._synthesise(self.look_ahead)
        self._add_frames(self._signal, self.look_ahead, len(self._frames))

    def _project(self, first: int) -> None:
        """One fast Griffin-Lim iteration of the open frames from `first` on."""
        self._analyse(first)
        self._synthesise(first)

    def _analyse(self, first: int) -> None:
        """Consistent spectra: of the sum of all frames, at each frame's position, with momentum.

        c + momentum * (c - previous), divided by 1 + momentum: only the phases count.
        """
        self._signal *= self._gain
        frames, previous = self._frames[first:], self._previous[first:]
        np.multiply(self._segments[first:], self._window, out=frames)
        consistent = fft.rfft(frames)
        np.subtract(consistent, previous, out=self._spectrum[first:])
        np.multiply(consistent, self._momentum_share, out=previous)

    def _synthesise(self, first: int) -> None:
        """Windowed frames from the spectra's phases and the given magnitudes."""
        spectrum, norm = self._spectrum[first:], self._norm[first:]
        np.abs(spectrum, out=norm)
        norm += MIN_MAGNITUDE
        np.divide(self._magnitude[first:], norm, out=norm)
        spectrum *= norm
        frames = fft.irfft(spectrum, self._inner.n_fft)
        np.multiply(frames, self._window, out=self._frames[first:])

    def _add_frames(self, signal: FloatArray, first: int, last: int) -> None:
        """Overlap-add the open frames `first` to `last` - 1."""
        for index in range(first, last):
            start = index * self._inner.hop_length
            signal[start : start + self._inner.n_fft] += self._frames[index]

    def _commit(self) -> FloatArray:
        """Commit the oldest open frame; return the hop that is complete."""
        hop = self._inner.hop_length
        self._committed[: self._inner.n_fft] += self._frames[0]
        self._committed[:-hop] = self._committed[hop:]
        self._committed[-hop:] = 0
        n_channels = 1 + self._quadrature
        samples = self._complete_hop(self._final[:n_channels], self._final_frames(n_channels))
        return samples if self._quadrature else samples[0]

    def _final_frames(self, n_channels: int) -> FloatArray:
        """The oldest open frame at the full rate, drifted and turned: (n_channels, n_fft)."""
        turn = np.exp(self._drift_per_hop * self._n_committed)
        self._n_committed += 1
        turns = np.array([turn, -1j * turn], np.complex64)[:n_channels, None] / self._inner_scale
        spectra = self._final_spectrum[:n_channels]
        n = self._n_sounding
        np.multiply(self._spectrum[0, :n], turns, out=spectra[:, :n])
        frames: FloatArray = fft.irfft(spectra, self.geometry.n_fft)
        frames *= window(self.geometry)
        return frames

    def _complete_hop(self, final: FloatArray, frames: FloatArray) -> FloatArray:
        """Add frames to the sums of each channel; return the hop that is complete."""
        hop, first = self.geometry.hop_length, _window_start(self.geometry)
        final += frames
        samples = final[:, first : first + hop] * self._commit_gain
        final[:, :-hop] = final[:, hop:]
        final[:, -hop:] = 0
        return samples


def griffin_lim(
    magnitude: FloatArray,
    geometry: Geometry,
    *,
    look_ahead: int = LOOK_AHEAD,
    iterations: int = ITERATIONS,
    momentum: float = MOMENTUM,
    seed: int = 0,
    highest_hz: float = math.inf,
) -> FloatArray:
    """Reconstruct the samples of a whole magnitude spectrogram.

    Gives the same bits as `StreamingGriffinLim`, with its latency removed; parameters as there.

    Parameters
    ----------
    magnitude : (n_bins, n_frames) linear, |rfft|; frame t is centred on sample t * hop_length

    Returns
    -------
    (n_frames * hop_length,) samples.

    Raises
    ------
    ValueError
        The magnitude's shape, the hop length or a parameter breaks a rule.
    """
    stream = StreamingGriffinLim(
        geometry,
        look_ahead=look_ahead,
        iterations=iterations,
        momentum=momentum,
        seed=seed,
        highest_hz=highest_hz,
    )
    n_flush = -(-stream.latency_samples // geometry.hop_length)
    frames = np.pad(magnitude.T, ((0, n_flush), (0, 0)))
    samples = np.concatenate([stream.push(frame) for frame in frames])
    length = magnitude.shape[1] * geometry.hop_length
    return samples[stream.latency_samples : stream.latency_samples + length]


def _check(geometry: Geometry, look_ahead: int, iterations: int, momentum: float) -> None:
    if 4 * geometry.hop_length > geometry.win_length:
        raise ValueError(
            f"hop_length is {geometry.hop_length}; it must be at most win_length / 4,"
            f" {geometry.win_length // 4}"
        )
    rules = (
        ("look_ahead", look_ahead, "0 or more", look_ahead >= 0),
        ("iterations", iterations, "1 or more", iterations >= 1),
        ("momentum", momentum, "from 0 to 1", 0.0 <= momentum <= 1.0),
    )
    for name, value, rule, valid in rules:
        if not valid:
            raise ValueError(f"{name} is {value}; it must be {rule}")


def _n_bins_up_to(highest_hz: float, geometry: Geometry) -> int:
    """Bins whose frequency is at most `highest_hz`, 1 or more."""
    highest_bin = max(highest_hz, 0.0) * geometry.n_fft / geometry.sample_rate
    return 1 + int(min(highest_bin, geometry.n_fft // 2))


def _inner_geometry(geometry: Geometry, n_sounding: int) -> Geometry:
    """The smallest with the same bins and hops that holds them and whose FFT is quick.

    Window and FFT keep even lengths, so that their centres are at the same times. The sample
    rate, which nothing here uses, is left as it is.
    """
    lengths = geometry.n_fft, geometry.win_length, 2 * geometry.hop_length
    unit = math.gcd(*lengths)
    for part in range(2, unit if unit % 2 == 0 else 0, 2):
        n_fft, win_length, two_hops = (length // unit * part for length in lengths)
        if n_fft // 2 > n_sounding + WINDOW_BINS and fft.next_fast_len(n_fft) == n_fft:
            return replace(geometry, n_fft=n_fft, win_length=win_length, hop_length=two_hops // 2)
    return geometry


def _first_of_newer_half(n_open: int) -> int:
    """Index of the first frame of the newer half, rounded to full batches if possible."""
    half = FFT_BATCH * max(1, round(n_open / (2 * FFT_BATCH)))
    return max(0, n_open - half)


def _window_start(geometry: Geometry) -> int:
    """First sample of the window within n_fft samples."""
    return (geometry.n_fft - geometry.win_length) // 2


def _attack_phases(geometry: Geometry, seed: int) -> ComplexArray:
    """Unit phasors (n_bins,) of a sound that begins in a frame: a blurred click near its end.

    An attack that no earlier frame contains must lie in the last hop, which none of them covers.
    """
    onset = _window_start(geometry) + geometry.win_length - geometry.hop_length
    angle = -2.0 * np.pi * np.arange(geometry.n_bins) * onset / geometry.n_fft
    angle += np.random.default_rng(seed).uniform(
        -ATTACK_PHASE_SPREAD_RAD, ATTACK_PHASE_SPREAD_RAD, geometry.n_bins
    )
    phasors: ComplexArray = np.exp(1j * angle).astype(np.complex64)
    return phasors


def _gains(geometry: Geometry, n_open: int) -> tuple[FloatArray, FloatArray]:
    """Reciprocals of the summed squared windows.

    Returns
    -------
    for the initial phase of the newest frame, including its window : (n_fft,)
    for the open region : (n_fft + (n_open - 1) * hop_length,)
    """
    hann, hop = window(geometry).astype(np.float64), geometry.hop_length
    n_before = -(-geometry.n_fft // hop)  # frames that overlap the oldest open one
    window_power = np.zeros((n_before + n_open - 1) * hop + geometry.n_fft)
    for start in range(0, (n_before + n_open) * hop, hop):
        window_power[start : start + geometry.n_fft] += np.square(hann)
    known_power = window_power[-geometry.n_fft :] - np.square(hann)
    initial_gain = (hann / np.maximum(known_power, MIN_WINDOW_POWER)).astype(np.float32)
    gain = (1.0 / np.maximum(window_power[n_before * hop :], MIN_EDGE_POWER)).astype(np.float32)
    return initial_gain, gain


def _commit_gain(geometry: Geometry) -> FloatArray:
    """The reciprocal for the hop that is being committed: (hop_length,)."""
    first = _window_start(geometry)
    return _gains(geometry, 1)[1][first : first + geometry.hop_length]
