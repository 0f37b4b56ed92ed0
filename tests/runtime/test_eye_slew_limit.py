"""What leaps behind a hand is slowed; what a mouth does is not."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.eye.features.features import INSTANT, MOUTH, TENSION
from latent_resonance.eye.features.slew_limit import MAX_RATE, SlewLimit

DT_S = 1 / 30


def test_brows_that_leap_arrive_no_faster_than_muscles_move_them() -> None:
    limit, leapt = SlewLimit(), np.ones(len(INSTANT))
    limit.step(np.zeros(len(INSTANT)), DT_S)
    passed = np.array([limit.step(leapt, DT_S)[TENSION] for _ in range(30)])
    assert np.diff(passed).max() <= MAX_RATE[TENSION] * DT_S + 1e-9
    assert np.flatnonzero(passed == 1.0)[0] * DT_S == pytest.approx(1 / MAX_RATE[TENSION], abs=0.05)


def test_an_opening_mouth_is_not_slowed() -> None:
    limit, leapt = SlewLimit(), np.ones(len(INSTANT))
    limit.step(np.zeros(len(INSTANT)), DT_S)
    assert limit.step(leapt, DT_S)[MOUTH] == 1.0


def test_the_first_face_passes_unchanged_and_so_does_one_after_a_reset() -> None:
    limit, other = SlewLimit(), np.full(len(INSTANT), 0.7)
    assert np.array_equal(limit.step(np.ones(len(INSTANT)), 0.0), np.ones(len(INSTANT)))
    limit.reset()
    assert np.array_equal(limit.step(other, DT_S), other)
