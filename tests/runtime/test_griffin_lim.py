"""Phase reconstruction: samples, silence, pitch, latency and memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray

from latent_resonance.audio.griffin_lim import StreamingGriffinLim, griffin_lim
from latent_resonance.audio.spectrogram import Geometry, stft_circular, window
from latent_resonance.voice.output.ring import Ring

Samples = NDArray[np.float32]
GEOMETRY = Geometry(n_frames=128)
SMALL = Geometry(n_fft=1024, win_length=1024, hop_length=128, n_frames=128)
UNEVEN = Geometry(n_fft=1024, win_length=1000, hop_length=150, n_frames=96)


def harmonic(geometry: Geometry, pitch_hz: float = 220.0, vibrato_hz: float = 4.0) -> Samples:
    """Thirty partials with vibrato, like a bowed string."""
    time_s = np.arange(geometry.loop_length) / geometry.sample_rate
    frequency_hz = pitch_hz + vibrato_hz * np.sin(2 * np.pi * 5.0 * time_s)
    phase = 2 * np.pi * np.cumsum(frequency_hz) / geometry.sample_rate
    return sum(0.1 / k * np.sin(k * phase) for k in range(1, 31)).astype(np.float32)


def magnitude_of(samples: Samples, geometry: Geometry) -> Samples:
    return np.abs(stft_circular(samples, geometry))


def sine_column(frequency_hz: float, level: float = 0.5) -> Samples:
    """Magnitudes (n_bins,) of one frame of a sinusoid."""
    n = np.arange(GEOMETRY.n_fft)
    sine = level * np.sin(2 * np.pi * frequency_hz * n / GEOMETRY.sample_rate)
    return np.abs(scipy.fft.rfft(sine.astype(np.float32) * window(GEOMETRY)))


def play(stream: StreamingGriffinLim, frames: Samples) -> Samples:
    """Push every frame of (n_frames, n_bins)."""
    return np.concatenate([stream.push(frame) for frame in frames])


def play_in_blocks(stream: StreamingGriffinLim, frames: Samples, size: int) -> Samples:
    """Through the ring in blocks of `size`, as a sound card reads; the remainder is dropped."""
    hop = stream.geometry.hop_length
    ring, blocks = Ring(hop + size), []
    for frame in frames:
        ring.push(stream.push(frame))
        while ring.capacity - ring.space >= size:
            blocks.append(np.empty(size, np.float32))
            assert ring.pull(blocks[-1]) == size
    return np.concatenate(blocks)


def convergence_db(samples: Samples, magnitude: Samples, geometry: Geometry) -> float:
    """Spectral convergence, twenty frames away from either end."""
    error = magnitude_of(samples, geometry) - magnitude
    ratio = np.linalg.norm(error[:, 20:-20]) / np.linalg.norm(magnitude[:, 20:-20])
    return float(20 * np.log10(ratio))


def loudest_hz(samples: Samples) -> float:
    """Frequency of the highest peak, interpolated between bins."""
    n_fft = 4 * len(samples)
    spectrum = np.log(np.abs(np.fft.rfft(samples * np.blackman(len(samples)), n_fft)) + 1e-12)
    peak = int(spectrum.argmax())
    left, top, right = spectrum[peak - 1 : peak + 2]
    offset = 0.5 * (left - right) / (left - 2 * top + right)
    return (peak + offset) * GEOMETRY.sample_rate / n_fft


def octaves(sound: Samples) -> list[Samples]:
    """The sound in octave bands of 125 Hz to 4 kHz, without phase shift: (..., n) each."""
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(sound.shape[-1], 1 / GEOMETRY.sample_rate)
    edges_hz = 125.0 / np.sqrt(2) * 2.0 ** np.arange(7)
    inside = [(low <= hz) & (hz < 2 * low) for low in edges_hz[:-1]]
    return [np.fft.irfft(spectrum * band, sound.shape[-1]) for band in inside]


def in_quadrature(frames: Samples) -> Samples:
    """Two channels (2, n) from (n_frames, n_bins)."""
    stream = StreamingGriffinLim(GEOMETRY, quadrature=True)
    return np.concatenate([stream.push(frame) for frame in frames], axis=1)


def test_the_first_channel_of_two_is_the_mono_sound() -> None:
    frames = magnitude_of(harmonic(GEOMETRY), GEOMETRY).T
    mono = play(StreamingGriffinLim(GEOMETRY), frames)
    assert np.array_equal(in_quadrature(frames)[0], mono)


def test_two_channels_in_quadrature_are_uncorrelated_and_equally_loud_in_every_octave() -> None:
    left_right = in_quadrature(magnitude_of(harmonic(GEOMETRY, 110.0), GEOMETRY).T)[:, 8192:]
    for band in octaves(left_right):
        assert abs(np.corrcoef(band)[0, 1]) < 0.01
        powers = np.square(band).mean(axis=1)
        assert 10 * np.log10(powers[1] / powers[0]) == pytest.approx(0.0, abs=0.1)
        mono = np.square(band.sum(axis=0)).mean()
        assert 10 * np.log10(mono / powers.sum()) == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("look_ahead", [0, 1, 7])
def test_a_sine_becomes_a_sine_and_its_cosine(look_ahead: int) -> None:
    stream = StreamingGriffinLim(GEOMETRY, look_ahead=look_ahead, quadrature=True)
    frame = sine_column(700.0)
    sine, cosine = np.concatenate([stream.push(frame) for _ in range(80)], axis=1)[:, 20_000:]
    envelope = np.hypot(sine, cosine)
    assert envelope.std() < 0.05 * envelope.mean()


@pytest.mark.slow
@pytest.mark.parametrize("drift_hz", [0.4, 1.2])
def test_a_drift_shifts_both_channels_in_frequency_and_keeps_their_level(drift_hz: float) -> None:
    frame, sounds = sine_column(700.0), []
    for stream in (
        StreamingGriffinLim(GEOMETRY, quadrature=True),
        StreamingGriffinLim(GEOMETRY, quadrature=True, drift_hz=drift_hz),
    ):
        sound = np.concatenate([stream.push(frame) for _ in range(300)], axis=1)
        sounds.append(sound[:, 20_000:])
    for plain, drifting in zip(*sounds, strict=True):
        assert loudest_hz(drifting) - loudest_hz(plain) == pytest.approx(drift_hz, abs=0.05)
        assert drifting.std() == pytest.approx(plain.std(), rel=0.02)


def test_a_second_channel_begins_in_silence_whenever_it_is_added() -> None:
    stream, frame = StreamingGriffinLim(GEOMETRY), sine_column(700.0)
    stream.quadrature = True
    first = stream.push(frame)
    for _ in range(30):
        stream.push(frame)
    stream.quadrature = False
    assert stream.push(frame).shape == (GEOMETRY.hop_length,)
    stream.quadrature = True
    again = stream.push(frame)
    assert np.abs(first[1]).max() < 1e-3
    assert np.abs(again[1]).max() < 0.1 * np.abs(again[0]).max()


@pytest.mark.parametrize("geometry", [GEOMETRY, SMALL, UNEVEN])
def test_streaming_gives_the_bits_of_the_offline_reconstruction(geometry: Geometry) -> None:
    magnitude = magnitude_of(harmonic(geometry), geometry)
    stream = StreamingGriffinLim(geometry)
    streamed = play(stream, magnitude.T)
    whole = griffin_lim(magnitude, geometry)
    latency = stream.latency_samples
    assert np.array_equal(streamed[latency:], whole[: len(streamed) - latency])
    assert np.abs(streamed[latency:]).max() > 0.05


@pytest.mark.parametrize("size", [1, 100, 128, 441, 700])
def test_blocks_of_any_size_equal_the_offline_reconstruction_also_after_reset(size: int) -> None:
    magnitude = magnitude_of(harmonic(SMALL), SMALL)
    whole, stream = griffin_lim(magnitude, SMALL), StreamingGriffinLim(SMALL)
    for _ in range(2):
        output = play_in_blocks(stream, magnitude.T, size)[stream.latency_samples :]
        assert len(output) > SMALL.loop_length - stream.latency_samples - size
        assert np.array_equal(output, whole[: len(output)])
        stream.reset()


def test_later_frames_change_no_sample_returned() -> None:
    magnitude = magnitude_of(harmonic(SMALL), SMALL).T
    other = magnitude.copy()
    other[60:] = np.random.default_rng(0).random(other[60:].shape)
    first, second = (play(StreamingGriffinLim(SMALL), frames) for frames in (magnitude, other))
    hop = SMALL.hop_length
    assert np.array_equal(first[: 60 * hop], second[: 60 * hop])
    assert not np.array_equal(first[60 * hop :], second[60 * hop :])


def test_after_reset_the_same_frames_give_the_same_bits() -> None:
    magnitude = magnitude_of(harmonic(SMALL), SMALL).T
    stream = StreamingGriffinLim(SMALL)
    first = play(stream, magnitude)
    stream.reset()
    assert np.array_equal(play(stream, magnitude), first)


def test_another_seed_gives_other_samples_of_the_same_quality() -> None:
    magnitude = magnitude_of(harmonic(SMALL), SMALL)
    outputs = [griffin_lim(magnitude, SMALL, seed=seed) for seed in (1, 2)]
    assert not np.array_equal(*outputs)
    convergences = [convergence_db(take, magnitude, SMALL) for take in outputs]
    assert abs(convergences[0] - convergences[1]) < 5.0


def test_silence_in_is_exact_silence_out() -> None:
    samples = play(StreamingGriffinLim(SMALL), np.zeros((32, SMALL.n_bins), np.float32))
    assert not samples.any()


def test_a_tone_after_silence_is_as_loud_as_one_from_the_start() -> None:
    tone = magnitude_of(harmonic(SMALL), SMALL).T
    stream = StreamingGriffinLim(SMALL)
    play(stream, np.zeros((50, SMALL.n_bins), np.float32))
    after_silence = play(stream, tone)[40 * SMALL.hop_length :]
    from_start = play(StreamingGriffinLim(SMALL), tone)[40 * SMALL.hop_length :]
    assert np.std(after_silence) == pytest.approx(np.std(from_start), rel=0.1)


def test_after_a_tone_ends_silence_is_exact_within_window_and_look_ahead() -> None:
    stream = StreamingGriffinLim(SMALL)
    play(stream, magnitude_of(harmonic(SMALL), SMALL).T)
    tail = play(stream, np.zeros((30, SMALL.n_bins), np.float32))
    n_ringing = SMALL.win_length + stream.look_ahead * SMALL.hop_length
    assert tail[:n_ringing].any()
    assert not tail[n_ringing:].any()


@pytest.mark.parametrize("level", [1e-38, 1e-20, 1e-6, 1e6, 1e20, 3e38])
def test_samples_are_finite_for_any_magnitude(level: float) -> None:
    frames = np.full((40, SMALL.n_bins), level, np.float32)
    frames[20:30] = 0.0
    assert np.isfinite(play(StreamingGriffinLim(SMALL), frames)).all()


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf, -1.0])
def test_an_invalid_magnitude_counts_as_silence(fault: float) -> None:
    good = magnitude_of(harmonic(SMALL), SMALL).T.copy()
    bad, silent = good.copy(), good.copy()
    bad[60, 5:40], silent[60, 5:40] = fault, 0.0
    output, expected = (play(StreamingGriffinLim(SMALL), frames) for frames in (bad, silent))
    assert np.array_equal(output, expected)


def test_a_frame_of_the_wrong_shape_is_rejected_and_changes_nothing() -> None:
    magnitude = magnitude_of(harmonic(SMALL), SMALL).T
    stream, untouched = StreamingGriffinLim(SMALL), StreamingGriffinLim(SMALL)
    play(stream, magnitude[:20])
    play(untouched, magnitude[:20])
    with pytest.raises(ValueError, match=r"\(512,\).*\(513,\)"):
        stream.push(np.zeros(512, np.float32))
    assert np.array_equal(stream.push(magnitude[20]), untouched.push(magnitude[20]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"look_ahead": -1}, "look_ahead is -1"),
        ({"iterations": 0}, "iterations is 0"),
        ({"momentum": 1.5}, r"momentum is 1\.5"),
    ],
)
def test_a_parameter_out_of_range_is_named(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StreamingGriffinLim(SMALL, **changes)


def test_a_hop_of_more_than_a_quarter_window_is_rejected() -> None:
    with pytest.raises(ValueError, match="hop_length is 512"):
        StreamingGriffinLim(Geometry(n_fft=1024, win_length=1024, hop_length=512))


@pytest.mark.parametrize("frequency_hz", [65.4, 220.0, 446.0, 3000.3, 10_000.0])
def test_a_held_sinusoid_keeps_its_frequency_and_its_level(frequency_hz: float) -> None:
    frames = np.tile(sine_column(frequency_hz), (120, 1))
    steady = play(StreamingGriffinLim(GEOMETRY), frames)[24 * GEOMETRY.hop_length :]
    assert loudest_hz(steady) == pytest.approx(frequency_hz, rel=1e-3)
    level_db = 20 * np.log10(np.std(steady) * np.sqrt(2) / 0.5)
    assert abs(level_db) < 0.5


@pytest.mark.parametrize("look_ahead", [0, 3, 6])
@pytest.mark.parametrize("geometry", [GEOMETRY, UNEVEN])
def test_an_impulse_arrives_after_the_stated_latency(geometry: Geometry, look_ahead: int) -> None:
    impulse = np.zeros(geometry.loop_length, np.float32)
    onset = 48 * geometry.hop_length
    impulse[onset] = 1.0
    stream = StreamingGriffinLim(geometry, look_ahead=look_ahead)
    output = play(stream, magnitude_of(impulse, geometry).T)
    stated = geometry.win_length // 2 + look_ahead * geometry.hop_length
    assert stream.latency_samples == stated
    assert abs(int(np.abs(output).argmax()) - onset - stated) <= geometry.hop_length // 2


def test_the_latency_of_the_defaults_is_within_half_a_window_and_eight_hops() -> None:
    geometry = Geometry()
    limit = geometry.win_length // 2 + 8 * geometry.hop_length
    assert StreamingGriffinLim(geometry).latency_samples <= limit


@pytest.mark.parametrize("geometry", [GEOMETRY, SMALL, UNEVEN])
def test_a_harmonic_sound_is_reconstructed_from_its_magnitudes(geometry: Geometry) -> None:
    magnitude = magnitude_of(harmonic(geometry), geometry)
    assert convergence_db(griffin_lim(magnitude, geometry), magnitude, geometry) <= -30.0


@pytest.mark.parametrize("geometry", [SMALL, UNEVEN, replace(UNEVEN, win_length=999)])
def test_a_limit_above_all_partials_changes_neither_quality_nor_latency(
    geometry: Geometry,
) -> None:
    magnitude = magnitude_of(harmonic(geometry), geometry)
    limited = griffin_lim(magnitude, geometry, highest_hz=9_000.0)
    change_db = convergence_db(limited, magnitude, geometry) - convergence_db(
        griffin_lim(magnitude, geometry), magnitude, geometry
    )
    assert change_db < 1.0


@pytest.mark.parametrize("highest_hz", [0.0, 3_000.0, 9_000.0])
def test_magnitudes_above_the_limit_do_not_sound(highest_hz: float) -> None:
    noise = np.ones((SMALL.n_bins, SMALL.n_frames), np.float32)
    power = np.square(magnitude_of(griffin_lim(noise, SMALL, highest_hz=highest_hz), SMALL))
    first_silent = int(highest_hz * SMALL.n_fft / SMALL.sample_rate) + 4
    assert power[first_silent:, 20:-20].sum() < 1e-5 * power[:, 20:-20].sum()


def test_each_part_of_the_method_improves_convergence() -> None:
    magnitude = magnitude_of(harmonic(GEOMETRY), GEOMETRY)

    def convergence(**settings: float) -> float:
        return convergence_db(griffin_lim(magnitude, GEOMETRY, **settings), magnitude, GEOMETRY)

    default = convergence()
    assert default < convergence(momentum=0.0) - 2.0
    assert default < convergence(iterations=2) - 2.0
    assert default < convergence(look_ahead=0) - 2.0


def test_a_morph_between_two_tones_has_no_click() -> None:
    low, high = sine_column(300.0), sine_column(710.0)
    share = np.clip((np.arange(120) - 50) / 14, 0.0, 1.0)[:, None]  # 150 ms, in decibels
    blend = np.exp((1 - share) * np.log(low + 1e-3) + share * np.log(high + 1e-3)) - 1e-3
    output = play(StreamingGriffinLim(GEOMETRY), blend.astype(np.float32))
    curvature = np.abs(np.diff(output[24 * GEOMETRY.hop_length :], 2)).max()
    of_the_higher_tone = 0.5 * (2 * np.pi * 710.0 / GEOMETRY.sample_rate) ** 2
    assert curvature < 2.0 * of_the_higher_tone


# Other threads of the process allocate too: only what these files have allocated counts.
OURS = [
    tracemalloc.Filter(True, name)
    for name in ("*/latent_resonance/audio/*", "*/scipy/*", "*/numpy/*")
]


def test_a_push_allocates_only_the_hop_it_returns() -> None:
    frames = magnitude_of(harmonic(GEOMETRY), GEOMETRY).T
    stream = StreamingGriffinLim(GEOMETRY)
    play(stream, frames[:20])
    tracemalloc.start()
    try:
        hops = [stream.push(frame) for frame in frames[20:]]
        kept = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(OURS).traces)
    finally:
        tracemalloc.stop()
    assert len(hops) * 4 * GEOMETRY.hop_length <= kept
    assert kept < len(hops) * (4 * GEOMETRY.hop_length + 256)


def test_the_hop_returned_is_a_new_array() -> None:
    frames = magnitude_of(harmonic(SMALL), SMALL).T
    stream, untouched = StreamingGriffinLim(SMALL), StreamingGriffinLim(SMALL)
    for frame in frames[:40]:
        stream.push(frame).fill(7.0)
        expected = untouched.push(frame)
    assert np.array_equal(stream.push(frames[40]), untouched.push(frames[40]))
    assert np.abs(expected).max() < 1.0
