"""Trains the regressor, features -> z, without a single labelled face.

It is trained on movement, synthetic or recorded. A surrogate, fitted to what the frozen generator
makes of thousands of z, predicts how a z sounds, so no spectrogram has to be generated in a
training step; between rounds, the z that the regressor reaches by then are added to the
surrogate's data. Six losses (regressor/losses.py):

1. z follows the generator's prior;
2. a small movement makes a small change (limited slope: no flashing);
3. different faces make different sounds (distances in z follow distances of features);
4. an open mouth is brighter, a tense brow noisier (correlation);
5. the still, neutral face maps to a tonal anchor;
6. the faces of the artist's examples make their sounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.face_state import neutral_features
from latent_resonance_export.gan.models.protocol import latent_dim_of
from latent_resonance_export.progress import ProgressCallback, no_progress
from latent_resonance_export.regressor.anchors import N_HELD, share_out
from latent_resonance_export.regressor.evaluation import Evaluation, evaluate, summary
from latent_resonance_export.regressor.examples import Example, raise_mistakes
from latent_resonance_export.regressor.losses import TRANSIENT, Targets, regressor_losses
from latent_resonance_export.regressor.model import MAX_SLOPE, Regressor, Trained, feature_weights
from latent_resonance_export.regressor.projection import ProjectedExample, find_z
from latent_resonance_export.regressor.recorded_motion import Recorded
from latent_resonance_export.regressor.surrogate import (
    N_ANCHORS,
    SurrogateData,
    choose_anchors,
    concatenate,
    fit_surrogate,
    random_z,
    sample_generator,
)
from latent_resonance_export.regressor.synthetic_motion import (
    compose_movement,
    composed_faces,
    held,
)
from latent_resonance_export.regressor.trim import trim_reach

BATCH = 256  # rows of movement per step
ROUNDS = 3
SYNTHETIC_S = 3600.0
NEAR_REST = 2**0.5 / MAX_SLOPE  # weighted features: unrelated sounds need at least this distance


@dataclass(frozen=True)
class TrainingConfig:
    """Data and hyperparameters, besides the generator.

    spectrograms : of each example's sound, None where z is given
    examples_file : named in the error if examples contradict each other
    """

    geometry: Geometry = field(default_factory=Geometry)
    steps: int = 3000
    surrogate_steps: int = 1500  # in each round
    n_samples: int = 4000
    seed: int = 0
    recorded: Recorded | None = None
    examples: list[Example] = field(default_factory=list)
    spectrograms: list[NDArray[np.float32] | None] = field(default_factory=list)
    examples_file: Path = Path("examples")

    def rng(self) -> torch.Generator:
        """A random generator in its initial state."""
        return torch.Generator().manual_seed(self.seed)


def train_regressor(
    generator: nn.Module,
    *,
    geometry: Geometry | None = None,
    seed: int = 0,
    progress: ProgressCallback = no_progress,
) -> Trained:
    """A regressor for any generator that has a `latent_dim`, from synthetic movement alone."""
    config = TrainingConfig(geometry=geometry or Geometry(), seed=seed)
    return train(generator, config, step=0, progress=progress)[0]


def train(
    generator: nn.Module,
    config: TrainingConfig,
    *,
    step: int,
    progress: ProgressCallback = no_progress,
) -> tuple[Trained, Evaluation]:
    """Samples the generator, trains the regressor and evaluates it.

    Raises
    ------
    RegressorError
        The generator makes NaN or infinity, or examples contradict each other.
    """
    generator.eval().requires_grad_(False)
    sampler = GeneratorSampler(generator, config, progress)
    samples = sampler(random_z(sampler.n_initial, latent_dim_of(generator), config.rng()))
    range_db = config.geometry.range_db
    pairs = find_z(config.examples, config.spectrograms, generator, samples, range_db, progress)
    check_contradictions(pairs, config.examples_file)
    targets, anchors = targets_of(pairs, choose_anchors(samples))
    regressor, samples = fit_regressor(targets, samples, sampler, config, progress)
    if not pairs:  # examples state where faces go, and other weights would move them
        trim_reach(regressor)
    anchors = shared_out(anchors, pairs, samples, regressor, config.seed)
    evaluation = evaluate(
        regressor,
        generator,
        anchors,
        pairs,
        geometry=config.geometry,
        recorded=config.recorded,
        seed=config.seed,
        progress=progress,
    )
    how = {"regressor_steps": config.steps, "regressor_seed": config.seed}
    return Trained(regressor, anchors, summary(evaluation), step, how), evaluation


class GeneratorSampler:
    """Collects data for the surrogate: of random z first, then of z that the regressor reaches."""

    def __init__(
        self, generator: nn.Module, config: TrainingConfig, progress: ProgressCallback
    ) -> None:
        self.generator, self.geometry = generator, config.geometry
        self.n_initial = config.n_samples // 2
        self.n_per_round = (config.n_samples - self.n_initial) // (ROUNDS - 1)
        total = self.n_initial + (ROUNDS - 1) * self.n_per_round
        self.progress: Callable[[int], None] = lambda n: progress("sampling", n, total)

    def __call__(self, z: Tensor) -> SurrogateData:
        """See surrogate.sample_generator."""
        return sample_generator(self.generator, z, self.geometry, self.progress)


def fit_regressor(
    targets: Targets,
    samples: SurrogateData,
    sampler: GeneratorSampler,
    config: TrainingConfig,
    progress: ProgressCallback,
) -> tuple[Regressor, SurrogateData]:
    """The regressor after all steps, frozen, and all data of the surrogate.

    Each round after the first adds z that faces reach by then to the surrogate's data: it need
    not be accurate for all z, only for those.
    """
    tracks = [compose_movement(SYNTHETIC_S, config.seed)]
    tracks += [config.recorded.training] if config.recorded else []
    movement, rng = [torch.from_numpy(track) for track in tracks], config.rng()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        regressor = Regressor(samples.z.shape[1])
    optimiser = torch.optim.Adam(regressor.parameters(), 1e-3)
    for step in range(config.steps):
        if step in rounds(config.steps):
            if step > 0:
                with torch.no_grad():
                    z = regressor(draw(movement, sampler.n_per_round, rng))
                samples = concatenate(samples, sampler(z))
            surrogate = fit_surrogate(samples, config.seed, config.surrogate_steps)
        losses = regressor_losses(regressor, surrogate, draw(movement, BATCH, rng), targets, rng)
        optimiser.zero_grad()
        torch.autograd.backward(sum(losses.values(), start=torch.zeros(())))
        optimiser.step()
        progress("training", 1, config.steps)
    return regressor.eval().requires_grad_(False), samples


def shared_out(
    anchors: Tensor,
    pairs: list[ProjectedExample],
    samples: SurrogateData,
    regressor: Regressor,
    seed: int,
) -> Tensor:
    """The anchors, with all tonal ones but the first chosen again for the faces that are held."""
    n = N_ANCHORS + any(torch.equal(anchors[0], pair.z) for pair in pairs)
    z = regressor(torch.from_numpy(held(composed_faces(N_HELD, seed))))
    return torch.cat([share_out(anchors[0], samples, z, n, seed), anchors[n:]])


def rounds(steps: int) -> list[int]:
    """The first step of each round."""
    return [steps * i // ROUNDS for i in range(ROUNDS)]


def draw(movement: list[Tensor], n: int, rng: torch.Generator) -> Tensor:
    """Random rows, equally many of each track: (about n, 16)."""
    share = n // len(movement)
    return torch.cat([t[torch.randint(len(t), (share,), generator=rng)] for t in movement])


def targets_of(pairs: list[ProjectedExample], tonal: Tensor) -> tuple[Targets, Tensor]:
    """The targets of faces, and the anchors, with the neutral face's first.

    An example's sound is an anchor too: a face that is held must not drift away from it. If its
    face cannot be distinguished from the neutral one, it is the neutral face's anchor.
    """
    size = tonal.shape[1]
    faces = torch.tensor(np.array([p.example.features for p in pairs], np.float32)).reshape(-1, 16)
    z = torch.stack([p.z for p in pairs]) if pairs else torch.zeros(0, size)
    from_rest = (faces - torch.from_numpy(neutral_features())) * feature_weights()
    distance = from_rest[:, ~TRANSIENT].norm(dim=1)
    is_rest = torch.zeros(len(z), dtype=torch.bool)
    if len(z) and distance.min() < NEAR_REST:
        is_rest[distance.argmin()] = True
    anchors = torch.cat([z[is_rest], tonal, z[~is_rest]])
    return Targets(anchors[0], faces, z), anchors


def check_contradictions(pairs: list[ProjectedExample], path: Path) -> None:
    """Refuses faces too similar for sounds so different: a step between them would flash.

    Raises
    ------
    ExamplesError
        There are such faces; each is named by its line.
    """
    mistakes = []
    for earlier, later in combinations(pairs, 2):
        if slope_between(earlier, later) > MAX_SLOPE:
            what = (
                f"this face is too similar to that of line {earlier.example.line} for so "
                "different a sound; make the faces differ more, or keep one of them"
            )
            mistakes.append((later.example.line, what))
    raise_mistakes(path, mistakes)


def slope_between(a: ProjectedExample, b: ProjectedExample) -> float:
    """Change of z, in units of its length, per unit of weighted features from a to b."""
    z_distance: float = float((a.z - b.z).norm()) / len(a.z) ** 0.5
    difference = torch.from_numpy(a.example.features - b.example.features)
    distance = float((difference * feature_weights()).norm())
    return z_distance / max(distance, 1e-6)
