"""Train a generator of bowed metal: on its synthesiser first, then against its recordings.

    uv run --all-packages python docs/metal_network.py datasets/metal -o runs/metal

The synthesiser of metal.py has controls, and here the numbers of z are these controls. The
spectrogram of every z can therefore be computed, each mode as the response of the mel bands to a
sinusoid, and the generator learns it by its error alone: which object sounds, how its modes bend,
where it is rough. Then it is trained as a GAN on the recordings, while its spectrograms stay those
of their z on average over eight frames: what noise looks like is left to the discriminators.

RUN is a run of the workshop, for `train-regressor`, `audition` and `convert`. The same command
continues it after Ctrl-C, from the last 200 steps. Two processes share each batch.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from metal import HIGHEST_HZ, OBJECTS
from scipy.signal import butter, sosfreqz
from torch import Tensor
from torch.nn import functional

from latent_resonance.audio.spectrogram import Geometry, mel_filterbank, mel_frequencies
from latent_resonance_export.dataset.dataset import open_dataset
from latent_resonance_export.gan.augment import dequantise, roll
from latent_resonance_export.gan.checkpoint import CHECKPOINT, Training, load, save
from latent_resonance_export.gan.device import launch, on_rank_zero
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

GEOMETRY = Geometry()
BIN_HZ = GEOMETRY.sample_rate / GEOMETRY.n_fft
N_FRAMES, N_MELS = GEOMETRY.n_frames, GEOMETRY.n_mels
PEAK_DB = -3.0  # of every loop, as of the recordings' loudest

# --- z as controls ------------------------------------------------------------------------------

CONTROLS = ("tilt", "focus", "width", "roughness", "bend", "stroke")
PER_CONTROL = 5  # numbers of z: a mean, and cosine and sine of the first two harmonics of the loop
BEND = slice(4 * PER_CONTROL, 5 * PER_CONTROL)
OBJECT_AT = PER_CONTROL * len(CONTROLS)
OWN_AT = OBJECT_AT + len(OBJECTS)
N_OWN = 70  # numbers of z from which the modes' own levels are mixed
SHARES = torch.tensor([0.45, 0.35, 0.35, 0.2, 0.2])  # of a control's variance
CERTAINTY = 3.5  # of one object against the others

PHASE = 2 * math.pi * torch.arange(N_FRAMES) / N_FRAMES
BASIS = torch.stack(
    [torch.ones(N_FRAMES), PHASE.cos(), PHASE.sin(), (2 * PHASE).cos(), (2 * PHASE).sin()]
) * SHARES.sqrt().unsqueeze(1)

N_MODES = max(len(each.modes_hz) for each in OBJECTS)
MODES_HZ = torch.tensor(
    np.stack([np.pad(each.modes_hz, (0, N_MODES - len(each.modes_hz))) for each in OBJECTS])
).float()  # (objects, modes), 0 where there is none
BEND_OCTAVES = torch.tensor([each.bend_semitones / 12 for each in OBJECTS])
OWN = torch.randn(
    N_OWN, len(OBJECTS) * N_MODES, PER_CONTROL, generator=torch.Generator().manual_seed(19)
) / math.sqrt(N_OWN)


def curve(numbers: Tensor) -> Tensor:
    """(…, PER_CONTROL) numbers of z -> (…, n_frames) of a control in 0..1, evenly distributed."""
    return 0.5 * (1 + torch.erf(numbers @ BASIS / math.sqrt(2)))


def spectrograms(z: Tensor) -> Tensor:
    """What the synthesiser plays: (batch, latent_dim) -> (batch, 1, n_mels, n_frames)."""
    return torch.cat([spectrogram(one) for one in z])


def spectrogram(z: Tensor) -> Tensor:
    """(latent_dim,) -> (1, 1, n_mels, n_frames) in [-1, 1]."""
    z = z * torch.rsqrt(z.square().mean() + 1e-6)  # the generator sees its direction alone
    tilt, focus, width, roughness, bend, stroke = curve(z[:OBJECT_AT].view(-1, PER_CONTROL))
    amplitudes = torch.softmax(CERTAINTY * z[OBJECT_AT:OWN_AT], 0)
    own = curve(torch.einsum("i,imk->mk", z[OWN_AT : OWN_AT + N_OWN], OWN))
    own_db = 8 * own.view(len(OBJECTS), N_MODES, N_FRAMES)
    octave = torch.log2(MODES_HZ.clamp(min=1.0) / 200.0).unsqueeze(2)
    level_db = 0.6 * (-18 + 15 * tilt) * octave
    level_db = level_db - 6 * ((octave - (-1 + 6 * focus)) / (1 + 1.5 * width)) ** 2
    power = 10 ** ((level_db.clamp(min=-70.0) + own_db) / 10) * (MODES_HZ > 0).unsqueeze(2)
    power = power / power.sum(1, keepdim=True) * amplitudes.square().view(-1, 1, 1)
    hz = MODES_HZ.unsqueeze(2) * 2 ** (BEND_OCTAVES.view(-1, 1, 1) * (2 * bend - 1))
    audible = (MODES_HZ > 0) & (amplitudes > 0.03).unsqueeze(1)
    bands = lines(hz[audible], power[audible]) + noise(roughness)
    db = 10 * torch.log10(bands * 10 ** (-0.9 * (1 - stroke)) + 1e-12)
    return ((db - db.max() + PEAK_DB) / 40 + 1).clamp(-1, 1)[None, None]


# --- mel bands ----------------------------------------------------------------------------------

STEPS_PER_BIN = 8  # of the table of sinusoids
REACH = 20  # bands on each side of a sinusoid


def sinusoids() -> tuple[Tensor, Tensor]:
    """Power of a sinusoid of amplitude 1 in the bands around it, and the first of these bands.

    Returns
    -------
    (frequencies, 2 REACH + 1) and (frequencies,); frequencies are 1 / STEPS_PER_BIN bins apart
    """
    at = np.arange(int(1.1 * HIGHEST_HZ / BIN_HZ * STEPS_PER_BIN)) / STEPS_PER_BIN
    offset = np.arange(GEOMETRY.n_bins) - at[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        hann = np.sinc(offset) / (1 - offset**2)  # Harris 1978
    hann[np.abs(np.abs(offset) - 1) < 1e-9] = 0.5
    mel = (mel_filterbank(GEOMETRY) @ np.square(hann).T.astype(np.float32)).T
    centre = np.searchsorted(mel_frequencies(GEOMETRY)[1:-1], at * BIN_HZ)
    first = np.clip(centre - REACH, 0, N_MELS - 2 * REACH - 1)
    near = np.take_along_axis(mel, first[:, None] + np.arange(2 * REACH + 1), axis=1)
    return torch.from_numpy(near), torch.from_numpy(first)


TABLE, FIRST_BAND = sinusoids()


def lines(hz: Tensor, power: Tensor) -> Tensor:
    """Sinusoids, frequency and power of each (modes, n_frames) -> mel power (n_mels, n_frames)."""
    row = (hz * (STEPS_PER_BIN / BIN_HZ)).round().long().clamp(max=len(TABLE) - 1)
    place = FIRST_BAND[row].unsqueeze(2) + torch.arange(2 * REACH + 1)
    place = place * N_FRAMES + torch.arange(N_FRAMES).view(1, -1, 1)
    values = TABLE[row] * power.unsqueeze(2)
    bands = torch.zeros(N_MELS * N_FRAMES).scatter_add_(0, place.flatten(), values.flatten())
    return bands.view(N_MELS, N_FRAMES)


def noise(roughness: Tensor) -> Tensor:
    """The noise of the bow: (n_frames,) of its control -> mel power (n_mels, n_frames)."""
    force = 0.1 * roughness**2
    return NOISE.unsqueeze(1) * force.square()


def noise_shape() -> Tensor:
    """Mean level of the noise of metal.py at a force of 1: (n_mels,) of power."""
    bins_hz = np.arange(GEOMETRY.n_bins) * BIN_HZ
    band = butter(2, (500, 6000), "bandpass", fs=GEOMETRY.sample_rate, output="sos")
    power = np.abs(sosfreqz(band, bins_hz, fs=GEOMETRY.sample_rate)[1]) ** 2
    hann = 6.0 / GEOMETRY.n_fft  # power of white noise of variance 1 in a bin
    mean_of_db = math.exp(-0.577)  # the mean of decibels lies below the mean of power
    shape = hann * mean_of_db * power / power.mean()
    return torch.from_numpy(mel_filterbank(GEOMETRY) @ shape.astype(np.float32)[:, None])[:, 0]


NOISE = noise_shape()

# --- training -----------------------------------------------------------------------------------

N_PROCESSES = 2
PAIRED_STEPS, PAIRED_BATCH, PAIRED_RATE = 5600, 8, 7e-4
ADVERSARIAL_STEPS, ADVERSARIAL_BATCH = 1200, 8
BEND_WEIGHT = 4.0
PAIR_WEIGHT, PAIR_FRAMES = 6.0, 8
LAST = PAIRED_STEPS + ADVERSARIAL_STEPS
HYPERPARAMETERS = Hyperparameters(
    batch_size=ADVERSARIAL_BATCH, settle=LAST - 200, rate_halflife=70.0
)
EMA_HALFLIFE = {False: 230.0, True: 7.0}  # of the first and of the second part, in steps
OBJECT_GAIN, SHIFT_GAIN = 3.0, 0.25  # of the first weights


def begin_with_controls(network: LoopGenerator) -> None:
    """Set the first weights so that the seed moves in time as the controls do, and only so.

    A seed that moves at random is noise to the error: training levels it within a hundred steps,
    all that follows becomes constant in time, and no gradient is left to undo it.
    """
    first, second, seed_of_style = network.mapping[0], network.mapping[2], network.seed_of_style
    n_channels, n_frames = network.seed.shape[1:]
    curves = torch.block_diag(*[BASIS[:, N_FRAMES // n_frames // 2 :: N_FRAMES // n_frames]] * 6)
    curves = curves.view(OBJECT_AT, len(CONTROLS), n_frames)
    for layer in (first, second):
        layer.weight[: 2 * OBJECT_AT] = 0.0
    # two units carry a number through a leaky ReLU: relu(x) - relu(-x) = 1.2 x
    both = torch.cat([torch.eye(OBJECT_AT), -torch.eye(OBJECT_AT)])
    first.weight[: 2 * OBJECT_AT, :OBJECT_AT] = both
    second.weight[: 2 * OBJECT_AT, : 2 * OBJECT_AT] = both @ both.T / 1.2
    first.weight[2 * OBJECT_AT :, OBJECT_AT:OWN_AT] *= OBJECT_GAIN
    mix = torch.randn(n_channels, len(CONTROLS)) * 1.5 / len(CONTROLS) ** 0.5
    moving = torch.einsum("hc,icf->hfi", mix, curves).reshape(-1, OBJECT_AT) / 1.2
    still = 0.5 * seed_of_style.weight[::n_frames].repeat_interleave(n_frames, dim=0)
    seed_of_style.weight.copy_(still)
    seed_of_style.weight[:, : 2 * OBJECT_AT] = torch.cat([moving, -moving], dim=1)
    network.seed.copy_(torch.randn(1, n_channels, 1).expand_as(network.seed) * 0.5 / SEED_GAIN)
    for layer in (*network.first, *network.second):
        layer.style.weight[len(layer.style.weight) // 2 :] *= SHIFT_GAIN


def paired_step(training: Training, setup: TrainingSetup) -> dict[str, float]:
    """Learn the spectrograms of some z by their error, and what changes if the bend is reversed.

    Without the latter everything else is learned first, and lines as wide as the bend stay level.
    """
    rng, _ = step_rngs(setup.hyperparameters.seed, training.step, setup.fabric.global_rank)
    n = PAIRED_BATCH // setup.fabric.world_size // 2
    z = torch.randn(n, 128, generator=rng).repeat(2, 1)
    z[n:, BEND] *= -1
    made, due = generate(training, z, setup), spectrograms(z)
    loss = 0.5 * functional.l1_loss(made, due) + 2 * functional.mse_loss(made, due)
    loss = loss + BEND_WEIGHT * functional.mse_loss(made[n:] - made[:n], due[n:] - due[:n])
    cosine = 0.5 + 0.5 * math.cos(math.pi * training.step / PAIRED_STEPS)
    rate = PAIRED_RATE * min(1.0, training.step / 100) * cosine + 2e-5
    update(training.generator_optimiser, loss, rate, setup.fabric)
    return {"error": loss.item()}


def adversarial_step(training: Training, setup: TrainingSetup) -> dict[str, float]:
    """A step of the GAN on recordings; half of its z keep their spectrograms, on average."""
    hp, n_clips = setup.hyperparameters, setup.hyperparameters.batch_size // setup.fabric.world_size
    rng, numpy_rng = step_rngs(hp.seed, training.step, setup.fabric.global_rank)
    real = roll(dequantise(torch.from_numpy(setup.dataset.batch(n_clips, numpy_rng))), rng)
    z = torch.randn(n_clips, 128, generator=rng)
    made, due = generate(training, z, setup), spectrograms(z[: n_clips // 2])
    losses = update_discriminator(training, real, made.detach(), setup, rng)
    pair = functional.l1_loss(averaged(made[: len(due)]), averaged(due))
    loss = PAIR_WEIGHT * pair + hp.energy_weight * energy_loss(real, made, rng)
    loss = loss + adversarial_generator_loss(training, made, setup, rng)
    rate = hp.generator_rate * hp.rate_factor(training.step)
    update(training.generator_optimiser, loss, rate, setup.fabric)
    return {"error": pair.item()} | {name: value.item() for name, value in losses.items()}


def generate(training: Training, z: Tensor, setup: TrainingSetup) -> Tensor:
    """The generator's spectrograms, computed in the precision of the run."""
    with setup.fabric.autocast():
        spectrograms: Tensor = training.generator(z).float()
    return spectrograms


