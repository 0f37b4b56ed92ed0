"""A run records its configuration, and continues with no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.gan.checkpoint import CheckpointError, Training, save
from latent_resonance_export.gan.hyperparameters import Hyperparameters, read_hyperparameters
from latent_resonance_export.gan.models.registry import make_generator
from latent_resonance_export.gan.run import (
    RunConfig,
    RunError,
    locked_run,
    open_run,
    read_config,
    write_config,
)

CONFIG = RunConfig(
    architecture="loop",
    dataset="/sounds/cello",
    dataset_sha256="ab" * 32,
    geometry=Geometry(n_mels=64, n_frames=64),
    hyperparameters=asdict(Hyperparameters()),
)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_sheet_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_config(CONFIG, tmp_path)
    assert read_config(tmp_path) == CONFIG
    assert read_hyperparameters(read_config(tmp_path).hyperparameters) == Hyperparameters()
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]


def test_a_run_is_begun_in_a_folder_that_is_new_empty_or_hardly_begun(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "hardly").mkdir()
    (tmp_path / "hardly" / "run.part").write_text("architec")
    for name in ("a/new", "empty", "hardly"):
        with locked_run(tmp_path / name, CONFIG):
            assert read_config(tmp_path / name) == CONFIG


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "dcgan"}, "the architecture loop, not dcgan"),
        ({"dataset_sha256": "cd" * 32}, "/sounds/cello, sha256 abababababab, not cdcdcdcdcdcd"),
        ({"geometry": Geometry(n_mels=64)}, "another geometry, n_frames 64, not 512"),
        ({"hyperparameters": asdict(Hyperparameters(batch_size=32))}, "batch_size 16, not 32"),
        ({"hyperparameters": asdict(Hyperparameters(z_noise=0.5))}, "z_noise 0.15, not 0.5"),
    ],
)
def test_a_run_that_was_begun_otherwise_is_refused_by_the_value_that_differs(
    changes: dict[str, object], said: str, tmp_path: Path
) -> None:
    write_config(CONFIG, tmp_path)
    before = contents(tmp_path)
    with (
        pytest.raises(RunError) as caught,
        locked_run(tmp_path, replace(CONFIG, **changes)),
    ):
        pytest.fail("it was taken up")
    assert said in str(caught.value)
    assert "or name another folder" in str(caught.value)
    assert contents(tmp_path) == before


def test_a_run_may_go_on_with_another_seed_and_after_its_dataset_was_moved(tmp_path: Path) -> None:
    write_config(CONFIG, tmp_path)
    moved = replace(
        CONFIG, dataset="/elsewhere", hyperparameters=asdict(Hyperparameters(seed=7, settle=9))
    )
    with locked_run(tmp_path, moved):
        assert read_config(tmp_path) == moved


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("meow")
    (tmp_path / "file").write_text("mine")
    before = contents(tmp_path)
    for name, said in (("photos", "is no run: name another folder"), ("file", "is a file")):
        with pytest.raises(RunError, match=said), locked_run(tmp_path / name, CONFIG):
            pytest.fail("it was taken up")
    assert contents(tmp_path) == before


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    with locked_run(tmp_path, CONFIG):
        other = replace(CONFIG, hyperparameters=asdict(Hyperparameters(seed=7)))
        with pytest.raises(RunError, match="by another process"), locked_run(tmp_path, other):
            pytest.fail("it was taken up twice")
        assert read_config(tmp_path) == CONFIG
    with locked_run(tmp_path, CONFIG):
        pass


def test_a_run_begun_before_clips_were_turned_goes_on_without(tmp_path: Path) -> None:
    write_config(CONFIG, tmp_path)
    path = tmp_path / "run.yaml"
    path.write_text(path.read_text().replace("  turn: true\n", ""))
    assert read_config(tmp_path).hyperparameters == CONFIG.hyperparameters | {"turn": False}


def test_a_run_of_a_workshop_with_other_networks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("format: 7")
    with pytest.raises(RunError, match=r"has format 7, this workshop's is 1: .* begin another run"):
        read_config(tmp_path)


def test_a_folder_without_a_sheet_is_no_run(tmp_path: Path) -> None:
    for content in (None, "", "a: [", "format: 1", "- 1"):
        if content is not None:
            (tmp_path / "run.yaml").write_text(content)
        with pytest.raises(RunError, match="is not a run"):
            read_config(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[RunConfig], Path]:
    """Writes a run whose checkpoint holds the loop generator of SHEET."""

    def write(config: RunConfig) -> Path:
        folder = tmp_path_factory.mktemp("run")
        torch.manual_seed(5)
        generator = make_generator("loop", CONFIG.geometry)
        small = torch.nn.Linear(1, 1)
        optimisers = [torch.optim.Adam(small.parameters()) for _ in range(2)]
        save(Training(small, None, small, generator, *optimisers, 7), folder / "checkpoint.pt")
        write_config(config, folder)
        return folder

    return write


def test_an_opened_run_draws_by_its_averaged_generator(
    trained: Callable[[RunConfig], Path],
) -> None:
    run = open_run(trained(CONFIG))
    assert run.step == 7
    torch.manual_seed(5)
    same, z = make_generator("loop", CONFIG.geometry), torch.randn(2, 128)
    assert torch.equal(run.generator(z), same(z))
    assert not any(p.requires_grad for p in run.generator.parameters())
    assert not run.generator.training


def test_a_run_without_a_checkpoint_or_of_another_network_is_refused(
    trained: Callable[[RunConfig], Path], tmp_path: Path
) -> None:
    write_config(CONFIG, tmp_path)
    with pytest.raises(CheckpointError, match="train-gan writes it"):
        open_run(tmp_path)
    with pytest.raises(
        CheckpointError, match=r"does not belong to the network that run\.yaml names \(dcgan\)"
    ):
        open_run(trained(replace(CONFIG, architecture="dcgan")))
