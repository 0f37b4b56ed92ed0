"""Features of faces with known movement, found by the real tracker.

The photograph smiles with an open mouth, so a resting measure is taken from it, not from a model.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import faces

from latent_resonance.eye.features.features import INSTANT, MOUTH, instant_features, spanned
from latent_resonance.eye.features.geometry import Measurements, measure

# What the tracker's own noise and its model of perspective may change an unchanged face by, in
# spans and before the dead zones; seen are 0.06, 0.07, 0.09, 0.05, 0.04 and 0.11.
SAME_FACE = {
    "mouth_open": 0.09,
    "mouth_width": 0.10,
    "jaw_open": 0.13,
    "brow_raise": 0.08,
    "brow_tension": 0.07,
    "eye_open": 0.15,
}


@cache
def at_rest() -> Measurements:
    return measured(faces.photograph())


def measured(image: faces.Pixels) -> Measurements:
    """The mean measures of a film of the image, once the tracker has settled on it."""
    film = [*[image] * 3, *faces.drifting(image)]
    seen = [measure(face) for (face,) in faces.track(film)[3:]]
    return Measurements(
        np.mean([each.expression for each in seen], axis=0),
        np.mean([each.angles for each in seen], axis=0),
        seen[-1].positions,
        seen[-1].unit,
    )


def features_of(image: faces.Pixels) -> dict[str, float]:
    """The features relative to the photograph's own neutral face."""
    return named(relative(measured(image)))


def relative(measurements: Measurements) -> NDArray[np.float64]:
    return instant_features(spanned(measurements), spanned(at_rest()), mouth_range=1.0)


def named(values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(INSTANT, values.tolist(), strict=True))


def changes_of(image: faces.Pixels) -> dict[str, float]:
    """What differs from the photograph's own neutral face, in spans and rad."""
    return named(spanned(measured(image)) - spanned(at_rest()))


def test_the_resting_face_has_resting_features() -> None:
    resting = named(relative(at_rest()))
    assert resting.pop("eye_open") >= 1.0
    assert max(map(abs, resting.values())) < 1e-9


@pytest.mark.parametrize("scale", [0.7, 1.4])
def test_a_face_that_comes_nearer_keeps_its_features(scale: float) -> None:
    assert_same_face(faces.placed(faces.photograph(), scale, (0, 0)))


@pytest.mark.parametrize("offset", [(180, 0), (-180, 80), (0, -40)])
def test_a_face_that_moves_aside_keeps_its_features(offset: tuple[float, float]) -> None:
    assert_same_face(faces.placed(faces.photograph(), 0.75, offset))


@pytest.mark.parametrize("roll", [-0.35, 0.35])
def test_a_head_that_tilts_keeps_its_features(roll: float) -> None:
    assert_same_face(faces.placed(faces.photograph(), 1, (0, 0), roll=roll))


@pytest.mark.parametrize(("yaw", "pitch"), [(-0.3, 0.0), (0.3, 0.0), (0.0, -0.2), (0.0, 0.2)])
def test_a_head_that_turns_or_nods_keeps_its_features(yaw: float, pitch: float) -> None:
    """A turned head is no frown, although its brows seem nearer to each other."""
    assert_same_face(faces.turned(yaw, pitch))


def assert_same_face(image: faces.Pixels) -> None:
    changes, features = changes_of(image), features_of(image)
    for name, tolerance in SAME_FACE.items():
        assert changes[name] == pytest.approx(0.0, abs=tolerance), name
    assert features["brow_raise"] == features["brow_tension"] == 0.0


@pytest.mark.slow
def test_the_wider_the_mouth_is_opened_the_more_it_is_open() -> None:
    opened = [features_of(faces.mouth_opened(by))["mouth_open"] for by in (0, 0.05, 0.1, 0.2, 0.3)]
    assert np.all(np.diff(opened) > 0.06)
    assert 0.7 < opened[-1] < 1.1  # wide open


def test_an_opened_mouth_drops_the_jaw_and_leaves_the_brows_alone() -> None:
    features = features_of(faces.mouth_opened(0.2))
    assert features["jaw_open"] > 0.4
    assert features["brow_raise"] == features["brow_tension"] == 0.0


def test_brows_drawn_down_and_together_are_tense() -> None:
    tension = [
        features_of(faces.brows_moved(down, together))["brow_tension"]
        for down, together in ((0, 0), (0.04, 0.06), (0.1, 0.15))
    ]
    assert np.all(np.diff(tension) > 0.05)
    assert tension[-1] > 0.5


def test_raised_brows_are_raised_and_not_tense() -> None:
    little, much = (features_of(faces.brows_moved(-by, 0)) for by in (0.04, 0.08))
    assert 0.2 < little["brow_raise"] < much["brow_raise"]
    assert much["brow_tension"] == 0.0
    assert much["mouth_open"] == pytest.approx(0, abs=0.1)


def test_lids_that_close_lower_eye_open_and_nothing_else() -> None:
    features = features_of(faces.lids_closed())
    assert features["eye_open"] < 0.55  # of the warped lids a gap remains
    assert features["brow_tension"] == features["brow_raise"] == 0.0
    assert features["mouth_open"] == pytest.approx(0, abs=0.05)


def test_a_visitor_who_opens_the_mouth_by_half_the_range_has_it_half_open() -> None:
    little, much = (spanned(measured(faces.mouth_opened(by))) for by in (0.1, 0.3))
    neutral = spanned(at_rest())
    own_range = float((little - neutral)[MOUTH])
    assert instant_features(little, neutral, own_range)[MOUTH] == pytest.approx(1.0)
    assert instant_features(much, neutral, 2 * own_range)[MOUTH] > 1.0
    assert instant_features(little, neutral, 2 * own_range)[MOUTH] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("roll", [-0.5, -0.2, 0.2, 0.5])
def test_roll_is_measured_within_four_degrees_and_to_the_visitors_left(roll: float) -> None:
    """A image turned clockwise tilts the head to the person's own left shoulder."""
    features = features_of(faces.placed(faces.photograph(), 1, (0, 0), roll=roll))
    assert features["head_roll"] == pytest.approx(roll, abs=np.radians(4))


@pytest.mark.parametrize("yaw", [-0.4, -0.2, 0.2, 0.4])
def test_yaw_is_positive_to_the_visitors_left(yaw: float) -> None:
    features = features_of(faces.turned(yaw))
    assert features["head_yaw"] == pytest.approx(yaw, rel=0.35)


@pytest.mark.parametrize("pitch", [-0.2, 0.2])
def test_pitch_is_positive_upwards(pitch: float) -> None:
    features = features_of(faces.turned(0.0, pitch))
    assert features["head_pitch"] == pytest.approx(pitch, rel=0.5)


def test_features_are_the_same_in_a_portrait_picture() -> None:
    portrait = faces.placed(faces.photograph(), 1.0, (-20, 0), size=(480, 640))
    assert_same_face(portrait)


def test_features_are_the_same_in_a_grey_picture() -> None:
    grey = faces.photograph().mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
    assert_same_face(grey)


def test_a_picture_without_a_face_or_of_one_pixel_has_none() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    pixel = np.zeros((1, 1, 3), np.uint8)
    assert faces.track([noise, pixel, noise]) == [[], [], []]
