"""Tables `silence` and `mel`: spectrograms as they are played, against what they say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from tests.bench.answering.bench import Bench
from tests.bench.answering.figures import Figure, at_most
from tests.bench.answering.measures import (
    SILENCE_DB,
    decibels,
    frame_levels_db,
    longest_run,
    spread,
    windows_lufs,
)
from tests.bench.answering.playing import (
    OPEN_FILTER,
    face_z,
    geometry_of,
    loop_sound,
    random_z,
    settings_of,
    spectrogram_of,
    still,
    take_sound,
)

from latent_resonance.audio.griffin_lim import griffin_lim
from latent_resonance.audio.mel_inversion import (
    amplitude_to_magnitude,
    mel_interpolation,
    spectrogram_to_magnitude,
)
from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    loop_to_spectrogram,
    pixels_to_amplitude,
    stft_circular,
)
from latent_resonance.score import attract_score
from latent_resonance.voice.synthesis.latent import Latent

N_RANDOM, N_FACES = 40, 20  # spectrograms of random z, and of faces of the score
LEAD_HOPS = 32  # until the phase reconstruction has settled
SETTLED_HOPS = 188  # two seconds
FAST = {"phase": {"iterations": 2}}  # which changes phases, not levels
TONES_HZ = {98.0: -29.5, 196.0: -26.0}  # pitch, and largest spectral convergence in dB
VALLEYS_HZ = (1000.0, 3000.0)
TONE_SLOPE = 1.5  # partial k has 1 / k^1.5 of the amplitude of the first, 9 dB less an octave
TONE_AMPLITUDE = 0.2
NOISE_AMPLITUDE = 0.02  # standard deviation: 28 to 14 dB below the partials from 1 to 3 kHz
EDGE = 16  # frames left out at either end: a tone that does not fit the loop has a seam
N_INVERTED = 12  # spectrograms
COMPARED_DB = 60.0  # below the loudest pixel
# The most of the difference that remains, against plain interpolation between mel bands.
REMAINING = {"cello": 3.22 / 3.76, "voices": 2.23 / 3.02}


# --- silence ----------------------------------------------------------------------------------


def silence_figures(bench: Bench) -> Iterator[Figure]:
    """The longest silence of loops and of the score, and the levels of the loops."""
    for pack in bench.packs:
        jobs = [(kind, i) for kind, n in (("z", N_RANDOM), ("face", N_FACES)) for i in range(n)]
        found = bench.each(f"silence: {pack}", partial(loop_silence, pack), jobs)
        silences_s, levels = np.array(found).T
        figure = partial(Figure, "silence", pack)
        for what, part in (
            ("random z", slice(N_RANDOM)),
            ("faces of the score", slice(N_RANDOM, None)),
        ):
            yield figure(what, "longest silence", "s", silences_s[part].max(), at_most(0.15))
            share = float(np.mean(silences_s[part] > 0.15))
            yield figure(what, "share with a silence above 0.15 s", "", share)
            yield figure(
                what,
                "level between z, before the loudness stage, p5 to p95",
                "dB",
                spread(levels[part]),
            )
        [silence_s] = bench.each(f"silence: {pack}, the score", score_silence_s, [pack])
        yield figure("the score", "longest silence", "s", silence_s, at_most(0.15))
        [loud] = bench.each(f"silence: {pack}, in turn", changing_loudness, [pack])
        yield figure(
            "random z, one after another", "loudness as played, p5 to p95", "LU", spread(loud)
        )


def loop_silence(pack: str, job: tuple[str, int]) -> tuple[float, float]:
    """(longest silence in s, level in dB) of one loop, with an open mouth."""
    kind, index = job
    z = random_z(pack, (2, index)) if kind == "z" else score_z(pack, index)
    geometry = geometry_of(pack)
    sound = loop_sound(
        pack,
        {0: spectrogram_of(pack, z)},
        LEAD_HOPS + geometry.n_frames,
        still({"mouth_open": 1.0}),
        OPEN_FILTER,
        FAST,
    )[LEAD_HOPS * geometry.hop_length :]
    levels_db = frame_levels_db(sound, geometry)
    silence_s = longest_run(levels_db < levels_db.max() - SILENCE_DB) * geometry.hop_s
    return silence_s, float(decibels(np.mean(10.0 ** (levels_db / 10.0))))


def score_z(pack: str, index: int) -> Latent:
    """The regressor's z of a face of the score, of N_FACES at equal distances."""
    score = attract_score(settings_of(pack))
    return face_z(pack, score.at(score.duration_s * (index + 0.5) / N_FACES)[1])


def score_silence_s(pack: str) -> float:
    """Longest silence of the score as a visitor, unfiltered, against the loudest frame around."""
    geometry, settings = geometry_of(pack), settings_of(pack)
    score = attract_score(settings)
    sound = take_sound(score.states(), pack, score.duration_s, OPEN_FILTER, FAST, loudness=False)
    levels_db = frame_levels_db(sound, geometry)
    around_db = maximum_filter1d(levels_db, geometry.n_frames)
    return longest_run(levels_db < around_db - SILENCE_DB) * geometry.hop_s


def changing_loudness(pack: str) -> NDArray[np.float64]:
    """Momentary LUFS as played while z changes every two seconds, with an open mouth."""
    geometry = geometry_of(pack)
    arrivals = {
        i * SETTLED_HOPS: spectrogram_of(pack, random_z(pack, (2, i))) for i in range(N_RANDOM)
    }
    sound = loop_sound(
        pack,
        arrivals,
        N_RANDOM * SETTLED_HOPS,
        still({"mouth_open": 1.0}),
        FAST,
        loudness=True,
    )
    return windows_lufs(sound[SETTLED_HOPS * geometry.hop_length :], geometry.sample_rate)[1]


