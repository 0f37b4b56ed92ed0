"""What any loop may do to a visitor, and how z follows a face, on loops that are known."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.audio.spectrogram import Geometry, mel_frequencies
from latent_resonance.face_state import FEATURES
from latent_resonance_export.audition.loop_statistics import (
    rhythm_alike,
    statistics,
    summarise,
    vendi_score,
)
from latent_resonance_export.regressor.reach import anchor_shares, reaches
from latent_resonance_export.regressor.real_movement import REAL_P95
from latent_resonance_export.regressor.synthetic_motion import composed_faces, held

GEOMETRY = Geometry()
UNIT_DB = GEOMETRY.range_db / 2


def loop(level: float = 1.0) -> np.ndarray:
    """One steady line on silence."""
    spectrogram = np.full((GEOMETRY.n_mels, GEOMETRY.n_frames), -1, np.float32)
    spectrogram[100] = level
    return spectrogram


@pytest.mark.parametrize(("below_db", "whistles"), [(39.0, True), (41.0, False)])
def test_a_loop_whistles_if_a_band_above_13_5_khz_is_within_40_db(
    below_db: float, whistles: bool
) -> None:
    top = int(np.searchsorted(mel_frequencies(GEOMETRY)[2:], 13_500))
    assert GEOMETRY.n_mels - top == 24
    spectrogram = loop()
    spectrogram[top, 200] = 1.0 - below_db / UNIT_DB
    assert summarise(spectrogram, GEOMETRY).whistles is whistles
    spectrogram[top - 1, 200] = 0.4
    assert summarise(spectrogram, GEOMETRY).whistles is whistles


def test_a_frame_30_db_below_the_loudest_is_quiet() -> None:
    spectrogram = loop()
    spectrogram[100, :10] = 1.0 - 31 / UNIT_DB
    spectrogram[100, 10:20] = 1.0 - 29 / UNIT_DB
    assert summarise(spectrogram, GEOMETRY).quiet.nonzero()[0].tolist() == list(range(10))


def test_the_shares_are_over_loops_and_over_frames() -> None:
    loud, resting = loop(), loop()
    resting[100, :128] = -1
    figures = statistics([summarise(x, GEOMETRY) for x in (loud, loud, loud, resting)])
    assert figures["quiet_frames"] == pytest.approx(1 / 16)
    assert figures["silent_frame"] == pytest.approx(1 / 4)
    assert figures["top_bands"] == 0


def test_the_level_spans_from_the_softest_loops_to_the_loudest() -> None:
    levels = np.linspace(0, 1, 101)  # 40 dB
    figures = statistics([summarise(loop(level), GEOMETRY) for level in levels])
    assert figures["level_span"] == pytest.approx(36, abs=0.3)  # less the floor


def test_rhythms_are_alike_if_changes_coincide_whatever_changes() -> None:
    rng = np.random.default_rng(0)
    events = rng.random(512) < 0.05
    same = np.stack([events * strength for strength in (0.1, 0.5, 2.0)])
    assert rhythm_alike(same) == pytest.approx(1)
    assert abs(rhythm_alike(rng.random((50, 512)))) < 0.02
    assert rhythm_alike(np.zeros((2, 512))) == 0


def test_the_vendi_score_counts_what_is_effectively_different() -> None:
    corners = np.eye(8, dtype=np.float32) * 5
    assert vendi_score(corners) == pytest.approx(8, abs=0.5)
    assert vendi_score(np.repeat(corners, 4, axis=0)) == pytest.approx(8, abs=0.5)
    assert vendi_score(np.ones((5, 3), np.float32)) == pytest.approx(1)


def test_the_reach_is_the_distance_of_z_from_rest() -> None:
    weights = np.zeros((len(FEATURES), 2), np.float32)
    weights[FEATURES.index("mouth_open")] = 1.0
    found = reaches(lambda features: features @ weights)
    assert found["mouth_open"] == pytest.approx(REAL_P95["mouth_open"])
    assert found["head_yaw"] == 0


def test_a_held_face_keeps_its_pose_and_loses_its_motion() -> None:
    faces = composed_faces(200, seed=0)
    still = held(faces)
    for i, name in enumerate(FEATURES):
        if name == "stillness":
            assert (still[:, i] == 1).all()
        elif "velocity" in name or name == "motion":
            assert not still[:, i].any()
        else:
            assert np.array_equal(still[:, i], faces[:, i])


def test_an_anchor_takes_the_z_nearest_by_angle() -> None:
    anchors = np.array([[1, 0], [0, 5], [-1, 0]], np.float32)
    z = np.array([[3, 0.1], [0.2, 1], [0.1, 2], [1, 0]], np.float32)
    assert anchor_shares(z, anchors).tolist() == [0.5, 0.5, 0.0]
