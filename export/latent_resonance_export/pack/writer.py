"""Writes a pack: networks, sheet, card and picture; checks and measures them before they count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry, amplitude_of_pixels, mel_interpolation
from latent_resonance.face_state import FEATURES
from latent_resonance.pack import open_pack, sha256_of
from latent_resonance_export.audition.generator import subject_of_pack
from latent_resonance_export.audition.metrics import measure
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.atomic_folder import Staging
from latent_resonance_export.pack.model_card import scalars, write_card, write_sheet
from latent_resonance_export.pack.onnx_export import (
    N_EXAMPLES,
    check_pictures,
    megabytes,
    milliseconds,
    write_network,
)
from latent_resonance_export.pack.quantize import Variant, write_variant
from latent_resonance_export.regressor.model import Trained
from latent_resonance_export.report.contact_sheet import contact_sheet

GENERATOR, REGRESSOR = "generator.onnx", "regressor.onnx"
N_DRAWN = 24  # pictures that are checked, measured and shown
COLUMNS = 6  # of the sheet; as many real clips above
Progress = Callable[[str, int, int], None]  # stage, done now, of how many
FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Wishes:
    """How the pack is to be; None is derived from the folder's name and from the dataset.

    audition : measure the pack beside the dataset's held-out clips, for the model card
    """

    name: str | None = None
    licence: str | None = None
    precisions: tuple[str, ...] = ()
    audition: bool = True


@dataclass(frozen=True)
class Made:
    """What a pack is made of; `training` is what its sheet tells of how, without any paths."""

    generator: nn.Module
    trained: Trained
    geometry: Geometry
    dataset: Dataset | None
    sounds: str
    licence: str
    training: dict[str, Any]


@dataclass(frozen=True)
class Converted:
    """The sheet of the pack that was written, and every variant that was tried."""

    sheet: dict[str, Any]
    variants: list[Variant]


def silent(stage: str, done: int, total: int) -> None:
    """Shows nothing."""


def write_pack(made: Made, staging: Staging, wishes: Wishes, progress: Progress) -> Converted:
    """Writes, checks and measures a pack beside its place, then puts it there.

    Raises
    ------
    ConversionError
        PyTorch and ONNX Runtime differ, or a contract is broken; nothing was written.
    """
    folder, total = staging.pack, 2 + len(wishes.precisions)
    progress("converting", 0, total)
    pictures = check_generator(made.generator, made.geometry)
    quality = scalars(made.trained.report) | write_networks(made, folder)
    progress("converting", 1, total)
    variants = []
    for precision in wishes.precisions:
        variants.append(write_variant(folder / GENERATOR, precision, made.geometry.range_db))
        progress("converting", 1, total)
    draw_sheet(pictures, made.dataset, folder / "audition.png")
    level_db = level_reference_db(pictures, made.geometry)
    sheet = sheet_of(made, wishes, staging) | {"level_reference_db": level_db, "quality": quality}
    if kept := {v.file: v.told() for v in variants if v.pays}:
        sheet["variants"] = kept
    write_sheet(sheet, folder)
    check_pack(folder)
    if wishes.audition and made.dataset is not None and made.dataset.held_out.any():
        subject = subject_of_pack(open_pack(folder))
        sheet = write_card(folder, measure(subject, made.dataset, progress=progress))
    staging.finish()
    progress("converting", 1, total)
    return Converted(sheet, variants)


def check_generator(generator: nn.Module, geometry: Geometry) -> FloatArray:
    """N_DRAWN pictures of random z, which keep the contract: (n, 1, n_mels, n_frames).

    Raises
    ------
    ConversionError
        They do not.
    """
    z = random_z(generator, N_DRAWN)
    with torch.inference_mode():
        pictures = torch.cat([generator(part) for part in z.split(8)]).numpy()
    check_pictures(pictures, (N_DRAWN, 1, geometry.n_mels, geometry.n_frames))
    return pictures


def random_z(generator: nn.Module, n: int) -> Tensor:
    """The same n random z each time: (n, latent_dim)."""
    return torch.randn(n, generator.latent_dim, generator=torch.Generator().manual_seed(1))


def write_networks(made: Made, folder: Path) -> dict[str, float]:
    """Writes both networks; returns their disagreements and the generator's cost.

    Raises
    ------
    ConversionError
        PyTorch and ONNX Runtime differ on one.
    """
    rng = torch.Generator().manual_seed(2)
    features = torch.randn(N_EXAMPLES, len(FEATURES), generator=rng)
    z, path = random_z(made.generator, N_EXAMPLES), folder / GENERATOR
    contracts = {"generator": ("z", "spectrogram"), "regressor": ("features", "z")}
    return {
        "generator_disagreement": write_network(made.generator, z, contracts["generator"], path),
        "regressor_disagreement": write_network(
            made.trained.regressor, features, contracts["regressor"], folder / REGRESSOR
        ),
        "generator_ms": milliseconds([path], made.generator.latent_dim)[0],
        "generator_mb": megabytes(path),
    }


def sheet_of(made: Made, wishes: Wishes, staging: Staging) -> dict[str, Any]:
    """The content of pack.yaml but for what is measured."""
    training = dict(made.training)
    if made.dataset is not None:
        clips = len(made.dataset.training)
        training |= {"clips": clips, "dataset_sha256": made.dataset.sha256}
    anchors = [[round(float(x), 5) for x in anchor] for anchor in made.trained.anchors]
    return {
        "format": 1,
        "name": wishes.name or staging.place.name,
        "licence": wishes.licence or made.licence,
        "sounds": made.sounds,
        "geometry": asdict(made.geometry),
        "latent_dim": made.generator.latent_dim,
        "features": list(FEATURES),
        "anchors": anchors,
        "sha256": {name: sha256_of(staging.pack / name) for name in (GENERATOR, REGRESSOR)},
        "training": training,
    }


def level_reference_db(pictures: FloatArray, geometry: Geometry) -> float:
    """RMS in dBFS that the spectrograms (n, 1, n_mels, n_frames) stand for.

    A sinusoid of amplitude a has power a**2 / 2, and a Hann window spreads its power over 1.5 bins.
    """
    to_bins = mel_interpolation(geometry)
    amplitudes = (to_bins @ amplitude_of_pixels(p[0], geometry.range_db) for p in pictures)
    power = np.mean([np.square(amplitude).sum(axis=0) for amplitude in amplitudes])
    return round(float(10 * np.log10(power / 2 / 1.5 + 1e-12)), 2)


def draw_sheet(generated: FloatArray, dataset: Dataset | None, path: Path) -> None:
    """Real clips above, if there are any, and generated ones below."""
    real = np.empty((0, *generated.shape[2:]), np.float32)
    if dataset is not None:
        training = dataset.training
        chosen = training[np.linspace(0, len(training) - 1, COLUMNS).round().astype(int)]
        real = dataset.pictures(np.unique(chosen))
        real = np.pad(real, ((0, COLUMNS - len(real)), (0, 0), (0, 0)), constant_values=-1)
    contact_sheet(np.concatenate([real, generated[: 3 * COLUMNS, 0]]), path, columns=COLUMNS)


def check_pack(folder: Path) -> None:
    """Opens a finished pack as the gallery does.

    Raises
    ------
    ConversionError
        The gallery would refuse it.
    """
    try:
        open_pack(folder)
    except LatentResonanceError as error:
        reason = str(error).replace(f"{folder}/", "")
        raise ConversionError(f"the gallery would refuse this pack: {reason}") from error