# --- mel --------------------------------------------------------------------------------------


def mel_figures(bench: Bench) -> Iterator[Figure]:
    """What the way through mel bands costs: true tones, and the packs' own spectrograms."""
    for pack in bench.packs:
        for pitch_hz, due_db in TONES_HZ.items():
            yield from tone_figures(pack, pitch_hz, due_db)
        apart = bench.each(f"mel: {pack}", partial(played_apart_db, pack), range(N_INVERTED))
        inverted_db, interpolated_db = np.mean(apart, axis=0)
        figure = partial(Figure, "mel", pack, "played against generated")
        yield figure("mean absolute difference, interpolated", "dB", interpolated_db)
        yield figure("mean absolute difference", "dB", inverted_db)
        due = REMAINING.get(pack)
        share = inverted_db / interpolated_db
        yield figure(
            "share of the interpolated", "", share, at_most(round(due, 2)) if due else None
        )


def tone_figures(pack: str, pitch_hz: float, due_db: float) -> Iterator[Figure]:
    """A tone of steady partials, against what is left of it in mel bands."""
    geometry = geometry_of(pack)
    loop = tone(pitch_hz, geometry)
    given, found = through_mel(loop, geometry)
    figure = partial(Figure, "mel", pack, f"tone of {pitch_hz:g} Hz")
    error_db = level_apart_db(given, found - given)
    yield figure("spectral convergence", "dB", error_db, at_most(due_db))
    yield figure("level gained", "dB", level_apart_db(given, found))
    noisy, between = loop + bow_noise(geometry), valleys(pitch_hz, geometry)
    levels_db = [mean_db(magnitude[between]) for magnitude in through_mel(noisy, geometry)]
    yield figure("valleys of a tone in noise gained", "dB", levels_db[1] - levels_db[0])


def through_mel(loop: FloatArray, geometry: Geometry) -> tuple[FloatArray, FloatArray]:
    """Magnitudes (n_bins, n) of a loop, and what its mel spectrogram says they are."""
    given = np.abs(stft_circular(loop, geometry))
    found = spectrogram_to_magnitude(loop_to_spectrogram(loop, geometry), geometry)
    return given[:, EDGE:-EDGE], found[:, EDGE:-EDGE]


def tone(pitch_hz: float, geometry: Geometry) -> FloatArray:
    """Steady partials up to 12 kHz: (loop_length,)."""
    time_s = np.arange(geometry.loop_length) / geometry.sample_rate
    k = np.arange(1, int(12_000 / pitch_hz) + 1)
    partials = (np.sin(2 * np.pi * pitch_hz * n * time_s) / n**TONE_SLOPE for n in k)
    return np.asarray(TONE_AMPLITUDE * sum(partials), np.float32)


def bow_noise(geometry: Geometry) -> FloatArray:
    """White noise that fills the valleys between the partials of a tone: (loop_length,)."""
    draw = np.random.default_rng(0).standard_normal(geometry.loop_length, dtype=np.float32)
    return draw * np.float32(NOISE_AMPLITUDE)


def valleys(pitch_hz: float, geometry: Geometry) -> NDArray[np.int64]:
    """The bins half way between the partials from 1 to 3 kHz: (n,)."""
    low, high = (int(edge_hz / pitch_hz) for edge_hz in VALLEYS_HZ)
    middles_hz = (np.arange(low, high) + 0.5) * pitch_hz
    bins: NDArray[np.int64] = np.round(middles_hz * geometry.n_fft / geometry.sample_rate).astype(
        int
    )
    return bins


def level_apart_db(given: FloatArray, found: FloatArray) -> float:
    """10 log10 of the ratio of the summed squares."""
    power = [np.square(magnitude, dtype=np.float64).sum() for magnitude in (given, found)]
    return float(decibels(power[1] / power[0]))


def mean_db(magnitude: FloatArray) -> float:
    """Level of the mean power of bins."""
    return float(decibels(np.mean(np.square(magnitude, dtype=np.float64))))


def played_apart_db(pack: str, index: int) -> tuple[float, float]:
    """Mean absolute difference of a loop as played from the generated pixels.

    Returns
    -------
    through the voice's inversion, and through interpolation between the bands : dB
    """
    geometry = geometry_of(pack)
    spectrogram = spectrogram_of(pack, random_z(pack, (3, index)))
    amplitude = pixels_to_amplitude(spectrogram, geometry.range_db)
    interpolated = amplitude_to_magnitude(mel_interpolation(geometry) @ amplitude, geometry)
    inverted = spectrogram_to_magnitude(spectrogram, geometry)
    return (
        difference_db(spectrogram, inverted, geometry),
        difference_db(spectrogram, interpolated, geometry),
    )


def difference_db(spectrogram: FloatArray, magnitude: FloatArray, geometry: Geometry) -> float:
    """Of a spectrogram and of what its magnitudes sound like in the second pass of the loop.

    Over the pixels within 60 dB of the loudest: softer ones are masked.
    """
    sound = griffin_lim(np.tile(magnitude, 2), geometry)[geometry.loop_length :]
    apart_db = (loop_to_spectrogram(sound, geometry) - spectrogram) * geometry.range_db / 2.0
    counts = spectrogram > spectrogram.max() - 2.0 * COMPARED_DB / geometry.range_db
    return float(np.abs(apart_db[counts]).mean())
