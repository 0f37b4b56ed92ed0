"""Teaching on site: holding, walking, keeping, forgetting, and what becomes of the file."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.support.status_reports import PLAYING

from latent_resonance.face_state import FEATURES, neutral_features
from latent_resonance.link.requests import HELD_S, MOST_PAIRS, Request
from latent_resonance.link.telemetry import Energies
from latent_resonance.monitor.examples_file import TaughtError, read_pairs
from latent_resonance.monitor.ganspace import COUNT, directions_of, principal_directions
from latent_resonance.monitor.teaching import Teaching, TeachingError, turned

DIM = 8
REPORT = replace(PLAYING, pack="cello", z=tuple(float(x) for x in np.linspace(-1, 1, DIM)))
AXES = np.eye(COUNT, DIM, dtype=np.float32)


class Site:
    """A monitor's teaching, and the voice that it asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[Request] = []
        self.teaching = Teaching(folder, self.asked.append, lambda _pack: AXES, seed=1)
        self.teaching.take(REPORT)
        self.see(mouth_open=0.5)

    def see(self, **values: float) -> None:
        features = neutral_features()
        for name, value in values.items():
            features[FEATURES.index(name)] = value
        self.teaching.take(Energies(1, 1, "play", True, -20.0, 0.06, features))

    def do(self, what: str, **more: Any) -> None:
        asyncio.run(self.teaching.do({"do": what} | more))

    def last(self, kind: str) -> Any:
        return [request.value for request in self.asked if request.kind == kind][-1]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "taught")


def test_a_face_that_is_held_stays_though_the_visitor_moves_on(site: Site) -> None:
    site.do("hold")
    site.see(mouth_open=0.0)
    (again,) = site.teaching.due(100.0)
    assert (again.kind, again.value["mouth_open"]) == ("override", 0.5)
    assert set(again.value) == set(FEATURES)


def test_what_is_held_is_said_again_in_time_and_not_too_often(site: Site) -> None:
    site.do("hold")
    times = [t for t in np.arange(0.0, 30.0, 0.5) if site.teaching.due(t)]
    assert max(np.diff(times)) < HELD_S
    assert len(times) <= 31


def test_letting_go_gives_face_and_sound_back(site: Site) -> None:
    site.do("hold")
    site.do("random")
    site.do("let go")
    assert (site.last("override"), site.last("z")) == ({}, None)
    assert site.teaching.due(100.0) == []


def test_every_sound_that_is_walked_to_has_the_length_of_the_packs_own(site: Site) -> None:
    for step in ("random", "near", "near", "random"):
        site.do(step)
        assert np.mean(np.square(site.last("z"))) == pytest.approx(1.0, rel=1e-5)


def test_a_sound_near_by_is_near_by(site: Site) -> None:
    site.do("random")
    before = site.last("z")
    site.do("near")
    after = site.last("z")
    assert 0.9 < before @ after / DIM < 0.96  # the cosine of 0.35


def test_along_a_direction_the_middle_is_where_the_walk_began_and_the_end_is_the_direction(
    site: Site,
) -> None:
    site.do("random")
    began = site.last("z")
    for amount, index in ((0.7, 2), (0.0, 2)):
        site.do("direction", index=index, amount=amount)
    assert np.allclose(site.last("z"), began, atol=1e-4)
    site.do("direction", index=2, amount=2.0)
    assert abs(site.last("z") @ AXES[2]) > 0.9 * np.sqrt(DIM) * np.sqrt(1 - began[2] ** 2 / DIM)


def test_a_pair_that_is_kept_corrects_at_once_and_is_there_after_a_restart(site: Site) -> None:
    site.do("hold")
    site.do("random")
    site.do("keep")
    (pair,) = site.last("pairs")
    assert pair.features[FEATURES.index("mouth_open")] == 0.5
    later = Site(site.folder)
    (again,) = later.last("pairs")
    assert np.allclose(again.z, pair.z, atol=1e-4)
    assert np.allclose(again.features, pair.features, atol=1e-4)
    assert "mouth open 0.50" in later.teaching.state()["pairs"][0]


def test_a_pair_can_be_forgotten(site: Site) -> None:
    site.do("hold")
    for _ in range(3):
        site.do("random")
        site.do("keep")
    kept = site.last("pairs")
    site.do("forget", index=1)
    assert [pair.z.tolist() for pair in site.last("pairs")] == [
        kept[0].z.tolist(),
        kept[2].z.tolist(),
    ]


