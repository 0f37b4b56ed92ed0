"""Training: every architecture learns, and an interrupted run continues bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from tests.support.small_networks import narrow

from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.checkpoint import CheckpointError, Training, read
from latent_resonance_export.gan.early_stopping import Goal
from latent_resonance_export.gan.models.registry import ArchitectureError
from latent_resonance_export.gan.train import (
    TrainingError,
    TrainingSetup,
    check_finite,
    new_training,
    one_step,
    resume_or_begin,
    step_rngs,
    train,
)

CPU = torch.device("cpu")


NAMES = ("loop", "dcgan", "stylegan2", "own")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make_setup(tiny: Dataset) -> Callable[..., TrainingSetup]:
    """Makes a studio for an architecture, with values of the recipe changed."""
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")

    def make(name: str, **changes: float) -> TrainingSetup:
        architecture = narrow(name)
        few = {"batch_size": 4, "penalty_interval": 2, "n_patches": 1}
        warm_up = min(architecture.hyperparameters.warm_up, 2)
        hyperparameters = replace(
            architecture.hyperparameters, **({"warm_up": warm_up} | few | changes)
        )
        return TrainingSetup(fabric, tiny, architecture, hyperparameters)

    return make


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


def steps_of(training: Training, make_setup: TrainingSetup, n: int) -> list[dict[str, float]]:
    said = []
    for _ in range(n):
        said.append(one_step(training, make_setup))
        training.step += 1
    return said


@pytest.mark.parametrize("turn", [True, False])
def test_clips_are_encoded_at_a_random_roll_or_without_a_roll(
    make_setup: Callable[..., TrainingSetup], tiny: Dataset, turn: bool
) -> None:
    training, encoded = new_training(setup := make_setup("loop", turn=turn, warm_up=9)), []
    training.encoder.register_forward_pre_hook(lambda _, inputs: encoded.append(inputs[0]))
    steps_of(training, setup, 3)
    clips = tiny.pixels[tiny.training].astype(np.float32)
    turns = []
    for one in (torch.cat(encoded)[:, 0].numpy() + 1.0) * 128.0:
        for turn_of_one in range(one.shape[1]):
            above = np.roll(one, -turn_of_one, axis=1) - clips
            same = (above > -1e-3) & (above < 1.0 + 1e-3)  # dequantised
            turns += [turn_of_one] * int(same.all(axis=(1, 2)).sum())
    assert len(turns) == 12
    assert len(set(turns)) > 5 if turn else set(turns) == {0}


def test_bands_that_no_clip_uses_are_silent_from_the_first_step_on(
    make_setup: Callable[..., TrainingSetup], tiny: Dataset, tmp_path: Path
) -> None:
    pixels = np.array(tiny.pixels)
    pixels[:, 40:] = 0
    setup = make_setup("loop")
    setup = replace(setup, dataset=replace(tiny, pixels=pixels))
    training = resume_or_begin(setup, tmp_path / "checkpoint.pt")
    steps_of(training, setup, 4)
    for network in (training.generator, training.ema):
        picture = network(torch.randn(6, 16))
        assert (picture[:, :, 40:] == -1.0).all()
        assert (picture[:, :, :40] > -1.0).any(dim=3).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_four_steps_and_four_more_are_eight_bit_for_bit(
    make_setup: Callable[..., TrainingSetup], name: str, tmp_path: Path
) -> None:
    for folder, goals in (("whole", [8]), ("resumed", [4, 8])):
        (tmp_path / folder).mkdir()
        for goal in goals:
            torch.manual_seed(goal)  # the global generator's state must not matter
            assert train(make_setup(name), tmp_path / folder, Goal(goal)) == (goal, "steps")
    whole, resumed = (read(tmp_path / f / "checkpoint.pt", CPU) for f in ("whole", "resumed"))
    assert whole["step"] == resumed["step"] == 8
    assert assert_same(whole, resumed) > 60
    assert ("encoder" in whole) == (name == "loop")
    logs = [(tmp_path / f / "log.jsonl").read_text().splitlines() for f in ("whole", "resumed")]
    last = [json.loads(log[-1]) for log in logs]
    for line in last:
        del line["seconds_per_step"]
    assert last[0] == last[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_steps", "rate"),
    [("loop", 20, 1e-3), ("dcgan", 30, 1e-3), ("stylegan2", 15, 2e-3), ("own", 20, 1.6e-2)],
)
def test_each_architecture_learns_the_clips(
    make_setup: Callable[..., TrainingSetup], name: str, n_steps: int, rate: float, tmp_path: Path
) -> None:
    setup = make_setup(name, ema_halflife=4.0, generator_rate=rate)
    train(setup, tmp_path, Goal(n_steps))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    untrained, trained = lines[0], lines[-1]
    assert (untrained["step"], trained["step"]) == (0, n_steps)
    assert trained["swd"] < 0.5 * untrained["swd"]
    assert untrained["swd_floor"] < trained["swd"]
    assert "swd_floor" not in trained, "the floor is logged once"


def test_every_part_learns_and_each_only_when_it_should(
    make_setup: Callable[..., TrainingSetup],
) -> None:
    setup = make_setup("loop")
    training = new_training(setup)

    def changed(name: str) -> Iterator[bool | None]:
        before = [p.clone() for p in training.parts()[name].parameters()]
        yield None
        after = training.parts()[name].parameters()
        yield any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))

    for step, discriminator_learns in ((0, False), (2, True)):
        training.step = step
        watched = {n: changed(n) for n in ("generator", "encoder", "critic", "average")}
        for watch in watched.values():
            next(watch)
        losses = one_step(training, setup)
        assert ("critic" in losses) == discriminator_learns
        assert {n: next(w) for n, w in watched.items()} == {
            "generator": True,
            "encoder": True,
            "critic": discriminator_learns,
            "average": True,
        }
        assert all(p.requires_grad for p in training.discriminator.parameters())


def test_reconstruction_improves_within_a_few_steps(
    make_setup: Callable[..., TrainingSetup],
) -> None:
    setup = make_setup("loop", warm_up=100)
    unlike = [line["unlike"] for line in steps_of(new_training(setup), setup, 8)]
    assert np.isfinite(unlike).all()
    assert unlike[-1] < 0.8 * unlike[0]


def test_the_same_seed_begins_the_same_networks_and_another_others(
    make_setup: Callable[..., TrainingSetup],
) -> None:
    first, again, other = (new_training(make_setup("loop", seed=seed)) for seed in (1, 1, 2))
    assert assert_same(first.generator.state_dict(), again.generator.state_dict()) > 20
    assert not torch.equal(first.generator.seed, other.generator.seed)
    assert assert_same(first.generator.state_dict(), first.ema.state_dict()) > 20


def test_ranks_draw_different_numbers_and_rank_zero_the_same_as_a_single_process() -> None:
    drawn = []
    for seed, step, rank in ((0, 7, 0), (0, 7, 1), (0, 8, 0), (1, 7, 0)):
        rng, numbers = step_rngs(seed, step, rank)
        of_torch = torch.rand(1, generator=rng).item()
        drawn.append((of_torch, torch.rand(1).item(), numbers.random()))
    assert all(len(set(kind)) == 4 for kind in zip(*drawn, strict=True))
    assert drawn[0][0] == torch.rand(1, generator=torch.Generator().manual_seed(7)).item()
    assert drawn[0][2] == np.random.default_rng((0, 7)).random()


@pytest.mark.slow
def test_a_run_writes_a_log_a_curve_and_contact_sheets(
    make_setup: Callable[..., TrainingSetup], tmp_path: Path
) -> None:
    shown = []
    train(make_setup("loop", checkpoint_interval=3), tmp_path, Goal(4), shown.append)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 3, 4]
    measured = {"swd", "spectrum_db", "onset_db"}
    assert {"unlike", "stray", "critic", "energy", "generator"} | measured <= lines[1].keys()
    assert [shown[0], *shown[2:]] == [{"step": 0}, *lines[1:]]
    assert shown[1]["step"] == 1
    for name in ("sheet-000000.png", "sheet-000003.png", "sheet-000004.png", "metric.png"):
        assert (tmp_path / name).stat().st_size > 5_000
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.slow
def test_a_run_that_is_killed_early_leaves_its_first_step_and_logs_step_0_once(
    make_setup: Callable[..., TrainingSetup], tmp_path: Path
) -> None:
    class KilledError(Exception):
        pass

    def kill_at(step: int) -> Callable[[dict[str, float]], None]:
        def show(line: dict[str, float]) -> None:
            if line["step"] == step:
                raise KilledError

        return show

    def evaluated() -> list[int]:
        lines = (tmp_path / "log.jsonl").read_text().splitlines()
        return [json.loads(line)["step"] for line in lines]

    setup = make_setup("loop", checkpoint_interval=100)
    for _ in range(2):
        with pytest.raises(KilledError):
            train(setup, tmp_path, Goal(2), kill_at(1))
        assert read(tmp_path / "checkpoint.pt", CPU)["step"] == 1
        assert evaluated() == [0]
        (tmp_path / "checkpoint.pt").unlink()  # as if it was killed before the first step
    train(setup, tmp_path, Goal(1))
    assert evaluated() == [0, 1]


@pytest.mark.slow
def test_training_ends_on_a_plateau_and_reports_it(
    make_setup: Callable[..., TrainingSetup], tmp_path: Path
) -> None:
    at_rest = {"generator_rate": 0.0, "critic_rate": 0.0, "checkpoint_interval": 1}
    ended = train(make_setup("dcgan", **at_rest), tmp_path, Goal(50, patience=2))
    assert ended.reason == "plateau"
    assert 2 <= ended.step < 10
    assert read(tmp_path / "checkpoint.pt", CPU)["step"] == ended.step


@pytest.mark.slow
def test_a_run_that_diverges_stops_and_keeps_its_checkpoint(
    make_setup: Callable[..., TrainingSetup], tmp_path: Path
) -> None:
    train(make_setup("loop"), tmp_path, Goal(1))
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(TrainingError, match="saved, at step 1: continue from it") as caught:
        train(make_setup("loop", warm_up=100, warm_up_rate=1e30), tmp_path, Goal(9))
    assert str(tmp_path / "checkpoint.pt") in str(caught.value)
    assert (tmp_path / "checkpoint.pt").read_bytes() == whole


def test_each_diverged_loss_is_named(tmp_path: Path) -> None:
    check_finite({"critic": 1.0, "generator": -3.0}, 7, tmp_path / "checkpoint.pt")
    losses = {"critic": float("nan"), "generator": 1.0, "loop": float("inf")}
    with pytest.raises(TrainingError, match="critic and loop became NaN or infinite at step 7"):
        check_finite(losses, 7, tmp_path / "checkpoint.pt")


@pytest.mark.slow
def test_a_checkpoint_of_another_network_is_refused_and_left_alone(
    make_setup: Callable[..., TrainingSetup], tmp_path: Path
) -> None:
    train(make_setup("own"), tmp_path, Goal(1))
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    for other in ("loop", "dcgan"):
        with pytest.raises(CheckpointError, match="belongs to other networks; restore it"):
            train(make_setup(other), tmp_path, Goal(2))
    assert (tmp_path / "checkpoint.pt").read_bytes() == whole


def test_a_loop_of_no_power_of_two_is_refused(
    make_setup: Callable[..., TrainingSetup], tiny: Dataset
) -> None:
    geometry = replace(tiny.geometry, n_frames=100)
    setup = replace(make_setup("loop"), dataset=replace(tiny, geometry=geometry))
    with pytest.raises(
        ArchitectureError, match="n_frames is 100, but a network reaches it by doubling 8"
    ):
        new_training(setup)
