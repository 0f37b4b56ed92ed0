"""The glide between the states of a slow eye."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from latent_resonance.face_state import FEATURES, FaceState, neutral_features
from latent_resonance.gallery.state_glide import StateGlide

NS = 1_000_000_000
HOP_NS = round(NS * 512 / 48_000)
MOUTH = FEATURES.index("mouth_open")


def state_of(mouth_open: float, time_s: float, *, present: bool = True) -> FaceState:
    features = neutral_features()
    features[MOUTH] = mouth_open
    return FaceState(round(30 * time_s), round(time_s * NS), present, features)


def played(states: list[FaceState], seconds: float) -> Iterator[FaceState]:
    """The state to play at each hop, each state received at its own time."""
    glide = StateGlide()
    for now_ns in range(0, round(seconds * NS), HOP_NS):
        newest = max((s for s in states if s.time_ns <= now_ns), key=lambda s: s.time_ns)
        found = glide.step(newest, now_ns)
        assert found is not None
        yield found


def swinging(rate: float, seconds: float = 2.0) -> list[FaceState]:
    """A mouth that opens and closes once a second."""
    times = np.arange(0, seconds, 1 / rate)
    return [state_of((1 - np.cos(2 * np.pi * t)) / 2, t) for t in times.tolist()]


def mouth(states: list[FaceState]) -> np.ndarray:
    return np.array([s.features[MOUTH] for s in played(states, 2.0)])


@pytest.mark.parametrize("rate", [25.0, 30.0, 60.0])
def test_the_states_of_fast_images_pass_unchanged(rate: float) -> None:
    states = swinging(rate)
    assert all(found in states for found in played(states, 2.0))


def test_no_state_remains_none() -> None:
    assert StateGlide().step(None, 0) is None


def test_ten_images_a_second_step_no_more_than_thirty() -> None:
    slow, fast = mouth(swinging(10.0)), mouth(swinging(30.0))
    assert np.abs(np.diff(slow)).max() <= 1.25 * np.abs(np.diff(fast)).max()
    assert np.abs(np.diff(slow, 2)).std() < np.abs(np.diff(fast, 2)).std()


def test_a_glide_arrives_within_one_interval() -> None:
    found = list(played([state_of(0, 0), state_of(0, 0.1), state_of(1, 0.2)], 0.3))
    values = np.array([each.features[MOUTH] for each in found])
    assert (np.diff(values) >= 0).all()
    assert 0.98 < values[-1] <= 1.0
    assert found[-1].time_ns == 0.2 * NS
    assert found[-1].features.dtype == np.float32


def test_a_glide_does_not_depend_on_how_often_it_is_stepped() -> None:
    values = []
    for n in (1, 9):
        glide = StateGlide()
        for time_s in (0.0, 0.1):
            glide.step(state_of(0, time_s), round(time_s * NS))
        last = state_of(1, 0.2)
        glide.step(last, round(0.2 * NS))
        for i in range(1, n + 1):
            found = glide.step(last, round((0.2 + 0.03 * i / n) * NS))
        assert found is not None
        values.append(found.features[MOUTH])
    assert values[0] == pytest.approx(values[1], abs=1e-5)


@pytest.mark.parametrize(
    "states",
    [
        [state_of(0, 0), state_of(0, 0.1, present=False)],
        [state_of(0, 0), state_of(0, 0.1, present=False), state_of(1, 0.2)],
        [state_of(0, 0), state_of(1, 1.0)],
        [state_of(0, 1.0), state_of(1, 0.5)],
    ],
    ids=["lost", "found again", "after a gap", "of another clock"],
)
def test_only_states_that_follow_each_other_are_joined(states: list[FaceState]) -> None:
    glide = StateGlide()
    for i, state in enumerate(states):
        found = glide.step(state, i * NS // 10)
    assert found is states[-1]
