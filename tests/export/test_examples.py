"""The examples file: all its mistakes are reported at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from latent_resonance.face_state import FEATURES, neutral_features
from latent_resonance_export.regressor.examples import (
    ClipOfDataset,
    ExamplesError,
    GivenZ,
    Recording,
    read_examples,
)

GOOD = """\
# two faces
- face: {mouth_open: 0.8, jaw_open: 1}
  sound: {clip: 12}
- face: {}
  sound: {z: [3, 0, 0, 4]}
- face:
    brow_tension: 0.9
  sound:
    file: growl.wav
    from_s: 1.5
"""
BAD = """\
- face: {mouth_opne: 0.8}
  sound: {clip: 0}
- face: {head_yaw: 9.0, brow_raise: .nan, eye_open: "wide"}
  sound: {clip: -1}
- face: {brow_raise: true}
  sound: {z: [1, 2, 3]}
- face: {}
  sound: {z: [1, 2, .inf, 3]}
- face: {}
  sound: {z: [0, 0, 0, 0]}
- face: 3
  sound: {file: gone.wav, from_s: -1}
- face: {}
  sound: {clip: 1, file: a.wav}
- sound: {clip: 1}
- word
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "pairs.yaml"
    path.write_text(text)
    return path


def test_a_face_has_what_is_named_and_is_neutral_otherwise(tmp_path: Path) -> None:
    (tmp_path / "growl.wav").write_bytes(b"")
    opened, rest, tense = read_examples(written(tmp_path, GOOD), 4)
    expected = neutral_features()
    expected[FEATURES.index("mouth_open")], expected[FEATURES.index("jaw_open")] = 0.8, 1.0
    assert np.array_equal(opened.features, expected)
    assert np.array_equal(rest.features, neutral_features())
    assert tense.features[FEATURES.index("brow_tension")] == np.float32(0.9)


def test_a_sound_is_a_clip_or_a_file_or_a_z_of_unit_mean_square(tmp_path: Path) -> None:
    (tmp_path / "growl.wav").write_bytes(b"")
    first, second, third = (pair.sound for pair in read_examples(written(tmp_path, GOOD), 4))
    assert first == ClipOfDataset(12)
    assert isinstance(second, GivenZ)
    assert np.allclose(second.z, [1.2, 0, 0, 1.6])
    assert third == Recording(tmp_path / "growl.wav", 1.5)


def test_every_mistake_is_named_at_once_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(ExamplesError) as caught:
        read_examples(written(tmp_path, BAD), 4)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("pairs.yaml: 15 mistakes")
    expected = [
        "line 1: unknown feature 'mouth_opne'; did you mean mouth_open?",
        "line 3: head_yaw: '9.0' should be a number from -1.571 to 1.571 (rad)",
        "line 3: brow_raise: 'nan' should be a number from 0 to 1 (0..1)",
        "line 3: eye_open: 'wide' should be a number",
        "line 4: clip: -1 should be a whole number from 0",
        "line 5: brow_raise: 'True' should be a number",
        "line 6: z has 3 numbers; this run's generator takes 4",
        "line 8: z[2]: 'inf' should be a number",
        "line 10: z is all zeros",
        "line 11: face should be features by name",
        "line 12: file: there is no",
        "line 12: from_s: '-1' should be a number from 0",
        "line 14: sound should be",
        "line 15: a pair has a face and a sound",
    ]
    for sentence in expected:
        assert any(line.strip().startswith(sentence) for line in lines), sentence


def test_one_mistake_is_one_line(tmp_path: Path) -> None:
    text = "- face: {}\n  sound: {clip: one}\n"
    with pytest.raises(
        ExamplesError, match=r"pairs\.yaml, line 2: clip: 'one' should be"
    ) as caught:
        read_examples(written(tmp_path, text), 4)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "a: 1", "- [", "- face: {}\n  face: {}\n", "7"])
def test_what_is_no_list_of_pairs_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ExamplesError, match=r"pairs\.yaml"):
        read_examples(written(tmp_path, text), 4)


def test_a_missing_file_and_one_that_runs_code_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExamplesError, match="no such file"):
        read_examples(tmp_path / "gone.yaml", 4)
    with pytest.raises(ExamplesError, match=r"line 1: .*os\.getcwd"):
        read_examples(written(tmp_path, "- !!python/object/apply:os.getcwd []"), 4)


def test_what_another_program_wrote_as_features_and_z_is_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features, z = rng.random(16) * 0.5, rng.standard_normal(128)
    face = {name: float(value) for name, value in zip(FEATURES, features, strict=True)}
    text = yaml.safe_dump([{"face": face, "sound": {"z": z.tolist()}}])
    (pair,) = read_examples(written(tmp_path, text), 128)
    assert np.allclose(pair.features, features)
    assert isinstance(pair.sound, GivenZ)
    assert np.allclose(pair.sound.z, z / np.sqrt(np.mean(z**2)), atol=1e-5)
