"""Finds the z whose sound is nearest to an example's: projection onto a frozen generator.

Abdal et al. 2019, "Image2StyleGAN", adapted to loops: a spectrogram sounds the same when it is
rolled in time, so the target is aligned with the generated one.
It needs no encoder, so it works with any generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.dataset.loops import (
    PEAK_DB,
    close_loop,
    fade_length,
    normalise_peak,
    sustain,
)
from latent_resonance_export.gan.models.loop_vaegan import unit_norm
from latent_resonance_export.regressor.examples import (
    ClipOfDataset,
    Example,
    GivenZ,
    Recording,
    Sound,
    raise_mistakes,
)
from latent_resonance_export.regressor.surrogate import SurrogateData

FloatArray = NDArray[np.float32]
N_STARTS = 4  # z with the nearest spectra, from which the search starts
STEPS = 120
ALIGN_INTERVAL = 20  # steps
LEARNING_RATE = 0.2
SCALES = (1, 4, 16)  # pixels: spectrograms are averaged over them before comparison
SILENT = 1e-5  # peak of samples
STAGE = "finding sounds"  # of the progress bar


@dataclass(frozen=True)
class ProjectedExample:
    """An example with the z of its sound.

    z : (latent_dim,) of unit mean square; error_db : mean difference in dB between the sound's
    spectrogram and the one that z makes; None where z was given
    """

    example: Example
    z: Tensor
    error_db: float | None


def spectrograms_of(
    examples: list[Example], path: Path, geometry: Geometry, dataset: Dataset | None
) -> list[FloatArray | None]:
    """The spectrogram of each example's sound, (n_mels, n_frames); None where z is given.

    Raises
    ------
    ExamplesError
        Sounds are missing or unusable: all are named, each with its line.
    """
    mistakes, spectrograms = [], []
    for example in examples:
        try:
            spectrograms.append(_spectrogram(example.sound, geometry, dataset))
        except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: soundfile's
            mistakes.append((example.line, str(error)))
    raise_mistakes(path, mistakes)
    return spectrograms


def find_z(
    examples: list[Example],
    spectrograms: list[FloatArray | None],
    generator: nn.Module,
    samples: SurrogateData,
    range_db: float,
    progress: Callable[[str, int, int], None],
) -> list[ProjectedExample]:
    """The z of each example's sound; projected onto the generator where it is not given."""
    pairs, n_unknown = [], sum(spectrogram is not None for spectrogram in spectrograms)
    for example, spectrogram in zip(examples, spectrograms, strict=True):
        if spectrogram is None:
            assert isinstance(example.sound, GivenZ)
            pairs.append(ProjectedExample(example, torch.from_numpy(example.sound.z), None))
            continue
        z, error = project(torch.from_numpy(spectrogram), generator, samples)
        pairs.append(ProjectedExample(example, z, error * range_db / 2))
        progress(STAGE, 1, n_unknown)
    return pairs


def project(
    spectrogram: Tensor, generator: nn.Module, samples: SurrogateData
) -> tuple[Tensor, float]:
    """The z, (latent_dim,), that makes a spectrogram (n_mels, n_frames), and the mean difference.

    Gradient descent from each of the z with the nearest mean spectra.
    """
    nearest = (samples.spectra - spectrogram.mean(dim=1)).abs().mean(dim=1).argsort(stable=True)
    z = samples.z[nearest[:N_STARTS]].clone().requires_grad_(True)
    optimiser = torch.optim.Adam([z], LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        generated = generator(unit_norm(z))[:, 0]
        if step % ALIGN_INTERVAL == 0:
            target = align(spectrogram, generated.detach())
        terms = (_differences(generated, target, scale).sum() for scale in SCALES)
        optimiser.zero_grad()
        torch.autograd.backward(sum(terms, start=torch.zeros(())))
        optimiser.step()
        schedule.step()
    return _best(unit_norm(z.detach()), spectrogram, generator)


@torch.no_grad()
def _best(z: Tensor, spectrogram: Tensor, generator: nn.Module) -> tuple[Tensor, float]:
    generated = generator(z)[:, 0]
    remaining = _differences(generated, align(spectrogram, generated), 1)
    return z[remaining.argmin()], float(remaining.min())


def align(spectrogram: Tensor, generated: Tensor) -> Tensor:
    """The spectrogram (n_mels, n_frames) rolled to fit each generated one (n, n_mels, n_frames)."""
    spectra = torch.fft.rfft(generated - generated.mean(dim=2, keepdim=True), dim=2)
    spectrum = torch.fft.rfft(spectrogram - spectrogram.mean(dim=1, keepdim=True), dim=1)
    similarity = torch.fft.irfft(
        (spectra * spectrum.conj()).sum(dim=1), n=spectrogram.shape[1], dim=1
    )
    rolls = similarity.argmax(dim=1).tolist()
    return torch.stack([torch.roll(spectrogram, roll, dims=1) for roll in rolls])


def _differences(a: Tensor, b: Tensor, scale: int) -> Tensor:
    """Mean absolute differences of (n, n_mels, n_frames) at a coarser scale: (n,)."""
    pooled = functional.avg_pool2d((a - b).unsqueeze(1), min(scale, *a.shape[1:]))
    return pooled.abs().mean(dim=(1, 2, 3))


def _spectrogram(sound: Sound, geometry: Geometry, dataset: Dataset | None) -> FloatArray | None:
    """Raises ValueError, OSError or RuntimeError with a message for the user."""
    if isinstance(sound, GivenZ):
        return None
    if isinstance(sound, Recording):
        return loop_to_spectrogram(_loop(sound, geometry), geometry)
    assert isinstance(sound, ClipOfDataset)
    if dataset is None:
        raise ValueError("a clip needs its dataset; name it by --dataset")
    if sound.index >= len(dataset.pixels):
        raise ValueError(
            f"clip: {sound.index} should be at most {len(dataset.pixels) - 1}, the dataset's last"
        )
    spectrogram: FloatArray = dataset.spectrograms(np.array([sound.index]))[0]
    return spectrogram


def _loop(recording: Recording, geometry: Geometry) -> FloatArray:
    """A loop cut from a recording as `curate` would: (loop_length,) samples."""
    rate, fade = geometry.sample_rate, fade_length(geometry)
    needed_s = (geometry.loop_length + fade) / rate
    with soundfile.SoundFile(recording.path) as file:
        file.seek(min(int(recording.from_s * file.samplerate), file.frames))
        count = int(np.ceil(needed_s * file.samplerate))
        audio = file.read(count, dtype="float32", always_2d=True).mean(axis=1)
        audio = soxr.resample(audio, file.samplerate, rate)
    if len(audio) <= 2 * fade:
        raise ValueError(
            f"{recording.path} has {len(audio) / rate:.2f} s from {recording.from_s:g} s on, at "
            f"least {2 * fade / rate:.2f} s are needed; choose an earlier from_s or a longer file"
        )
    if not float(np.abs(audio).max()) > SILENT:  # also true of NaN
        raise ValueError(f"{recording.path} is silent there; choose another from_s")
    whole = len(audio) >= geometry.loop_length + fade
    audio = audio[: geometry.loop_length + fade]
    loop = (
        close_loop(audio, geometry.loop_length)
        if whole
        else sustain(audio, geometry.loop_length, fade)
    )
    return normalise_peak(loop, geometry, sum(PEAK_DB) / 2).astype(np.float32)
