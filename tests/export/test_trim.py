"""After training, each feature's weight is trimmed until its reach is within the limits."""

from __future__ import annotations

import torch

from latent_resonance.face_state import FEATURES, neutral_features
from latent_resonance_export.regressor.model import Regressor
from latent_resonance_export.regressor.reach import reaches
from latent_resonance_export.regressor.trim import LEAST, MOST, function_of, trim_reach


def regressor_with(factors: dict[str, float]) -> Regressor:
    """An untrained regressor whose features' weights are off by these factors."""
    torch.manual_seed(4)
    regressor = Regressor(32).requires_grad_(False)
    regressor.layers[0].weight *= 2.0
    regressor.scale *= torch.tensor([factors.get(name, 1.0) for name in FEATURES])
    return regressor


def test_a_reach_outside_the_limits_is_brought_within_them() -> None:
    regressor = regressor_with({"mouth_width": 8.0, "mouth_velocity": 0.01, "yaw_velocity": 0.1})
    before = reaches(function_of(regressor))
    assert before["mouth_width"] > 0.8
    assert before["mouth_velocity"] < 0.2
    trim_reach(regressor)
    after = reaches(function_of(regressor))
    assert min(after.values()) >= LEAST - 0.01
    assert max(after.values()) <= MOST + 0.01


def test_what_is_within_the_limits_and_the_neutral_face_stay() -> None:
    regressor = regressor_with({"mouth_width": 8.0})
    neutral = torch.from_numpy(neutral_features())[None]
    inside = {name for name, r in reaches(function_of(regressor)).items() if LEAST <= r <= MOST}
    before, rest = regressor.scale.clone(), regressor(neutral)
    factors = trim_reach(regressor)
    assert inside
    for name in inside | {"jaw_open"}:
        assert factors[name] == 1.0
        assert regressor.scale[FEATURES.index(name)] == before[FEATURES.index(name)]
    assert torch.equal(regressor(neutral), rest)
    assert factors["mouth_width"] < 1.0


def test_trimming_twice_changes_nothing_more() -> None:
    regressor = regressor_with({"brow_velocity": 0.02})
    trim_reach(regressor)
    assert set(trim_reach(regressor).values()) == {1.0}
