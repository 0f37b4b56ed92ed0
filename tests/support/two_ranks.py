"""What `test_engine` lets several processes do: they import this module by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from latent_resonance_export.dataset.dataset import Dataset, open_dataset
from latent_resonance_export.gan.device import any_of, by_first
from latent_resonance_export.gan.early_stopping import Goal
from latent_resonance_export.gan.models.dcgan import DcganCritic, DcganGenerator
from latent_resonance_export.gan.models.registry import ARCHITECTURES
from latent_resonance_export.gan.run import RunError
from latent_resonance_export.gan.train import Studio, begin, one_step, train


@dataclass(frozen=True)
class Watched(Dataset):
    """Remembers the batches that were drawn, by their sums."""

    drawn: list[tuple[int, float]]

    def batch(self, size: int, rng: np.random.Generator) -> np.ndarray:
        pixels = super().batch(size, rng)
        self.drawn.append((size, float(pixels.sum())))
        return pixels


def studio_of(fabric: Fabric, dataset: Dataset) -> Studio:
    """A narrow DCGAN: it has batch normalisation, which counts by itself in each process."""
    architecture = replace(
        ARCHITECTURES["dcgan"],
        generator=lambda _g: DcganGenerator(64, 64, 8, 16),
        critic=lambda _g: DcganCritic(64, 64, 16),
    )
    return Studio(fabric, dataset, architecture, replace(architecture.recipe, batch_size=8))


def trained(fabric: Fabric, dataset: Path, folder: Path, goal: Goal) -> int:
    """Trains three steps by hand, then the same by `train`; leaves what this process holds."""
    watched = Watched(**vars(open_dataset(dataset)), drawn=[])
    studio = studio_of(fabric, watched)
    training = begin(studio)
    said = []
    for _ in range(goal.steps):
        said.append(one_step(training, studio))
        training.step += 1
    states = {name: part.state_dict() for name, part in training.parts().items()}
    told = {
        "rank": fabric.global_rank,
        "states": states,
        "drawn": list(watched.drawn),
        "said": said,
        "refused": refused(fabric),
        "any": [any_of(fabric, fabric.global_rank == 1), any_of(fabric, asked=False)],
    }
    torch.save(told, folder / f"rank-{fabric.global_rank}.pt")
    return train(studio, folder, goal).step


def refused(fabric: Fabric) -> str:
    """The error that every process gets when the first one's work fails."""

    def fail() -> None:
        raise RunError(f"process {fabric.global_rank} could not")

    try:
        by_first(fabric, fail)
    except RunError as error:
        return str(error)
    return ""


def dies(fabric: Fabric) -> None:
    """The second process comes to its end while the first waits for it."""
    if fabric.global_rank == 1:
        os._exit(3)
    fabric.barrier()


def raises(_fabric: Fabric) -> None:
    """What a user can put right."""
    raise RunError("the folder is elsewhere")
