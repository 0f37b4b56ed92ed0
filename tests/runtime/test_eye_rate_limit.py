"""The rate limit: cameras faster than the requested rate."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.eye.camera.rate_limit import SLACK, RateLimit

NS = 1_000_000_000


def kept(times_s: np.ndarray, images_per_s: float) -> np.ndarray:
    rate_limit = RateLimit(images_per_s)
    return np.array([t for t in times_s if rate_limit.accepts(round(t * NS))])


@pytest.mark.parametrize("camera", [5.0, 15.0, 25.0, 29.97, 30.0, 32.5])
def test_no_image_is_dropped_at_about_the_requested_rate(camera: float) -> None:
    times_s = 1000.0 + np.arange(3000) / camera
    late_s = np.random.default_rng(1).uniform(0, 0.4 / 30, len(times_s))
    assert len(kept(np.maximum.accumulate(times_s + late_s), 30.0)) == len(times_s)


@pytest.mark.parametrize(
    ("camera", "requested"), [(30, 15), (30, 20), (60, 30), (120, 10), (30, 1)]
)
def test_a_faster_camera_is_reduced_evenly_to_the_rate(camera: int, requested: int) -> None:
    times_s = 1000.0 + np.arange(60 * camera) / camera
    seen_s = kept(times_s, requested)
    assert requested <= len(seen_s) / 60 <= 1.02 * SLACK * requested
    between_s = np.diff(seen_s)
    assert between_s.min() >= 0.45 / requested
    assert between_s.max() <= 1 / requested + 1 / camera


def test_of_a_burst_after_a_pause_one_image_is_accepted_and_then_the_next_in_time() -> None:
    burst_s = 7.0 + np.arange(8) * 1e-3
    seen_s = kept(np.concatenate([[0.0, 0.1, 0.2], burst_s, [7.1, 7.2]]), 10.0)
    assert seen_s.tolist() == [0.0, 0.1, 0.2, 7.0, 7.1, 7.2]
