"""The command `train-gan`: a run is begun, stopped and resumed; what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import soundfile
import torch
from click.testing import CliRunner, Result

from latent_resonance_export.cli.train_gan import LineProgress, train_gan
from latent_resonance_export.gan.checkpoint import read
from latent_resonance_export.gan.run import read_config

pytestmark = pytest.mark.timeout(600)  # networks of the real width
Workshop = Callable[..., CompletedProcess[str]]
OWN = """
import torch
from torch import nn

class Own(nn.Module):
    latent_dim = 6

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 64 * 64)

    def forward(self, z):
        return torch.tanh(self.layer(z)).unflatten(1, (1, 64, 64))

def make(geometry):
    return Own()
"""


def asked(*arguments: object) -> Result:
    """The command in this process."""
    return CliRunner().invoke(train_gan, [*map(str, arguments), "--device", "cpu"])


def step_of(run: Path) -> int:
    return read(run / "checkpoint.pt", torch.device("cpu"))["step"]


@pytest.mark.slow
def test_a_run_is_begun_and_resumed_but_not_changed(tiny_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    begun = asked(tiny_folder, "-o", run, "--steps", 1, "--batch", 4, "--precision", "fp32")
    assert begun.exit_code == 0, begun.exception
    assert begun.stdout == f"{run}: step 1\n"
    files = {"run.yaml", "checkpoint.pt", "log.jsonl", "metric.png"}
    assert {p.name for p in run.iterdir() if p.is_file()} == files | {
        "sheet-000000.png",
        "sheet-000001.png",
        "sheet-000001.mp3",
    }
    sound = soundfile.info(run / "sheet-000001.mp3")
    assert sound.duration == pytest.approx(30.0, abs=0.5)
    config = read_config(run)
    assert (
        config.architecture,
        config.hyperparameters["batch_size"],
        config.hyperparameters["seed"],
    ) == ("loop", 4, 0)
    assert Path(config.dataset) == tiny_folder.resolve()

    kept = (run / "checkpoint.pt").read_bytes()
    for changed in (("--batch", 8), ("--architecture", "dcgan"), ("--no-turn",)):
        refused = asked(tiny_folder, "-o", run, "--steps", 2, *changed)
        assert "was begun with" in str(refused.exception)
    assert (run / "checkpoint.pt").read_bytes() == kept

    others = ("--seed", 9, "--settle", 1)
    on = asked(tiny_folder, "-o", run, "--steps", 2, *others, "--precision", "fp32")
    assert on.stdout == f"{run}: step 2\n"
    assert step_of(run) == 2
    assert read_config(run).hyperparameters == config.hyperparameters | {"seed": 9, "settle": 1}
    assert asked(tiny_folder, "-o", run, "--steps", 2).stdout == f"{run}: step 2\n"


@pytest.mark.slow
def test_a_run_is_warm_started_from_another_and_records_it(
    tiny_folder: Path, tmp_path: Path
) -> None:
    first, second, quick = tmp_path / "first", tmp_path / "second", ("--batch", 4)
    assert asked(tiny_folder, "-o", first, "--steps", 2, *quick).exit_code == 0
    begun = asked(tiny_folder, "-o", second, "--steps", 1, *quick, "--begin-from", first)
    assert begun.exit_code == 0, begun.exception
    assert read_config(second).begun_from == str(first)
    assert apart(first, second) < 0.1 * apart(first, fresh_run(tiny_folder, tmp_path / "fresh"))

    assert asked(tiny_folder, "-o", second, "--steps", 2, *quick).exit_code == 0
    assert read_config(second).begun_from == str(first)
    third = asked(tiny_folder, "-o", first, "--steps", 3, *quick, "--begin-from", second)
    assert "was begun with the networks of None" in str(third.exception)
    other = asked(
        tiny_folder, "-o", tmp_path / "n", "--architecture", "dcgan", "--begin-from", first
    )
    assert "has another architecture or geometry (loop)" in str(other.exception)
    nothing = asked(tiny_folder, "-o", tmp_path / "n", "--begin-from", tmp_path / "none")
    assert "is not a run" in str(nothing.exception)
    assert not (tmp_path / "n").exists()


def fresh_run(dataset: Path, run: Path) -> Path:
    assert asked(dataset, "-o", run, "--steps", 1, "--batch", 4, "--seed", 5).exit_code == 0
    return run


def apart(run: Path, other: Path) -> float:
    """Between the weights of two generators."""
    ours, theirs = (
        read(f / "checkpoint.pt", torch.device("cpu"))["generator"] for f in (run, other)
    )
    return sum(float((ours[name] - theirs[name]).abs().mean()) for name in ours)


@pytest.mark.realtime
def test_ctrl_c_finishes_the_step_saves_and_leaves_with_130(
    tiny_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "latent_resonance_export", "train-gan"]
    command += [str(tiny_folder), "-o", str(run), "--batch", "4", "--device", "cpu"]
    training = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    while not (run / "metric.png").exists():  # drawn after the signal is watched for
        assert training.poll() is None
        time.sleep(0.1)
    training.send_signal(signal.SIGINT)
    _, errors = training.communicate(timeout=300)
    assert training.returncode == 130, errors
    step = step_of(run)
    assert 1 <= step < 200
    assert (
        errors.splitlines()[-1]
        == f"stopped and saved at step {step}; repeat the command to continue"
    )


@pytest.mark.slow
def test_a_generator_of_ones_own_is_trained_by_its_name(
    workshop: Workshop, tiny_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "my_own_network.py").write_text(OWN)
    done = workshop(
        "train-gan",
        *(tiny_folder, "-o", "run", "--steps", 1, "--batch", 4),
        *("--architecture", "my_own_network:make", "--device", "cpu"),
        cwd=tmp_path,
        OMP_NUM_THREADS="1",
    )
    assert done.returncode == 0, done.stderr
    assert read_config(tmp_path / "run").architecture == "my_own_network:make"
    assert step_of(tmp_path / "run") == 1
    warning, first, second = done.stderr.splitlines()
    assert warning.startswith(f"no pack can be made of {tiny_folder}")
    assert "should be 512" in warning
    assert first == "step 0 of 1: evaluating the network as it begins"
    assert second.startswith("step 1 of 1: swd ")


def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    tiny_folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for arguments, said in (
        ((tmp_path / "none",), "is not a dataset"),
        ((tiny_folder, "--architecture", "biggan"), "choose from loop, dcgan, stylegan2"),
        ((tiny_folder, "--architecture", "nowhere:make"), "cannot be imported"),
    ):
        refused = asked(*arguments, "-o", run)
        assert said in str(refused.exception)
        assert refused.exit_code == 1
    assert not run.exists()


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--batch", "6"], "6 is not a multiple of 4"),
        (["--batch", "12", "--devices", "2"], "12 is not a multiple of 8"),
        (["--steps", "0"], "x>=1"),
        (["--devices", "0"], "x>=1"),
        (["--device", "tpu"], "'auto', 'cpu', 'cuda'"),
        (["--precision", "int8"], "'auto', 'bf16', 'fp32'"),
        (["--patience", "10"], "x>=200"),
    ],
)
def test_a_wrong_option_names_the_rule_and_leaves_with_2(
    options: list[str], rule: str, tiny_folder: Path, tmp_path: Path
) -> None:
    refused = CliRunner().invoke(train_gan, [str(tiny_folder), "-o", str(tmp_path / "r"), *options])
    assert refused.exit_code == 2
    assert rule in refused.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_reported_in_one_line(tiny_folder: Path, tmp_path: Path) -> None:
    refused = CliRunner().invoke(
        train_gan, [str(tiny_folder), "-o", str(tmp_path / "run"), "--device", "cuda"]
    )
    assert "1 GPUs are requested and PyTorch finds 0" in str(refused.exception)


def test_without_a_terminal_evaluations_and_every_half_minute_are_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now_s = [0.0]
    show = LineProgress(15_000, clock=lambda: now_s[0])
    line = {"generator": 3.14, "seconds_per_step": 0.5}

    def printed(at_s: float, **values: float) -> str:
        now_s[0] = at_s
        show(line | values)
        return capsys.readouterr().err

    speed = "loss 3.14, 2.0 steps/s, 2 h"
    assert printed(0.0, step=1) == f"step 1 of 15000: {speed} 5 min left\n"
    assert printed(10.0, step=20) == ""
    assert printed(20.0, step=200, swd=81.26).startswith(f"step 200 of 15000: swd 81.3, {speed}")
    assert printed(49.0, step=240) == ""
    assert printed(50.0, step=260).startswith(f"step 260 of 15000: {speed}")
