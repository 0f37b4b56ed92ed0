"""What is asked of a performance from outside: what stays, what ends by itself."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.audio.loudness import db_to_amplitude
from latent_resonance.audio.reference_tone import FREQUENCY_HZ, LEVEL_DB, ReferenceTone
from latent_resonance.face_state import FEATURES, FaceState, neutral_features
from latent_resonance.link.requests import OVERRIDE_TIMEOUT_S, request
from latent_resonance.voice.remote_control import RemoteControl

NS = 1_000_000_000
MOUTH, BROW = FEATURES.index("mouth_open"), FEATURES.index("brow_tension")
RATE, HOP = 48_000, 512


def asked(remote: RemoteControl, now_s: float, **wish: object) -> RemoteControl:
    remote.apply(request(wish), now_s)
    return remote


def test_what_a_person_sets_stays_until_it_is_set_again() -> None:
    remote = RemoteControl()
    asked(remote, 0.0, volume_db=-12)
    asked(remote, 0.0, muted=True)
    asked(remote, 0.0, pack="voices")
    assert (remote.volume_db, remote.muted, remote.pack) == (-12.0, True, "voices")
    asked(remote, 1.0, muted=False)
    assert not remote.muted


def test_features_that_are_somebodys_are_theirs_and_the_rest_is_the_faces() -> None:
    remote = asked(RemoteControl(), 10.0, override={"mouth_open": 0.75})
    seen = FaceState(5, 10 * NS, True, np.full(16, 0.25, np.float32))
    played = remote.steered(seen, 10 * NS)
    assert played.features[MOUTH] == 0.75
    assert played.features[BROW] == 0.25
    assert seen.features[MOUTH] == 0.25  # the state itself is left alone


def test_whoever_overrides_features_is_a_visitor_though_nobody_is_seen() -> None:
    remote = asked(RemoteControl(), 10.0, override={"brow_tension": 0.5})
    played = remote.steered(None, 11 * NS)
    assert played.present
    assert played.time_ns == 11 * NS
    expected = neutral_features()
    expected[BROW] = 0.5
    assert (played.features == expected).all()


def test_an_override_ends_by_itself_when_nobody_says_it_again() -> None:
    remote = asked(RemoteControl(), 10.0, override={"mouth_open": 0.75})
    seen = FaceState(5, 10 * NS, True, neutral_features())
    assert remote.overridden(10.0 + 0.99 * OVERRIDE_TIMEOUT_S)
    assert remote.steered(seen, int((10.0 + OVERRIDE_TIMEOUT_S) * NS)) is seen


def test_z_is_held_for_the_pack_it_was_meant_for_and_ends_by_itself() -> None:
    remote = asked(RemoteControl(), 0.0, z=[1.0, 2.0])
    assert remote.z(1.0, 2).tolist() == [1.0, 2.0]
    assert remote.z(1.0, 128) is None
    assert remote.z(OVERRIDE_TIMEOUT_S, 2) is None
    asked(remote, 1.0, z=None)
    assert remote.z(1.0, 2) is None


def test_being_muted_is_stronger_than_a_test_tone() -> None:
    remote = asked(RemoteControl(), 0.0, tone=2.0)
    assert remote.sounding(1.9)
    assert not remote.sounding(2.0)
    assert not asked(remote, 0.5, muted=True).sounding(1.0)


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


def test_the_test_tone_is_as_much_quieter_as_the_volume_says() -> None:
    loud, soft = tone_of(60, until=60), tone_of(60, until=60, gain_db=-20.0)
    assert np.allclose(soft, loud * 0.1, atol=1e-6)


def test_without_a_test_tone_a_block_is_handed_on_untouched() -> None:
    block = np.random.default_rng(0).standard_normal(HOP).astype(np.float32)
    assert ReferenceTone(RATE, HOP).process(block, 0.0, enabled=False) is block
