"""The agreement of two trackers on the same clips: distances, features and presence.

Distances are fractions of the distance between the outer corners of the eyes, features are
fractions of their range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from tests.support import faces

from latent_resonance.config.settings import Eye, TrackerName
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.features.extractor import FeatureExtractor
from latent_resonance.eye.tracking.select import open_tracker
from latent_resonance.eye.tracking.tracker import Face
from latent_resonance.face_state import FEATURE_RANGES, FEATURES, FaceState

FloatArray = NDArray[np.float64]
Clip = list[Image]

CORNERS = [33, 263]
LOW, HIGH = np.array([FEATURE_RANGES[name] for name in FEATURES]).T
STEEP = np.radians(40.0)
TILT = np.radians(30.0)


@dataclass(frozen=True)
class TrackerResult:
    """One tracker's results for a clip."""

    faces: list[Face | None]
    states: list[FaceState]


@dataclass(frozen=True)
class Agreement:
    """The differences between two trackers' results for one clip.

    Attributes
    ----------
    distances
        Shape (images, 478), of each landmark in the image's plane, where both found the face.
    features
        Shape (images, 16).
    present
        Shape (images,), whether both agree on presence.
    """

    distances: FloatArray
    features: FloatArray
    present: NDArray[np.bool_]


def track_clip(clip: Clip, tracker: TrackerName) -> TrackerResult:
    """The results of a new tracker for a clip."""
    settings = Eye(tracker=tracker)
    opened, extractor = open_tracker(faces.MODELS, settings), FeatureExtractor(settings)
    try:
        found = [opened.find(image) for image in clip]
    finally:
        opened.close()
    pairs = zip(found, clip, strict=True)
    return TrackerResult(found, [extractor.step(each, image.time_ns) for each, image in pairs])


def compare(clip: Clip, one: TrackerName = "mediapipe", other: TrackerName = "light") -> Agreement:
    """Both trackers on the same clip."""
    first, second = track_clip(clip, one), track_clip(clip, other)
    both = zip(first.states, second.states, strict=True)
    present = np.array([a.present == b.present for a, b in both])
    gaps = np.abs(features_of(first) - features_of(second)) / (HIGH - LOW)
    pairs = zip(first.faces, second.faces, strict=True)
    far = [distances(one, other) for one, other in pairs if one and other]
    return Agreement(np.array(far).reshape(-1, 478), gaps, present)


def features_of(result: TrackerResult) -> FloatArray:
    return np.array([state.features for state in result.states], np.float64)


def distances(one: Face, other: Face) -> FloatArray:
    """Of each landmark, shape (478,), in eye distances of the first face."""
    across = np.linalg.norm(np.diff(one.landmarks[CORNERS, :2], axis=0))
    return np.linalg.norm((one.landmarks - other.landmarks)[:, :2], axis=1) / across


def as_clip(pictures: list[faces.Pixels], rate: float = 30.0) -> Clip:
    return [Image(each, round(i / rate * faces.NS)) for i, each in enumerate(pictures)]


def scenes() -> dict[str, Callable[[], faces.Pixels]]:
    """Variations of the photograph as in a gallery, by name."""
    placed = partial(faces.placed, size=(faces.WIDTH, faces.HEIGHT))
    picture = faces.photograph
    return {
        "as it is": picture,
        "near": lambda: placed(picture(), 1.7, (0, 60)),
        "far": lambda: placed(picture(), 0.55, (0, 0)),
        "turned left by 40°": lambda: faces.turned(STEEP),
        "turned right by 40°": lambda: faces.turned(-STEEP),
        "tilted left by 30°": lambda: placed(picture(), 1.0, (0, 0), roll=-TILT),
        "tilted right by 30°": lambda: placed(picture(), 1.0, (0, 0), roll=TILT),
        "dim": lambda: (picture() * 0.12).astype(np.uint8),
        "blurred": lambda: cv2.GaussianBlur(picture(), (0, 0), 4.0),
        "two faces": two_faces,
        "dark glasses": dark_glasses,
        "half out": lambda: placed(picture(), 1.0, (-275, 0)),
        "mouth open": lambda: faces.mouth_opened(0.25),
        "brows down": lambda: faces.brows_moved(0.05, 0.1),
    }


def two_faces() -> faces.Pixels:
    """The photograph twice, side by side; the one at the left is nearer, and is followed."""
    both = faces.placed(faces.photograph(), 0.8, (-150, 0))
    right = faces.placed(faces.photograph(), 0.65, (170, 0))
    both[:, faces.WIDTH // 2 :] = right[:, faces.WIDTH // 2 :]
    return both


def dark_glasses() -> faces.Pixels:
    """Two dark discs over the eyes, and a bridge between them."""
    picture, points = faces.photograph().copy(), faces.points()[:, :2]
    eyes = [points[[33, 133]].mean(axis=0), points[[362, 263]].mean(axis=0)]
    radius = round(0.3 * faces.face_width())
    left, right = (tuple(map(int, eye)) for eye in eyes)
    cv2.line(picture, left, right, (25, 25, 28), 5)
    for eye in (left, right):
        cv2.circle(picture, eye, radius, (25, 25, 28), -1)
    return picture
