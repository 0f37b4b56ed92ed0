"""The folder of a training run: its configuration, and opening it in later steps.

RUN/run.yaml        architecture, hyperparameters and dataset that the run began with
RUN/checkpoint.pt   what training continues from (gan/checkpoint.py)
RUN/log.jsonl       losses and distances, with metric.png and sheet-*.png (gan/logging.py)
RUN/regressor.pt    what train-regressor adds (regressor/model.py)

`train-gan` writes the first three, in one process at a time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.dataset.dataset import Dataset, open_dataset
from latent_resonance_export.gan.checkpoint import CHECKPOINT, CheckpointError, read
from latent_resonance_export.gan.models.registry import make_generator

CONFIG_FILE = "run.yaml"
FORMAT = 1  # raise it when the default networks change: old weights may load, yet mean others
CHANGEABLE = {"seed", "settle"}  # hyperparameters that may change when a run continues
HYPERPARAMETERS = "recipe"  # their key in run.yaml


class RunError(LatentResonanceError):
    """The folder is no run, or its parts do not fit each other."""


@dataclass(frozen=True)
class RunConfig:
    """How a run was begun; only CHANGEABLE and the dataset's location may change later."""

    architecture: str  # a name of gan/models/registry.py, or package.module:factory
    dataset: str  # the folder, as an absolute path
    dataset_sha256: str
    geometry: Geometry
    hyperparameters: dict[str, Any]
    begun_from: str | None = None  # the run or pack it was warm-started from, an absolute path


@dataclass(frozen=True)
class Run:
    """A run that has a checkpoint; `generator` is the EMA generator, frozen, on the CPU."""

    folder: Path
    config: RunConfig
    generator: nn.Module
    step: int

    def dataset(self, elsewhere: Path | None = None) -> Dataset:
        """The dataset it was trained on; `elsewhere` if that has been moved.

        Raises
        ------
        DatasetError, RunError
            There is none, or it is another one.
        """
        folder = elsewhere or Path(self.config.dataset)
        dataset = open_dataset(folder)
        if dataset.sha256 != self.config.dataset_sha256:
            raise RunError(
                f"{folder} is not the dataset that {self.folder} was trained on "
                f"({self.config.dataset}); name it by --dataset"
            )
        return dataset


def write_config(config: RunConfig, folder: Path) -> None:
    """Writes RUN/run.yaml to a temporary file, then renames it."""
    path = folder / CONFIG_FILE
    keys = {"hyperparameters": HYPERPARAMETERS}
    values = {keys.get(name, name): value for name, value in asdict(config).items()}
    temporary = path.with_suffix(".part")
    temporary.write_text(yaml.safe_dump({"format": FORMAT, **values}, sort_keys=False))
    temporary.replace(path)


@contextmanager
def locked_run(folder: Path, target: RunConfig) -> Iterator[None]:
    """Begins or continues the run in a folder, locked against other processes.

    Afterwards run.yaml holds `target`.

    Raises
    ------
    RunError
        The folder holds something else, the run was begun with another configuration, or another
        process is training it.
    """
    check_folder(folder, target)
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        _lock(lock, folder)
        write_config(target, folder)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunError(
            f"{folder} is being trained by another process: wait for it, or name another folder "
            "by -o"
        ) from error


def check_folder(folder: Path, target: RunConfig) -> None:
    """Refuses a folder that holds something else, or a run begun with another configuration."""
    if (folder / CONFIG_FILE).exists():
        if difference := first_difference(read_config(folder), target):
            raise RunError(
                f"{folder} was begun with {difference}: leave that as it was, or name another "
                "folder by -o"
            )
    elif folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file: name another folder by -o")
    elif folder.exists() and not (folder / CHECKPOINT).exists() and _content(folder):
        raise RunError(f"{folder} exists and is no run: name another folder by -o")


def first_difference(begun: RunConfig, target: RunConfig) -> str:
    """The first value that keeps a run from continuing, as `old, not new`; empty if none does."""
    pairs: list[tuple[str, object, object]] = [
        ("the architecture", begun.architecture, target.architecture)
    ]
    pairs += [
        (f"a dataset of another geometry, {name}", old, getattr(target.geometry, name))
        for name, old in asdict(begun.geometry).items()
    ]
    pairs += [("the networks of", begun.begun_from, target.begun_from)]
    sha256s = (begun.dataset_sha256[:12], target.dataset_sha256[:12])
    pairs += [(f"the dataset {begun.dataset}, sha256", *sha256s)]
    old_values, new_values = begun.hyperparameters, target.hyperparameters
    fixed = (old_values.keys() | new_values.keys()) - CHANGEABLE
    pairs += [(name, old_values.get(name), new_values.get(name)) for name in sorted(fixed)]
    return next((f"{name} {old}, not {new}" for name, old, new in pairs if old != new), "")


def _content(folder: Path) -> list[Path]:
    """The files of a folder, except the temporary file of an interrupted `write_config`."""
    return [path for path in folder.iterdir() if path.suffix != ".part"]


def read_config(folder: Path) -> RunConfig:
    """How the run in a folder was begun.

    Raises
    ------
    RunError
        The folder is no run.
    """
    path = folder / CONFIG_FILE
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        version = values.pop("format")
        if version != FORMAT:
            raise RunError(
                f"{path} has format {version}, this workshop's is {FORMAT}: its networks "
                "differ; continue with the version that began it, or begin another run"
            )
        # a run begun before clips were rolled continues without
        hyperparameters = {"turn": False} | values.pop(HYPERPARAMETERS)
        geometry = Geometry(**values.pop("geometry"))
        return RunConfig(**values, geometry=geometry, hyperparameters=hyperparameters)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise RunError(
            f"{folder} is not a run ({path.name} is missing or broken): train-gan DATASET -o "
            f"{folder} begins one"
        ) from error


def open_run(folder: Path) -> Run:
    """Opens a run that has a checkpoint.

    Raises
    ------
    RunError, CheckpointError
        There is no run or no checkpoint yet, or the checkpoint belongs to another network.
    """
    config = read_config(folder)
    state = read(folder / CHECKPOINT, torch.device("cpu"))
    generator = make_generator(config.architecture, config.geometry)
    try:
        generator.load_state_dict(state["average"])
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder / CHECKPOINT} does not belong to the network that {CONFIG_FILE} names "
            f"({config.architecture}); restore both from the same run"
        ) from error
    return Run(folder, config, generator.eval().requires_grad_(False), int(state["step"]))
