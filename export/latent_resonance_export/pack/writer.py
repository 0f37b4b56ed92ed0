"""Writes a pack (networks, manifest, card, contact sheet), then checks and measures it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latent_resonance import LatentResonanceError
from latent_resonance.audio.mel_inversion import spectrogram_to_amplitude
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.face_state import FEATURES
from latent_resonance.pack import open_pack, sha256_of
from latent_resonance_export.audition.metrics import compare
from latent_resonance_export.audition.subject import subject_of_pack
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.models.protocol import Generator
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.atomic_folder import AtomicFolder
from latent_resonance_export.pack.model_card import scalars, write_card, write_manifest
from latent_resonance_export.pack.onnx_check import (
    N_EXAMPLES,
    check_spectrograms,
    megabytes,
    milliseconds,
)
from latent_resonance_export.pack.onnx_export import write_generator, write_network
from latent_resonance_export.pack.quantize import Variant, write_variant
from latent_resonance_export.pack.room import room
from latent_resonance_export.progress import ProgressCallback
from latent_resonance_export.regressor.model import Trained
from latent_resonance_export.report.contact_sheet import contact_sheet

GENERATOR, REGRESSOR = "generator.onnx", "regressor.onnx"
N_SAMPLES = 24  # spectrograms that are checked, measured and shown
N_STEPS = 4  # of a conversion without further precisions: checked, both networks, written
COLUMNS = 6  # of the contact sheet; its first row shows as many real clips
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class ConvertOptions:
    """Options of a conversion; None is derived from the folder's name or from the dataset.

    audition : compare the pack with the dataset's held-out clips, for the model card
    truncation : calm to wild, the pack's own; see voice/synthesis/truncation.py
    """

    name: str | None = None
    licence: str | None = None
    precisions: tuple[str, ...] = ()
    audition: bool = True
    truncation: float = 1.0


@dataclass(frozen=True)
class PackContents:
    """Everything a pack is written from; `training` goes into its manifest, without paths."""

    generator: nn.Module  # a Generator
    trained: Trained
    geometry: Geometry
    dataset: Dataset | None
    sounds: str
    licence: str
    training: dict[str, Any]


@dataclass(frozen=True)
class ConversionResult:
    """The manifest of the written pack, and every variant that was tried."""

    manifest: dict[str, Any]
    variants: list[Variant]


def write_pack(
    contents: PackContents,
    output: AtomicFolder,
    options: ConvertOptions,
    progress: ProgressCallback,
) -> ConversionResult:
    """Writes, checks and measures a pack beside its target, then moves it there.

    Raises
    ------
    ConversionError
        PyTorch and ONNX Runtime differ, or a contract is broken; nothing was written.
    """
    folder, step = output.new, stepper(progress, len(options.precisions))
    spectrograms = check_generator(contents.generator, contents.geometry)
    step()
    quality = scalars(contents.trained.report) | write_networks(contents, folder, step)
    variants = []
    for precision in options.precisions:
        variants.append(write_variant(folder / GENERATOR, precision, contents.geometry.range_db))
        step()
    draw_contact_sheet(spectrograms, contents.dataset, folder / "audition.png")
    level_db = level_reference_db(spectrograms, contents.geometry)
    manifest = manifest_of(contents, options, output) | {
        "level_reference_db": level_db,
        "quality": quality,
    }
    if written := {v.file: asdict(v) for v in variants if v.is_worthwhile}:
        manifest["variants"] = written
    write_manifest(manifest, folder)
    check_pack(folder)
    if options.audition and contents.dataset is not None and contents.dataset.held_out.any():
        subject = subject_of_pack(open_pack(folder))
        measurements = compare(subject, contents.dataset, progress=progress)
        manifest = write_card(folder, measurements.figures)
    output.commit()
    step()
    return ConversionResult(manifest, variants)


def stepper(progress: ProgressCallback, n_precisions: int) -> Callable[[], None]:
    """Begins the progress of a conversion; each call reports one of its steps as done."""
    total = N_STEPS + n_precisions
    progress("converting", 0, total)
    return lambda: progress("converting", 1, total)


def check_generator(generator: nn.Module, geometry: Geometry) -> FloatArray:
    """Spectrograms of random z, (N_SAMPLES, 1, n_mels, n_frames), checked against the contract.

    Raises
    ------
    ConversionError
        They break it.
    """
    z = random_z(generator, N_SAMPLES)
    with torch.inference_mode():
        parts = [generator(part) for part in torch.split(z, 8)]
    spectrograms: FloatArray = torch.cat(parts).numpy()
    check_spectrograms(spectrograms, (N_SAMPLES, 1, geometry.n_mels, geometry.n_frames))
    return spectrograms


def random_z(generator: nn.Module, n: int) -> Tensor:
    """The same n random z each time: (n, latent_dim)."""
    return torch.randn(n, latent_dim_of(generator), generator=torch.Generator().manual_seed(1))


def latent_dim_of(generator: nn.Module) -> int:
    """The length of z; a torch module does not declare it to the type checker."""
    return cast("Generator", generator).latent_dim


def write_networks(
    contents: PackContents, folder: Path, step: Callable[[], None]
) -> dict[str, float]:
    """Writes both networks, a step each; returns their conversion errors and the generator's cost.

    Raises
    ------
    ConversionError
        PyTorch and ONNX Runtime differ on one of them.
    """
    rng = torch.Generator().manual_seed(2)
    features = torch.randn(N_EXAMPLES, len(FEATURES), generator=rng)
    z, path = random_z(contents.generator, N_EXAMPLES), folder / GENERATOR
    generator_error = write_generator(contents.generator, z, path)
    step()
    regressor_error = write_network(
        contents.trained.regressor, features, ("features", "z"), folder / REGRESSOR
    )
    step()
    return {
        "generator_disagreement": generator_error,
        "regressor_disagreement": regressor_error,
        "generator_ms": milliseconds([path], latent_dim_of(contents.generator))[0],
        "generator_mb": megabytes(path),
        **room(contents.generator, latent_dim_of(contents.generator)),
    }


def manifest_of(
    contents: PackContents, options: ConvertOptions, output: AtomicFolder
) -> dict[str, Any]:
    """The content of pack.yaml, without measured values."""
    training = dict(contents.training)
    if contents.dataset is not None:
        clips = len(contents.dataset.training)
        training |= {"clips": clips, "dataset_sha256": contents.dataset.sha256}
    anchors = [[round(float(x), 5) for x in anchor] for anchor in contents.trained.anchors]
    return {
        "format": 1,
        "name": options.name or output.target.name,
        "licence": options.licence or contents.licence,
        "sounds": contents.sounds,
        "geometry": asdict(contents.geometry),
        "latent_dim": latent_dim_of(contents.generator),
        "features": list(FEATURES),
        "anchors": anchors,
        **({"truncation": options.truncation} if options.truncation != 1.0 else {}),
        "sha256": {name: sha256_of(output.new / name) for name in (GENERATOR, REGRESSOR)},
        "training": training,
    }


def level_reference_db(spectrograms: FloatArray, geometry: Geometry) -> float:
    """RMS level in dBFS of the sound that spectrograms (n, 1, n_mels, n_frames) represent.

    A sinusoid of amplitude a has power a**2 / 2, and a Hann window spreads its power over 1.5 bins.
    """
    amplitudes = (spectrogram_to_amplitude(p[0], geometry) for p in spectrograms)
    power = np.mean([np.square(amplitude).sum(axis=0) for amplitude in amplitudes])
    return round(float(10 * np.log10(power / 2 / 1.5 + 1e-12)), 2)


def draw_contact_sheet(generated: FloatArray, dataset: Dataset | None, path: Path) -> None:
    """Draws generated clips, (n, 1, n_mels, n_frames), below a row of the dataset's if given."""
    real = np.empty((0, *generated.shape[2:]), np.float32)
    if dataset is not None:
        training = dataset.training
        chosen = training[np.linspace(0, len(training) - 1, COLUMNS).round().astype(int)]
        real = dataset.spectrograms(np.unique(chosen))
        real = np.pad(real, ((0, COLUMNS - len(real)), (0, 0), (0, 0)), constant_values=-1)
    contact_sheet(np.concatenate([real, generated[: 3 * COLUMNS, 0]]), path, columns=COLUMNS)


def check_pack(folder: Path) -> None:
    """Opens a finished pack as the runtime does.

    Raises
    ------
    ConversionError
        The runtime would reject it.
    """
    try:
        open_pack(folder)
    except LatentResonanceError as error:
        reason = str(error).replace(f"{folder}/", "")
        raise ConversionError(f"the runtime would reject this pack: {reason}") from error
