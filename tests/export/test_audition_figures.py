"""What an audition leaves: a sheet that is never half written, and what stands on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from latent_resonance.pack import PackError
from latent_resonance_export.audition import summary
from latent_resonance_export.audition.metrics import KEYS
from latent_resonance_export.audition.report import page
from latent_resonance_export.audition.run import check_folder
from latent_resonance_export.audition.subject import AuditionError, open_subject
from latent_resonance_export.audition.verdict import verdict
from latent_resonance_export.pack.atomic_folder import AtomicFolder

LOOPS = {
    "top_bands": 0.01,
    "quiet_frames": 0.01,
    "silent_frame": 0.04,
    "rhythm_alike": 0.15,
    "level_span": 8.5,
    "different": 65.0,
}
GOOD = {
    "swd": 30.0,
    "swd_floor": 20.0,
    "swd_untrained": 700.0,
    "diversity": 0.7,
    "diversity_real": 0.8,
    "memorisation": 1.1,
    "voiced": 0.9,
    "voiced_real": 1.0,
    "flatness": -36.0,
    "flatness_real": -41.0,
    "voiced_untrained": 0.3,
    "seam": 1.1,
    "seam_real": 1.1,
    "seam_untrained": 4.0,
    "movement": 0.08,
    "movement_real": 0.1,
    **LOOPS,
    **{f"{key}_faces": value for key, value in LOOPS.items()},
    **dict.fromkeys((key for key in KEYS if key.startswith("reach_")), 0.5),
    "rarest_anchor": 0.04,
    "generator_ms": 11.0,
    "generator_mb": 27.1,
    "clips": 192,
    "steps": 7600,
}


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary").write_text("dear to me")
    with pytest.raises(AuditionError, match="is no audition: name another folder with -o"):
        check_folder(tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty")
    check_folder(tmp_path / "deeper" / "still")
    with pytest.raises(AuditionError, match="cannot be created"):
        check_folder(tmp_path / "mine" / "diary" / "x" / "y")


def test_an_audition_that_fails_leaves_the_last_one_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "audition"
    with AtomicFolder(folder) as output:
        (output.new / "figures.json").write_text("first")
        assert not folder.exists()
        output.commit()
    with pytest.raises(ZeroDivisionError), AtomicFolder(folder) as output:  # noqa: PT012  # fails late
        (output.new / "figures.json").write_text("second")
        raise ZeroDivisionError
    assert (folder / "figures.json").read_text() == "first"
    with AtomicFolder(folder) as output:
        (output.new / "index.html").write_text("third")
        output.commit()
    assert [path.name for path in folder.iterdir()] == ["index.html"]
    assert [path.name for path in tmp_path.iterdir()] == ["audition"]


def test_each_figure_is_marked_against_its_target() -> None:
    target = [line for line in summary.lines(GOOD, {}) if line.target]
    assert {line.label for line in target} >= {"loops that whistle", "reach of mouth_open"}
    assert all(line.passed for line in target)


@pytest.mark.parametrize(
    ("key", "value", "label"),
    [
        ("swd", 40.1, "distance from real clips"),
        ("swd_untrained", 100.0, "distance from real clips"),
        ("diversity", 0.63, "diversity"),
        ("diversity", 0.97, "diversity"),
        ("memorisation", 0.89, "distance from training clips"),
        ("voiced", 0.79, "voiced frames"),
        ("seam", 1.3, "seam at the loop point"),
        ("movement", 0.02, "change from frame to frame"),
        ("movement", 0.31, "change from frame to frame"),
        ("top_bands_faces", 0.03, "loops that whistle"),
        ("quiet_frames", 0.02, "rests"),
        ("silent_frame", 0.06, "one rest in all loops"),
        ("rhythm_alike_faces", 0.21, "one rhythm in all loops"),
        ("level_span", 9.1, "level between loops"),
        ("different_faces", 59.0, "effectively different"),
        ("reach_yaw_velocity", 0.19, "reach of yaw_velocity"),
        ("reach_mouth_width", 0.81, "reach of mouth_width"),
        ("rarest_anchor", 0.02, "faces at the rarest anchor"),
        ("generator_ms", 40.1, "time per spectrogram"),
        ("generator_mb", 30.1, "size of generator.onnx"),
    ],
)
def test_a_figure_out_of_bounds_misses_its_target(key: str, value: float, label: str) -> None:
    missed = [line for line in summary.lines(GOOD | {key: value}, {}) if line.passed is False]
    assert [line.label for line in missed] == [label]
    assert "not met" in summary.table(missed)


def test_a_missing_figure_neither_meets_nor_misses_its_target_and_says_why() -> None:
    lines = summary.lines(GOOD | {"swd_floor": None}, {"swd_floor": "needs the dataset"})
    assert lines[0].passed is None
    assert lines[0].reference == "floor –, untrained 700"
    assert lines[0].mark == "needs the dataset"


def test_a_figure_that_shows_nothing_says_so_where_it_meets_its_target() -> None:
    far = {line.label: line.mark for line in summary.lines(GOOD | {"swd": 90.0}, {})}
    assert far["distance from training clips"] == "shows nothing so far from the recordings"
    easy = GOOD | {"voiced_untrained": 0.9, "seam_untrained": 1.0}
    marks = {line.label: line.mark for line in summary.lines(easy, {})}
    assert marks["voiced frames"] == marks["seam at the loop point"]
    assert "untrained too" in marks["voiced frames"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, ""),
        ({"swd": 60.0}, "unlike the recordings"),
        ({"memorisation": 0.5}, "copies of training clips"),
        ({"memorisation": 0.5, "swd": 60.0}, "unlike the recordings"),
        ({"diversity": 0.2}, "the same sound for every z"),
        ({"movement": 0.001}, "stripes"),
        ({"movement": 0.5}, "noise"),
        ({"voiced": 0.5}, "fewer voiced frames"),
        ({"seam": 1.4}, "an audible seam"),
        ({"seam": 1.4, "seam_real": 1.3}, ""),
    ],
)
def test_the_verdict_names_what_fails(change: dict[str, float], name: str) -> None:
    found = verdict(GOOD | change)
    assert found.passed is (name == "")
    assert len(found.failures) == (1 if name else 0)
    assert name in str(found)


def test_there_is_no_verdict_without_a_dataset() -> None:
    assert verdict(GOOD | {"swd_floor": None}).passed is None


def test_a_name_is_text_on_the_page_and_never_markup() -> None:
    evil = "<script>alert(1)</script>"
    text = page(evil, [evil], [(evil, evil)], summary.lines(GOOD, {}), [])
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 4


def test_the_sheet_of_a_pack_that_says_nonsense_of_its_training_is_refused(
    make_pack: Callable[..., Path],
) -> None:
    folder = make_pack(training=["steps"])
    assert isinstance(yaml.safe_load((folder / "pack.yaml").read_text())["training"], list)
    with pytest.raises(PackError, match="training is no table"):
        open_subject(folder)
