"""The log of a run, also after an interruption."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from latent_resonance_export.gan.logging import (
    TrainingLog,
    TrainingLogError,
    open_tensorboard,
    read_log,
)


class FakeScalarWriter:
    """Keeps the points that it is given."""

    def __init__(self) -> None:
        self.points: list[tuple[str, float, int]] = []
        self.closed = False

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.points.append((tag, scalar_value, global_step))

    def close(self) -> None:
        self.closed = True


def test_lines_come_back_and_measurements_are_a_history(tmp_path: Path) -> None:
    training_log = TrainingLog(tmp_path, 0)
    lines = [
        {"step": 0, "swd": 90.0, "swd_floor": 10.0},
        {"step": 20, "critic": 1.5},
        {"step": 40, "swd": 70.0},
    ]
    for line in lines:
        training_log.write(line)
    assert read_log(tmp_path) == lines
    again = TrainingLog(tmp_path, 40)
    assert again.history == training_log.history == [(0, 90.0), (40, 70.0)]
    assert again.floor == 10.0


def test_lines_of_steps_that_were_not_saved_are_dropped_with_a_torn_one(tmp_path: Path) -> None:
    lines = [{"step": step, "swd": 100.0 - step} for step in (0, 20, 40)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "log.jsonl").write_text(text + '{"step": 60, "sw')
    assert TrainingLog(tmp_path, 20).history == [(0, 100.0), (20, 80.0)]
    assert (tmp_path / "log.jsonl").read_text() == "".join(text.splitlines(keepends=True)[:2])


def test_the_curve_is_drawn_anew_with_each_measurement(tmp_path: Path) -> None:
    training_log = TrainingLog(tmp_path, 0)
    training_log.write({"step": 10, "critic": 1.0})
    assert not (tmp_path / "metric.png").exists()
    training_log.write({"step": 20, "swd": 50.0, "swd_floor": 10.0})
    first = (tmp_path / "metric.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    training_log.write({"step": 40, "swd": 30.0})
    assert (tmp_path / "metric.png").read_bytes() != first


def test_a_board_is_given_every_figure_at_its_step(tmp_path: Path) -> None:
    scalars = FakeScalarWriter()
    training_log = TrainingLog(tmp_path, 0, scalars)
    training_log.write({"step": 20, "critic": 1.5, "swd": 40.0})
    assert sorted(scalars.points) == [("critic", 1.5, 20), ("swd", 40.0, 20)]
    training_log.close()
    assert scalars.closed


def test_tensorboard_keeps_files_in_the_run(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="it is not among our requirements")
    training_log = TrainingLog(tmp_path, 0, open_tensorboard(tmp_path, 0))
    training_log.write({"step": 20, "swd": 40.0})
    training_log.close()
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"swd" in events.read_bytes()


def test_a_folder_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    training_log = TrainingLog(tmp_path, 0)
    (tmp_path / "log.jsonl").unlink()
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(TrainingLogError, match="make room") as caught:
        training_log.write({"step": 20})
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
