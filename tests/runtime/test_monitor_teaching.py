"""Teaching on setup: holding, moving z, keeping and forgetting pairs, and their file."""

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
from latent_resonance.link.requests import MAX_ANCHORS, MAX_PAIRS, OVERRIDE_TIMEOUT_S, Request
from latent_resonance.link.telemetry import Energies
from latent_resonance.monitor.examples_file import ExamplesFileError, read_examples
from latent_resonance.monitor.ganspace import (
    N_DIRECTIONS,
    LatentSpace,
)
from latent_resonance.monitor.hold import LEASE_S
from latent_resonance.monitor.teaching import Teaching, TeachingError

DIM = 8
REPORT = replace(PLAYING, pack="cello", z=tuple(float(x) for x in np.linspace(-1, 1, DIM)))
AXES = np.eye(N_DIRECTIONS, DIM, dtype=np.float32)
ANCHORS = np.eye(DIM, dtype=np.float32)[::-1][:2].copy()


class Setup:
    """A monitor's teaching, and the requests that it sends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[Request] = []
        self.teaching = Teaching(
            folder, self.requests.append, lambda _pack: LatentSpace(ANCHORS, AXES), seed=1
        )
        self.teaching.on_message(REPORT)
        self.set_features(mouth_open=0.5)

    def set_features(self, **values: float) -> None:
        features = neutral_features()
        for name, value in values.items():
            features[FEATURES.index(name)] = value
        self.teaching.on_message(Energies(1, 1, "play", True, -20.0, 0.06, features))

    def do(self, do: str, **more: Any) -> None:
        asyncio.run(self.teaching.do({"do": do} | more))

    def keep(self, **values: float) -> None:
        """Keep a face with these features and a random sound."""
        self.set_features(**({"mouth_open": 0.5} | values))
        for step in ("hold", "random", "keep"):
            self.do(step)

    def last(self, kind: str) -> Any:
        return [request.value for request in self.requests if request.kind == kind][-1]


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path / "taught")


def test_a_held_face_stays_when_the_visitor_moves(setup: Setup) -> None:
    setup.do("hold")
    setup.set_features(mouth_open=0.0)
    (repeated,) = setup.teaching.due(100.0)
    assert (repeated.kind, repeated.value["mouth_open"]) == ("override", 0.5)
    assert set(repeated.value) == set(FEATURES)


def test_what_a_page_holds_ends_within_a_minute_of_its_last_step(setup: Setup) -> None:
    setup.do("hold")
    setup.do("near")
    held_until = max(t for t in range(120) if any(r.value for r in setup.teaching.due(float(t))))
    assert 30 < held_until < 60
    setup.do("hold")
    end = [[r.value for r in setup.teaching.due(200.0 + t)] for t in range(60)]
    assert [{}, None] in end
    assert not setup.teaching.state()["holding"]
    assert setup.teaching.due(300.0) == []


def test_a_page_that_renews_goes_on_holding_and_one_that_only_looks_does_not(setup: Setup) -> None:
    setup.do("hold")
    for t in range(0, 200, 10):
        assert setup.teaching.due(float(t))
        assert setup.teaching.state()["lease_s"] == LEASE_S
        setup.do("renew")
    for t in range(200, 260, 2):
        setup.teaching.due(float(t))
        setup.do("nothing")
    assert setup.teaching.hold.face is None
    assert setup.teaching.state()["lease_s"] == 0


def test_held_requests_are_repeated_in_time_and_not_too_often(setup: Setup) -> None:
    setup.do("hold")
    times = [t for t in np.arange(0.0, 30.0, 0.5) if setup.teaching.due(t)]
    assert max(np.diff(times)) < OVERRIDE_TIMEOUT_S
    assert len(times) <= 31


def test_letting_go_releases_face_and_sound(setup: Setup) -> None:
    setup.do("hold")
    setup.do("random")
    setup.do("let go")
    assert (setup.last("override"), setup.last("z")) == ({}, None)
    assert setup.teaching.due(100.0) == []


def test_every_z_has_unit_mean_square(setup: Setup) -> None:
    for step in ("random", "near", "near", "random"):
        setup.do(step)
        assert np.mean(np.square(setup.last("z"))) == pytest.approx(1.0, rel=1e-5)


def test_a_near_sound_is_at_a_small_angle(setup: Setup) -> None:
    setup.do("random")
    before = setup.last("z")
    setup.do("near")
    after = setup.last("z")
    assert 0.9 < before @ after / DIM < 0.96  # the cosine of 0.35


def test_a_direction_is_followed_from_the_current_z(
    setup: Setup,
) -> None:
    setup.do("random")
    origin = setup.last("z")
    for amount, index in ((0.7, 2), (0.0, 2)):
        setup.do("direction", index=index, amount=amount)
    assert np.allclose(setup.last("z"), origin, atol=1e-4)
    setup.do("direction", index=2, amount=2.0)
    assert abs(setup.last("z") @ AXES[2]) > 0.9 * np.sqrt(DIM) * np.sqrt(1 - origin[2] ** 2 / DIM)


def test_a_kept_pair_is_sent_at_once_and_again_after_a_restart(setup: Setup) -> None:
    setup.do("hold")
    setup.do("random")
    setup.do("keep")
    (pair,) = setup.last("pairs")
    assert pair.features[FEATURES.index("mouth_open")] == 0.5
    later = Setup(setup.folder)
    (restored,) = later.last("pairs")
    assert np.allclose(restored.z, pair.z, atol=1e-4)
    assert np.allclose(restored.features, pair.features, atol=1e-4)
    (example,) = later.teaching.state()["examples"]
    assert example["faces"][0][0] == ("mouth_open", 0.5)


def test_a_pair_can_be_forgotten(setup: Setup) -> None:
    setup.do("hold")
    for _ in range(3):
        setup.do("random")
        setup.do("keep")
    kept = setup.last("pairs")
    setup.do("forget", index=1)
    assert [pair.z.tolist() for pair in setup.last("pairs")] == [
        kept[0].z.tolist(),
        kept[2].z.tolist(),
    ]


def test_the_file_holds_only_features_and_z(setup: Setup) -> None:
    setup.keep()
    (path,) = setup.folder.iterdir()
    (entry,) = yaml.safe_load(path.read_text())
    assert set(entry) == {"face", "sound"}
    assert set(entry["face"]) == set(FEATURES)
    assert set(entry["sound"]) == {"z"}
    assert path.stat().st_size < 2000


def test_each_pack_has_its_own_pairs(setup: Setup) -> None:
    setup.keep()
    setup.teaching.on_message(replace(REPORT, pack="voices"))
    assert setup.last("pairs") == ()
    setup.teaching.on_message(REPORT)
    assert len(setup.last("pairs")) == 1


def test_a_restarted_voice_receives_the_pairs_again(setup: Setup) -> None:
    setup.keep()
    setup.teaching.on_link(False)
    setup.requests.clear()
    setup.teaching.on_link(True)
    setup.teaching.on_message(REPORT)
    assert len(setup.last("pairs")) == 1


@pytest.mark.parametrize("content", ["{", "nonsense", "- face: {}\n  sound: {z: [1]}", "- 3"])
def test_a_damaged_file_is_renamed_and_reported(setup: Setup, content: str) -> None:
    setup.keep()
    (path,) = setup.folder.iterdir()
    path.write_text(content)
    later = Setup(setup.folder)
    assert later.last("pairs") == ()
    assert "is kept as" in later.teaching.state()["problem"]
    assert path.with_suffix(".damaged.yaml").read_text() == content
    later.keep()
    assert len(read_examples(path, DIM)) == 1


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    setup = Setup(tmp_path / "file" / "taught")
    with pytest.raises(TeachingError, match="cannot be saved"):
        setup.keep()
    assert setup.teaching.state()["examples"] == []


@pytest.mark.parametrize(
    ("step", "rule"),
    [
        ({"do": "dance"}, "should be one of nothing, renew, hold"),
        ({}, "should be one of"),
        ({"do": ["hold"]}, "should be one of"),
        ({"do": "keep"}, "hold a face first"),
        ({"do": "forget", "index": 0}, "whole number below 0"),
        ({"do": "direction", "index": 9, "amount": 0}, "below 6"),
        ({"do": "direction", "index": 0, "amount": "far"}, "from -2 to 2"),
        ({"do": "direction", "index": 0, "amount": float("nan")}, "from -2 to 2"),
        ({"do": "undo"}, "nothing to undo"),
        ({"do": "play", "index": 0}, "whole number below 0"),
        ({"do": "map", "x": 0.0, "y": 1.5}, "y 1.5 should be from -1 to 1"),
        ({"do": "map", "x": True, "y": 0.5}, "x True should be"),
        ({"do": "keep place", "name": ""}, "choose a sound first"),
        ({"do": "forget place", "index": 0}, "whole number below 0"),
    ],
)
def test_an_impossible_step_is_refused_with_the_rule(
    setup: Setup, step: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TeachingError, match=rule):
        asyncio.run(setup.teaching.do(step))


def test_teaching_needs_a_message_from_the_voice(tmp_path: Path) -> None:
    teaching = Teaching(tmp_path, lambda _request: None)
    for name in ("hold", "near"):
        with pytest.raises(TeachingError, match="is it running"):
            asyncio.run(teaching.do({"do": name}))


def test_why_a_pair_cannot_be_kept_is_said_until_it_can(setup: Setup) -> None:
    reasons = [setup.teaching.state()["why_not_keep"]]
    for step in ("hold", "random", "let go"):
        setup.do(step)
        reasons.append(setup.teaching.state()["why_not_keep"])
    assert reasons == ["hold a face first", "choose a sound first", "", "hold a face first"]


def test_a_pair_that_is_played_is_held_with_its_face_and_its_sound(setup: Setup) -> None:
    setup.keep(mouth_open=0.9)
    (pair,) = setup.last("pairs")
    setup.do("let go")
    setup.do("play", index=0)
    assert setup.last("override")["mouth_open"] == pytest.approx(0.9)
    assert np.allclose(setup.last("z"), pair.z, atol=1e-5)
    assert setup.teaching.due(1.0)
    assert setup.teaching.due(1.0 + LEASE_S)[-1].value is None


def test_a_sound_can_have_several_faces_and_each_makes_it(setup: Setup) -> None:
    setup.keep(mouth_open=0.9)
    setup.set_features(head_yaw=0.5)
    setup.do("hold")
    setup.do("add face", index=0)
    first, second = setup.last("pairs")
    assert np.array_equal(first.z, second.z)
    assert (first.features != second.features).any()
    (restored,) = Setup(setup.folder).teaching.state()["examples"]
    assert len(restored["faces"]) == 2
    setup.do("remove face", index=0, face=0)
    assert len(setup.last("pairs")) == 1
    setup.do("remove face", index=0, face=0)
    assert setup.last("pairs") == ()


def test_a_name_is_kept_in_the_file(setup: Setup) -> None:
    setup.keep()
    setup.do("name", index=0, name=" soft, löw ")
    assert Setup(setup.folder).teaching.state()["examples"][0]["name"] == "soft, löw"
    for name in ("x" * 41, "a\nb", 3, None):
        with pytest.raises(TeachingError, match="should be a name of at most 40"):
            setup.do("name", index=0, name=name)


def test_every_change_can_be_undone_in_turn(setup: Setup) -> None:
    setup.keep()
    setup.keep(head_yaw=0.4)
    setup.do("name", index=1, name="second")
    setup.do("forget", index=0)
    setup.do("keep place", name="door")
    states = []
    while setup.teaching.state()["can_undo"]:
        setup.do("undo")
        state = setup.teaching.state()
        states.append(([each["name"] for each in state["examples"]], len(state["map"]["places"])))
    assert states == [(["second"], 0), (["", "second"], 0), (["", ""], 0), ([""], 0), ([], 0)]
    assert setup.last("pairs") == ()
    assert read_examples(next(setup.folder.glob("cello-8.yaml")), DIM) == ()


def test_the_shares_say_how_much_each_example_counts_for_the_present_face(setup: Setup) -> None:
    setup.keep(mouth_open=0.9)
    setup.keep(head_yaw=0.6)
    setup.teaching.on_message(replace(REPORT, correcting=True))

    def shares() -> list[float]:
        return [each["share"] for each in setup.teaching.state()["examples"]]

    assert shares() == pytest.approx([0, 1], abs=0.02)
    setup.do("let go")
    setup.set_features(mouth_open=0.9)
    assert shares() == pytest.approx([1, 0], abs=0.02)
    setup.set_features(head_roll=1.5)
    assert shares() == pytest.approx([0, 0], abs=0.02)
    setup.set_features(mouth_open=0.7, head_yaw=0.3)
    first, second = shares()
    assert 0.05 < first < 0.95
    assert 0.05 < second < 0.95
    assert first + second < 1.0
    setup.teaching.on_message(REPORT)
    assert shares() == [0, 0]


def test_a_finger_on_the_map_is_held_as_z_and_shown_where_it_is(setup: Setup) -> None:
    setup.do("map", x=0.0, y=0.0)
    assert np.allclose(setup.last("z"), ANCHORS[0] * np.sqrt(DIM), atol=1e-5)
    setup.do("map", x=0.3, y=-0.4)
    assert np.mean(np.square(setup.last("z"))) == pytest.approx(1.0, rel=1e-5)
    assert setup.teaching.state()["map"]["present"] == pytest.approx((0.3, -0.4), abs=1e-5)
    assert setup.teaching.state()["map"]["anchors"][0] == pytest.approx((0.0, 0.0), abs=1e-6)
    assert setup.teaching.due(1.0)[-1].kind == "z"


def test_a_place_that_is_kept_becomes_an_anchor_and_survives_a_restart(setup: Setup) -> None:
    setup.do("map", x=0.5, y=0.0)
    setup.do("keep place", name="door")
    (anchor,) = setup.last("anchors")
    assert np.allclose(anchor, setup.last("z"), atol=1e-5)
    later = Setup(setup.folder)
    assert np.allclose(later.last("anchors"), [anchor], atol=1e-4)
    later.do("play place", index=0)
    assert np.allclose(later.last("z"), anchor, atol=1e-3)
    later.do("forget place", index=0)
    assert later.last("anchors") == ()


def test_the_number_of_places_is_limited(setup: Setup) -> None:
    setup.do("random")
    for _ in range(MAX_ANCHORS):
        setup.do("keep place")
    with pytest.raises(TeachingError, match="forget one first"):
        setup.do("keep place")


def test_the_number_of_pairs_is_limited(setup: Setup) -> None:
    setup.keep()
    taught = setup.teaching.taught
    taught.now = taught.now._replace(examples=taught.now.examples * MAX_PAIRS)
    for step in ({"do": "keep"}, {"do": "add face", "index": 0}):
        with pytest.raises(TeachingError, match="forget one first"):
            setup.do(**step)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "pairs.yaml").mkdir()
    with pytest.raises(ExamplesFileError):
        read_examples(tmp_path / "pairs.yaml", DIM)
