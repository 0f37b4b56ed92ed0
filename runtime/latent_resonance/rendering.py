"""Render a clip or a score to a WAV, in one process on a virtual clock.

The stages are those of the performance. Eye and generator run slightly ahead, each on a thread of
its own, in a fixed order: faster than real time, and the same source and seed give the same bytes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latent_resonance.audio.channels import mix
from latent_resonance.audio.generated_mel import GeneratedColumn
from latent_resonance.audio.loudness import Fader
from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.audio.wav import WavFile
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FaceState, FeatureVector
from latent_resonance.gallery.state_glide import StateGlide
from latent_resonance.gallery.visit import NS, Presence
from latent_resonance.linux.atomic_file import atomic_path
from latent_resonance.score import attract_score, is_score, read_score
from latent_resonance.voice.generated import generated_column
from latent_resonance.voice.pack_loader import load_in_time
from latent_resonance.voice.synthesis.latent import Target
from latent_resonance.voice.synthesis.schedule import GenerationSchedule
from latent_resonance.voice.synthesis.spectrogram_generator import SpectrogramGenerator
from latent_resonance.voice.synthesis.synthesiser import Synthesiser

HOPS_AHEAD = 48  # by which movement and spectrograms may be ahead of the sound
FADE_S = 0.1  # at the end of a take


@dataclass(frozen=True)
class RenderReport:
    """Measurements of a rendering."""

    seconds: float
    visited: float  # share of the time with a visitor, 0..1
    peak_db: float
    rms_db: float
    times_real_time: float
    provider: str


class Movement(NamedTuple):
    """The input of one hop."""

    features: FeatureVector
    gain_db: float
    target: Target
    generate_s: float  # time step of a new spectrogram; 0 if none is due


class Source(NamedTuple):
    """What a hop of samples was rendered from."""

    features: FeatureVector
    generated: GeneratedColumn


class Take:
    """Plays a source of face states hop by hop, on a virtual clock."""

    def __init__(
        self, states: Iterator[FaceState], settings: Settings, seed: int, n_channels: int = 1
    ) -> None:
        pack, self.networks = load_in_time(settings.pack, settings.inference)
        self.geometry = pack.geometry
        self.generator = SpectrogramGenerator(pack, self.networks, settings, seed)
        self.synthesiser = Synthesiser(pack, settings, seed, n_channels)
        self.presence = Presence(attract_score(settings), settings.eye.absence_s, settings.attract)
        self.glide = StateGlide()
        self.fader = Fader(pack.geometry.sample_rate)
        self.states = states
        self.interval_s = 1.0 / settings.inference.spectrograms_per_s
        self.hops = self.visited_hops = 0

    def play(self, seconds: float | None) -> Iterator[tuple[FloatArray, Source]]:
        """(samples, source) of each hop; without `seconds`, until the states end."""
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
        """The input of each hop."""
        hop_s, schedule, generated_s = self.geometry.hop_s, GenerationSchedule(), -self.interval_s
        latest, upcoming = None, next(self.states, None)
        while seconds is None or self.hops * hop_s < seconds:
            now_s = self.hops * hop_s
            while upcoming is not None and upcoming.time_ns <= now_s * NS:
                latest, upcoming = upcoming, next(self.states, None)
            if seconds is None and upcoming is None:
                return
            now_ns = int(now_s * NS)
            features = self.presence.step(self.glide.step(latest, now_ns), now_ns)
            target = self.generator.target_of(features)
            is_due = schedule.due(target, now_s, self.interval_s)
            generate_s = now_s - generated_s if is_due else 0.0
            yield Movement(features, self.presence.gain_db, target, generate_s)
            generated_s = now_s if is_due else generated_s
            self.hops += 1
            self.visited_hops += self.presence.face_present

    def _sound(
        self, movement: Movement, spectrogram: Future[FloatArray] | None
    ) -> tuple[FloatArray, Source]:
        features = movement.features
        if spectrogram is not None:
            self.synthesiser.receive(spectrogram.result())
        samples = self.fader.process(self.synthesiser.hop(features), movement.gain_db)
        generated = generated_column(self.synthesiser, self.geometry, self.fader.gain)
        return samples, Source(features, generated)


def states_of(source: Path | None, settings: Settings) -> tuple[Iterator[FaceState], float | None]:
    """(states, duration in seconds if known) of a video, a score, or the bundled score."""
    if source is None or is_score(source):
        score = read_score(source) if source else attract_score(settings)
        return score.states(), score.duration_s
    from latent_resonance.eye.camera.clip import duration_of_clip_s
    from latent_resonance.eye.main import states_of_clip

    return run_ahead(states_of_clip(source, settings)), duration_of_clip_s(source)


def run_ahead(states: Iterator[FaceState], depth: int = 32) -> Iterator[FaceState]:
    """The same states, computed up to `depth` ahead on a thread of their own."""
    with ThreadPoolExecutor(1, "eye") as eye:
        pending = deque(eye.submit(next, states, None) for _ in range(depth))
        try:
            while (state := pending.popleft().result()) is not None:
                yield state
                pending.append(eye.submit(next, states, None))
        finally:
            eye.shutdown(cancel_futures=True)


def aligned(
    hops: Iterator[tuple[FloatArray, Source]], latency: int, hop_length: int
) -> Iterator[tuple[FloatArray, Source]]:
    """Drop the latency at the start, so that each hop has the source that it sounds like."""
    delayed = deque(source for _, source in islice(hops, latency // hop_length))
    for samples, source in hops:
        delayed.append(source)
        features, generated = delayed.popleft()
        yield samples, Source(features, generated._replace(gain=source.generated.gain))


def render(
    source: Path | None,
    output: Path,
    settings: Settings,
    *,
    plot: Path | None = None,
    seconds: float | None = None,
    seed: int = 0,
    channels: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> RenderReport:
    """Render a source to a WAV, and optionally to a plot of its spectrogram and features.

    Parameters
    ----------
    source : a video, a score (.csv), or None for the bundled score
    plot : PNG to write
    seconds : duration; by default the source's own
    channels : of the WAV, whatever the settings name for the speakers
    progress : called with the share done, 0..1

    Raises
    ------
    LatentResonanceError
        The source, the pack or an output cannot be used; no incomplete file is left.
    """
    began = time.monotonic()
    states, length_s = states_of(source, settings)
    length_s = seconds or length_s
    take = Take(states, settings, seed, channels)
    hop_s = take.geometry.hop_s
    level = LevelMeter()
    from latent_resonance.render_plot import RenderPlot

    figure = RenderPlot(take.geometry, settings.monitor.max_hz) if plot else None
    with atomic_path(output) as beside:
        file = WavFile(beside, take.geometry.sample_rate, channels)
        try:
            for i, (samples, origin) in enumerate(rendered_hops(take, length_s)):
                file.write(samples)
                level.add(samples)
                if figure:
                    figure.add(mix(samples), *origin)
                if length_s and i % 32 == 0:
                    progress(min(i * hop_s / length_s, 1.0))
        finally:
            file.close()
    if figure and plot:
        figure.write(plot)
    progress(1.0)
    played_s = level.count / take.geometry.sample_rate
    return RenderReport(
        seconds=played_s,
        visited=take.visited_hops / max(take.hops, 1),
        peak_db=level.peak_db,
        rms_db=level.rms_db,
        times_real_time=played_s / (time.monotonic() - began),
        provider=take.networks.provider,
    )


def render_samples(
    source: Path | None,
    settings: Settings,
    *,
    seconds: float | None = None,
    seed: int = 0,
    channels: int = 1,
) -> FloatArray:
    """Render a source to an array: the samples that `render` writes, before dithering.

    Parameters
    ----------
    source : a video, a score (.csv), or None for the bundled score
    seconds : duration; by default the source's own

    Returns
    -------
    (n,) float32 samples in -1..1, at the sample rate of the pack's geometry; (channels, n) if
    there are several channels.

    Raises
    ------
    LatentResonanceError
        The source or the pack cannot be used.
    """
    states, length_s = states_of(source, settings)
    hops = rendered_hops(Take(states, settings, seed, channels), seconds or length_s)
    start = np.zeros(0 if channels == 1 else (channels, 0), np.float32)
    return np.concatenate([start, *(samples for samples, _ in hops)], axis=-1)


def rendered_hops(take: Take, length_s: float | None) -> Iterator[tuple[FloatArray, Source]]:
    """(samples, source) of each hop: latency removed at the start, faded out at the end."""
    latency, hop_length = take.synthesiser.latency_samples, take.geometry.hop_length
    lead_s = latency // hop_length * take.geometry.hop_s
    hops = aligned(take.play(length_s and length_s + lead_s), latency, hop_length)
    return faded(hops, take.geometry.hop_s)


def faded(
    hops: Iterator[tuple[FloatArray, Source]], hop_s: float
) -> Iterator[tuple[FloatArray, Source]]:
    """Fade out the last FADE_S, whatever the duration turns out to be."""
    n = max(int(FADE_S / hop_s), 1)
    held: list[tuple[FloatArray, Source]] = []
    for hop in hops:
        held.append(hop)
        if len(held) > n:
            yield held.pop(0)
    total = sum(samples.shape[-1] for samples, _ in held)
    gain = np.linspace(1.0, 0.0, total, dtype=np.float32)
    done = 0
    for samples, source in held:
        n = samples.shape[-1]
        yield samples * gain[done : done + n], source
        done += n


class LevelMeter:
    """Peak of all samples added, and RMS of all channels together."""

    def __init__(self) -> None:
        self.count, self.peak, self.energy = 0, 0.0, 0.0

    def add(self, samples: FloatArray) -> None:
        """Add a block."""
        self.count += samples.shape[-1]
        self.peak = max(self.peak, float(np.abs(samples).max()))
        self.energy += float(np.square(samples, dtype=np.float64).sum())

    @property
    def peak_db(self) -> float:
        """Highest sample, dBFS."""
        return float(20.0 * np.log10(self.peak + 1e-9))

    @property
    def rms_db(self) -> float:
        """Root mean square, dBFS."""
        return float(10.0 * np.log10(self.energy / max(self.count, 1) + 1e-12))