def test_the_file_holds_features_and_z_and_nothing_else(site: Site) -> None:
    site.do("hold")
    site.do("keep")
    (path,) = site.folder.iterdir()
    (entry,) = yaml.safe_load(path.read_text())
    assert set(entry) == {"face", "sound"}
    assert set(entry["face"]) == set(FEATURES)
    assert set(entry["sound"]) == {"z"}
    assert path.stat().st_size < 2000


def test_another_pack_has_pairs_of_its_own(site: Site) -> None:
    site.do("hold")
    site.do("keep")
    site.teaching.take(replace(REPORT, pack="voices"))
    assert site.last("pairs") == ()
    site.teaching.take(REPORT)
    assert len(site.last("pairs")) == 1


def test_a_voice_that_has_started_afresh_is_taught_again(site: Site) -> None:
    site.do("hold")
    site.do("keep")
    site.teaching.linked(False)
    site.asked.clear()
    site.teaching.linked(True)
    site.teaching.take(REPORT)
    assert len(site.last("pairs")) == 1


@pytest.mark.parametrize("content", ["{", "nonsense", "- face: {}\n  sound: {z: [1]}", "- 3"])
def test_a_damaged_file_is_moved_aside_and_said(site: Site, content: str) -> None:
    site.do("hold")
    site.do("keep")
    (path,) = site.folder.iterdir()
    path.write_text(content)
    later = Site(site.folder)
    assert later.last("pairs") == ()
    assert "is kept as" in later.teaching.state()["problem"]
    assert path.with_suffix(".damaged.yaml").read_text() == content
    later.do("hold")
    later.do("keep")
    assert len(read_pairs(path, DIM)) == 1


def test_a_file_that_cannot_be_written_is_said_and_the_pairs_stay(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    site = Site(tmp_path / "file" / "taught")
    site.do("hold")
    with pytest.raises(TeachingError, match="cannot be kept"):
        site.do("keep")
    assert site.teaching.state()["pairs"] == []


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ({"do": "dance"}, "there are nothing, hold"),
        ({}, "is no step"),
        ({"do": ["hold"]}, "is no step"),
        ({"do": "keep"}, "hold a face first"),
        ({"do": "forget", "index": 0}, "whole number below 0"),
        ({"do": "direction", "index": 9, "amount": 0}, "below 6"),
        ({"do": "direction", "index": 0, "amount": "far"}, "from -2 to 2"),
        ({"do": "direction", "index": 0, "amount": float("nan")}, "from -2 to 2"),
        ({"do": "correct", "on": "yes"}, "true or false"),
    ],
)
def test_a_step_that_cannot_be_made_is_refused_with_the_rule(
    site: Site, step: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TeachingError, match=rule):
        asyncio.run(site.teaching.do(step))


def test_before_the_voice_has_said_anything_there_is_nothing_to_teach(tmp_path: Path) -> None:
    teaching = Teaching(tmp_path, lambda _request: None)
    for what in ("hold", "near"):
        with pytest.raises(TeachingError, match="is it running"):
            asyncio.run(teaching.do({"do": what}))


def test_more_pairs_than_a_voice_takes_are_refused(site: Site) -> None:
    site.do("hold")
    site.do("keep")
    site.teaching.pairs *= MOST_PAIRS
    with pytest.raises(TeachingError, match="forget one first"):
        site.do("keep")


def test_turning_by_a_right_angle_is_the_other_direction() -> None:
    z, towards = np.float32([3, 0, 0]), np.float32([5, 2, 0])
    assert np.allclose(turned(z, towards, np.pi / 2), [0, 3, 0], atol=1e-6)


def test_the_directions_that_are_found_are_those_that_were_heard_most() -> None:
    rng = np.random.default_rng(5)
    z = rng.standard_normal((400, DIM)).astype(np.float32)
    strengths = np.diag([5.0, 3.0, 0.0, 0, 0, 0, 0, 0])
    heard = z @ strengths + 0.1 * rng.standard_normal((400, DIM))
    found = principal_directions(z, np.float32(heard), 2)
    assert abs(found[0, 0]) > 0.95
    assert abs(found[1, 1]) > 0.95


def test_directions_of_a_pack_are_unit_vectors_and_the_same_each_time(pack_folder: Path) -> None:
    found = directions_of(pack_folder)
    assert found.shape == (COUNT, DIM)
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(found, directions_of(pack_folder))


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "pairs.yaml").mkdir()
    with pytest.raises(TaughtError):
        read_pairs(tmp_path / "pairs.yaml", DIM)
