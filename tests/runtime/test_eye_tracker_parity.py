"""The ONNX tracker agrees with MediaPipe: landmarks, features and presence.

Target: landmarks within 1 % of the distance between the eyes at the median and 3 % at the 95th
percentile, every feature within 0.05 of its range at the 95th percentile, for a head that moves as
a person at ease does. The full table is made by tests/bench/trackers.py.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from tests.support import faces, tracker_compare
from tests.support.clips import clip, needs_clips

from latent_resonance.eye.camera.clip import images_of_clip
from latent_resonance.face_state import FEATURES

MEDIAN, PERCENTILE_95 = 0.01, 0.03  # of the distance between the eyes
FEATURE_GAP = 0.05  # of the feature's range
# A face comes to rest a few images earlier or later, as the first landmarks differ by 0.5 %: seen
# are 0.17, five images.
STILLNESS_GAP = 0.21
# Seen are 0.08, 0.08 and 0.06 of the blurred face, 0.14 and 0.11 behind dark glasses: the neutral
# face follows stillness. While a nod drags MediaPipe's window, its smoothing sees less movement
# than there is: 0.12.
EXCEPTIONS = {
    "blurred": {"brow_tension": 0.11, "mouth_width": 0.11, "mouth_open": 0.09},
    "dark glasses": {"mouth_width": 0.17, "mouth_open": 0.14},
    "yes": {"eye_open": 0.15},
}
SETTLED = 10  # images, after which the region no longer depends on how the face was found

pytestmark = pytest.mark.skipif(
    find_spec("mediapipe") is None, reason="MediaPipe is not installed, there is nothing to compare"
)


def assert_agreement(film: str, result: tracker_compare.Agreement) -> None:
    assert len(result.distances) > 0
    assert np.median(result.distances[SETTLED:]) <= MEDIAN
    assert np.percentile(result.distances[SETTLED:], 95) <= PERCENTILE_95
    allowed = {"stillness": STILLNESS_GAP} | EXCEPTIONS.get(film, {})
    gaps = gaps_of(result).items()
    assert {name: gap for name, gap in gaps if gap > allowed.get(name, FEATURE_GAP)} == {}


def gaps_of(result: tracker_compare.Agreement) -> dict[str, float]:
    """The difference of each feature at the 95th percentile, as a share of its range."""
    gaps = np.percentile(result.features[SETTLED:], 95, axis=0)
    return dict(zip(FEATURES, gaps.tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("scene", tracker_compare.scenes())
def test_the_trackers_agree_on_a_scene_of_a_gallery(scene: str) -> None:
    film = tracker_compare.as_clip(faces.drifting(tracker_compare.scenes()[scene](), 48))
    result = tracker_compare.compare(film)
    assert result.present.all()
    assert_agreement(scene, result)


def test_two_different_clips_do_not_agree() -> None:
    """Shows that the thresholds of these tests can fail."""
    one, other = (
        tracker_compare.track_clip(tracker_compare.as_clip([picture] * 3), "light").faces[-1]
        for picture in (faces.photograph(), faces.mouth_opened(0.25))
    )
    assert one is not None
    assert other is not None
    assert np.percentile(tracker_compare.distances(one, other), 95) > PERCENTILE_95


@pytest.mark.slow
@needs_clips
@pytest.mark.parametrize("name", ["yes", "sorry", "again", "please"])
def test_the_trackers_agree_on_a_real_person(name: str) -> None:
    path = clip(f"face-{name}.mkv")
    result = tracker_compare.compare(list(images_of_clip(path)))
    assert result.present.mean() >= 0.99
    assert_agreement(name, result)
