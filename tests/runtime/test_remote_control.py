"""Requests from outside: which stay, and which end after a time limit."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.audio.loudness import db_to_amplitude
from latent_resonance.audio.reference_tone import FREQUENCY_HZ, LEVEL_DB, ReferenceTone
from latent_resonance.face_state import FEATURES, FaceState, neutral_features
from latent_resonance.link.requests import OVERRIDE_TIMEOUT_S, parse_request
from latent_resonance.voice.remote_control import RemoteControl

NS = 1_000_000_000
MOUTH, BROW = FEATURES.index("mouth_open"), FEATURES.index("brow_tension")
RATE, HOP = 48_000, 512


def applied(remote: RemoteControl, now_s: float, **content: object) -> RemoteControl:
    remote.apply(parse_request(content), now_s)
    return remote


def test_switches_and_volume_stay_until_they_are_set_again() -> None:
    remote = RemoteControl()
    applied(remote, 0.0, volume_db=-12)
    applied(remote, 0.0, muted=True)
    applied(remote, 0.0, pack="voices")
    assert (remote.volume_db, remote.muted, remote.pack) == (-12.0, True, "voices")
    applied(remote, 1.0, muted=False)
    assert not remote.muted


def test_overridden_features_replace_those_of_the_face_and_no_others() -> None:
    remote = applied(RemoteControl(), 10.0, override={"mouth_open": 0.75})
    state = FaceState(5, 10 * NS, True, np.full(16, 0.25, np.float32))
    played = remote.override(state, 10 * NS)
    assert played.features[MOUTH] == 0.75
    assert played.features[BROW] == 0.25
    assert state.features[MOUTH] == 0.25  # the state itself is unchanged


def test_overridden_features_count_as_a_face() -> None:
    remote = applied(RemoteControl(), 10.0, override={"brow_tension": 0.5})
    played = remote.override(None, 11 * NS)
    assert played.present
    assert played.time_ns == 11 * NS
    expected = neutral_features()
    expected[BROW] = 0.5
    assert (played.features == expected).all()


def test_an_override_ends_when_it_is_not_repeated() -> None:
    remote = applied(RemoteControl(), 10.0, override={"mouth_open": 0.75})
    state = FaceState(5, 10 * NS, True, neutral_features())
    assert remote.overridden(10.0 + 0.99 * OVERRIDE_TIMEOUT_S)
    assert remote.override(state, int((10.0 + OVERRIDE_TIMEOUT_S) * NS)) is state


def test_a_held_z_fits_its_pack_only_and_ends_by_itself() -> None:
    remote = applied(RemoteControl(), 0.0, z=[1.0, 2.0])
    assert remote.held_z(1.0, 2).tolist() == [1.0, 2.0]
    assert remote.held_z(1.0, 128) is None
    assert remote.held_z(OVERRIDE_TIMEOUT_S, 2) is None
    applied(remote, 1.0, z=None)
    assert remote.held_z(1.0, 2) is None


def test_muting_suppresses_the_test_tone() -> None:
    remote = applied(RemoteControl(), 0.0, tone=2.0)
    assert remote.tone_on(1.9)
    assert not remote.tone_on(2.0)
    assert not applied(remote, 0.5, muted=True).tone_on(1.0)


def tone_of(hops: int, *, until: int, gain_db: float = 0.0) -> np.ndarray:
    tone, silence = ReferenceTone(RATE, HOP), np.zeros(HOP, np.float32)
    return np.concatenate([tone.process(silence, gain_db, enabled=i < until) for i in range(hops)])


def test_the_test_tone_has_its_pitch_and_level_and_does_not_click() -> None:
    sound = tone_of(200, until=150)
    steady = sound[20 * HOP : 140 * HOP]
    spectrum = np.abs(np.fft.rfft(steady * np.hanning(len(steady))))
    assert np.argmax(spectrum) * RATE / len(steady) == pytest.approx(FREQUENCY_HZ, abs=1)
    assert np.sqrt(np.mean(steady**2)) == pytest.approx(db_to_amplitude(LEVEL_DB), rel=0.01)
    step = 2 * np.pi * FREQUENCY_HZ / RATE
    assert np.abs(np.diff(sound, 2)).max() < 1.2 * step**2 * np.abs(sound).max()
    assert not sound[165 * HOP :].any()


def test_the_test_tone_follows_the_volume() -> None:
    loud, soft = tone_of(60, until=60), tone_of(60, until=60, gain_db=-20.0)
    assert np.allclose(soft, loud * 0.1, atol=1e-6)


def test_without_a_test_tone_a_block_passes_unchanged() -> None:
    block = np.random.default_rng(0).standard_normal(HOP).astype(np.float32)
    assert ReferenceTone(RATE, HOP).process(block, 0.0, enabled=False) is block
