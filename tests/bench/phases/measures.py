"""Quality and cost of a reconstruction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray, Geometry, stft_circular
from latent_resonance.bench.phase import EDGE, convergence_db

from .methods import Method
from .signals import Signal

FLOOR_DB = -80.0  # relative to the loudest bin; differences below it do not count


@dataclass(frozen=True)
class Row:
    """One method on one signal, once.

    Attributes
    ----------
    convergence_db : 20 log10(‖|STFT(y)| − M‖ / ‖M‖), Frobenius norms, lower is better: the
        error that Griffin & Lim (1984) minimise; "spectral convergence" in Sturmel & Daudet (2011)
    distance_db : log-spectral distance, the mean over frames of the root mean square over bins
        of the difference in decibels (Gray & Markel 1976)
    cpu_s : processor seconds of all threads for a second of sound
    latency_ms : None for a method that needs the whole sound
    """

    turn: int
    signal: str
    kind: str
    source: str
    curve: str
    setting: str
    convergence_db: float
    distance_db: float
    cpu_s: float
    latency_ms: float | None

    @property
    def method(self) -> str:
        """The curve and its setting."""
        return f"{self.curve} {self.setting}"


def measure(
    signals: Sequence[Signal],
    methods: Sequence[Method],
    geometry: Geometry,
    turns: int,
    log: Callable[[str], None],
) -> Iterator[Row]:
    """Every method on every signal in turn, so that other load on the machine affects all alike."""
    for turn in range(turns):
        for number, signal in enumerate(signals, 1):
            log(f"turn {turn + 1} of {turns}, {number} of {len(signals)}: {signal.name}")
            for method in methods:
                yield measure_once(turn, signal, method, geometry)


def warm_up(methods: Iterable[Method], geometry: Geometry) -> None:
    """One short run of each, so that FFT plans, tables and numba's compilation are not timed."""
    short = Geometry(
        n_fft=geometry.n_fft,
        win_length=geometry.win_length,
        hop_length=geometry.hop_length,
        n_frames=32,
    )
    loop = np.random.default_rng(0).normal(0.0, 0.1, short.loop_length).astype(np.float32)
    for method in methods:
        method.run(np.abs(stft_circular(loop, short)), short)


def measure_once(turn: int, signal: Signal, method: Method, geometry: Geometry) -> Row:
    """Run and measure one method on one signal."""
    begin = time.process_time()
    samples = method.run(signal.magnitude, geometry)
    cpu_s = (time.process_time() - begin) / geometry.loop_s
    return Row(
        turn,
        signal.name,
        signal.kind,
        signal.source,
        method.curve,
        method.setting,
        convergence_db(samples, signal.magnitude, geometry),
        distance_db(samples, signal.magnitude, geometry),
        cpu_s,
        method.latency_ms(geometry),
    )


def distance_db(samples: FloatArray, magnitude: FloatArray, geometry: Geometry) -> float:
    """Log-spectral distance of samples (loop_length,) from magnitudes, without the edges."""
    floor = magnitude.max() * 10.0 ** (FLOOR_DB / 20.0)
    found = np.abs(stft_circular(samples, geometry))
    difference = 20.0 * np.log10((found + floor) / (magnitude + floor))[:, EDGE:-EDGE]
    return float(np.sqrt(np.square(difference).mean(axis=0)).mean())
