"""Trains the generator on a dataset of looped spectrograms; read it from top to bottom.

A GAN with an encoder beside it (VAE-GAN: Larsen et al. 2016): half of what is generated
must re-create real clips from their codes, which teaches note boundaries in minutes; the
critics judge that half and what random z makes alike.

    RUN/checkpoint.pt   networks, averaged generator, optimisers, step (weights only)
    RUN/log.jsonl       a line every few steps: losses, seconds, distances
    RUN/sheet-*.png     the averaged generator's answer to the same z

A run goes on from its checkpoint. Every random draw is seeded by (seed, step), so a run
that was interrupted continues exactly as if it had not been.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from latent_resonance import LatentResonanceError
from latent_resonance_export.augment import augment
from latent_resonance_export.checkpoint import Training, load, save
from latent_resonance_export.dataset import Dataset
from latent_resonance_export.losses import (
    critic_loss,
    generator_loss,
    prior_loss,
    smoothness_penalty,
)
from latent_resonance_export.metrics import distances
from latent_resonance_export.networks import Critic, Encoder, LoopGenerator
from latent_resonance_export.pictures import contact_sheet


@dataclass(frozen=True)
class Recipe:
    """How to train. Rates are Adam's; `ema_halflife` is in steps."""

    batch_size: int = 16  # half of what is generated re-creates clips, half comes from random z
    warm_up: int = 500  # steps of re-creating only, before the critics join
    warm_up_rate: float = 5e-4
    generator_rate: float = 2e-4
    critic_rate: float = 2e-4
    likeness_weight: float = 8.0
    prior_weight: float = 1.0
    z_noise: float = 0.15
    penalty_weight: float = 0.02
    penalty_sigma: float = 0.05
    penalty_interval: int = 4
    n_patches: int = 4
    ema_halflife: float = 500.0
    log_interval: int = 20
    checkpoint_interval: int = 200
    seed: int = 0


class TrainingError(LatentResonanceError):
    """A loss is no longer a number."""


def begin(recipe: Recipe, n_mels: int, device: torch.device) -> Training:
    """Fresh networks and optimisers."""
    torch.manual_seed(recipe.seed)
    generator = LoopGenerator(n_mels=n_mels).to(device)
    encoder = Encoder(generator.latent_dim, n_mels).to(device)
    critic = Critic(n_mels).to(device)
    average = deepcopy(generator).requires_grad_(False)
    adam = {"betas": (0.0, 0.99), "eps": 1e-8}
    return Training(
        generator,
        encoder,
        critic,
        average,
        torch.optim.Adam([*generator.parameters(), *encoder.parameters()], **adam),
        torch.optim.Adam(critic.parameters(), recipe.critic_rate, **adam),
    )


