"""Several processes train one run: alike in what they hold, different in what they see."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from latent_resonance_export.gan.checkpoint import read
from latent_resonance_export.gan.device import (
    DeviceError,
    choose_device,
    choose_precision,
    computes_in_bf16,
    launch,
)
from latent_resonance_export.gan.early_stopping import Goal
from latent_resonance_export.gan.run import RunError

pytestmark = pytest.mark.timeout(600)  # each process imports PyTorch


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes import tests.support.two_ranks from where we do."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


def same(ours: dict, theirs: dict) -> int:
    """Compares states bit by bit; returns how many tensors were compared."""
    assert ours.keys() == theirs.keys()
    n = 0
    for key, value in ours.items():
        if isinstance(value, dict):
            n += same(value, theirs[key])
        elif isinstance(value, torch.Tensor):
            assert torch.equal(value, theirs[key]), key
            n += 1
    return n


@pytest.mark.realtime
def test_two_processes_hold_the_same_draw_different_clips_and_one_writes(
    tiny_folder: Path, tmp_path: Path
) -> None:
    from tests.support import two_ranks

    done = launch(two_ranks.trained, tiny_folder, tmp_path, Goal(3), device="cpu", n_devices=2)
    assert done == 3
    first, second = (torch.load(tmp_path / f"rank-{rank}.pt") for rank in (0, 1))
    assert (first["rank"], second["rank"]) == (0, 1)
    assert same(first["states"], second["states"]) > 40
    assert first["said"] == second["said"]
    assert [size for size, _ in first["drawn"] + second["drawn"]] == [4] * 6
    assert not set(first["drawn"]) & set(second["drawn"])
    assert first["refused"] == second["refused"] == "process 0 could not"
    assert first["any"] == second["any"] == [True, False]

    saved = read(tmp_path / "checkpoint.pt", torch.device("cpu"))
    assert saved.pop("step") == 3
    assert same(saved, first["states"]) > 40
    log = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log == [0, 3], "each line once"


@pytest.mark.realtime
def test_one_launched_process_trains_as_without_launch(tiny_folder: Path, tmp_path: Path) -> None:
    from tests.support import two_ranks

    for name in ("launched", "plain"):
        (tmp_path / name).mkdir()
    job = (two_ranks.trained, tiny_folder, tmp_path / "launched", Goal(3))
    launch(*job, device="cpu", precision="fp32")
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    two_ranks.trained(fabric, tiny_folder, tmp_path / "plain", Goal(3))
    cpu = torch.device("cpu")
    launched, plain = (read(tmp_path / f / "checkpoint.pt", cpu) for f in ("launched", "plain"))
    assert same(launched, plain) > 40


@pytest.mark.realtime
def test_a_process_that_dies_is_reported_in_one_line() -> None:
    from tests.support import two_ranks

    with pytest.raises(DeviceError, match="one of 2 processes ended early") as caught:
        launch(two_ranks.dies, device="cpu", n_devices=2)
    assert "\n" not in str(caught.value)


@pytest.mark.realtime
def test_an_error_in_a_process_arrives_unchanged() -> None:
    from tests.support import two_ranks

    with pytest.raises(RunError, match=r"^the folder is elsewhere$"):
        launch(two_ranks.raises, device="cpu", n_devices=2)


def test_only_the_job_flushes_subnormal_numbers_to_zero() -> None:
    def half_of_the_smallest(_fabric: Fabric) -> float:
        return sys.float_info.min / 2

    assert launch(half_of_the_smallest, device="cpu") == 0.0
    assert sys.float_info.min / 2 > 0.0


def test_more_gpus_than_there_are_are_refused() -> None:
    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    with pytest.raises(DeviceError, match=f"{n + 1} GPUs are requested and PyTorch finds {n}"):
        choose_device("cuda", n + 1)
    assert choose_device("cpu", 64) == "cpu"
    assert choose_device("auto", max(n, 1)) == ("cuda" if n else "cpu")


def test_half_precision_is_chosen_where_the_machine_computes_in_it() -> None:
    expected = "bf16-mixed" if computes_in_bf16("cpu") else "32-true"
    assert choose_precision("auto", "cpu") == expected
    assert choose_precision("bf16", "cpu") == "bf16-mixed"
    assert choose_precision("fp32", "cpu") == "32-true"
