"""Jobs that `test_device` runs in several processes, which import this module by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from latent_resonance_export.dataset.dataset import Dataset, open_dataset
from latent_resonance_export.gan.device import any_rank, on_rank_zero
from latent_resonance_export.gan.early_stopping import Goal
from latent_resonance_export.gan.models.dcgan import DcganDiscriminator, DcganGenerator
from latent_resonance_export.gan.models.registry import ARCHITECTURES
from latent_resonance_export.gan.run import RunError
from latent_resonance_export.gan.train import TrainingSetup, new_training, one_step, train


@dataclass(frozen=True)
class Watched(Dataset):
    """Remembers the batches that were drawn, by their sums."""

    drawn: list[tuple[int, float]]

    def batch(self, size: int, rng: np.random.Generator) -> np.ndarray:
        pixels = super().batch(size, rng)
        self.drawn.append((size, float(pixels.sum())))
        return pixels


def setup_of(fabric: Fabric, dataset: Dataset) -> TrainingSetup:
    """A narrow DCGAN: it has batch normalisation, which counts by itself in each process."""
    architecture = replace(
        ARCHITECTURES["dcgan"],
        generator=lambda _g: DcganGenerator(64, 64, 8, 16),
        discriminator=lambda _g: DcganDiscriminator(64, 64, 16),
    )
    return TrainingSetup(
        fabric, dataset, architecture, replace(architecture.hyperparameters, batch_size=8)
    )


def trained(fabric: Fabric, dataset: Path, folder: Path, goal: Goal) -> int:
    """Trains three steps by hand, then the same by `train`; leaves what this process holds."""
    watched = Watched(**vars(open_dataset(dataset)), drawn=[])
    setup = setup_of(fabric, watched)
    training = new_training(setup)
    losses = []
    for _ in range(goal.steps):
        losses.append(one_step(training, setup))
        training.step += 1
    states = {name: part.state_dict() for name, part in training.parts().items()}
    mean_losses = {
        "rank": fabric.global_rank,
        "states": states,
        "drawn": list(watched.drawn),
        "said": losses,
        "refused": refused(fabric),
        "any": [any_rank(fabric, fabric.global_rank == 1), any_rank(fabric, flag=False)],
    }
    torch.save(mean_losses, folder / f"rank-{fabric.global_rank}.pt")
    return train(setup, folder, goal).step


def refused(fabric: Fabric) -> str:
    """The error that every process gets when the first one's work fails."""

    def fail() -> None:
        raise RunError(f"process {fabric.global_rank} could not")

    try:
        on_rank_zero(fabric, fail)
    except RunError as error:
        return str(error)
    return ""


def dies(fabric: Fabric) -> None:
    """The second process comes to its end while the first waits for it."""
    if fabric.global_rank == 1:
        os._exit(3)
    fabric.barrier()


def raises(_fabric: Fabric) -> None:
    """Raises an error that a user can fix."""
    raise RunError("the folder is elsewhere")
