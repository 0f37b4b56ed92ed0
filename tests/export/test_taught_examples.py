"""The examples file that the monitor writes can be used for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latent_resonance.face_state import FEATURE_RANGES, FEATURES
from latent_resonance.monitor.examples import Example, pairs_of
from latent_resonance.monitor.examples_file import write_examples
from latent_resonance_export.regressor.examples import GivenZ, read_examples


def test_the_monitors_examples_can_be_read_for_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    low, high = np.array([FEATURE_RANGES[name] for name in FEATURES], np.float32).T
    faces = [low, high, *(low + (high - low) * rng.random((5, len(FEATURES))))]
    z = rng.standard_normal((len(faces), 128)).astype(np.float32)
    kept = tuple(
        Example((np.float32(face), np.float32(low)), each, name="soft, low")
        for face, each in zip(faces, z, strict=True)
    )
    pairs = pairs_of(kept)
    write_examples(tmp_path / "cello-128.yaml", kept)
    examples = read_examples(tmp_path / "cello-128.yaml", 128)
    assert len(examples) == len(pairs)
    for example, pair in zip(examples, pairs, strict=True):
        assert np.allclose(example.features, pair.features, atol=2e-4)
        assert isinstance(example.sound, GivenZ)
        cosine = example.sound.z @ pair.z / np.linalg.norm(example.sound.z) / np.linalg.norm(pair.z)
        assert cosine > 0.9999
