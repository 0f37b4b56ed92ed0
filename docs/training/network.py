"""Train the generator of a pack: on a synthesiser first, then against its recordings.

    uv run --all-packages python docs/training/network.py cello datasets/cello -o runs/cello

The synthesisers of metal.py and cello.py have controls, and here the numbers of z are these
controls. The spectrogram of every z can therefore be computed, each partial as the response of the
mel bands to a sinusoid, and the generator learns it by its error alone: what sounds, how it bends,
where it is rough. Then it is trained as a GAN on the clips, while its spectrograms stay those of
their z on average over a few frames: what noise looks like is left to the discriminators.

RUN is a run of the workshop, for `train-regressor`, `audition` and `convert`. The same command
continues it after Ctrl-C, which saves. Two processes share each batch.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict
from pathlib import Path

import cello
import metal
import torch
from controls import BASIS, GEOMETRY, LATENT_DIM, Synthesiser
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from latent_resonance_export.dataset.dataset import open_dataset
from latent_resonance_export.gan.augment import dequantise, roll
from latent_resonance_export.gan.checkpoint import (
    CHECKPOINT,
    Training,
    catch_stop_signals,
    load,
    save,
)
from latent_resonance_export.gan.device import any_rank, launch, on_rank_zero
from latent_resonance_export.gan.ema import update_ema
from latent_resonance_export.gan.energy_distance import energy_loss
from latent_resonance_export.gan.hyperparameters import Hyperparameters
from latent_resonance_export.gan.models.loop_vaegan import SEED_GAIN, LoopGenerator
from latent_resonance_export.gan.models.registry import architecture_of
from latent_resonance_export.gan.run import RunConfig, write_config
from latent_resonance_export.gan.train import (
    TrainingSetup,
    adversarial_generator_loss,
    new_training,
    step_rngs,
    update,
    update_discriminator,
)

SYNTHESISERS = {"cello": cello.SYNTHESISER, "metal": metal.SYNTHESISER}
N_PROCESSES = 2
PAIRED_STEPS, PAIRED_BATCH, PAIRED_RATE = 8000, 8, 7e-4
ADVERSARIAL_STEPS, ADVERSARIAL_BATCH = 1300, 8
BEND_WEIGHT = 4.0
LAST = PAIRED_STEPS + ADVERSARIAL_STEPS
HYPERPARAMETERS = Hyperparameters(
    batch_size=ADVERSARIAL_BATCH, settle=LAST - 200, rate_halflife=70.0
)
EMA_HALFLIFE = {False: 230.0, True: 7.0}  # of the first and of the second part, in steps
BEND_GAIN, SHIFT_GAIN = 2.5, 0.25  # of the first weights


def begin_with_controls(network: LoopGenerator, synthesiser: Synthesiser) -> None:
    """Set the first weights so that the seed moves in time as the controls do, and only so.

    A seed that moves at random is noise to the error: training levels it within a hundred steps,
    all that follows becomes constant in time, and no gradient is left to undo it.
    """
    first, second, seed_of_style = network.mapping[0], network.mapping[2], network.seed_of_style
    n_channels, n_frames = network.seed.shape[1:]
    n, n_controls = synthesiser.n_numbers, len(synthesiser.controls)
    at = slice(GEOMETRY.n_frames // n_frames // 2, None, GEOMETRY.n_frames // n_frames)
    curves = torch.block_diag(*[BASIS[:, at]] * n_controls).view(n, n_controls, n_frames)
    for layer in (first, second):
        layer.weight[: 2 * n] = 0.0
    # two units carry a number through a leaky ReLU: relu(x) - relu(-x) = 1.2 x
    both = torch.cat([torch.eye(n), -torch.eye(n)])
    first.weight[: 2 * n, :n] = both
    second.weight[: 2 * n, : 2 * n] = both @ both.T / 1.2
    synthesiser.choose(first, second, 2 * n)
    mix = torch.randn(n_channels, n_controls) * 1.5 / n_controls**0.5
    mix[:, synthesiser.controls.index("bend")] *= BEND_GAIN
    moving = torch.einsum("hc,icf->hfi", mix, curves).reshape(-1, n) / 1.2
    still = 0.5 * seed_of_style.weight[::n_frames].repeat_interleave(n_frames, dim=0)
    seed_of_style.weight.copy_(still)
    seed_of_style.weight[:, : 2 * n] = torch.cat([moving, -moving], dim=1)
    network.seed.copy_(torch.randn(1, n_channels, 1).expand_as(network.seed) * 0.5 / SEED_GAIN)
    for layer in (*network.first, *network.second):
        layer.style.weight[len(layer.style.weight) // 2 :] *= SHIFT_GAIN


def paired_step(
    training: Training, setup: TrainingSetup, synthesiser: Synthesiser
) -> dict[str, float]:
    """Learn the spectrograms of some z by their error, and what changes if the bend is reversed.

    Without the latter everything else is learned first, and lines as wide as the bend stay level.
    """
    rng, _ = step_rngs(setup.hyperparameters.seed, training.step, setup.fabric.global_rank)
    n = PAIRED_BATCH // setup.fabric.world_size // 2
    z = torch.randn(n, LATENT_DIM, generator=rng).repeat(2, 1)
    z[n:, synthesiser.numbers_of("bend")] *= -1
    made, due = generate(training, z, setup), synthesiser.spectrograms(z)
    loss = 0.5 * functional.l1_loss(made, due) + 2 * functional.mse_loss(made, due)
    loss = loss + BEND_WEIGHT * functional.mse_loss(made[n:] - made[:n], due[n:] - due[:n])
    cosine = 0.5 + 0.5 * math.cos(math.pi * training.step / PAIRED_STEPS)
    rate = PAIRED_RATE * min(1.0, training.step / 100) * cosine + 2e-5
    update(training.generator_optimiser, loss, rate, setup.fabric)
    return {"error": loss.item()}


def adversarial_step(
    training: Training, setup: TrainingSetup, synthesiser: Synthesiser
) -> dict[str, float]:
    """A step of the GAN on clips; half of its z keep their spectrograms, on average."""
    hp, n_clips = setup.hyperparameters, setup.hyperparameters.batch_size // setup.fabric.world_size
    rng, numpy_rng = step_rngs(hp.seed, training.step, setup.fabric.global_rank)
    real = roll(dequantise(torch.from_numpy(setup.dataset.batch(n_clips, numpy_rng))), rng)
    z = torch.randn(n_clips, LATENT_DIM, generator=rng)
    made, due = generate(training, z, setup), synthesiser.spectrograms(z[: n_clips // 2])
    losses = update_discriminator(training, real, made.detach(), setup, rng)
    frames = (1, synthesiser.pair_frames)
    pair = functional.l1_loss(*(functional.avg_pool2d(x, frames) for x in (made[: len(due)], due)))
    loss = synthesiser.pair_weight * pair + hp.energy_weight * energy_loss(real, made, rng)
    loss = loss + adversarial_generator_loss(training, made, setup, rng)
    rate = hp.generator_rate * hp.rate_factor(training.step)
    update(training.generator_optimiser, loss, rate, setup.fabric)
    return {"error": pair.item()} | {name: value.item() for name, value in losses.items()}


def generate(training: Training, z: Tensor, setup: TrainingSetup) -> Tensor:
    """The generator's spectrograms, computed in the precision of the run."""
    with setup.fabric.autocast():
        spectrograms: Tensor = training.generator(z).float()
    return spectrograms


