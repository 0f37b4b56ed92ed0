"""The voice, a hop: the real instrument is played, and each of its stages is timed in its place.

It plays the bundled score, so that curves glide, pictures melt and glitches come as they do for a
visitor. Times are by the clock, since a hop that is late is late for whatever reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.bench.context import Subject, magnitude_of
from latent_resonance.bench.measurement import Figure, percentiles
from latent_resonance.bench.phase import sounded
from latent_resonance.bench.timing import times_of
from latent_resonance.config.settings import Settings
from latent_resonance.score import attract_score
from latent_resonance.voice.synthesis.instrument import SpectrogramGenerator, Synthesiser

# Each stage of a synthesiser and what it does, in the signal's order. A picture is received about
# ten times a second, all else is done once a hop; the last is the sum of the four before it.
STAGES = (
    "controls.step",
    "loop.receive",
    "loop.column",
    "texture.step",
    "phase.push",
    "tone.leveller.process",
    "tone.band_pass.process",
    "tone.cap.process",
    "tone.limiter.process",
    "tone.process",
)
HOPS_A_DREAM = 9  # some ten pictures a second
WARM_UP = 100  # hops
OWED_WINDOWS, OWED_HOPS = 0.5, 8  # of algorithmic latency
OWED_TIMES = 10.0  # real time, of a whole picture
Play = Callable[[], object]


class Timed:
    """Does what it stands in for, and keeps how long that took."""

    def __init__(self, verb: Callable[..., Any]) -> None:
        self.verb, self.taken_s = verb, list[float]()

    def __call__(self, *inputs: Any) -> Any:  # noqa: ANN401  whatever the stage takes and gives
        """The same as `verb`."""
        began_s = time.monotonic()
        result = self.verb(*inputs)
        self.taken_s.append(time.monotonic() - began_s)
        return result


def figures(subject: Subject) -> Iterator[Figure]:
    """Percentiles of each stage, of the whole hop, of a dream; latency; a picture to sound."""
    geometry = subject.pack.geometry
    synthesiser = Synthesiser(subject.pack, subject.settings, seed=0)
    latency_ms = 1e3 * synthesiser.latency_samples / geometry.sample_rate
    play = playing(synthesiser, subject)
    for _ in range(WARM_UP):
        play()
    stages = {stage: timed_stage(synthesiser, stage) for stage in STAGES}
    hop = times_of(play, subject.long_s)
    for stage, timed in stages.items():
        yield from percentiles(f"voice.{stage}", 1e6 * np.array(timed.taken_s), "µs")
    yield from percentiles("voice.hop", 1e6 * hop.wall_s, "µs")
    yield from percentiles("voice.share_of_hop", 100 * hop.wall_s / geometry.hop_s, "%")
    generate = times_of(dreaming(subject.settings, subject), subject.long_s)
    yield from percentiles("voice.dream", 1e3 * generate.wall_s, "ms")
    yield Figure("voice.latency", latency_ms, "ms", owed=longest_latency_ms(geometry))
    yield Figure("voice.render", _times_real(subject), "× real", owed=OWED_TIMES, at_least=True)


def timed_stage(synthesiser: Synthesiser, name: str) -> Timed:
    """Times what one of STAGES does from now on."""
    place, _, verb = name.rpartition(".")
    stage = attrgetter(place)(synthesiser)
    timed = Timed(getattr(stage, verb))
    setattr(stage, verb, timed)
    return timed


def playing(synthesiser: Synthesiser, subject: Subject) -> Play:
    """Plays one hop more of the bundled score at each call."""
    score, hop_s = attract_score(Settings()), subject.pack.geometry.hop_s
    pictures, hops = subject.pictures, 0

    def play() -> None:
        nonlocal hops
        if hops % HOPS_A_DREAM == 0:
            synthesiser.receive(pictures[hops // HOPS_A_DREAM % len(pictures)])
        synthesiser.hop(score.around(hops * hop_s))
        hops += 1

    return play


def dreaming(settings: Settings, subject: Subject) -> Play:
    """Dreams one picture more of the bundled score at each call."""
    score = attract_score(Settings())
    generator = SpectrogramGenerator(subject.pack, subject.networks, settings, seed=0)
    dream_s, dreams = 1.0 / settings.inference.spectrograms_per_s, 0

    def generate() -> None:
        nonlocal dreams
        generator.step(score.around(dreams * dream_s), dream_s)
        dreams += 1

    return generate


def longest_latency_ms(geometry: Geometry) -> float:
    """What is owed: half a window and some hops."""
    samples = OWED_WINDOWS * geometry.win_length + OWED_HOPS * geometry.hop_length
    return 1e3 * samples / geometry.sample_rate


def _times_real(subject: Subject) -> float:
    """How much faster than it sounds a whole picture becomes sound, by processor time."""
    geometry, picture = subject.pack.geometry, subject.pictures[0]
    phase = subject.settings.phase
    times = times_of(
        lambda: sounded(magnitude_of(picture, geometry), geometry, phase),
        subject.short_s,
    )
    return geometry.loop_s / times.usual_cpu_s
