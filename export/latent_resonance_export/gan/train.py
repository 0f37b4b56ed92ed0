"""Trains a generator on a dataset of looped spectrograms; read it from top to bottom.

One loop for every architecture of gan/models/registry.py. Each step generates one batch, updates
what judges by it, then the generator by what judges. The default architecture has an encoder
beside it (VAE-GAN: Larsen et al. 2016): half of what is generated must re-create real clips
from their codes, which teaches note boundaries in minutes; the others train as plain GANs.

    RUN/run.yaml        how the run was begun (run.py)
    RUN/checkpoint.pt   networks, averaged generator, optimisers, step (gan/checkpoint.py)
    RUN/log.jsonl       a line every few steps: losses, seconds, distances (gan/logging.py)
    RUN/metric.png      the distance from clips held out of training (gan/validation.py)
    RUN/sheet-*.png     what the averaged generator makes of the same z

A run goes on from its checkpoint. Every random draw is seeded by (seed, step), so a run
that was interrupted continues exactly as if it had not been: on a CPU bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from latent_resonance import LatentResonanceError
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.augment import augment, dequantise, roll
from latent_resonance_export.gan.callbacks import Observer
from latent_resonance_export.gan.checkpoint import (
    CHECKPOINT,
    Training,
    last_good,
    load,
    save,
)
from latent_resonance_export.gan.device import any_of, average_over, by_first
from latent_resonance_export.gan.early_stopping import Goal, why_done
from latent_resonance_export.gan.ema import follow, statistics
from latent_resonance_export.gan.energy_distance import energy_loss
from latent_resonance_export.gan.hyperparameters import Recipe
from latent_resonance_export.gan.logging import Line
from latent_resonance_export.gan.losses import prior_loss, slope_penalty, smoothness_penalty
from latent_resonance_export.gan.models.registry import Architecture, check_geometry
from latent_resonance_export.gan.stopping import stoppable
from latent_resonance_export.gan.warm_start import begin_with


class TrainingError(LatentResonanceError):
    """A loss is no longer a number."""


@dataclass(frozen=True)
class Studio:
    """What stays as it is while training."""

    fabric: Fabric
    dataset: Dataset
    architecture: Architecture
    recipe: Recipe
    ancestor: Path | None = None  # the run or pack whose networks a new run begins with


class Ended(NamedTuple):
    """Where training ended, and why: `steps`, `plateau` or `stopped`."""

    step: int
    why: str


def train(
    studio: Studio,
    folder: Path,
    goal: Goal,
    show: Callable[[Line], object] = lambda _line: None,
) -> Ended:
    """Trains until the goal or a signal, resuming the run in the folder if it has a checkpoint.

    `show` is given the step at once, then each line of the log.

    Raises
    ------
    ArchitectureError, CheckpointError, JournalError
        The networks cannot be made, or a file of the run cannot be read or written.
    TrainingError
        A loss became NaN; the checkpoint is untouched.
    """
    fabric, recipe, checkpoint = studio.fabric, studio.recipe, folder / CHECKPOINT
    training = taken_up(studio, checkpoint)
    observer = Observer(fabric, training, studio.dataset, folder, recipe.seed)
    with closing(observer), stoppable() as stop:
        show({"step": training.step})
        if training.step == 0:
            observer.write({"step": 0, **observer.look()})
        began, first = time.monotonic(), training.step
        while not (why := why_done(goal, training.step, observer.history)):
            losses = one_step(training, studio)
            training.step += 1
            refuse_nan(losses, training.step, checkpoint)
            pace = round((time.monotonic() - began) / (training.step - first), 3)
            line = {"step": training.step, **losses, "seconds_per_step": pace}
            due = training.step % recipe.checkpoint_interval == 0 or training.step == goal.steps
            stopped = any_of(fabric, stop.asked)
            if due or stopped:
                by_first(fabric, lambda: save(training, checkpoint))
            if due:
                line |= observer.look()
            if due or training.step % recipe.log_interval == 0:
                observer.write(line)
                show(line)
            if stopped:
                return Ended(training.step, "stopped")
    return Ended(training.step, why)


def taken_up(studio: Studio, checkpoint: Path) -> Training:
    """As it was saved; else with what a run or pack has learnt, if one is named; else fresh.

    Raises
    ------
    ArchitectureError, CheckpointError, RunError, PackError
        See `begin`, `load` and `begin_with`.
    """
    training = begin(studio)
    if checkpoint.exists():
        load(training, checkpoint, studio.fabric.device)
        return training
    if studio.ancestor:
        begin_with(training, studio.ancestor, studio.fabric.device)
    silence(training, studio.dataset)
    return training


def silence(training: Training, dataset: Dataset) -> None:
    """Keeps the bands silent that no clip has, if the network can: what is rare is learnt late."""
    bands = torch.from_numpy(dataset.silent_bands)
    for network in (training.generator, training.average):
        if hasattr(network, "silence"):
            network.silence(bands)


def begin(studio: Studio) -> Training:
    """Fresh networks and optimisers, the same in every process.

    Raises
    ------
    ArchitectureError
        The networks cannot be made for this geometry.
    """
    architecture, recipe, geometry = studio.architecture, studio.recipe, studio.dataset.geometry
    check_geometry(geometry)
    torch.manual_seed(recipe.seed)
    generator = architecture.generator(geometry)
    encoder = architecture.encoder(geometry) if architecture.encoder else None
    critic = architecture.critic(geometry)
    average = architecture.generator(geometry).eval().requires_grad_(requires_grad=False)
    average.load_state_dict(generator.state_dict())
    for network in filter(None, (generator, encoder, critic, average)):
        network.to(studio.fabric.device)
    learning = [*generator.parameters(), *(encoder.parameters() if encoder else ())]
    adam = {"betas": (recipe.beta1, recipe.beta2), "eps": 1e-8}
    return Training(
        generator,
        encoder,
        critic,
        average,
        torch.optim.Adam(learning, **adam),
        torch.optim.Adam(critic.parameters(), recipe.critic_rate, **adam),
    )


def refuse_nan(losses: dict[str, float], step: int, checkpoint: Path) -> None:
    """Stops before a checkpoint is overwritten by networks that are lost."""
    lost = [name for name, loss in losses.items() if not np.isfinite(loss)]
    if lost:
        raise TrainingError(
            f"{' and '.join(lost)} ceased to be a number at step {step}; {last_good(checkpoint)}: "
            "go on from it with another --seed"
        )


def one_step(training: Training, studio: Studio) -> dict[str, float]:
    """Generates once; updates the critics by it, then generator and encoder by the critics."""
    recipe, n_clips = studio.recipe, studio.recipe.batch_size // studio.fabric.world_size
    rng, numbers = chances(recipe.seed, training.step, studio.fabric.global_rank)
    warming_up = training.encoder is not None and training.step < recipe.warm_up
    pixels = torch.from_numpy(studio.dataset.batch(n_clips, numbers)).to(studio.fabric.device)
    real = roll(dequantise(pixels), rng) if recipe.turn else dequantise(pixels)
    n_coded = n_clips if warming_up else n_clips // 2 if training.encoder else 0

    fake, coded = generate(training, real, n_coded, studio, rng)
    said, loss = {}, real.new_zeros(())
    if coded is not None:
        said["unlike"] = functional.l1_loss(fake[:n_coded], real[:n_coded])
        said["stray"] = prior_loss(coded, rng)
        loss = recipe.likeness_weight * said["unlike"] + recipe.prior_weight * said["stray"]
    if not warming_up:
        said |= teach_critic(training, real, fake.detach(), studio, rng)
        if recipe.energy_weight:
            # not the re-created ones: what z of the prior make is what will be played
            said["energy"] = energy_loss(real[n_coded:], fake[n_coded:], rng)
            loss = loss + recipe.energy_weight * said["energy"]
        loss = loss + ask_critic(training, fake, studio, rng)
    rate = recipe.warm_up_rate if warming_up else recipe.generator_rate
    update(training.generator_optimiser, loss, rate * recipe.slowed(training.step), studio.fabric)
    average_over(studio.fabric, statistics(training.generator))
    follow(training.average, training.generator, training.step, recipe.ema_halflife)
    return told(said | {"generator": loss}, studio.fabric)


def chances(seed: int, step: int, rank: int) -> tuple[torch.Generator, np.random.Generator]:
    """What is drawn by chance in a step; PyTorch's own chance, which networks may use, likewise."""
    number = seed * 1_000_003 + step + rank * 715_827_883  # PyTorch heeds the lower 32 bits
    torch.manual_seed(number)
    return torch.Generator().manual_seed(number), np.random.default_rng((seed, step, rank))


