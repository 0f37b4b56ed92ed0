"""The light tracker agrees with MediaPipe: landmarks, features and presence.

Target: landmarks within 1 % of the distance between the eyes at the median and 3 % at the 95th
percentile, every feature within 0.05 of its range at the 95th percentile. The full table is made
by tests/bench/trackers.py.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from tests.support import faces, tracker_compare
from tests.support.clips import clip, needs_clips

from latent_resonance.eye.camera.camera import images_of_clip
from latent_resonance.face_state import FEATURES

MEDIAN, PERCENTILE_95 = 0.01, 0.03  # of the distance between the eyes
FEATURE_GAP = 0.05  # of the feature's range

pytestmark = pytest.mark.skipif(
    find_spec("mediapipe") is None, reason="MediaPipe is not installed, there is nothing to compare"
)


def assert_agreement(result: tracker_compare.Agreement) -> None:
    assert len(result.distances) > 0
    assert np.median(result.distances) <= MEDIAN
    assert np.percentile(result.distances, 95) <= PERCENTILE_95
    gaps = dict(zip(FEATURES, np.percentile(result.features, 95, axis=0).tolist(), strict=True))
    assert {name: gap for name, gap in gaps.items() if gap > FEATURE_GAP} == {}


@pytest.mark.parametrize("scene", tracker_compare.scenes())
def test_the_trackers_agree_on_a_scene_of_a_gallery(scene: str) -> None:
    film = tracker_compare.as_clip(faces.drifting(tracker_compare.scenes()[scene](), 12))
    result = tracker_compare.compare(film)
    assert result.present.all()
    assert_agreement(result)


def test_two_different_clips_do_not_agree() -> None:
    """Shows that the thresholds of these tests can fail."""
    one, other = (
        tracker_compare.track_clip(tracker_compare.as_clip([picture] * 3), "light").faces[-1]
        for picture in (faces.photograph(), faces.mouth_opened(0.25))
    )
    (distances,) = tracker_compare.face_distances(one, other)
    assert np.percentile(distances, 95) > PERCENTILE_95


@needs_clips
@pytest.mark.parametrize("name", ["yes", "sorry", "again", "please"])
def test_the_trackers_agree_on_a_real_person(name: str) -> None:
    path = clip(f"face-{name}.mkv")
    result = tracker_compare.compare(list(images_of_clip(path)))
    assert result.present.mean() >= 0.99
    assert_agreement(result)
