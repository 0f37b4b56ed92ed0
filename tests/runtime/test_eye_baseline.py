"""The visitor's neutral face: learned from a second at rest, and from the most relaxed of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from latent_resonance.eye.features.baseline import (
    BETTER,
    DEFAULT,
    FRONTAL,
    GLIDE_S,
    MAX,
    MIN,
    Baseline,
    strain,
)
from latent_resonance.eye.features.features import EYES, HEAD, MOUTH, TENSION

YAW, PITCH, ROLL = range(HEAD.start, HEAD.start + 3)
NEUTRAL_S = 1.0
SETTLED_S = 10 * GLIDE_S

Spans = NDArray[np.float64]


def face(**changes: float) -> Spans:
    """An average face, changed in the quantities of these names, in spans and rad."""
    places = {"mouth": MOUTH, "tension": TENSION, "eyes": EYES}
    places |= {"yaw": YAW, "pitch": PITCH, "roll": ROLL}
    spans = DEFAULT.copy()
    for name, by in changes.items():
        spans[places[name]] += by
    return spans


def see(
    baseline: Baseline,
    spans: Spans,
    seconds: float,
    images_per_s: int = 30,
    *,
    at_rest: bool = True,
) -> Spans:
    """The baseline after some seconds with one face."""
    for _ in range(round(seconds * images_per_s)):
        baseline.step(spans, 1 / images_per_s, at_rest=at_rest)
    return baseline.values


OWN = face(mouth=0.05, tension=0.15, pitch=-0.1)


def test_at_first_the_baseline_is_an_average_face() -> None:
    baseline = Baseline(NEUTRAL_S)
    assert np.array_equal(see(baseline, OWN, 0.8 * NEUTRAL_S), DEFAULT)
    assert not baseline.learned


@pytest.mark.parametrize("images_per_s", [15, 30, 60])
def test_a_second_at_rest_gives_the_baseline_to_which_it_glides(images_per_s: int) -> None:
    baseline = Baseline(NEUTRAL_S)
    values = see(baseline, OWN, 1.1 * NEUTRAL_S, images_per_s)
    assert baseline.learned
    assert 0 < values[TENSION] - DEFAULT[TENSION] < 0.9 * 0.15  # no jump
    assert see(baseline, OWN, SETTLED_S, images_per_s) == pytest.approx(OWN, abs=1e-3)


def test_a_restless_face_is_not_learned() -> None:
    baseline = Baseline(NEUTRAL_S)
    assert np.array_equal(see(baseline, OWN, 20.0, at_rest=False), DEFAULT)
    assert not baseline.learned


@pytest.mark.parametrize(
    "turned", [{"yaw": 0.5}, {"yaw": -0.4}, {"pitch": 0.4}, {"pitch": -1.1 * FRONTAL}]
)
def test_a_turned_face_is_not_learned(turned: dict[str, float]) -> None:
    baseline = Baseline(NEUTRAL_S)
    assert np.array_equal(see(baseline, face(**turned), 20.0), DEFAULT)


def test_a_tilted_face_is_learned() -> None:
    baseline = Baseline(NEUTRAL_S)
    assert see(baseline, face(roll=0.3), NEUTRAL_S + SETTLED_S)[ROLL] == pytest.approx(
        0.3, abs=0.01
    )


def test_the_second_at_rest_may_be_in_pieces() -> None:
    baseline = Baseline(NEUTRAL_S)
    for _ in range(6):
        see(baseline, OWN, 0.2)
        see(baseline, face(mouth=1.0), 0.5, at_rest=False)
    assert baseline.learned
    assert see(baseline, OWN, SETTLED_S) == pytest.approx(OWN, abs=1e-3)


def test_a_more_relaxed_second_replaces_the_baseline() -> None:
    """A visitor who arrives with a frown, and looks neutral later."""
    baseline = Baseline(NEUTRAL_S)
    frown, relaxed = face(tension=0.3), face(tension=0.05)
    assert see(baseline, frown, 5.0) == pytest.approx(frown, abs=1e-3)
    assert see(baseline, relaxed, 5.0) == pytest.approx(relaxed, abs=1e-3)


@pytest.mark.parametrize("strained", [face(tension=0.9), face(mouth=0.5), face(yaw=0.3)])
def test_a_second_of_more_strain_changes_nothing(strained: Spans) -> None:
    baseline = Baseline(NEUTRAL_S)
    see(baseline, OWN, 5.0)
    assert see(baseline, strained, 20.0) == pytest.approx(OWN, abs=1e-3)


def test_a_slightly_more_relaxed_second_changes_nothing() -> None:
    baseline = Baseline(NEUTRAL_S)
    see(baseline, face(tension=0.3), 5.0)
    slightly = face(tension=0.3 - 0.9 * BETTER)
    assert see(baseline, slightly, 20.0)[TENSION] == pytest.approx(face(tension=0.3)[TENSION])


def test_a_baseline_has_limits() -> None:
    """Who gapes, grins or squints for the first second still moves every feature."""
    for extreme in (DEFAULT + 3.0, DEFAULT - 3.0):
        extreme[HEAD] = 0.3
        baseline = Baseline(NEUTRAL_S)
        values = see(baseline, extreme, NEUTRAL_S + SETTLED_S)
        assert np.all((values >= MIN - 1e-9) & (values <= MAX + 1e-9))
        assert values == pytest.approx(np.clip(extreme, MIN, MAX), abs=1e-3)


def test_the_average_face_is_within_the_limits() -> None:
    assert np.all((MIN < DEFAULT) & (DEFAULT < MAX))


def test_closed_lids_and_a_tilted_head_are_no_strain() -> None:
    assert strain(DEFAULT) == 0.0
    assert strain(face(eyes=-1.0, roll=0.5)) == 0.0
    assert strain(face(tension=-0.2)) == pytest.approx(strain(face(tension=0.2)))
    assert strain(face(mouth=0.3, yaw=-0.1)) == pytest.approx(0.4)


def test_another_visitor_has_their_own_baseline() -> None:
    baseline = Baseline(NEUTRAL_S)
    see(baseline, OWN, 5.0)
    baseline.reset()
    assert np.array_equal(baseline.values, DEFAULT)
    assert not baseline.learned
    frown = face(tension=0.3)
    assert see(baseline, frown, 5.0) == pytest.approx(frown, abs=1e-3)