def train(
    dataset: Dataset,
    run: Path,
    recipe: Recipe,
    n_steps: int,
    device: torch.device,
    *,
    progress: Callable[[dict[str, float]], object] = lambda _line: None,
) -> Training:
    """Trains until step n_steps, resuming RUN if it has a checkpoint.

    `progress` is given each line of the log, the first one at once.

    Raises
    ------
    CheckpointError
        The run's checkpoint cannot be read.
    TrainingError
        A loss became NaN; the checkpoint is untouched.
    """
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.pt"
    training = begin(recipe, dataset.geometry.n_mels, device)
    if checkpoint.exists():
        load(training, checkpoint, device)
    began, first = time.monotonic(), training.step
    progress({"step": first})
    while training.step < n_steps:
        losses = one_step(training, dataset, recipe, device)
        training.step += 1
        refuse_nan(losses, training.step, checkpoint)
        pace = round((time.monotonic() - began) / (training.step - first), 3)
        line = {"step": training.step, **losses, "seconds_per_step": pace}
        if training.step % recipe.checkpoint_interval == 0:
            save(training, checkpoint)
            line |= look(training, dataset, run, recipe, device)
        if training.step % recipe.log_interval == 0 or "spectrum_db" in line:
            with (run / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            progress(line)
    save(training, checkpoint)
    return training


def refuse_nan(losses: dict[str, float], step: int, checkpoint: Path) -> None:
    """Stops before a checkpoint is overwritten by networks that are lost."""
    lost = [name for name, loss in losses.items() if not np.isfinite(loss)]
    if lost:
        raise TrainingError(
            f"{' and '.join(lost)} ceased to be a number at step {step}; {checkpoint} is as it "
            "was last saved: go on from it with another --seed"
        )


def one_step(
    training: Training, dataset: Dataset, recipe: Recipe, device: torch.device
) -> dict[str, float]:
    """Generates once; updates the critics by it, then generator and encoder by the critics."""
    chance = torch.Generator().manual_seed(recipe.seed * 1_000_003 + training.step)
    numbers = np.random.default_rng((recipe.seed, training.step))
    warming_up = training.step < recipe.warm_up
    real = torch.from_numpy(dataset.batch(recipe.batch_size, numbers)).to(device)
    n_coded = recipe.batch_size if warming_up else recipe.batch_size // 2

    fake, coded = generate(training, real, n_coded, recipe, chance)
    said = {
        "unlike": functional.l1_loss(fake[:n_coded], real[:n_coded]),
        "stray": prior_loss(coded, chance),
    }
    loss = recipe.likeness_weight * said["unlike"] + recipe.prior_weight * said["stray"]
    if not warming_up:
        said |= teach_critic(training, real, fake.detach(), recipe, chance)
        loss = loss + ask_critic(training, fake, recipe, chance)
    update(
        training.generator_optimiser,
        loss,
        recipe.warm_up_rate if warming_up else recipe.generator_rate,
    )
    follow(training.average, training.generator, training.step, recipe.ema_halflife)
    said["generator"] = loss
    return {name: round(value.item(), 4) for name, value in said.items()}


def generate(
    training: Training, real: Tensor, n_coded: int, recipe: Recipe, chance: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Makes a batch, the first n_coded from codes of real clips, the others from random z.

    Returns the batch (batch, 1, n_mels, n_frames) and the codes (n_coded, latent_dim).
    """
    with half_precision(real):
        coded = training.encoder(real[:n_coded])
        noise = torch.randn(coded.shape, generator=chance).to(real.device)
        drawn = torch.randn(len(real) - n_coded, coded.shape[1], generator=chance)
        z = torch.cat([coded + recipe.z_noise * noise, drawn.to(real.device)])
        return training.generator(z).float(), coded


def teach_critic(
    training: Training, real: Tensor, fake: Tensor, recipe: Recipe, chance: torch.Generator
) -> dict[str, Tensor]:
    """One update of the critics, every few steps with the penalty that keeps them smooth."""
    seen = augment(real, chance)
    corners = torch.rand(recipe.n_patches, 2, generator=chance)
    said_of_real = judged(training.critic, seen, corners)
    said_of_fake = judged(training.critic, augment(fake, chance), corners)
    loss = total = critic_loss(said_of_real, said_of_fake)
    if training.step % recipe.penalty_interval == 0:
        nudge = torch.randn(seen.shape, generator=chance).to(seen.device) * recipe.penalty_sigma
        nudged = judged(training.critic, seen + nudge, corners)
        penalty = smoothness_penalty(said_of_real, nudged, recipe.penalty_sigma)
        total = loss + recipe.penalty_weight * recipe.penalty_interval * penalty
    update(training.critic_optimiser, total, recipe.critic_rate)
    return {"critic": loss} | gaps(said_of_real, said_of_fake)


def ask_critic(training: Training, fake: Tensor, recipe: Recipe, chance: torch.Generator) -> Tensor:
    """The generator's loss by the critics, which do not learn from it."""
    training.critic.requires_grad_(False)
    corners = torch.rand(recipe.n_patches, 2, generator=chance)
    loss = generator_loss(judged(training.critic, augment(fake, chance), corners))
    training.critic.requires_grad_(True)
    return loss


def judged(critic: Critic, x: Tensor, corners: Tensor) -> tuple[Tensor, ...]:
    """Each critic's logits, computed in half precision and given in full."""
    with half_precision(x):
        return tuple(logits.float() for logits in critic(x, corners))


def half_precision(x: Tensor) -> torch.autocast:
    """bfloat16 where it is enough, on the device of x."""
    return torch.autocast(x.device.type, torch.bfloat16)


def gaps(real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """How far apart each critic holds real and generated."""
    means = [r.mean() - f.mean() for r, f in zip(real, fake, strict=True)]
    return dict(zip(("loop", "texture"), means, strict=True))


def update(optimiser: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    """One step of gradient descent."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int, halflife: float) -> None:
    """Exponential moving average, quicker at the beginning."""
    decay = 0.5 ** (1.0 / min(halflife, 1.0 + step * 0.05))
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, 1.0 - decay)


@torch.no_grad()
def look(
    training: Training, dataset: Dataset, run: Path, recipe: Recipe, device: torch.device
) -> dict[str, float]:
    """Writes a sheet of the averaged generator's work and measures its distance from the real."""
    fixed = torch.Generator().manual_seed(recipe.seed)
    z = torch.randn(48, training.average.latent_dim, generator=fixed).to(device)
    fake = training.average(z).float().cpu().numpy()
    real = dataset.batch(len(fake), np.random.default_rng(recipe.seed))
    again = training.average(training.encoder(torch.from_numpy(real[:6]).to(device)))
    shown = np.concatenate([real[:6], again.float().cpu().numpy(), fake[:18]])[:, 0]
    contact_sheet(shown, run / f"sheet-{training.step:06d}.png")
    return distances(real[:, 0], fake[:, 0])
