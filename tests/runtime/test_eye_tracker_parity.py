"""The light tracker sees what MediaPipe sees: landmarks, features and who is there.

Owed: landmarks within 1 % of the distance between the eyes at the median and 3 % at the 95th
percentile, every feature within 0.05 of its range at the 95th percentile. The whole table is made
by tests/bench/trackers.py.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tests.support import faces, tracker_compare

from latent_resonance.eye.camera.camera import images_of_clip
from latent_resonance.face_state import FEATURES

CLIPS = Path(__file__).parents[3] / "shared" / "assets"
MEDIAN, WORST_OF_20 = 0.01, 0.03  # of the distance between the eyes
FEATURE_GAP = 0.05  # of the feature's range

pytestmark = pytest.mark.skipif(
    find_spec("mediapipe") is None, reason="MediaPipe is not installed, there is nothing to compare"
)


def assert_alike(seen: tracker_compare.Likeness) -> None:
    assert len(seen.distances) > 0
    assert np.median(seen.distances) <= MEDIAN
    assert np.percentile(seen.distances, 95) <= WORST_OF_20
    gaps = dict(zip(FEATURES, np.percentile(seen.features, 95, axis=0).tolist(), strict=True))
    assert {name: gap for name, gap in gaps.items() if gap > FEATURE_GAP} == {}


@pytest.mark.parametrize("scene", tracker_compare.scenes())
def test_a_scene_of_a_gallery_is_seen_alike(scene: str) -> None:
    film = tracker_compare.film_of(faces.drifting(tracker_compare.scenes()[scene](), 12))
    seen = tracker_compare.compared(film)
    assert seen.present.all()
    assert_alike(seen)


def test_two_different_films_are_not_alike() -> None:
    """So that the tests here mean something."""
    one, other = (
        tracker_compare.watched(tracker_compare.film_of([picture] * 3), "light").faces[-1]
        for picture in (faces.photograph(), faces.mouth_opened(0.25))
    )
    (distances,) = tracker_compare.face_distances(one, other)
    assert np.percentile(distances, 95) > WORST_OF_20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yes", "sorry", "again", "please"])
def test_a_real_person_is_seen_alike(name: str) -> None:
    path = CLIPS / f"face-{name}.mkv"
    if not path.is_file():
        pytest.skip(f"no clip of a real person at hand: ../shared/assets/{path.name}")
    seen = tracker_compare.compared(list(images_of_clip(path)))
    assert seen.present.mean() >= 0.99
    assert_alike(seen)