def generate(
    training: Training, real: Tensor, n_coded: int, studio: Studio, rng: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Makes a batch, the first n_coded from codes of real clips, the others from random z.

    Returns the batch (batch, 1, n_mels, n_frames) and the codes (n_coded, latent_dim).
    """
    latent_dim, coded = training.generator.latent_dim, None
    with studio.fabric.autocast():
        z = real.new_zeros(0, latent_dim)
        if training.encoder:
            coded = training.encoder(real[:n_coded])
            noise = torch.randn(coded.shape, generator=rng).to(real.device)
            z = coded + studio.recipe.z_noise * noise
        drawn = torch.randn(len(real) - n_coded, latent_dim, generator=rng)
        return training.generator(torch.cat([z, drawn.to(real.device)])).float(), coded


def teach_critic(
    training: Training, real: Tensor, fake: Tensor, studio: Studio, rng: torch.Generator
) -> dict[str, Tensor]:
    """One update of the critics, every few steps with the penalty that keeps them smooth."""
    recipe, critic = studio.recipe, training.critic
    seen = augment(real, rng)
    corners = torch.rand(recipe.n_patches, 2, generator=rng)
    said_of_real = judged(critic, seen, corners, studio.fabric)
    said_of_fake = judged(critic, augment(fake, rng), corners, studio.fabric)
    loss = total = studio.architecture.game.critic(said_of_real, said_of_fake)
    if training.step % recipe.penalty_interval == 0:
        if studio.architecture.game.exact_slope:
            penalty = slope_penalty(lambda x: critic(x, corners), seen)
        else:
            nudge = torch.randn_like(seen) * recipe.penalty_sigma
            nudged = judged(critic, seen + nudge, corners, studio.fabric)
            penalty = smoothness_penalty(said_of_real, nudged, recipe.penalty_sigma)
        total = loss + recipe.penalty_weight * recipe.penalty_interval * penalty
    rate = recipe.critic_rate * recipe.slowed(training.step)
    update(training.critic_optimiser, total, rate, studio.fabric)
    apart = (r.mean() - f.mean() for r, f in zip(said_of_real, said_of_fake, strict=True))
    return {"critic": loss} | dict(zip(critic.NAMES, apart, strict=True))


def ask_critic(training: Training, fake: Tensor, studio: Studio, rng: torch.Generator) -> Tensor:
    """The generator's loss by the critics, which do not learn from it."""
    training.critic.requires_grad_(requires_grad=False)
    corners = torch.rand(studio.recipe.n_patches, 2, generator=rng)
    said = judged(training.critic, augment(fake, rng), corners, studio.fabric)
    training.critic.requires_grad_(requires_grad=True)
    return studio.architecture.game.generator(said)


def judged(critic: nn.Module, x: Tensor, corners: Tensor, fabric: Fabric) -> tuple[Tensor, ...]:
    """Each critic's logits, computed in half precision where that is quick, given in full."""
    with fabric.autocast():
        return tuple(logits.float() for logits in critic(x, corners))


def update(optimiser: torch.optim.Optimizer, loss: Tensor, rate: float, fabric: Fabric) -> None:
    """One step of gradient descent, by the mean gradient of all processes."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    learning = (p for group in optimiser.param_groups for p in group["params"])
    average_over(fabric, (p.grad for p in learning if p.grad is not None))
    optimiser.step()


def told(said: dict[str, Tensor], fabric: Fabric) -> dict[str, float]:
    """The losses as numbers, the mean over all processes."""
    values = torch.stack([value.detach().float() for value in said.values()])
    average_over(fabric, [values])
    return {name: round(v, 4) for name, v in zip(said, values.tolist(), strict=True)}
