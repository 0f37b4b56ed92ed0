"""A training run: how it was begun, and what the later steps see of it.

RUN/run.yaml        architecture, recipe and dataset: how the run was begun
RUN/checkpoint.pt   what a run goes on from (gan/checkpoint.py)
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

SHEET = "run.yaml"
FORMAT = 1  # to be raised whenever the default networks change: weights may fit and mean else
CHANGEABLE = {"seed", "settle"}  # of a recipe, when a run goes on


class RunError(LatentResonanceError):
    """The folder is no run, or its parts do not fit each other."""


@dataclass(frozen=True)
class RunSheet:
    """How a run was begun; only CHANGEABLE and the dataset's place may change later."""

    architecture: str  # a name of gan/models/registry.py, or package.module:factory
    dataset: str  # the folder, as an absolute path
    dataset_sha256: str
    geometry: Geometry
    recipe: dict[str, Any]
    begun_from: str | None = None  # the run or pack it began with, as an absolute path


@dataclass(frozen=True)
class Run:
    """A run that has been trained: `generator` is the average, frozen, on the CPU."""

    folder: Path
    sheet: RunSheet
    generator: nn.Module
    step: int

    def dataset(self, elsewhere: Path | None = None) -> Dataset:
        """What it was trained on, or the same dataset after it was moved.

        Raises
        ------
        DatasetError, RunError
            There is none, or it is another one.
        """
        folder = elsewhere or Path(self.sheet.dataset)
        dataset = open_dataset(folder)
        if dataset.sha256 != self.sheet.dataset_sha256:
            raise RunError(
                f"{folder} is not the dataset that {self.folder} was trained on "
                f"({self.sheet.dataset}); name it by --dataset"
            )
        return dataset


def write_sheet(sheet: RunSheet, folder: Path) -> None:
    """Writes RUN/run.yaml beside its name, then renames it."""
    path = folder / SHEET
    beside = path.with_suffix(".part")
    beside.write_text(yaml.safe_dump({"format": FORMAT, **asdict(sheet)}, sort_keys=False))
    beside.replace(path)


@contextmanager
def taken_up(folder: Path, target: RunSheet) -> Iterator[None]:
    """Begins a run or goes on with it, in one process at a time; its sheet is then as wanted.

    Raises
    ------
    RunError
        The folder holds something else, the run was begun otherwise, or another process has it.
    """
    refuse_another(folder, target)
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        _take(lock, folder)
        write_sheet(target, folder)
        yield
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunError(
            f"{folder} is being trained by another process: wait for it, or name another folder "
            "by -o"
        ) from error


def refuse_another(folder: Path, target: RunSheet) -> None:
    """Makes sure that a folder is free, or that the run in it was begun in this way."""
    if (folder / SHEET).exists():
        if difference := how_they_differ(read_sheet(folder), target):
            raise RunError(
                f"{folder} was begun with {difference}: leave that as it was, or name another "
                "folder by -o"
            )
    elif folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file: name another folder by -o")
    elif folder.exists() and not (folder / CHECKPOINT).exists() and _holdings(folder):
        raise RunError(f"{folder} exists and is no run: name another folder by -o")


def how_they_differ(begun: RunSheet, target: RunSheet) -> str:
    """The first value that keeps a run from going on, as `this, not that`; empty if none does."""
    pairs = [("the architecture", begun.architecture, target.architecture)]
    names = asdict(begun.geometry)
    pairs += [
        (f"a dataset of another geometry, {name}", was, getattr(target.geometry, name))
        for name, was in names.items()
    ]
    pairs += [("the networks of", begun.begun_from, target.begun_from)]
    sha256s = (begun.dataset_sha256[:12], target.dataset_sha256[:12])
    pairs += [(f"the dataset {begun.dataset}, sha256", *sha256s)]
    fixed = (begun.recipe.keys() | target.recipe.keys()) - CHANGEABLE
    pairs += [(name, begun.recipe.get(name), target.recipe.get(name)) for name in sorted(fixed)]
    return next((f"{name} {was}, not {now}" for name, was, now in pairs if was != now), "")


def _holdings(folder: Path) -> list[Path]:
    """What lies in a folder, but for what an interrupted `write_sheet` left there."""
    return [path for path in folder.iterdir() if path.suffix != ".part"]


def read_sheet(folder: Path) -> RunSheet:
    """How the run in a folder was begun.

    Raises
    ------
    RunError
        The folder is no run.
    """
    path = folder / SHEET
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        version = said.pop("format")
        if version != FORMAT:
            raise RunError(
                f"{path} has format {version}, this workshop's is {FORMAT}: its networks are "
                "others; go on with the version that began it, or begin another run"
            )
        recipe = {"turn": False} | said["recipe"]  # runs begun before clips were turned go on so
        return RunSheet(**said | {"geometry": Geometry(**said["geometry"]), "recipe": recipe})
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
        There is no run, no checkpoint yet, or it is of another network.
    """
    sheet = read_sheet(folder)
    state = read(folder / CHECKPOINT, torch.device("cpu"))
    generator = make_generator(sheet.architecture, sheet.geometry)
    try:
        generator.load_state_dict(state["average"])
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder / CHECKPOINT} is not of the network that {SHEET} names "
            f"({sheet.architecture}); restore both from the same run"
        ) from error
    return Run(folder, sheet, generator.eval().requires_grad_(False), int(state["step"]))
