"""A clip or a score to a WAV, in one process on a virtual clock.

The same stages as in performance; the eye and the dreams go a little ahead, each on a thread
of its own and in the same order. Faster than real time, and the same source and seed give the
same bytes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latent_resonance.audio.loudness import Fader
from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.audio.wav import WavFile
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FaceState, FeatureVector
from latent_resonance.gallery.visit import NS, Presence
from latent_resonance.linux.atomic_file import atomic_path
from latent_resonance.pack import find_pack, open_pack
from latent_resonance.score import attract_score, is_score, read_score
from latent_resonance.voice.synthesis.instrument import SpectrogramGenerator, Synthesiser
from latent_resonance.voice.synthesis.latent import Target
from latent_resonance.voice.synthesis.networks import load_networks
from latent_resonance.voice.synthesis.schedule import GenerationSchedule

HOPS_AHEAD = 48  # by which movement and spectrograms may be ahead of the sound
FADE_S = 0.1  # at the end of a take


@dataclass(frozen=True)
class RenderReport:
    """What was rendered, in figures."""

    seconds: float
    visited: float  # share of the time in which a face played, 0..1
    peak_db: float
    rms_db: float
    times_real_time: float
    provider: str


class Movement(NamedTuple):
    """What one hop is to sound like."""

    features: FeatureVector
    gain_db: float
    target: Target
    generate_s: float  # by which z moves for a new spectrogram; 0 if none is due


class Take:
    """Hop by hop through a source of states on a virtual clock."""

    def __init__(self, states: Iterator[FaceState], settings: Settings, seed: int) -> None:
        pack = open_pack(find_pack(settings.pack))
        self.geometry = pack.geometry
        self.networks = load_networks(pack, settings.inference)
        self.generator = SpectrogramGenerator(pack, self.networks, settings, seed)
        self.synthesiser = Synthesiser(pack, settings, seed)
        self.presence = Presence(attract_score(settings), settings.eye.absence_s, settings.attract)
        self.fader = Fader(pack.geometry.sample_rate)
        self.states = states
        self.interval_s = 1.0 / settings.inference.spectrograms_per_s
        self.hops = self.visited_hops = 0

    def play(self, seconds: float | None) -> Iterator[tuple[FloatArray, FeatureVector]]:
        """(samples of one hop, features that made them); until the states end if no seconds."""
        pending: deque[tuple[Movement, Future[FloatArray] | None]] = deque()
        with ThreadPoolExecutor(1, "generate") as generate:
            for movement in self._movement(seconds):
                features, dt_s = movement.features, movement.generate_s
                spectrogram = (
                    generate.submit(self.generator.step, features, dt_s, movement.target)
                    if dt_s
                    else None
                )
                pending.append((movement, spectrogram))
                if len(pending) > HOPS_AHEAD:
                    yield self._sound(*pending.popleft())
            while pending:
                yield self._sound(*pending.popleft())

    def _movement(self, seconds: float | None) -> Iterator[Movement]:
        """What each hop is to sound like."""
        hop_s, schedule, generated_s = self.geometry.hop_s, GenerationSchedule(), -self.interval_s
        latest, coming = None, next(self.states, None)
        while seconds is None or self.hops * hop_s < seconds:
            now_s = self.hops * hop_s
            while coming is not None and coming.time_ns <= now_s * NS:
                latest, coming = coming, next(self.states, None)
            if seconds is None and coming is None:
                return
            features = self.presence.step(latest, int(now_s * NS))
            target = self.generator.target_of(features)
            is_due = schedule.due(target, now_s, self.interval_s)
            generate_s = now_s - generated_s if is_due else 0.0
            yield Movement(features, self.presence.gain_db, target, generate_s)
            generated_s = now_s if is_due else generated_s
            self.hops += 1
            self.visited_hops += self.presence.face_present

    def _sound(
        self, movement: Movement, spectrogram: Future[FloatArray] | None
    ) -> tuple[FloatArray, FeatureVector]:
        features = movement.features
        if spectrogram is not None:
            self.synthesiser.receive(spectrogram.result())
        return self.fader.process(self.synthesiser.hop(features), movement.gain_db), features


def states_of(source: Path | None, settings: Settings) -> tuple[Iterator[FaceState], float | None]:
    """(states, length in seconds if known) of a video, a score, or by default the bundled score."""
    if source is None or is_score(source):
        score = read_score(source) if source else attract_score(settings)
        return score.states(), score.duration_s
    from latent_resonance.eye.camera.camera import duration_of_clip_s
    from latent_resonance.eye.main import states_of_clip

    return ahead(states_of_clip(source, settings)), duration_of_clip_s(source)


def ahead(states: Iterator[FaceState], depth: int = 32) -> Iterator[FaceState]:
    """The same states, but seen on a thread of their own while the last ones sound."""
    with ThreadPoolExecutor(1, "eye") as eye:
        coming = deque(eye.submit(next, states, None) for _ in range(depth))
        try:
            while (state := coming.popleft().result()) is not None:
                yield state
                coming.append(eye.submit(next, states, None))
        finally:
            eye.shutdown(cancel_futures=True)


def aligned(
    hops: Iterator[tuple[FloatArray, FeatureVector]], latency: int, hop_length: int
) -> Iterator[tuple[FloatArray, FeatureVector]]:
    """Drops the latency from the beginning, so that sound and movement lie side by side."""
    skipped = latency // hop_length
    late = [features for _, features in (next(hops, (None, None)) for _ in range(skipped))]
    for samples, features in hops:
        late.append(features)
        yield samples, late.pop(0)


def render(
    source: Path | None,
    output: Path,
    settings: Settings,
    *,
    picture: Path | None = None,
    seconds: float | None = None,
    seed: int = 0,
    progress: Callable[[float], None] = lambda _: None,
) -> RenderReport:
    """Renders a source to a WAV, and to a picture of what was played.

    Parameters
    ----------
    source : a video, a score (.csv), or None for the bundled score
    seconds : length; by default the source's own
    progress : told the share done, 0..1

    Raises
    ------
    LatentResonanceError
        The source, the pack or an output cannot be used; nothing is left half written.
    """
    began = time.monotonic()
    states, length_s = states_of(source, settings)
    length_s = seconds or length_s
    take = Take(states, settings, seed)
    hop_s = take.geometry.hop_s
    loudness = Loudness()
    from latent_resonance.render_plot import TakePlot

    drawing = TakePlot(take.geometry) if picture else None
    latency = take.synthesiser.latency_samples
    lead_s = latency // take.geometry.hop_length * hop_s
    hops = aligned(take.play(length_s and length_s + lead_s), latency, take.geometry.hop_length)
    with atomic_path(output) as beside:
        file = WavFile(beside, take.geometry.sample_rate)
        try:
            for i, (samples, features) in enumerate(faded(hops, hop_s)):
                file.write(samples)
                loudness.add(samples)
                if drawing:
                    drawing.add(samples, features)
                if length_s and i % 32 == 0:
                    progress(min(i * hop_s / length_s, 1.0))
        finally:
            file.close()
    if drawing and picture:
        drawing.write(picture)
    progress(1.0)
    played_s = loudness.count / take.geometry.sample_rate
    return RenderReport(
        seconds=played_s,
        visited=take.visited_hops / max(take.hops, 1),
        peak_db=loudness.peak_db,
        rms_db=loudness.rms_db,
        times_real_time=played_s / (time.monotonic() - began),
        provider=take.networks.provider,
    )


def faded(
    hops: Iterator[tuple[FloatArray, FeatureVector]], hop_s: float
) -> Iterator[tuple[FloatArray, FeatureVector]]:
    """Fades out the last FADE_S, however long the take turns out to be."""
    n = max(int(FADE_S / hop_s), 1)
    held: list[tuple[FloatArray, FeatureVector]] = []
    for hop in hops:
        held.append(hop)
        if len(held) > n:
            yield held.pop(0)
    total = sum(len(samples) for samples, _ in held)
    gain = np.linspace(1.0, 0.0, total, dtype=np.float32)
    done = 0
    for samples, features in held:
        yield samples * gain[done : done + len(samples)], features
        done += len(samples)


class Loudness:
    """Peak and RMS of everything added."""

    def __init__(self) -> None:
        self.count, self.peak, self.energy = 0, 0.0, 0.0

    def add(self, samples: FloatArray) -> None:
        """Counts a block in."""
        self.count += len(samples)
        self.peak = max(self.peak, float(np.abs(samples).max()))
        self.energy += float(np.square(samples, dtype=np.float64).sum())

    @property
    def peak_db(self) -> float:
        """Highest sample, dBFS."""
        return 20.0 * np.log10(self.peak + 1e-9)

    @property
    def rms_db(self) -> float:
        """Root mean square, dBFS."""
        return 10.0 * np.log10(self.energy / max(self.count, 1) + 1e-12)
