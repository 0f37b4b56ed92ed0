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

from latent_resonance_export.augment import augment
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


@dataclass
class Training:
    """All that changes while training, and all that a checkpoint holds."""

    generator: LoopGenerator
    encoder: Encoder
    critic: Critic
    average: LoopGenerator
    generator_optimiser: torch.optim.Adam
    critic_optimiser: torch.optim.Adam
    step: int = 0

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "generator": self.generator,
            "encoder": self.encoder,
            "critic": self.critic,
            "average": self.average,
            "generator_optimiser": self.generator_optimiser,
            "critic_optimiser": self.critic_optimiser,
        }


class TrainingDiverged(RuntimeError):
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


def save(training: Training, path: Path) -> None:
    """Writes the checkpoint beside its name, then renames it."""
    beside = path.with_suffix(".part")
    state = {name: part.state_dict() for name, part in training.parts().items()}
    torch.save({"step": training.step, **state}, beside)
    beside.replace(path)


def load(training: Training, path: Path, device: torch.device) -> None:
    """Continues from a checkpoint; nothing in it is executed."""
    state = torch.load(path, map_location=device, weights_only=True)
    for name, part in training.parts().items():
        part.load_state_dict(state[name])
    training.step = state["step"]


def train(
    dataset: Dataset,
    run: Path,
    recipe: Recipe,
    n_steps: int,
    device: torch.device,
    progress: Callable[[dict[str, float]], None] = lambda line: None,
) -> Training:
    """Trains until step n_steps, resuming RUN if it has a checkpoint.

    Raises
    ------
    TrainingDiverged
        A loss became NaN; the last checkpoint is untouched and named.
    """
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.pt"
    training = begin(recipe, dataset.geometry.n_mels, device)
    if checkpoint.exists():
        load(training, checkpoint, device)
    began, first = time.monotonic(), training.step
    while training.step < n_steps:
        losses = one_step(training, dataset, recipe, device)
        training.step += 1
        if not np.isfinite(list(losses.values())).all():
            raise TrainingDiverged(f"loss {losses} at step {training.step}; continue from {checkpoint}")
        if training.step % recipe.log_interval == 0:
            pace = (time.monotonic() - began) / (training.step - first)
            line = {"step": training.step, **losses, "seconds_per_step": round(pace, 3)}
            if training.step % recipe.checkpoint_interval == 0:
                save(training, checkpoint)
                line |= look(training, dataset, run, recipe, device)
            with (run / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            progress(line)
    save(training, checkpoint)
    return training


def one_step(
    training: Training, dataset: Dataset, recipe: Recipe, device: torch.device
) -> dict[str, float]:
    """Generates once; updates the critics by it, then generator and encoder by the critics."""
    chance = torch.Generator().manual_seed(recipe.seed * 1_000_003 + training.step)
    numbers = np.random.default_rng((recipe.seed, training.step))
    critic, half = training.critic, torch.autocast(device.type, torch.bfloat16)
    warming_up = training.step < recipe.warm_up

    def judged(x: Tensor, corners: Tensor) -> tuple[Tensor, ...]:
        with half:
            return tuple(logits.float() for logits in critic(x, corners))

    real = torch.from_numpy(dataset.batch(recipe.batch_size, numbers)).to(device)
    n_made = recipe.batch_size if warming_up else recipe.batch_size // 2
    with half:
        encoded = training.encoder(real[:n_made])  # (n_made, latent_dim)
        noise = torch.randn(encoded.shape, generator=chance).to(device)
        drawn = torch.randn(recipe.batch_size - n_made, encoded.shape[1], generator=chance)
        z = torch.cat([encoded + recipe.z_noise * noise, drawn.to(device)])
        fake = training.generator(z).float()  # (batch, 1, n_mels, n_frames)
    unlike = functional.l1_loss(fake[:n_made], real[:n_made])
    stray = prior_loss(encoded, chance)
    loss_generator = recipe.likeness_weight * unlike + recipe.prior_weight * stray
    said = {"unlike": unlike, "stray": stray}

    if not warming_up:
        seen = augment(real, chance)
        corners = torch.rand(recipe.n_patches, 2, generator=chance)
        said_of_real = judged(seen, corners)
        said_of_fake = judged(augment(fake.detach(), chance), corners)
        loss_critic = critic_loss(said_of_real, said_of_fake)
        total = loss_critic
        if training.step % recipe.penalty_interval == 0:
            nudge = torch.randn(seen.shape, generator=chance).to(device) * recipe.penalty_sigma
            nudged = judged(seen + nudge, corners)
            penalty = smoothness_penalty(said_of_real, nudged, recipe.penalty_sigma)
            total = total + recipe.penalty_weight * recipe.penalty_interval * penalty
        update(training.critic_optimiser, total, recipe.critic_rate)

        critic.requires_grad_(False)
        corners = torch.rand(recipe.n_patches, 2, generator=chance)
        loss_generator = loss_generator + generator_loss(judged(augment(fake, chance), corners))
        critic.requires_grad_(True)
        said |= {"critic": loss_critic} | gaps(said_of_real, said_of_fake)

    rate = recipe.warm_up_rate if warming_up else recipe.generator_rate
    update(training.generator_optimiser, loss_generator, rate)
    follow(training.average, training.generator, training.step, recipe.ema_halflife)
    said["generator"] = loss_generator
    return {name: round(value.item(), 4) for name, value in said.items()}


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
