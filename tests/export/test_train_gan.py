"""Training: a run that is put down goes on as if it had not been, and never runs a checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latent_resonance_export.checkpoint import CheckpointError, Training, read, save
from latent_resonance_export.dataset import Dataset
from latent_resonance_export.train_gan import (
    Recipe,
    TrainingError,
    begin,
    follow,
    one_step,
    refuse_nan,
    train,
)

CPU = torch.device("cpu")
# two steps of warming up, then the critics, with the penalty at every other step
TINY = Recipe(batch_size=4, warm_up=2, penalty_interval=2, n_patches=1, checkpoint_interval=100)


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.folder,)


def assert_same(ours: object, theirs: object) -> int:
    """Compares two states bit by bit; returns how many tensors were compared."""
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs)
        return 1
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        return sum(assert_same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list | tuple):
        return sum(assert_same(a, b) for a, b in zip(ours, theirs, strict=True))
    assert ours == theirs
    return 0


@pytest.fixture(scope="module")
def half_way(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps: two to warm up and one with the critics."""
    run = tmp_path_factory.mktemp("runs") / "half"
    train(dataset, run, TINY, 3, CPU)
    return run / "checkpoint.pt"


def copy_of(checkpoint: Path, run: Path) -> Path:
    run.mkdir()
    (run / "checkpoint.pt").write_bytes(checkpoint.read_bytes())
    return run


@pytest.mark.slow
def test_an_interrupted_run_continues_exactly(
    dataset: Dataset, half_way: Path, tmp_path: Path
) -> None:
    train(dataset, tmp_path / "whole", TINY, 5, CPU)
    train(dataset, copy_of(half_way, tmp_path / "resumed"), TINY, 5, CPU)
    whole, resumed = (read(tmp_path / r / "checkpoint.pt", CPU) for r in ("whole", "resumed"))
    assert whole["step"] == resumed["step"] == 5
    assert assert_same(whole, resumed) > 400


@pytest.mark.slow
def test_every_part_learns_and_each_only_when_it_should(dataset: Dataset) -> None:
    training = begin(TINY, dataset.geometry.n_mels, CPU)

    def changed(name: str) -> bool:
        before = [p.clone() for p in training.parts()[name].parameters()]
        yield
        after = training.parts()[name].parameters()
        yield any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))

    for step, critic_learns in ((0, False), (2, True)):
        training.step = step
        watched = {n: changed(n) for n in ("generator", "encoder", "critic", "average")}
        for watch in watched.values():
            next(watch)
        losses = one_step(training, dataset, TINY, CPU)
        assert ("critic" in losses) == critic_learns
        assert {n: next(w) for n, w in watched.items()} == {
            "generator": True,
            "encoder": True,
            "critic": critic_learns,
            "average": True,
        }
        assert all(p.requires_grad for p in training.critic.parameters())


@pytest.mark.slow
def test_re_creating_the_clips_gets_better_within_a_few_steps(dataset: Dataset) -> None:
    recipe = replace(TINY, warm_up=100)
    training = begin(recipe, dataset.geometry.n_mels, CPU)
    unlike = []
    for _ in range(8):
        unlike.append(one_step(training, dataset, recipe, CPU)["unlike"])
        training.step += 1
    assert np.isfinite(unlike).all()
    assert unlike[-1] < 0.8 * unlike[0]


@pytest.mark.slow
def test_a_run_leaves_a_log_and_a_sheet_to_look_at(
    dataset: Dataset, half_way: Path, tmp_path: Path
) -> None:
    run, heard = copy_of(half_way, tmp_path / "run"), []
    recipe = replace(TINY, log_interval=100, checkpoint_interval=4)
    train(dataset, run, recipe, 4, CPU, progress=heard.append)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4]
    assert {"unlike", "stray", "critic", "generator", "spectrum_db", "onset_db"} <= lines[0].keys()
    assert heard == [{"step": 3}, lines[0]]
    assert (run / "sheet-000004.png").stat().st_size > 10_000


def test_a_checkpoint_that_hides_code_is_refused_and_not_run(
    dataset: Dataset, tmp_path: Path
) -> None:
    path, sprung = tmp_path / "checkpoint.pt", tmp_path / "sprung"
    torch.save({"step": 1, "generator": Trap(sprung)}, path)
    with pytest.raises(CheckpointError, match="more than tensors") as caught:
        train(dataset, tmp_path, TINY, 2, CPU)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not sprung.exists()
    torch.load(path, weights_only=False)
    assert sprung.exists(), "the trap was not armed"


def test_broken_and_foreign_checkpoints_are_refused_and_left_alone(
    dataset: Dataset, half_way: Path, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"step": 1, "generator": {}}, tmp_path / "foreign.pt")
    whole = half_way.read_bytes()
    contents = [b"", b"not torch", whole[: len(whole) // 2]]
    contents += [(tmp_path / name).read_bytes() for name in ("list.pt", "foreign.pt")]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="restore it"):
            train(dataset, tmp_path, TINY, 2, CPU)
        assert path.read_bytes() == content


def test_a_missing_checkpoint_says_who_writes_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train-gan writes it"):
        read(tmp_path / "checkpoint.pt", CPU)


def test_a_run_that_diverges_stops_and_keeps_its_checkpoint(
    dataset: Dataset, half_way: Path, tmp_path: Path
) -> None:
    run = copy_of(half_way, tmp_path / "run")
    absurd = replace(TINY, warm_up=100, warm_up_rate=1e30)
    with pytest.raises(TrainingError, match="another --seed") as caught:
        train(dataset, run, absurd, 9, CPU)
    assert str(run / "checkpoint.pt") in str(caught.value)
    assert (run / "checkpoint.pt").read_bytes() == half_way.read_bytes()


def test_each_lost_loss_is_named() -> None:
    refuse_nan({"critic": 1.0, "generator": -3.0}, 7, Path("checkpoint.pt"))
    losses = {"critic": float("nan"), "generator": 1.0, "loop": float("inf")}
    with pytest.raises(TrainingError, match="critic and loop ceased to be a number at step 7"):
        refuse_nan(losses, 7, Path("checkpoint.pt"))


@pytest.fixture
def fresh(dataset: Dataset) -> Training:
    return begin(TINY, dataset.geometry.n_mels, CPU)


def test_networks_that_are_lost_are_not_saved(fresh: Training, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"the last good one")
    fresh.encoder.z.bias.data[3] = float("nan")
    with pytest.raises(CheckpointError, match="as it was last saved"):
        save(fresh, path)
    assert path.read_bytes() == b"the last good one"


def test_the_average_follows_by_half_within_its_half_life() -> None:
    slow, fast = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(slow.weight)
    torch.nn.init.ones_(fast.weight)
    for _ in range(50):
        follow(slow, fast, step=100_000, halflife=50.0)
    assert slow.weight.item() == pytest.approx(0.5, abs=1e-3)
