"""Tells monitors what is heard, and passes on what they ask.

Lives on the voice's telling thread. In: blocks that are played, and the performance's slots. Out:
columns, energies and reports on the link. Nobody calls: it sleeps. A monitor that hangs costs the
voice nothing: what it does not take is dropped.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from latent_resonance.audio.loudness import MOMENTARY_S, KWeighting, Window
from latent_resonance.audio.spectrogram import FloatArray, Geometry, mel_frequencies
from latent_resonance.audio.streaming_mel import StreamingMel
from latent_resonance.face_state import FeatureVector
from latent_resonance.link.server import Listener
from latent_resonance.link.telemetry import FLOOR_DB, Columns, Energies, Report
from latent_resonance.voice.remote_control import RemoteControl

IDLE_S = 0.25  # between two looks whether somebody calls
BEAT_S = 1 / 30  # between energies
HOPS = 2  # a column; at 48 kHz some 47 columns a second
COLUMNS = 4  # a message
BANDS = 256
RANGE_DB = 80.0
KEPT = 94  # blocks, about a second, if the machine is late


class Told(Protocol):
    """What a teller looks at: slots of the performance."""

    remote: RemoteControl
    features: FeatureVector
    report: Report | None
    latency_s: float

    @property
    def scene(self) -> str:
        """Of telemetry.SCENES."""

    @property
    def present(self) -> bool:
        """Whether a face is seen."""


class TelemetrySender:
    """One performance's link to whoever watches it.

    Attributes
    ----------
    loudness_lufs : momentary, of what is played, as far as somebody listens
    """

    def __init__(self, geometry: Geometry, listener: Listener, engine: Told) -> None:
        self.geometry = replace(geometry, n_mels=BANDS)
        self.listener, self.engine = listener, engine
        self.blocks: deque[FloatArray] = deque(maxlen=KEPT)
        self.spectrum = StreamingMel(self.geometry, RANGE_DB)
        self.ear, self.window = (
            KWeighting(geometry.sample_rate),
            Window(geometry.sample_rate, MOMENTARY_S),
        )
        self.columns: list[np.ndarray] = []
        self.sequence = self.beat = 0
        self.power, self.loudness_lufs = 0.0, FLOOR_DB
        self.reported: Report | None = None

    def offer(self, block: FloatArray) -> None:
        """A block that is played; never waits (synthesis thread)."""
        if self.listener.watched:
            self.blocks.append(block)

    def step(self) -> None:
        """A thirtieth of a second's work, or a quarter's sleep if nobody watches."""
        began_s = time.monotonic()
        self.listener.wait(BEAT_S if self.listener.watched else IDLE_S)
        if self.listener.answer():
            self.reported = None  # to be told at once
        for request in self.listener.asked():
            self.engine.remote.apply(request, time.monotonic())
        if not self.listener.watched:
            self.blocks.clear()
            return
        time.sleep(max(began_s + BEAT_S - time.monotonic(), 0.0))
        for message in self._news():
            self.listener.tell(message)

    def _news(self) -> Iterator[bytes]:
        while len(self.blocks) >= HOPS:
            self._hear(np.concatenate([self.blocks.popleft() for _ in range(HOPS)]))
            if len(self.columns) >= COLUMNS:
                yield self._columns().encode()
        yield self._energies().encode()
        report = self.engine.report
        if report is not None and report is not self.reported:
            self.reported = report
            yield report.encode()

    def _hear(self, samples: FloatArray) -> None:
        self.columns.append(self.spectrum.column(samples))
        self.power = float(np.mean(np.square(samples)))
        self.loudness_lufs = self.window.add(self.ear.energy(samples), len(samples))

    def _columns(self) -> Columns:
        levels, self.columns = np.stack(self.columns), []
        self.sequence += len(levels)
        first = (self.sequence - len(levels)) & 0xFFFFFFFF
        return Columns(first, time.monotonic_ns(), levels)

    def _energies(self) -> Energies:
        engine = self.engine
        self.beat = (self.beat + 1) & 0xFFFFFFFF
        return Energies(
            self.beat,
            time.monotonic_ns(),
            engine.scene,
            engine.present,
            max(10.0 * np.log10(self.power + 1e-12), FLOOR_DB),
            engine.latency_s,
            engine.features,
        )


def picture_hz(geometry: Geometry) -> tuple[float, ...]:
    """Centre of each band of the columns, Hz."""
    centres = mel_frequencies(replace(geometry, n_mels=BANDS))[1:-1]
    return tuple(round(float(hz), 1) for hz in centres)


def columns_per_s(geometry: Geometry) -> float:
    """At which columns are told."""
    return geometry.sample_rate / (geometry.hop_length * HOPS)
