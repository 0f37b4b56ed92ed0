"""Trains a generator on a dataset of looped spectrograms; read it from top to bottom.

One loop for every architecture of gan/models/registry.py. Each step generates one batch, updates
the discriminator with it, then the generator with the discriminator's answer. The default
architecture also trains an encoder (VAE-GAN: Larsen et al. 2016): half of each batch must
reconstruct real clips from their z, which teaches note boundaries in minutes; the other
architectures train as plain GANs.

    RUN/run.yaml        architecture, hyperparameters and dataset (run.py)
    RUN/checkpoint.pt   networks, EMA generator, optimisers, step (gan/checkpoint.py)
    RUN/log.jsonl       a line every few steps: losses, seconds, distances (gan/logging.py)
    RUN/metric.png      the distance from held-out clips (gan/validation.py)
    RUN/sheet-*.png     what the EMA generator makes of the same z each time
    RUN/sheet-*.mp3     the same as sound

A run continues from its checkpoint. Every random draw is seeded with (seed, step), so an
interrupted run continues exactly as if it had not been interrupted: on a CPU bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from latent_resonance import LatentResonanceError
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.augment import augment, dequantise, roll
from latent_resonance_export.gan.checkpoint import (
    CHECKPOINT,
    SaveSchedule,
    Training,
    catch_stop_signals,
    last_saved,
    load,
    save,
)
from latent_resonance_export.gan.device import any_rank, average_across_ranks, on_rank_zero
from latent_resonance_export.gan.early_stopping import Goal, stop_reason
from latent_resonance_export.gan.ema import running_statistics, update_ema
from latent_resonance_export.gan.energy_distance import energy_loss
from latent_resonance_export.gan.hyperparameters import Hyperparameters
from latent_resonance_export.gan.logging import LogLine
from latent_resonance_export.gan.losses import approximate_r1_penalty, prior_loss, r1_penalty
from latent_resonance_export.gan.models.protocol import Discriminator, latent_dim_of
from latent_resonance_export.gan.models.registry import Architecture, check_geometry
from latent_resonance_export.gan.observer import Observer
from latent_resonance_export.gan.warm_start import load_warm_start


class TrainingError(LatentResonanceError):
    """A loss is NaN or infinite."""


@dataclass(frozen=True)
class TrainingSetup:
    """What does not change during training."""

    fabric: Fabric
    dataset: Dataset
    architecture: Architecture
    hyperparameters: Hyperparameters
    warm_start: Path | None = None  # the run or pack whose networks a new run begins with
    sound_s: float = 0.0  # seconds of sound beside a contact sheet


class TrainingResult(NamedTuple):
    """The last step, and why training ended: `steps`, `plateau` or `stopped`."""

    step: int
    reason: str


def train(
    setup: TrainingSetup,
    folder: Path,
    goal: Goal,
    show: Callable[[LogLine], object] = lambda _line: None,
) -> TrainingResult:
    """Trains up to the goal or a signal; resumes the run in the folder if it has a checkpoint.

    `show` is called with the first step, then with each line of the log, and after step 1.

    Raises
    ------
    ArchitectureError, CheckpointError, TrainingLogError
        The networks cannot be made, or a file of the run cannot be read or written.
    TrainingError
        A loss became NaN or infinite; the checkpoint is untouched.
    """
    fabric, hp, checkpoint = setup.fabric, setup.hyperparameters, folder / CHECKPOINT
    training = resume_or_begin(setup, checkpoint)
    observer = Observer(fabric, training, setup.dataset, folder, hp.seed, setup.sound_s)
    with closing(observer), catch_stop_signals() as stop:
        show({"step": training.step})
        if training.step == 0:
            observer.write({"step": 0, **observer.evaluate()})
        start_s, first_step, schedule = time.monotonic(), training.step, SaveSchedule()
        while not (reason := stop_reason(goal, training.step, observer.history)):
            losses = one_step(training, setup)
            training.step += 1
            check_finite(losses, training.step, checkpoint)
            pace = round((time.monotonic() - start_s) / (training.step - first_step), 3)
            line = {"step": training.step, **losses, "seconds_per_step": pace}
            due = training.step % hp.checkpoint_interval == 0 or training.step == goal.steps
            stopped = any_rank(fabric, stop.requested)
            if due or stopped or any_rank(fabric, schedule.is_due(training.step)):
                on_rank_zero(fabric, lambda: save(training, checkpoint))
                schedule.saved()
            if due:
                line |= observer.evaluate()
            if due or training.step % hp.log_interval == 0:
                observer.write(line)
            if due or training.step % hp.log_interval == 0 or training.step == 1:
                show(line)
            if stopped:
                return TrainingResult(training.step, "stopped")
    return TrainingResult(training.step, reason)


def resume_or_begin(setup: TrainingSetup, checkpoint: Path) -> Training:
    """The training in the checkpoint; else a new one, with a warm start if the setup names one.

    Raises
    ------
    ArchitectureError, CheckpointError, RunError, PackError
        See `new_training`, `load` and `load_warm_start`.
    """
    training = new_training(setup)
    if checkpoint.exists():
        load(training, checkpoint, setup.fabric.device)
        return training
    if setup.warm_start:
        load_warm_start(training, setup.warm_start, setup.fabric.device)
    silence_unused_bands(training, setup.dataset)
    return training


def silence_unused_bands(training: Training, dataset: Dataset) -> None:
    """Silences the mel bands that no clip uses, if the network can: training learns them late."""
    bands = torch.from_numpy(dataset.silent_bands)
    for network in (training.generator, training.ema):
        silence = getattr(network, "silence", None)
        if callable(silence):
            silence(bands)


def new_training(setup: TrainingSetup) -> Training:
    """Freshly initialised networks and optimisers, the same in every process.

    Raises
    ------
    ArchitectureError
        The networks cannot be made for this geometry.
    """
    architecture, hp, geometry = setup.architecture, setup.hyperparameters, setup.dataset.geometry
    check_geometry(geometry)
    torch.manual_seed(hp.seed)
    generator = architecture.generator(geometry)
    encoder = architecture.encoder(geometry) if architecture.encoder else None
    discriminator = architecture.discriminator(geometry)
    ema = architecture.generator(geometry).eval().requires_grad_(requires_grad=False)
    ema.load_state_dict(generator.state_dict())
    for network in filter(None, (generator, encoder, discriminator, ema)):
        network.to(setup.fabric.device)
    trained = [*generator.parameters(), *(encoder.parameters() if encoder else ())]
    betas = (hp.beta1, hp.beta2)
    return Training(
        generator,
        encoder,
        discriminator,
        ema,
        torch.optim.Adam(trained, betas=betas, eps=1e-8),
        torch.optim.Adam(discriminator.parameters(), hp.critic_rate, betas=betas, eps=1e-8),
    )


def check_finite(losses: dict[str, float], step: int, checkpoint: Path) -> None:
    """Stops before networks that have diverged overwrite the checkpoint.

    Raises
    ------
    TrainingError
        A loss is NaN or infinite.
    """
    diverged = [name for name, loss in losses.items() if not np.isfinite(loss)]
    if diverged:
        raise TrainingError(
            f"{' and '.join(diverged)} became NaN or infinite at step {step}; "
            f"{last_saved(checkpoint)}: continue from it with another --seed"
        )


def one_step(training: Training, setup: TrainingSetup) -> dict[str, float]:
    """Generates a batch; updates the discriminator, then generator and encoder; returns losses.

    The names of the losses are keys of log.jsonl, so they stay.
    """
    hp, n_clips = setup.hyperparameters, setup.hyperparameters.batch_size // setup.fabric.world_size
    rng, numpy_rng = step_rngs(hp.seed, training.step, setup.fabric.global_rank)
    warming_up = training.encoder is not None and training.step < hp.warm_up
    pixels = torch.from_numpy(setup.dataset.batch(n_clips, numpy_rng)).to(setup.fabric.device)
    real = roll(dequantise(pixels), rng) if hp.turn else dequantise(pixels)
    n_encoded = n_clips if warming_up else n_clips // 2 if training.encoder else 0

    fake, encoded = generate(training, real, n_encoded, setup, rng)
    losses, loss = {}, real.new_zeros(())
    if encoded is not None:
        losses["unlike"] = functional.l1_loss(fake[:n_encoded], real[:n_encoded])
        losses["stray"] = prior_loss(encoded, rng)
        loss = hp.likeness_weight * losses["unlike"] + hp.prior_weight * losses["stray"]
    if not warming_up:
        losses |= update_discriminator(training, real, fake.detach(), setup, rng)
        if hp.energy_weight:
            # only what random z make, not reconstructions: the instrument plays the former
            losses["energy"] = energy_loss(real[n_encoded:], fake[n_encoded:], rng)
            loss = loss + hp.energy_weight * losses["energy"]
        loss = loss + adversarial_generator_loss(training, fake, setup, rng)
    rate = hp.warm_up_rate if warming_up else hp.generator_rate
    update(training.generator_optimiser, loss, rate * hp.rate_factor(training.step), setup.fabric)
    average_across_ranks(setup.fabric, running_statistics(training.generator))
    update_ema(training.ema, training.generator, training.step, hp.ema_halflife)
    return mean_losses(losses | {"generator": loss}, setup.fabric)


def step_rngs(seed: int, step: int, rank: int) -> tuple[torch.Generator, np.random.Generator]:
    """The random generators of a step; also seeds PyTorch's global one, which networks may use."""
    number = seed * 1_000_003 + step + rank * 715_827_883  # PyTorch uses the lower 32 bits
    torch.manual_seed(number)
    return torch.Generator().manual_seed(number), np.random.default_rng((seed, step, rank))


