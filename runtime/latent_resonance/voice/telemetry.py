"""Send what plays to the monitors, and apply their requests.

Runs on the voice's telemetry thread. In: the blocks that play, the generated columns, and the
shared state. Out: columns, energies and reports on the link. Sleeps while no monitor is connected.
A monitor that hangs costs the voice nothing: messages that it does not take are dropped.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from latent_resonance.audio.brightness import RANGE_DB, Levels
from latent_resonance.audio.generated_mel import GeneratedColumn, GeneratedMel
from latent_resonance.audio.loudness import MOMENTARY_S, KWeighting, LoudnessWindow
from latent_resonance.audio.spectrogram import FloatArray, Geometry, mel_frequencies
from latent_resonance.audio.streaming_mel import StreamingMel
from latent_resonance.link.requests import Request
from latent_resonance.link.server import MonitorServer
from latent_resonance.link.telemetry import FLOOR_DB, Columns, Energies, Report
from latent_resonance.voice.state import State

IDLE_S = 0.25  # between two checks for connections
INTERVAL_S = 1 / 30  # between two energies
HOPS_PER_COLUMN = 2  # at 48 kHz some 47 columns a second
COLUMNS_PER_MESSAGE = 4
BANDS = 256
MAX_BLOCKS = 94  # about a second, if the machine is late

Hop = tuple[FloatArray, GeneratedColumn]


class Picture:
    """Turns hops into columns of the sound and of what is generated."""

    def __init__(self, geometry: Geometry) -> None:
        bands = replace(geometry, n_mels=BANDS)
        self.sound = StreamingMel(bands, RANGE_DB)
        self.generated = GeneratedMel(bands, RANGE_DB)

    def column(self, hops: Sequence[Hop]) -> tuple[Levels, Levels]:
        """The levels after HOPS_PER_COLUMN more hops: two of (BANDS,)."""
        sound = self.sound.column(np.concatenate([block for block, _ in hops]))
        return sound, self.generated.column(generated for _, generated in hops)


class TelemetrySender:
    """The voice's end of the link to the monitors."""

    def __init__(
        self,
        geometry: Geometry,
        server: MonitorServer,
        state: State,
        apply: Callable[[Request], None],
    ) -> None:
        self.server, self.state, self.apply = server, state, apply
        self.hops: deque[Hop] = deque(maxlen=MAX_BLOCKS)
        self.picture = Picture(geometry)
        self.k_weighting = KWeighting(geometry.sample_rate)
        self.window = LoudnessWindow(geometry.sample_rate, MOMENTARY_S)
        self.columns: list[tuple[Levels, Levels]] = []  # of the sound, and generated
        self.n_columns = self.n_energies = 0
        self.power = 0.0  # of the last hops
        self.sent_report: Report | None = None

    def offer(self, block: FloatArray, generated: GeneratedColumn) -> None:
        """Queue a block that plays, and the newest column; never blocks (synthesis thread)."""
        if self.server.connected:
            self.hops.append((block, generated))

    def step(self) -> None:
        """Work for INTERVAL_S, or sleep for IDLE_S while no monitor is connected."""
        began_s = time.monotonic()
        self.server.rebind_if_removed()
        self.server.wait(INTERVAL_S if self.server.connected else IDLE_S)
        if self.server.accept():
            self.sent_report = None  # a new monitor gets the report at once
        for request in self.server.requests():
            self.apply(request)
        if not self.server.connected:
            self.hops.clear()
            return
        time.sleep(max(began_s + INTERVAL_S - time.monotonic(), 0.0))
        for message in self._messages():
            self.server.broadcast(message)

    def _messages(self) -> Iterator[bytes]:
        while len(self.hops) >= HOPS_PER_COLUMN:
            self._analyse([self.hops.popleft() for _ in range(HOPS_PER_COLUMN)])
            if len(self.columns) >= COLUMNS_PER_MESSAGE:
                yield self._columns().encode()
        yield self._energies().encode()
        report = self.state.report
        if report is not None and report is not self.sent_report:
            self.sent_report = report
            yield report.encode()

    def _analyse(self, hops: Sequence[Hop]) -> None:
        self.columns.append(self.picture.column(hops))
        samples = np.concatenate([block for block, _ in hops])
        self.power = float(np.mean(np.square(samples)))
        energy = self.k_weighting.energy(samples)
        self.state.loudness_lufs = self.window.add(energy, len(samples))

    def _columns(self) -> Columns:
        sound, generated = (np.stack(each) for each in zip(*self.columns, strict=True))
        first = self.n_columns & 0xFFFFFFFF
        self.n_columns += len(self.columns)
        self.columns = []
        return Columns(first, time.monotonic_ns(), sound, generated)

    def _energies(self) -> Energies:
        state = self.state
        self.n_energies = (self.n_energies + 1) & 0xFFFFFFFF
        return Energies(
            self.n_energies,
            time.monotonic_ns(),
            state.scene,
            state.presence.face_present,
            max(10.0 * np.log10(self.power + 1e-12), FLOOR_DB),
            state.latency_s,
            state.features,
        )


def band_frequencies_hz(geometry: Geometry) -> tuple[float, ...]:
    """Centre of each band of the columns, Hz."""
    centres = mel_frequencies(replace(geometry, n_mels=BANDS))[1:-1]
    return tuple(round(float(hz), 1) for hz in centres)


def columns_per_s(geometry: Geometry) -> float:
    """Columns per second of sound."""
    return geometry.sample_rate / (geometry.hop_length * HOPS_PER_COLUMN)
