"""From the sounds of examples to the z that makes them: projection onto a frozen generator.

Abdal et al. 2019, "Image2StyleGAN", with what is due to loops: a picture and the same picture
turned in time sound alike, so the target is turned to lie best on what is generated.
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

from latent_resonance.audio.spectrogram import Geometry, spectrogram_of_loop
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
    refuse,
)
from latent_resonance_export.regressor.surrogate import Heard

FloatArray = NDArray[np.float32]
STARTS = 4  # z whose spectra are nearest, each followed
STEPS = 120
TURN_EVERY = 20  # steps
LEARNING_RATE = 0.2
SCALES = (1, 4, 16)  # pixels over which pictures are averaged before they are compared
SILENT = 1e-5  # peak of samples
PROJECTION = "finding sounds"  # what the progress is called


@dataclass(frozen=True)
class Pair:
    """An example whose sound has become a z.

    z : (latent_dim,) of unit mean square; error_db : mean difference between the sound's picture
    and what z makes of it, in dB; None where z was given
    """

    example: Example
    z: Tensor
    error_db: float | None


def pictures_of(
    examples: list[Example], path: Path, geometry: Geometry, dataset: Dataset | None
) -> list[FloatArray | None]:
    """The picture of each example's sound, (n_mels, n_frames) in [-1, 1]; None where z is given.

    Raises
    ------
    ExamplesError
        Sounds that are not there or are none: all of them are named, each by its line.
    """
    mistakes, pictures = [], []
    for example in examples:
        try:
            pictures.append(_picture(example.sound, geometry, dataset))
        except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: soundfile's
            mistakes.append((example.line, str(error)))
    refuse(path, mistakes)
    return pictures


def bring_to_z(
    examples: list[Example],
    pictures: list[FloatArray | None],
    generator: nn.Module,
    heard: Heard,
    range_db: float,
    progress: Callable[[str, int, int], None],
) -> list[Pair]:
    """The z of each example's sound; where it is not given, the generator is searched."""
    pairs, sought = [], sum(picture is not None for picture in pictures)
    for example, picture in zip(examples, pictures, strict=True):
        if picture is None:
            assert isinstance(example.sound, GivenZ)
            pairs.append(Pair(example, torch.from_numpy(example.sound.z), None))
            continue
        z, error = project(torch.from_numpy(picture), generator, heard)
        pairs.append(Pair(example, z, error * range_db / 2))
        progress(PROJECTION, 1, sought)
    return pairs


def project(picture: Tensor, generator: nn.Module, heard: Heard) -> tuple[Tensor, float]:
    """The z, (latent_dim,), that makes a picture (n_mels, n_frames), and the mean difference left.

    Begins at the z whose mean spectra are nearest, and follows the gradient from each.
    """
    nearest = (heard.spectra - picture.mean(dim=1)).abs().mean(dim=1).argsort(stable=True)
    z = heard.z[nearest[:STARTS]].clone().requires_grad_(True)
    optimiser = torch.optim.Adam([z], LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        drawn = generator(unit_norm(z))[:, 0]
        if step % TURN_EVERY == 0:
            target = turned(picture, drawn.detach())
        loss = sum(_differences(drawn, target, scale).sum() for scale in SCALES)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return _best(unit_norm(z.detach()), picture, generator)


@torch.no_grad()
def _best(z: Tensor, picture: Tensor, generator: nn.Module) -> tuple[Tensor, float]:
    drawn = generator(z)[:, 0]
    left = _differences(drawn, turned(picture, drawn), 1)
    return z[left.argmin()], float(left.min())


def turned(picture: Tensor, drawn: Tensor) -> Tensor:
    """The picture (n_mels, n_frames) turned to lie best on each drawn one (n, n_mels, n_frames)."""
    spectra = torch.fft.rfft(drawn - drawn.mean(dim=2, keepdim=True), dim=2)
    own = torch.fft.rfft(picture - picture.mean(dim=1, keepdim=True), dim=1)
    likeness = torch.fft.irfft((spectra * own.conj()).sum(dim=1), n=picture.shape[1], dim=1)
    rolls = likeness.argmax(dim=1).tolist()
    return torch.stack([torch.roll(picture, roll, dims=1) for roll in rolls])


def _differences(a: Tensor, b: Tensor, scale: int) -> Tensor:
    """Mean absolute differences of (n, n_mels, n_frames) at a coarser scale: (n,)."""
    pooled = functional.avg_pool2d((a - b).unsqueeze(1), min(scale, *a.shape[1:]))
    return pooled.abs().mean(dim=(1, 2, 3))


def _picture(sound: Sound, geometry: Geometry, dataset: Dataset | None) -> FloatArray | None:
    """Raises ValueError, OSError or RuntimeError, with a sentence for the user."""
    if isinstance(sound, GivenZ):
        return None
    if isinstance(sound, Recording):
        return spectrogram_of_loop(_loop(sound, geometry), geometry)
    assert isinstance(sound, ClipOfDataset)
    if dataset is None:
        raise ValueError("a clip needs its dataset; name it by --dataset")
    if sound.index >= len(dataset.pixels):
        raise ValueError(
            f"clip: {sound.index} should be at most {len(dataset.pixels) - 1}, the dataset's last"
        )
    return dataset.pictures(np.array([sound.index]))[0]


def _loop(recording: Recording, geometry: Geometry) -> FloatArray:
    """A recording's stretch as `curate` would cut it: (loop_length,) samples."""
    rate, fade = geometry.sample_rate, fade_length(geometry)
    wanted_s = (geometry.loop_length + fade) / rate
    with soundfile.SoundFile(recording.path) as file:
        file.seek(min(int(recording.from_s * file.samplerate), file.frames))
        count = int(np.ceil(wanted_s * file.samplerate))
        audio = file.read(count, dtype="float32", always_2d=True).mean(axis=1)
        audio = soxr.resample(audio, file.samplerate, rate)
    if len(audio) <= 2 * fade:
        raise ValueError(
            f"{recording.path} has {len(audio) / rate:.2f} s from {recording.from_s:g} s on, at "
            f"least {2 * fade / rate:.2f} s are needed; choose an earlier from_s or a longer file"
        )
    if not float(np.abs(audio).max()) > SILENT:  # also if there is a NaN
        raise ValueError(f"{recording.path} is silent there; choose another from_s")
    whole = len(audio) >= geometry.loop_length + fade
    audio = audio[: geometry.loop_length + fade]
    loop = (
        close_loop(audio, geometry.loop_length)
        if whole
        else sustain(audio, geometry.loop_length, fade)
    )
    return normalise_peak(loop, geometry, sum(PEAK_DB) / 2).astype(np.float32)