def generate(
    training: Training, real: Tensor, n_encoded: int, setup: TrainingSetup, rng: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Generates a batch: n_encoded spectrograms from z of real clips, the others from random z.

    Returns
    -------
    the batch (batch, 1, n_mels, n_frames), and the z of real clips (n_encoded, latent_dim)
    """
    latent_dim, encoded = latent_dim_of(training.generator), None
    with setup.fabric.autocast():
        z = real.new_zeros(0, latent_dim)
        if training.encoder:
            encoded = training.encoder(real[:n_encoded])
            noise = torch.randn(encoded.shape, generator=rng).to(real.device)
            z = encoded + setup.hyperparameters.z_noise * noise
        drawn = torch.randn(len(real) - n_encoded, latent_dim, generator=rng)
        return training.generator(torch.cat([z, drawn.to(real.device)])).float(), encoded


def update_discriminator(
    training: Training, real: Tensor, fake: Tensor, setup: TrainingSetup, rng: torch.Generator
) -> dict[str, Tensor]:
    """Updates the discriminator once; every few steps with a gradient penalty."""
    hp, discriminator = setup.hyperparameters, training.discriminator
    augmented = augment(real, rng)
    corners = torch.rand(hp.n_patches, 2, generator=rng)
    real_logits = discriminate(discriminator, augmented, corners, setup.fabric)
    fake_logits = discriminate(discriminator, augment(fake, rng), corners, setup.fabric)
    loss = total = setup.architecture.adversarial_loss.discriminator(real_logits, fake_logits)
    if training.step % hp.penalty_interval == 0:
        if setup.architecture.adversarial_loss.exact_r1:
            penalty = r1_penalty(lambda x: discriminator(x, corners), augmented)
        else:
            noise = torch.randn_like(augmented) * hp.penalty_sigma
            perturbed = discriminate(discriminator, augmented + noise, corners, setup.fabric)
            penalty = approximate_r1_penalty(real_logits, perturbed, hp.penalty_sigma)
        total = loss + hp.penalty_weight * hp.penalty_interval * penalty
    rate = hp.critic_rate * hp.rate_factor(training.step)
    update(training.discriminator_optimiser, total, rate, setup.fabric)
    margins = (r.mean() - f.mean() for r, f in zip(real_logits, fake_logits, strict=True))
    return {"critic": loss} | dict(zip(discriminator.NAMES, margins, strict=True))


def adversarial_generator_loss(
    training: Training, fake: Tensor, setup: TrainingSetup, rng: torch.Generator
) -> Tensor:
    """The generator's adversarial loss; the discriminator gets no gradient."""
    training.discriminator.requires_grad_(requires_grad=False)
    corners = torch.rand(setup.hyperparameters.n_patches, 2, generator=rng)
    logits = discriminate(training.discriminator, augment(fake, rng), corners, setup.fabric)
    training.discriminator.requires_grad_(requires_grad=True)
    return setup.architecture.adversarial_loss.generator(logits)


def discriminate(
    discriminator: Discriminator, x: Tensor, corners: Tensor, fabric: Fabric
) -> tuple[Tensor, ...]:
    """The logits as float32, computed in the precision of the run."""
    with fabric.autocast():
        return tuple(logits.float() for logits in discriminator(x, corners))


def update(optimiser: torch.optim.Optimizer, loss: Tensor, rate: float, fabric: Fabric) -> None:
    """One optimiser step, with the mean gradient of all processes."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    parameters = (p for group in optimiser.param_groups for p in group["params"])
    average_across_ranks(fabric, (p.grad for p in parameters if p.grad is not None))
    optimiser.step()


def mean_losses(losses: dict[str, Tensor], fabric: Fabric) -> dict[str, float]:
    """The losses as numbers, averaged over all processes."""
    values = torch.stack([value.detach().float() for value in losses.values()])
    average_across_ranks(fabric, [values])
    numbers = cast("list[float]", values.tolist())
    return {name: round(number, 4) for name, number in zip(losses, numbers, strict=True)}
