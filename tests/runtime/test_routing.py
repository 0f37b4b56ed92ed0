"""Which channel of the device plays what, how loud, how late, and with which frequencies."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from latent_resonance.audio.loudness import MAX_LUFS, MOMENTARY_S, KWeighting, LoudnessWindow
from latent_resonance.config.output import Output
from latent_resonance.voice.output.routing import (
    Router,
    linkwitz_riley,
    route_gains,
    router_for,
    routes_on,
)

RATE, HOP = 48_000, 512


def noise(n_channels: int, seconds: float = 1.0, level: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (level * rng.standard_normal((n_channels, int(seconds * RATE)))).astype(np.float32)


def routed(output: Output, sound: np.ndarray, n_channels: int) -> np.ndarray:
    """What a device plays, without the delay of the limiter."""
    router = Router(output, n_channels, RATE)
    blocks = [sound[..., i : i + HOP] for i in range(0, sound.shape[-1] - HOP, HOP)]
    return np.concatenate([router.process(b) for b in blocks], axis=-1)[:, router.limiter.delay :]


def output_of(*routes: dict[str, object], **settings: object) -> Output:
    return Output(routing=list(routes), **settings)


def test_each_channel_plays_its_source_at_its_gain() -> None:
    sound = noise(2)
    output = output_of({"plays": 2}, {"plays": "none"}, {"plays": 1, "gain_db": -6.0})
    out = routed(output, sound, 3)
    n = out.shape[-1]
    np.testing.assert_allclose(out[0], sound[1, :n], atol=1e-6)
    assert not out[1].any()
    np.testing.assert_allclose(out[2], sound[0, :n] * 10 ** (-6 / 20), atol=1e-6)


@pytest.mark.parametrize("delay_ms", [0.0, 1.0, 20.0, 500.0])
def test_a_delay_is_exact_to_a_sample(delay_ms: float) -> None:
    sound, delay = noise(1)[0], round(delay_ms * RATE / 1000)
    out = routed(output_of({"plays": 1}, {"plays": 1, "delay_ms": delay_ms}), sound, 2)
    assert np.array_equal(out[1, delay:], out[0, : out.shape[-1] - delay])
    assert not out[1, :delay].any()


def test_a_subwoofer_gets_the_mix_below_the_crossover_and_the_others_the_rest() -> None:
    output = output_of({"plays": 1}, {"plays": 2}, {"plays": "sub"}, sub_crossover_hz=100.0)
    out = routed(output, noise(2, 8.0), 3)
    hz, power = scipy.signal.welch(out, RATE, nperseg=8192)
    level_db = 10 * np.log10(power)
    low, high = (hz > 20) & (hz < 50), (hz > 200) & (hz < 2000)
    assert level_db[2, low].mean() - level_db[2, high].mean() > 60
    for main in level_db[:2]:
        assert main[high].mean() - main[low].mean() > 24


def test_low_pass_and_high_pass_add_up_to_a_flat_sum_and_cross_at_minus_six_decibels() -> None:
    low, high = (np.fft.rfft(each, 1 << 16) for each in linkwitz_riley(80.0, RATE, 4096))
    hz = np.fft.rfftfreq(1 << 16, 1 / RATE)
    audible = (hz > 20) & (hz < 20_000)
    np.testing.assert_allclose(20 * np.log10(np.abs(low + high)[audible]), 0.0, atol=0.05)
    at = np.argmin(np.abs(hz - 80.0))
    assert 20 * np.log10(np.abs(low[at])) == pytest.approx(-6.0, abs=0.1)
    assert 20 * np.log10(np.abs(high[at])) == pytest.approx(-6.0, abs=0.1)


@pytest.mark.parametrize(
    "plays", [(1, 2) * 4, ("mix",) * 8, (1,) * 4, ("mix", "sub", "sub", "mix")]
)
def test_channels_that_play_the_same_are_together_no_louder_than_the_voice(
    plays: tuple[object, ...],
) -> None:
    output = output_of(*({"plays": each} for each in plays), channels=2)
    gains = route_gains(output.routing, 2)
    subs = np.array([each == "sub" for each in plays])
    for group in (gains[subs], gains[~subs]):
        assert np.square(group).sum() <= 2 + 1e-5


def test_the_loudness_cap_and_the_ceiling_hold_for_the_sum_of_the_speakers() -> None:
    output = output_of(*({"plays": "mix"} for _ in range(4)), channels=2)
    out = routed(output, np.repeat(noise(1, 4.0, 0.6), 2, axis=0), 4)  # the worst: both alike
    meters, window = [KWeighting(RATE) for _ in out], LoudnessWindow(RATE, MOMENTARY_S)
    loudness = [
        window.add(sum(m.energy(row[i : i + HOP]) for m, row in zip(meters, out, strict=True)), HOP)
        for i in range(0, out.shape[-1] - HOP, HOP)
    ]
    assert max(loudness[40:]) <= MAX_LUFS
    assert np.abs(out).max() <= 10 ** (output.ceiling_dbtp / 20)


def test_without_a_routing_a_device_with_enough_channels_needs_no_router() -> None:
    for channels, n_channels in (("auto", 1), ("auto", 2), ("mono", 2), ("stereo", 2), (4, 8)):
        assert router_for(Output(channels=channels), n_channels, RATE) is None
    assert router_for(Output(channels=4), 2, RATE) is not None


def test_a_routing_leaves_further_channels_silent_and_is_not_used_where_there_are_fewer() -> None:
    output = output_of({"plays": 1}, {"plays": "mix"})
    assert [route.plays for route in routes_on(output, 4)] == [1, "mix", "none", "none"]
    assert routes_on(output, 1) == ()
