"""The commands of the export package: help, errors in one line, exit codes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

from latent_resonance import __version__
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.cli.compose import SOUNDFONT
from latent_resonance_export.dataset.dataset import Dataset, open_dataset
from latent_resonance_export.gan.run import RunConfig, write_config

Workshop = Callable[..., CompletedProcess[str]]
STEPS = ("curate", "train-gan", "train-regressor", "convert", "audition")
COMMANDS = (*STEPS, "compose")
EXTERNAL = ("convert", "-o", "x", "--checkpoint", "m.pt", "--factory", "package.module:f")
needs_fluidsynth = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not Path(SOUNDFONT).is_file(),
    reason="apt install fluidsynth fluid-soundfont-gm",
)


def error_line(done: CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    *usage, last = done.stderr.strip().splitlines()
    assert code == 2 or not usage
    return last


def test_help_lists_the_steps_from_recordings_to_a_pack_in_order(
    workshop: Workshop,
) -> None:
    done = workshop("--help")
    assert done.returncode == 0
    page, _, commands = done.stdout.partition("Commands:")
    at = [page.index(f"latent-resonance-export {step} ") for step in STEPS]
    assert at == sorted(at)
    listed = [line.split()[0] for line in commands.partition("Exit codes")[0].strip().splitlines()]
    assert tuple(name for name in listed if name in COMMANDS) == COMMANDS
    assert max(map(len, done.stdout.splitlines())) <= 92


def test_the_version_is_printed(workshop: Workshop) -> None:
    assert workshop("--version").stdout == f"latent-resonance-export {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_every_command_has_help(workshop: Workshop, command: str) -> None:
    done = workshop(command, "-h")
    assert done.returncode == 0
    intro, _, text = done.stdout.partition("Options:")
    usage, _, sentences = intro.strip().partition("\n")
    assert usage.startswith(f"Usage: latent-resonance-export {command} [OPTIONS]")
    assert len(sentences.split()) >= 12, "what the command is for"
    assert max(map(len, done.stdout.splitlines())) <= 92
    options = text.strip().split("\n  -")
    assert len(options) >= 5
    for option in options:
        before_default = option.partition("[default")[0]
        assert len(before_default.split()) >= 4, f"no help for {option}"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_no_heavy_library(command: str) -> None:
    done = subprocess.run(  # a new interpreter: the fixture's process has imported them
        [sys.executable, "-v", "-m", "latent_resonance_export", command, "-h"],
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    assert "latent_resonance_export.cli" in done.stderr
    for library in ("torch", "librosa", "onnx", "onnxruntime", "matplotlib"):
        assert f"import '{library}' " not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["paint"], "No such command 'paint'"),
        (["compose"], "'-o'"),
        (["compose", "-o", "x", "--clips", "3"], "8<=x"),
        (["compose", "-o", "x", "--program", "200"], "0<=x<=127"),
        (["compose", "-o", "x", "--seed", "-1"], "0<=x"),
        (["curate"], "SOUNDS"),
        (["curate", "x"], "'-o'"),
        (["train-gan", "-o", "x"], "DATASET"),
        (["train-gan", "x"], "'-o'"),
        (["train-regressor"], "RUN"),
        (["train-regressor", "x", "--steps", "none"], "'none' is not a valid integer"),
        (["audition"], "PACK|RUN"),
        (["audition", "x", "--clips", "1"], "x>=2"),
        (["convert", "x"], "'-o'"),
        (["convert", "-o", "x"], "name either a RUN or --checkpoint FILE with --factory"),
        (["convert", "x", "-o", "x", "--checkpoint", "m.pt"], "name either a RUN or --checkpoint"),
        (["convert", "x", "-o", "x", "--factory", "a:b"], "--factory goes with --checkpoint"),
        ([*EXTERNAL[:5], "--truncation", "2.5"], "--truncation"),
        (["convert", "x", "-o", "x", "--channel", "0"], "--channel goes with --checkpoint"),
        (["convert", "x", "-o", "x", "--geometry", "g"], "--geometry goes with --checkpoint"),
        (["convert", "x", "-o", "x", "--trust"], "--trust goes with --checkpoint"),
        (["convert", "x", "-o", "x", "--precision", "int4"], "'fp32', 'fp16', 'int8'"),
        ([*EXTERNAL, "--range", "1", "0"], "LOW should be below HIGH"),
        ([*EXTERNAL, "--range", "1"], "requires 2 arguments"),
        (
            [*EXTERNAL, "--dataset", "d", "--geometry", "g"],
            "--geometry and --dataset exclude each other",
        ),
    ],
)
def test_a_wrong_command_line_names_the_rule_and_exits_with_2(
    workshop: Workshop, arguments: list[str], rule: str, tmp_path: Path
) -> None:
    assert rule in error_line(workshop(*arguments, cwd=tmp_path), 2)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_never_overwritten(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("important")
    error = error_line(workshop("compose", "-o", tmp_path / "mine"), 1)
    assert f"{tmp_path}/mine exists" in error
    assert (tmp_path / "mine").read_text() == "important"


def test_without_fluidsynth_the_error_names_the_remedy(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop("compose", "-o", tmp_path / "new", PATH=str(tmp_path))
    assert "apt install fluidsynth" in error_line(done, 1)


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="apt install fluidsynth")
def test_without_a_soundfont_the_error_names_the_remedy(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop("compose", "-o", tmp_path / "new", "--soundfont", tmp_path / "none.sf2")
    assert "apt install fluid-soundfont-gm" in error_line(done, 1)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["curate", "none", "-o", "new"], "none"),
        (["train-gan", "none", "-o", "new"], "none is not a dataset"),
        (["train-regressor", "none"], "none is not a run"),
        (["convert", "none", "-o", "new"], "none is not a run"),
        (["convert", "--checkpoint", "none", "--factory", "torch:zeros", "-o", "new"], "no none:"),
        (["audition", "none"], "none"),
    ],
)
def test_missing_input_is_named_before_anything_is_written(
    workshop: Workshop, arguments: list[str], wrong: str, tmp_path: Path
) -> None:
    assert wrong in error_line(workshop(*arguments, cwd=tmp_path), 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train-regressor", "convert", "audition"])
def test_without_a_checkpoint_the_error_names_train_gan(
    workshop: Workshop, dataset: Dataset, dataset_folder: Path, tmp_path: Path, command: str
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    write_config(RunConfig("loop", str(dataset_folder), dataset.sha256, Geometry(), {}), run)
    more = ["-o", tmp_path / "new"] if command != "train-regressor" else []
    error = error_line(workshop(command, run, *more), 1)
    assert f"there is no {run}/checkpoint.pt" in error
    assert "train-gan" in error
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_that_executes_code_is_opened_only_with_trust(
    workshop: Workshop, tmp_path: Path
) -> None:
    (tmp_path / "user_code.py").write_text(
        "import torch\ndef make():\n    return torch.nn.PReLU()\n"
    )
    old = {"_use_new_zipfile_serialization": False}
    torch.save({"G": torch.nn.PReLU()}, tmp_path / "model.pt", **old)
    external = ["--checkpoint", "model.pt", "--factory", "user_code:make", "-o", "models/x"]
    error = error_line(workshop("convert", *external, cwd=tmp_path), 1)
    assert "executes code" in error
    assert "--trust" in error
    done = workshop("convert", *external, "--trust", cwd=tmp_path)
    assert done.returncode == 1
    warning, error = done.stderr.strip().splitlines()
    assert warning == "warning: model.pt may execute code (--trust)"
    assert "--latent-dim" in error
    assert not (tmp_path / "models").exists()


@pytest.mark.slow
@needs_fluidsynth
def test_a_dataset_is_composed_rendered_and_written(workshop: Workshop, tmp_path: Path) -> None:
    options = ("--clips", 8, "--held-out", 2, "--sounds", "a test")
    done = workshop("compose", "-o", tmp_path / "cello", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/cello: 8 loops of 5.46 s, and 2 held out\n"
    written = open_dataset(tmp_path / "cello")
    assert len(written.training) == 8
    assert written.held_out.sum() == 2
    assert written.about == {"sounds": "a test"}
    assert all(pixels.std() > 5 for pixels in written.pixels)


@pytest.mark.slow
def test_a_run_is_trained_and_resumed(
    workshop: Workshop, dataset_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for step in (1, 2):
        done = workshop("train-gan", dataset_folder, "-o", run, "--steps", step, "--batch", 4)
        assert done.returncode == 0, done.stderr
        assert f"{run}: step {step}" in done.stdout
    assert {"checkpoint.pt", "run.yaml"} <= {path.name for path in run.iterdir()}
    assert not list(run.glob("*.part"))
