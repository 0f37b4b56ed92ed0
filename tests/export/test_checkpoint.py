"""A checkpoint is whole or the one before it, and never runs what it holds."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from latent_resonance_export.gan.checkpoint import (
    CheckpointError,
    SaveSchedule,
    Training,
    load,
    read,
    save,
)

CPU = torch.device("cpu")
SAVES_FOR_EVER = """
import sys
from pathlib import Path
import torch
from torch import nn
from latent_resonance_export.gan.checkpoint import Training, save

large = nn.Linear(2500, 2500)
small = nn.Linear(1, 1)
optimisers = [torch.optim.Adam(small.parameters()) for _ in range(2)]
training = Training(large, None, small, large, *optimisers)
while True:
    training.step += 1
    large.bias.data.fill_(training.step)
    save(training, Path(sys.argv[1]))
"""


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.folder,)


@contextmanager
def no_file_larger_than(n_bytes: int) -> Iterator[None]:
    """As on a full disk, writing beyond the limit fails (Python ignores the signal)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def training_of(width: int = 8, *, encoder: bool = True) -> Training:
    networks = [nn.Linear(width, width) for _ in range(4)]
    optimisers = [torch.optim.Adam(networks[i].parameters()) for i in (0, 2)]
    networks[1] = networks[1] if encoder else None
    return Training(*networks, *optimisers, step=5)


def test_a_run_is_saved_after_its_first_step_and_every_five_minutes() -> None:
    now_s = [0.0]
    schedule = SaveSchedule(clock=lambda: now_s[0])
    saved_s = []
    for step in range(1, 61):  # steps of 21 s, as on a slow machine
        now_s[0] += 21.0
        if schedule.is_due(step):
            schedule.saved()
            saved_s.append(now_s[0])
    assert saved_s[0] == 21.0
    gaps = np.diff(saved_s)
    assert gaps.min() >= 300
    assert gaps.max() <= 321


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    ours, theirs = training_of(), training_of()
    save(ours, tmp_path / "checkpoint.pt")
    theirs.step = 0
    load(theirs, tmp_path / "checkpoint.pt", CPU)
    assert theirs.step == 5
    assert torch.equal(ours.ema.weight, theirs.ema.weight)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.realtime
def test_killed_in_the_middle_of_saving_it_leaves_the_last_one_readable(tmp_path: Path) -> None:
    path, beside = tmp_path / "checkpoint.pt", tmp_path / "checkpoint.part"
    saving = subprocess.Popen([sys.executable, "-c", SAVES_FOR_EVER, str(path)])
    try:
        while not (path.exists() and beside.exists() and beside.stat().st_size > 0):
            assert saving.poll() is None
            time.sleep(0.001)
    finally:
        saving.send_signal(signal.SIGKILL)
        saving.wait()
    assert beside.exists(), "it was not killed in the middle"
    left = read(path, CPU)
    assert left["step"] >= 1
    assert (left["generator"]["bias"] == left["step"]).all()


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("room", [0, 1000, 100_000])
def test_a_full_disk_costs_no_checkpoint(room: int, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    training = training_of(400)
    save(training, path)
    whole = path.read_bytes()
    assert len(whole) > 100_000
    training.step = 6
    with no_file_larger_than(room), pytest.raises(CheckpointError) as caught:
        save(training, path)
    said = str(caught.value)
    assert "\n" not in said
    assert "step 6 could not be saved (File too large)" in said
    assert f"{path} is as it was last saved, at step 5" in said
    assert "make room" in said
    assert path.read_bytes() == whole
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_disk_that_was_full_from_the_beginning_says_that_nothing_is_left(tmp_path: Path) -> None:
    with no_file_larger_than(0), pytest.raises(CheckpointError, match="nothing has been saved yet"):
        save(training_of(), tmp_path / "checkpoint.pt")


def test_networks_that_are_lost_are_not_saved(tmp_path: Path) -> None:
    path, training = tmp_path / "checkpoint.pt", training_of()
    save(training, path)
    whole = path.read_bytes()
    training.encoder.bias.data[3] = float("nan")
    with pytest.raises(CheckpointError, match="as it was last saved, at step 5"):
        save(training, path)
    assert path.read_bytes() == whole


def test_a_checkpoint_that_hides_code_is_refused_and_not_run(tmp_path: Path) -> None:
    path, sprung = tmp_path / "checkpoint.pt", tmp_path / "sprung"
    torch.save({"step": 1, "generator": Trap(sprung)}, path)
    with pytest.raises(CheckpointError, match="more than tensors") as caught:
        load(training_of(), path, CPU)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not sprung.exists()
    torch.load(path, weights_only=False)
    assert sprung.exists(), "the trap was not armed"


def test_broken_and_foreign_checkpoints_are_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save(training_of(), path)
    whole = path.read_bytes()
    others = {"list": [1, 2], "foreign": {"step": 1, "generator": {}}, "stepless": {"a": 1}}
    for name, content in others.items():
        torch.save(content, tmp_path / name)
    save(training_of(9), tmp_path / "wider")
    save(training_of(encoder=False), tmp_path / "without encoder")
    contents = [b"", b"not torch", whole[: len(whole) // 2]]
    contents += [(tmp_path / name).read_bytes() for name in (*others, "wider", "without encoder")]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="restore it"):
            load(training_of(), path, CPU)
        assert path.read_bytes() == content


def test_a_missing_checkpoint_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train-gan writes it"):
        read(tmp_path / "checkpoint.pt", CPU)
