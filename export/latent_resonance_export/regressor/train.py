"""Trains the regressor: features -> z, without a single labelled face.

It learns from movement, composed or recorded. A surrogate, fitted to what the frozen generator
makes of thousands of z, tells it how a z sounds, so that no spectrogram has to be made while
it learns; from time to time, what its faces make by then is heard too. Six wishes
(regressor/losses.py):

1. z follows the generator's prior;
2. a small movement makes a small change (bounded slope: no flashing);
3. different faces make different sounds (distances in z follow distances of features);
4. an open mouth is brighter, a tense brow noisier (correlation);
5. the still, neutral face lands on a pure anchor;
6. the faces of an artist's examples make their sounds.
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
from latent_resonance_export.regressor.evaluation import Measured, measure, summary
from latent_resonance_export.regressor.examples import Example, refuse
from latent_resonance_export.regressor.losses import MOMENTARY, Goals, wishes
from latent_resonance_export.regressor.model import STEEPEST, Regressor, Trained, weights
from latent_resonance_export.regressor.projection import Pair, bring_to_z
from latent_resonance_export.regressor.recorded_motion import Recorded
from latent_resonance_export.regressor.surrogate import (
    Heard,
    choose_anchors,
    fit_surrogate,
    listen,
    random_z,
    together,
)
from latent_resonance_export.regressor.synthetic_motion import compose_movement

Progress = Callable[[str, int, int], None]  # what is being done, how much more is done, of how much
BATCH = 256  # moments of movement a step
ROUNDS = 3
COMPOSED_S = 3600.0
NEAR_REST = 2**0.5 / STEEPEST  # weighted features: unrelated sounds cannot lie closer together


def silent(stage: str, done: int, total: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class Course:
    """What is learnt from, beside the generator."""

    geometry: Geometry = field(default_factory=Geometry)
    steps: int = 3000
    n_listen: int = 4000
    seed: int = 0
    recorded: Recorded | None = None
    examples: list[Example] = field(default_factory=list)
    pictures: list[NDArray[np.float32] | None] = field(default_factory=list)  # of the examples
    examples_file: Path = Path("examples")  # to name it where its lines contradict each other

    def rng(self) -> torch.Generator:
        """The same random numbers each time."""
        return torch.Generator().manual_seed(self.seed)


def train_regressor(
    generator: nn.Module,
    *,
    geometry: Geometry | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Trained:
    """A regressor for any generator that has a `latent_dim`, from composed movement alone."""
    course = Course(geometry=geometry or Geometry(), seed=seed)
    return teach(generator, course, step=0, progress=progress)[0]


def teach(
    generator: nn.Module, course: Course, *, step: int, progress: Progress = silent
) -> tuple[Trained, Measured]:
    """Listens, fits, trains and measures.

    Raises
    ------
    RegressorError
        The generator draws what is no number, or examples contradict each other.
    """
    generator.eval().requires_grad_(False)
    hear = Hearing(generator, course, progress)
    heard = hear(random_z(hear.at_first, generator.latent_dim, course.rng()))
    range_db = course.geometry.range_db
    pairs = bring_to_z(course.examples, course.pictures, generator, heard, range_db, progress)
    refuse_contradictions(pairs, course.examples_file)
    goals, anchors = goals_of(pairs, choose_anchors(heard))
    regressor = learn(goals, heard, hear, course, progress)
    measured = measure(
        regressor,
        generator,
        anchors,
        pairs,
        geometry=course.geometry,
        recorded=course.recorded,
        seed=course.seed,
        progress=progress,
    )
    how = {"regressor_steps": course.steps, "regressor_seed": course.seed}
    return Trained(regressor, anchors, summary(measured), step, how), measured


class Hearing:
    """Listens to a generator: to random z at first, then to what faces make of it."""

    def __init__(self, generator: nn.Module, course: Course, progress: Progress) -> None:
        self.generator, self.geometry = generator, course.geometry
        self.at_first = course.n_listen // 2
        self.each_round = (course.n_listen - self.at_first) // (ROUNDS - 1)
        total = self.at_first + (ROUNDS - 1) * self.each_round
        self.progress = lambda n: progress("listening", n, total)

    def __call__(self, z: Tensor) -> Heard:
        """See hearing.listen."""
        return listen(self.generator, z, self.geometry, self.progress)


def learn(
    goals: Goals, heard: Heard, hear: Hearing, course: Course, progress: Progress
) -> Regressor:
    """The regressor after all steps, frozen.

    After each round but the last, what faces make by then is listened to: the surrogate need
    not know all z, only those that faces reach.
    """
    tracks = [compose_movement(COMPOSED_S, course.seed)]
    tracks += [course.recorded.learnt] if course.recorded else []
    movement, rng = [torch.from_numpy(track) for track in tracks], course.rng()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(course.seed)
        regressor = Regressor(heard.z.shape[1])
    optimiser = torch.optim.Adam(regressor.parameters(), 1e-3)
    for step in range(course.steps):
        if step in rounds(course.steps):
            if step > 0:
                with torch.no_grad():
                    z = regressor(draw(movement, hear.each_round, rng))
                heard = together(heard, hear(z))
            surrogate = fit_surrogate(heard, course.seed)
        wished = wishes(regressor, surrogate, draw(movement, BATCH, rng), goals, rng)
        optimiser.zero_grad()
        sum(wished.values()).backward()
        optimiser.step()
        progress("training", 1, course.steps)
    return regressor.eval().requires_grad_(False)


def rounds(steps: int) -> list[int]:
    """The steps that rounds begin with."""
    return [steps * turn // ROUNDS for turn in range(ROUNDS)]


def draw(movement: list[Tensor], n: int, rng: torch.Generator) -> Tensor:
    """Moments, as many of each track: (about n, 16)."""
    share = n // len(movement)
    return torch.cat([t[torch.randint(len(t), (share,), generator=rng)] for t in movement])


def goals_of(pairs: list[Pair], pure: Tensor) -> tuple[Goals, Tensor]:
    """Where faces should land, and the anchors, the still face's first.

    An example's sound is an anchor too: a face that is held must not glide away from it. One
    whose face cannot be told from the neutral one is the still face's own.
    """
    size = pure.shape[1]
    faces = torch.tensor(np.array([p.example.features for p in pairs], np.float32)).reshape(-1, 16)
    z = torch.stack([p.z for p in pairs]) if pairs else torch.zeros(0, size)
    from_rest = (faces - torch.from_numpy(neutral_features())) * weights()
    distance = from_rest[:, ~MOMENTARY].norm(dim=1)
    is_rest = torch.zeros(len(z), dtype=torch.bool)
    if len(z) and distance.min() < NEAR_REST:
        is_rest[distance.argmin()] = True
    anchors = torch.cat([z[is_rest], pure, z[~is_rest]])
    return Goals(anchors[0], faces, z), anchors


def refuse_contradictions(pairs: list[Pair], path: Path) -> None:
    """Faces too alike for sounds so different: a step between them would flash.

    Raises
    ------
    ExamplesError
        There are such; each is named by its line.
    """
    mistakes = []
    for earlier, later in combinations(pairs, 2):
        if steepness(earlier, later) > STEEPEST:
            what = (
                f"this face is too like that of line {earlier.example.line} for so different a "
                "sound; make the faces differ more, or keep one of them"
            )
            mistakes.append((later.example.line, what))
    refuse(path, mistakes)


def steepness(a: Pair, b: Pair) -> float:
    """Change of z, in units of its length, for each unit of weighted features from a to b."""
    far = float((a.z - b.z).norm()) / len(a.z) ** 0.5
    difference = torch.from_numpy(a.example.features - b.example.features)
    apart = float((difference * weights()).norm())
    return far / max(apart, 1e-6)
