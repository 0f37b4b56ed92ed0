"""Synthetic movement: trajectories of features like those of a visitor's face.

The regressor is trained on movement, not on labelled faces. Each feature is a smooth random
walk of gestures (Gaussian bumps of a plausible height, width and density), velocities are
the true derivatives, and motion and stillness are computed from them as in the eye.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from latent_resonance.face_state import FEATURE_RANGES, FEATURES

RATE_HZ = 30.0
# feature: (gestures a second, height, width in s from, to, signed)
GESTURES = {
    "mouth_open": (0.5, 0.9, 0.08, 0.7, False),
    "mouth_width": (0.25, 0.7, 0.2, 0.8, True),
    "brow_raise": (0.2, 0.9, 0.2, 0.7, False),
    "brow_tension": (0.15, 0.9, 0.3, 1.2, False),
    "head_yaw": (0.3, 0.6, 0.2, 0.9, True),
    "head_pitch": (0.2, 0.35, 0.2, 0.9, True),
    "head_roll": (0.15, 0.35, 0.3, 1.0, True),
}
FADE_S = 7.0  # from the edges of a pause, where its transitions are below the precision of a float
COMPOSED_S = 600.0  # of which faces are taken to measure and to share out anchors
MOVING = np.array(["velocity" in name or name == "motion" for name in FEATURES])
VELOCITIES = {
    "yaw_velocity": "head_yaw",
    "pitch_velocity": "head_pitch",
    "roll_velocity": "head_roll",
    "mouth_velocity": "mouth_open",
    "brow_velocity": "brow_raise",
}


def compose_movement(seconds: float, seed: int) -> NDArray[np.float32]:
    """Movement with pauses: (seconds * RATE_HZ, 16), in the features' order and units."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    active = _activity(time_s, rng)
    track = {name: _gestures(time_s, rng, *shape) * active for name, shape in GESTURES.items()}
    track["jaw_open"] = 0.9 * track["mouth_open"] + 0.05 * track["brow_raise"]
    track["eye_open"] = 1.0 - np.clip(_gestures(time_s, rng, 0.25, 1.2, 0.04, 0.1, False), 0, 1)
    for name, of in VELOCITIES.items():
        track[name] = np.gradient(track[of], 1 / RATE_HZ)
    track["motion"] = _motion(track)
    track["stillness"] = _stillness(track["motion"])
    features = np.stack([track[name] for name in FEATURES], axis=1)
    low, high = np.array([FEATURE_RANGES[name] for name in FEATURES]).T
    return np.clip(features, low, high).astype(np.float32)


def composed_faces(n: int, seed: int) -> NDArray[np.float32]:
    """Rows of COMPOSED_S of composed movement, evenly spaced: (n, 16)."""
    movement = compose_movement(COMPOSED_S, seed + 1)
    faces: NDArray[np.float32] = movement[
        np.linspace(0, len(movement), n, endpoint=False).astype(int)
    ]
    return faces


def held(faces: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same faces, but held still: (n, 16)."""
    still = np.where(MOVING, np.float32(0), faces)
    still[:, FEATURES.index("stillness")] = 1.0
    return still


def _gestures(
    time_s: NDArray[np.float64],
    rng: np.random.Generator,
    per_s: float,
    height: float,
    narrow_s: float,
    wide_s: float,
    signed: bool,
) -> NDArray[np.float64]:
    """Sum of Gaussian bumps at random times."""
    total = np.zeros_like(time_s)
    for _ in range(rng.poisson(per_s * time_s[-1])):
        centre, width = rng.uniform(0, time_s[-1]), rng.uniform(narrow_s, wide_s)
        peak = rng.uniform(0.3, 1.0) * height * (rng.choice((-1, 1)) if signed else 1)
        near = slice(*np.searchsorted(time_s, (centre - 4 * width, centre + 4 * width)))
        total[near] += peak * np.exp(-0.5 * ((time_s[near] - centre) / width) ** 2)
    return total


def _activity(time_s: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """1 while the visitor moves, 0 in pauses of some seconds, with smooth transitions."""
    active = np.ones_like(time_s)
    for start in np.arange(8.0, time_s[-1], 14.0):
        begin = start + rng.uniform(-3, 3)
        end = begin + rng.uniform(2, 5)
        near = slice(*np.searchsorted(time_s, (begin - FADE_S, end + FADE_S)))
        fading = expit((time_s[near] - begin) * 6) - expit((time_s[near] - end) * 6)
        active[near] *= 1 - fading
    return active


def _motion(track: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    turning = sum(np.abs(track[n]) for n in ("yaw_velocity", "pitch_velocity", "roll_velocity"))
    expression = np.abs(track["mouth_velocity"]) + np.abs(track["brow_velocity"])
    return 1.0 - np.exp(-0.8 * (turning + 0.5 * expression))


def _stillness(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    still, level = np.zeros_like(motion), 0.0
    for i, value in enumerate(motion):
        target, time_constant_s = (1.0, 0.45) if value < 0.06 else (0.0, 0.12)
        level += (target - level) * (1 - np.exp(-1 / RATE_HZ / time_constant_s))
        still[i] = level
    return still
