"""Which channel of the device plays what: source, gain, delay, and the subwoofer's crossover.

Runs on the synthesis thread; made on the main thread. In: blocks of the voice, after the fader.
Out: blocks with a channel for each of the device's. Loudness cap and limiter come once more, since
a sum of channels can be louder than each.

References
----------
Linkwitz (1976), "Active crossover networks for noncoincident drivers": two Butterworth filters of
second order in series; low-pass and high-pass are in phase, and their sum is flat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio import fft
from latent_resonance.audio.channels import spread, spread_gains, with_history
from latent_resonance.audio.fir import FirFilter
from latent_resonance.audio.loudness import LoudnessCap, db_to_amplitude
from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.config.output import MIX, NONE, SUB, Output, Route, voice_channels
from latent_resonance.voice.synthesis.limiter import Limiter

CROSSOVER_TAPS = 4096  # at 48 kHz and 40 Hz, all but -100 dB of the response


class Router:
    """Voice to device, for one device and one routing.

    Parameters
    ----------
    n_channels : of the device
    """

    def __init__(self, output: Output, n_channels: int, sample_rate: int) -> None:
        self.n_voice = voice_channels(output, n_channels)
        routes = routes_on(output, n_channels)
        self.gains = route_gains(routes, self.n_voice)
        if not routes:
            self.gains = spread_gains(self.n_voice, n_channels)
        self.crossover = crossover(routes, output.sub_crossover_hz, sample_rate)
        self.delays = Delays([round(route.delay_ms * sample_rate / 1000) for route in routes])
        self.cap = LoudnessCap(sample_rate)
        self.limiter = Limiter(output.ceiling_dbtp)

    def process(self, block: FloatArray) -> FloatArray:
        """(n,) or (n_voice, n) to (n_channels, n)."""
        channels: FloatArray = self.gains @ np.atleast_2d(spread(block, self.n_voice))
        if self.crossover is not None:
            channels = self.crossover.process(channels)
        return self.limiter.process(self.cap.process(self.delays.process(channels)))


class Delays:
    """A delay of its own for each channel, in samples."""

    def __init__(self, delays: list[int]) -> None:
        self.delays, self.longest = delays, max(delays, default=0)
        self.history = np.zeros((len(delays), self.longest), np.float32)

    def process(self, block: FloatArray) -> FloatArray:
        """Delay a block (n_channels, n)."""
        if self.longest == 0:
            return block
        n = block.shape[-1]
        sound = with_history(self.history, block)
        self.history = sound[:, n:]
        starts = [self.longest - delay for delay in self.delays]
        return np.stack([row[at : at + n] for row, at in zip(sound, starts, strict=True)])


def router_for(output: Output, n_channels: int, sample_rate: int) -> Router | None:
    """The router for a device; None if each channel of the voice has one or more of its own."""
    if not routes_on(output, n_channels) and voice_channels(output, n_channels) <= n_channels:
        return None
    return Router(output, n_channels, sample_rate)


def routes_on(output: Output, n_channels: int) -> tuple[Route, ...]:
    """The routing, silence on channels beyond it; empty if the device has too few channels."""
    missing = n_channels - len(output.routing)
    if not output.routing or missing < 0:
        return ()
    return output.routing + missing * (Route(plays=NONE),)


def shortage(output: Output, n_channels: int) -> str | None:
    """What the device lacks, in one sentence; None if it has the channels that are asked for."""
    has = f"the speaker has {n_channels} channel{'s' if n_channels > 1 else ''}"
    if n_channels < len(output.routing):
        named = f"output.routing names {len(output.routing)}"
        return f"{has}, {named}; playing everything on the channels that there are"
    if n_channels < (asked := voice_channels(output, n_channels)):
        return f"{has}, output.channels asks for {asked}; playing all of them there"
    return None


def route_gains(routes: tuple[Route, ...], n_voice: int) -> FloatArray:
    """Linear gains: (len(routes), n_voice).

    Channels that play the same share its power: together they are no louder than the voice, and
    neither are the subwoofers together.
    """
    gains = np.zeros((len(routes), n_voice), np.float32)
    for row, route in zip(gains, routes, strict=True):
        row[_sources(route, n_voice)] = db_to_amplitude(route.gain_db)
    is_sub = np.array([route.plays == SUB for route in routes], bool)
    for group in (is_sub, ~is_sub):
        power = float(np.square(gains[group]).sum())
        gains[group] *= np.sqrt(n_voice / max(power, n_voice))
    return gains


def _sources(route: Route, n_voice: int) -> slice:
    """The channels of the voice that a route plays."""
    if route.plays in (MIX, SUB):
        return slice(n_voice)
    if route.plays == NONE:
        return slice(0)
    source = int(route.plays)
    return slice(source - 1, source)


def crossover(routes: tuple[Route, ...], hz: float, sample_rate: int) -> FirFilter | None:
    """Low-pass of the subwoofers, high-pass of all others; None without a subwoofer."""
    is_sub = [route.plays == SUB for route in routes]
    if not any(is_sub):
        return None
    low, high = linkwitz_riley(hz, sample_rate, CROSSOVER_TAPS)
    return FirFilter(np.stack([low if sub else high for sub in is_sub]))


def linkwitz_riley(hz: float, sample_rate: int, taps: int) -> tuple[FloatArray, FloatArray]:
    """Impulse responses of low-pass and high-pass of fourth order: (taps,) each."""
    w = np.linspace(0.0, np.pi, taps + 1)[:-1]
    s = 1j * np.tan(w / 2) / np.tan(np.pi * hz / sample_rate)  # bilinear, 1j at the crossover
    low, high = 1 / (s * s + np.sqrt(2) * s + 1) ** 2, s**4 / (s * s + np.sqrt(2) * s + 1) ** 2
    return _impulse(np.append(low, 0.0), taps), _impulse(np.append(high, 1.0), taps)


def _impulse(response: NDArray[np.complex128], taps: int) -> FloatArray:
    truncated: FloatArray = fft.irfft(response)[:taps].astype(np.float32)
    return truncated
