"""Table `channels`: how far the channels of one sound differ, and what their sum loses."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tests.bench.answering.bench import Bench
from tests.bench.answering.figures import Figure, Target, at_most
from tests.bench.answering.measures import (
    EDGE_S,
    OCTAVES_HZ,
    channel_spread_db,
    correlations,
    mono_sum_db,
)
from tests.bench.answering.playing import (
    OPEN_FILTER,
    channels_sound,
    geometry_of,
    pack_of,
    random_z,
    settings_of,
    spectrogram_of,
)
from tests.support.audio_measures import face

from latent_resonance.voice.synthesis.synthesiser import Synthesiser

N_SPECTROGRAMS = 20
SECONDS = 5.0  # of which octaves are compared; levels over one loop
MANY = 8  # channels
# Of the correlations of any two channels: statistic, largest value of two, and of many.
CORRELATION_TARGETS = (("median", None, at_most(0.4)), ("most", at_most(0.1), at_most(0.7)))
WITHIN_DB = at_most(0.5)
TURNS, TURN_HOPS = 5, 300  # of timing


@dataclass(frozen=True)
class Spread:
    """The channels of one spectrogram.

    Attributes
    ----------
    correlation : |Pearson| of each octave and pair of channels: (6, n_pairs)
    level_db : from the softest to the loudest channel
    sum_db : the mono sum against the sum of the powers
    """

    correlation: NDArray[np.float64]
    level_db: float
    sum_db: float


def channel_figures(bench: Bench) -> Iterator[Figure]:
    """The figures of two channels and of eight."""
    for pack in bench.packs:
        for n_channels in (2, MANY):
            label = f"channels: {pack}, {n_channels}"
            job = partial(spread_of, pack, n_channels)
            yield from figures_of(pack, n_channels, bench.each(label, job, range(N_SPECTROGRAMS)))
        [ratio] = bench.each(f"channels: {pack}, time", stereo_cost, [pack])
        yield Figure(
            "channels", pack, "2 channels", "processor time over one channel's", "", ratio,
            at_most(1.1),
        )  # fmt: skip


def figures_of(pack: str, n_channels: int, spreads: Sequence[Spread]) -> Iterator[Figure]:
    """The rows of one number of channels, over all spectrograms."""
    figure = partial(Figure, "channels", pack, f"{n_channels} channels")
    correlation = np.array([spread.correlation for spread in spreads])  # (spectrograms, 6, pairs)
    for name, due_of_two, due_of_many in CORRELATION_TARGETS:
        value = float(np.median(correlation) if name == "median" else correlation.max())
        due: Target | None = due_of_two if n_channels == 2 else due_of_many
        yield figure(f"correlation in an octave, {name}", "", value, due)
    per_octave = correlation.max(axis=(0, 2))
    for centre_hz, most in zip(OCTAVES_HZ, per_octave, strict=True):
        yield figure(f"correlation at {centre_hz:g} Hz, most", "", float(most))
    level_db = max(spread.level_db for spread in spreads)
    yield figure("levels of the channels apart, most", "dB", level_db, WITHIN_DB)
    sum_db = max(abs(spread.sum_db) for spread in spreads)
    yield figure("mono sum from the sum of powers, most", "dB", sum_db, WITHIN_DB)


def spread_of(pack: str, n_channels: int, index: int) -> Spread:
    """Play a spectrogram with an open filter, before the loudness stage."""
    spectrogram = spectrogram_of(pack, random_z(pack, (6, index)))
    channels = channels_sound(pack, spectrogram, n_channels, SECONDS + 2 * EDGE_S, OPEN_FILTER)
    loop = channels[:, : geometry_of(pack).loop_length]
    return Spread(
        correlations(channels, geometry_of(pack).sample_rate),
        channel_spread_db(loop),
        mono_sum_db(loop),
    )


def stereo_cost(pack: str) -> float:
    """Processor time of two channels over that of one, in turns; the median ratio."""
    opened = pack_of(pack)[0]
    spectrogram = spectrogram_of(pack, random_z(pack, (6, 0)))
    voices = [Synthesiser(opened, settings_of(pack), seed=0, n_channels=n) for n in (1, 2)]
    for voice in voices:
        voice.receive(spectrogram)
    turns = [[turn_s(voice) for voice in voices] for _ in range(TURNS + 1)][
        1:
    ]  # the first warms up
    return float(np.median([two_s / one_s for one_s, two_s in turns]))


def turn_s(voice: Synthesiser) -> float:
    """Processor seconds of a few seconds of sound."""
    features, begin_s = face(mouth_open=0.5), time.process_time()
    for _ in range(TURN_HOPS):
        voice.hop(features)
    return time.process_time() - begin_s