def train(fabric: Fabric, name: str, path: Path, folder: Path) -> None:
    """Train both parts; save every 200 steps, and when a signal ends it."""
    synthesiser = SYNTHESISERS[name]
    dataset, architecture = open_dataset(path), architecture_of("loop")
    setup = TrainingSetup(fabric, dataset, architecture, HYPERPARAMETERS)
    training, checkpoint = new_training(setup), folder / CHECKPOINT
    with torch.no_grad():
        begin_with_controls(training.generator, synthesiser)
    training.ema.load_state_dict(training.generator.state_dict())
    if checkpoint.exists():
        load(training, checkpoint, setup.fabric.device)
    stopped = False
    with catch_stop_signals() as stop:
        while training.step < LAST and not stopped:
            adversarial = training.step >= PAIRED_STEPS
            step = adversarial_step if adversarial else paired_step
            losses = step(training, setup, synthesiser)
            training.step += 1
            update_ema(training.ema, training.generator, training.step, EMA_HALFLIFE[adversarial])
            if training.step % 20 == 0 and fabric.is_global_zero:
                shown = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
                print(f"step {training.step}: {shown}", file=sys.stderr)
            stopped = any_rank(fabric, stop.requested)
            if stopped or training.step % 200 == 0 or training.step == LAST:
                on_rank_zero(fabric, lambda: save(training, checkpoint))


def main() -> None:
    """Begin or continue the run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("synthesiser", choices=sorted(SYNTHESISERS))
    parser.add_argument("dataset", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN")
    arguments = parser.parse_args()
    dataset, folder = open_dataset(arguments.dataset), arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    config = RunConfig(
        "loop",
        str(arguments.dataset.resolve()),
        dataset.sha256,
        dataset.geometry,
        asdict(HYPERPARAMETERS),
    )
    write_config(config, folder)
    job = (arguments.synthesiser, arguments.dataset, folder)
    launch(train, *job, device="cpu", n_devices=N_PROCESSES)


if __name__ == "__main__":
    main()
