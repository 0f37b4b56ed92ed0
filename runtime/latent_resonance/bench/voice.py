"""The voice, per hop: each stage of the real instrument, timed in place.

It plays the bundled score, so that controls glide, spectrograms change and glitches occur as with
a visitor. Times are wall-clock, since a hop can be late for any reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from latent_resonance.audio.mel_inversion import spectrogram_to_magnitude
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.bench.context import Context
from latent_resonance.bench.measurement import Measurement, percentiles
from latent_resonance.bench.phase import resynthesise
from latent_resonance.bench.timing import times_of
from latent_resonance.config.settings import Settings
from latent_resonance.score import attract_score
from latent_resonance.voice.synthesis.spectrogram_generator import SpectrogramGenerator
from latent_resonance.voice.synthesis.synthesiser import Synthesiser

# Stages of a synthesiser, or of its first pair of channels, and their methods, in signal order. A
# spectrogram is received about ten times a second, all others run once a hop; the last contains
# the five before it.
STAGES = (
    "controls.step",
    "loop.receive",
    "loop.column",
    "effects.step",
    "phase.push",
    "tone.leveller.process",
    "tone.band_pass.process",
    "tone.make_up.process",
    "tone.cap.process",
    "tone.limiter.process",
    "tone.process",
)
HOPS_PER_SPECTROGRAM = 9  # about ten spectrograms a second
WARM_UP = 100  # hops
TARGET_WINDOWS, TARGET_HOPS = 0.5, 8  # of algorithmic latency
Call = Callable[[], object]


class TimedCall:
    """Wraps a function and records the duration of each call."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call, self.elapsed_s = call, list[float]()

    def __call__(self, *inputs: Any) -> Any:  # noqa: ANN401  whatever the stage takes and gives
        """Call the function."""
        started_s = time.monotonic()
        result = self.call(*inputs)
        self.elapsed_s.append(time.monotonic() - started_s)
        return result


def measure(context: Context) -> Iterator[Measurement]:
    """Percentiles of each stage, a hop and a spectrogram; latency; real-time factor."""
    geometry = context.pack.geometry
    synthesiser = Synthesiser(context.pack, context.settings, seed=0)
    latency_ms = 1e3 * synthesiser.latency_samples / geometry.sample_rate
    play = hop_player(synthesiser, context)
    for _ in range(WARM_UP):
        play()
    stages = {stage: timed_stage(synthesiser, stage) for stage in STAGES}
    hop = times_of(play, context.long_s)
    for stage, timed in stages.items():
        yield from percentiles(f"voice.{stage}", 1e6 * np.array(timed.elapsed_s), "µs")
    yield from percentiles("voice.hop", 1e6 * hop.wall_s, "µs")
    yield from percentiles("voice.share_of_hop", 100 * hop.wall_s / geometry.hop_s, "%")
    generation = times_of(spectrogram_generation(context.settings, context), context.long_s)
    yield from percentiles("voice.spectrogram", 1e3 * generation.wall_s, "ms")
    yield Measurement("voice.latency", latency_ms, "ms", target=target_latency_ms(geometry))
    factor = _realtime_factor(context)
    yield Measurement("voice.render", factor, "× real")


def timed_stage(synthesiser: Synthesiser, name: str) -> TimedCall:
    """Replace the method of one of STAGES by a timed one."""
    path, _, method = name.rpartition(".")
    owner = synthesiser.pairs[0] if path in vars(synthesiser.pairs[0]) else synthesiser
    stage = attrgetter(path)(owner)
    timed = TimedCall(getattr(stage, method))
    setattr(stage, method, timed)
    return timed


def hop_player(synthesiser: Synthesiser, context: Context) -> Call:
    """A function that plays the next hop of the bundled score."""
    score, hop_s = attract_score(Settings()), context.pack.geometry.hop_s
    spectrograms, hops = context.spectrograms, 0

    def play() -> None:
        nonlocal hops
        if hops % HOPS_PER_SPECTROGRAM == 0:
            synthesiser.receive(spectrograms[hops // HOPS_PER_SPECTROGRAM % len(spectrograms)])
        synthesiser.hop(score.at_looped(hops * hop_s))
        hops += 1

    return play


def spectrogram_generation(settings: Settings, context: Context) -> Call:
    """A function that generates the next spectrogram of the bundled score."""
    score = attract_score(Settings())
    generator = SpectrogramGenerator(context.pack, context.networks, settings, seed=0)
    interval_s, count = 1.0 / settings.inference.spectrograms_per_s, 0

    def generate() -> None:
        nonlocal count
        generator.step(score.at_looped(count * interval_s), interval_s)
        count += 1

    return generate


def target_latency_ms(geometry: Geometry) -> float:
    """The latency target: half a window and some hops."""
    samples = TARGET_WINDOWS * geometry.win_length + TARGET_HOPS * geometry.hop_length
    return 1e3 * samples / geometry.sample_rate


def _realtime_factor(context: Context) -> float:
    """Duration of a whole spectrogram's sound over the processor time to synthesise it."""
    geometry, spectrogram = context.pack.geometry, context.spectrograms[0]
    phase = context.settings.phase
    times = times_of(
        lambda: resynthesise(spectrogram_to_magnitude(spectrogram, geometry), geometry, phase),
        context.short_s,
    )
    return geometry.loop_s / times.median_cpu_s
