"""The workshop's commands as a person meets them: help, one line for what is wrong, exit codes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from latent_resonance_export.cli import SOUNDFONT
from latent_resonance_export.dataset import open_dataset

Workshop = Callable[..., CompletedProcess[str]]
COMMANDS = ("convert", "dataset", "train-gan")
needs_fluidsynth = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not Path(SOUNDFONT).is_file(),
    reason="apt install fluidsynth fluid-soundfont-gm",
)


def said_in_one_line(done: CompletedProcess[str], code: int) -> str:
    assert done.returncode == code
    assert done.stdout == ""
    *usage, last = done.stderr.strip().splitlines()
    assert code == 2 or not usage
    return last


def test_help_shows_the_way_from_sounds_to_a_pack(workshop: Workshop) -> None:
    done = workshop("--help")
    assert done.returncode == 0
    page, _, commands = done.stdout.partition("Commands:")
    at = [page.index(f"latent-resonance-export {c} ") for c in ("dataset", "train-gan", "convert")]
    assert at == sorted(at)
    for command in COMMANDS:
        assert f"\n  {command} " in commands
    assert max(map(len, done.stdout.splitlines())) <= 92


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_every_command_is_explained(workshop: Workshop, command: str) -> None:
    done = workshop(command, "-h")
    assert done.returncode == 0
    options = done.stdout.partition("Options:")[2].strip().split("\n  -")
    assert len(options) >= 5
    for option in options:
        assert len(option.split()) >= 4, f"no help for {option}"


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["paint"], "No such command 'paint'"),
        (["dataset"], "'-o'"),
        (["dataset", "-o", "x", "--clips", "3"], "8<=x"),
        (["dataset", "-o", "x", "--program", "200"], "0<=x<=127"),
        (["dataset", "-o", "x", "--seed", "-1"], "0<=x"),
        (["train-gan", "-o", "x"], "DATASET"),
        (["train-gan", "x", "-o", "x", "--batch", "6"], "multiple of 4"),
        (["convert", "x", "-o", "x"], "--dataset"),
    ],
)
def test_a_wrong_command_line_names_the_rule_and_leaves_with_2(
    workshop: Workshop, arguments: list[str], rule: str, tmp_path: Path
) -> None:
    assert rule in said_in_one_line(workshop(*arguments, cwd=tmp_path), 2)
    assert not list(tmp_path.iterdir())


def test_a_dataset_is_never_written_over(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("dear to me")
    said = said_in_one_line(workshop("dataset", "-o", tmp_path / "mine"), 1)
    assert f"{tmp_path}/mine exists" in said
    assert (tmp_path / "mine").read_text() == "dear to me"


def test_without_fluidsynth_the_remedy_is_said(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop("dataset", "-o", tmp_path / "new", PATH=str(tmp_path))
    assert "apt install fluidsynth" in said_in_one_line(done, 1)


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="apt install fluidsynth")
def test_without_a_soundfont_the_remedy_is_said(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop("dataset", "-o", tmp_path / "new", "--soundfont", tmp_path / "none.sf2")
    assert "apt install fluid-soundfont-gm" in said_in_one_line(done, 1)
    assert not (tmp_path / "new").exists()


def test_a_missing_dataset_is_named_before_anything_is_trained(
    workshop: Workshop, tmp_path: Path
) -> None:
    done = workshop("train-gan", tmp_path / "none", "-o", tmp_path / "run")
    assert f"{tmp_path}/none is not a dataset" in said_in_one_line(done, 1)
    assert not (tmp_path / "run").exists()


def test_a_run_without_a_checkpoint_is_named(
    workshop: Workshop, dataset_folder: Path, tmp_path: Path
) -> None:
    done = workshop("convert", tmp_path, "--dataset", dataset_folder, "-o", tmp_path / "pack")
    assert f"{tmp_path}/checkpoint.pt" in said_in_one_line(done, 1)
    assert not (tmp_path / "pack").exists()


@needs_fluidsynth
@pytest.mark.slow
def test_a_dataset_is_composed_played_and_written(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop("dataset", "-o", tmp_path / "cello", "--clips", 8, "--sounds", "a test")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/cello: 8 loops of 5.46 s\n"
    written = open_dataset(tmp_path / "cello")
    assert len(written.pixels) == 8
    assert written.about == {"sounds": "a test"}
    assert all(pixels.std() > 5 for pixels in written.pixels)


@pytest.mark.slow
def test_a_run_is_trained_and_taken_up_again(
    workshop: Workshop, dataset_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for step in (1, 2):
        done = workshop("train-gan", dataset_folder, "-o", run, "--steps", step, "--batch", 4)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{run}: step {step}\n"
    assert [path.name for path in run.iterdir()] == ["checkpoint.pt"]