def averaged(spectrogram: Tensor) -> Tensor:
    """Means of PAIR_FRAMES frames."""
    return functional.avg_pool2d(spectrogram, (1, PAIR_FRAMES))


def train(fabric: Fabric, path: Path, folder: Path) -> None:
    """Train both parts, and save every 200 steps."""
    dataset, architecture = open_dataset(path), architecture_of("loop")
    setup = TrainingSetup(fabric, dataset, architecture, HYPERPARAMETERS)
    training, checkpoint = new_training(setup), folder / CHECKPOINT
    with torch.no_grad():
        begin_with_controls(training.generator)
    training.ema.load_state_dict(training.generator.state_dict())
    if checkpoint.exists():
        load(training, checkpoint, setup.fabric.device)
    while training.step < LAST:
        adversarial = training.step >= PAIRED_STEPS
        losses = (adversarial_step if adversarial else paired_step)(training, setup)
        training.step += 1
        update_ema(training.ema, training.generator, training.step, EMA_HALFLIFE[adversarial])
        if training.step % 20 == 0 and fabric.is_global_zero:
            shown = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
            print(f"step {training.step}: {shown}", file=sys.stderr)
        if training.step % 200 == 0 or training.step == LAST:
            on_rank_zero(fabric, lambda: save(training, checkpoint))


def main() -> None:
    """Begin or continue the run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
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
    launch(train, arguments.dataset, folder, device="cpu", n_devices=N_PROCESSES)


if __name__ == "__main__":
    main()
