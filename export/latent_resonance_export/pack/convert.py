"""Converts a run with a regressor, or a generator trained elsewhere, to a pack.

Both end in `pack/writer.py`, which writes the complete pack or nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.pack import MANIFEST
from latent_resonance_export.dataset.dataset import CLIPS, open_dataset, read_clips
from latent_resonance_export.gan.run import Run, open_run
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.atomic_folder import AtomicFolder, is_replaceable
from latent_resonance_export.pack.foreign.adapter import AdaptedGenerator, AdapterOptions, adapt
from latent_resonance_export.pack.foreign.external_generator import TORCHSCRIPT, load_external
from latent_resonance_export.pack.foreign.weights_file import weights_file_in, weights_sha256
from latent_resonance_export.pack.model_card import UNKNOWN, licence_of, sounds_of
from latent_resonance_export.pack.writer import (
    ConversionResult,
    ConvertOptions,
    PackContents,
    check_generator,
    write_pack,
)
from latent_resonance_export.progress import ProgressCallback, no_progress
from latent_resonance_export.regressor.model import (
    FILE,
    Trained,
    load_regressor,
    save_regressor,
)
from latent_resonance_export.regressor.train import TrainingConfig, train_regressor
from latent_resonance_export.regressor.train import train as train_from

QUICK = TrainingConfig(n_samples=800, steps=600, surrogate_steps=400)


@dataclass(frozen=True)
class ExternalGenerator:
    """A generator that was trained elsewhere, and how to adapt its output."""

    checkpoint: Path
    factory: str | None  # package.module:function; None if the file contains its network
    adapter: AdapterOptions
    trust: bool = False
    seed: int = 0  # of the regressor
    truncation: float = 1.0  # of StyleGAN's w
    quick: bool = False  # train its regressor briefly, to see whether the network fits


def convert_run(
    folder: Path,
    output: Path,
    options: ConvertOptions,
    dataset_folder: Path | None = None,
    progress: ProgressCallback = no_progress,
) -> ConversionResult:
    """Writes the pack of a run that train-gan and train-regressor have completed.

    Raises
    ------
    RunError, CheckpointError, DatasetError
        The run or its dataset is missing or invalid.
    ConversionError
        The run cannot be converted to a pack; nothing was written.
    """
    check_output(output)
    run, trained = open_run(folder), load_regressor(folder)
    if trained.step != run.step:
        raise ConversionError(
            f"{folder / FILE} belongs to step {trained.step}, the checkpoint to step {run.step}: "
            f"run train-regressor {folder} again"
        )
    dataset = run.dataset(dataset_folder)
    clips = read_clips((dataset_folder or Path(run.config.dataset)) / CLIPS)
    contents = PackContents(
        generator=run.generator,
        trained=trained,
        geometry=run.config.geometry,
        dataset=dataset,
        sounds=sounds_of(dataset, clips),
        licence=licence_of(clips),
        training=training_info(run) | trained.how,
    )
    with AtomicFolder(output) as target:
        return write_pack(contents, target, options, progress)


def convert_external(
    external: ExternalGenerator,
    output: Path,
    options: ConvertOptions,
    dataset_folder: Path | None = None,
    geometry: Geometry | None = None,
    progress: ProgressCallback = no_progress,
    train: Callable[..., Trained] | None = None,
) -> ConversionResult:
    """Trains a regressor for a generator that was trained elsewhere, and writes their pack.

    Raises
    ------
    DatasetError
        The dataset cannot be opened.
    ConversionError
        The network cannot be loaded, or cannot be adapted to the contract of a pack.
    """
    check_output(output)
    dataset = open_dataset(dataset_folder) if dataset_folder else None
    clips = read_clips(dataset_folder / CLIPS) if dataset_folder else []
    geometry = dataset.geometry if dataset else geometry or Geometry()
    external = replace(external, checkpoint=weights_file_in(external.checkpoint))
    network, weights = load_external(
        external.checkpoint,
        external.factory,
        trust=external.trust,
        truncation=external.truncation,
    )
    generator = adapt(network, geometry, external.adapter, progress)
    check_generator(generator, geometry)
    with AtomicFolder(output) as target:
        cache = cache_folder(target.work, external, geometry)
        trained = train_once(generator, geometry, external, cache, progress, train)
        contents = PackContents(
            generator=generator,
            trained=trained,
            geometry=geometry,
            dataset=dataset,
            sounds=sounds_of(dataset, clips) if dataset else UNKNOWN,
            licence=licence_of(clips),
            training=external_training_info(generator, external, weights) | trained.how,
        )
        return write_pack(contents, target, options, progress)


def train_briefly(
    generator: nn.Module, *, geometry: Geometry, seed: int, progress: ProgressCallback
) -> Trained:
    """A regressor of a fifth of the data and steps, good enough to play the network once."""
    config = replace(QUICK, geometry=geometry, seed=seed)
    return train_from(generator, config, step=0, progress=progress)[0]


def check_output(folder: Path) -> None:
    """Refuses to replace a folder that holds no pack.

    Raises
    ------
    ConversionError
    """
    if not is_replaceable(folder, MANIFEST):
        raise ConversionError(f"{folder} exists and is no pack: name another folder with -o")


def training_info(run: Run) -> dict[str, Any]:
    """What the manifest records about the training of a run; contains no paths."""
    info = {"architecture": run.config.architecture, "steps": run.step}
    warm_start = run.config.begun_from
    return info | ({"begun_from": Path(warm_start).name} if warm_start else {})


def external_training_info(
    generator: AdaptedGenerator, external: ExternalGenerator, weights: str
) -> dict[str, Any]:
    """What the manifest records about a generator that was trained elsewhere."""
    low, high = generator.value_range
    return {
        "architecture": external.factory
        or (TORCHSCRIPT if weights == TORCHSCRIPT else "StyleGAN2"),
        "checkpoint_sha256": weights_sha256(external.checkpoint),
        "weights": weights,
        "value_range": f"{low:g} to {high:g}",
        "cross_faded": generator.cross_faded,
    } | ({"truncation_w": external.truncation} if external.truncation != 1.0 else {})


def train_once(
    generator: nn.Module,
    geometry: Geometry,
    external: ExternalGenerator,
    cache: Path,
    progress: ProgressCallback,
    train: Callable[..., Trained] | None = None,
) -> Trained:
    """The regressor of a generator, or the one that an interrupted conversion left in `cache`.

    It stays there until the pack is written, because training it takes minutes.
    """
    if (cache / FILE).is_file():
        return load_regressor(cache)
    train = train or (train_briefly if external.quick else train_regressor)
    trained = train(generator, geometry=geometry, seed=external.seed, progress=progress)
    cache.mkdir(exist_ok=True)
    save_regressor(trained, cache)
    return trained


def cache_folder(work: Path, external: ExternalGenerator, geometry: Geometry) -> Path:
    """A folder named by a hash of everything that the regressor depends on."""
    own = (external.factory, external.seed, external.truncation, external.quick)
    inputs = (weights_sha256(external.checkpoint), *own)
    text = json.dumps([*inputs, asdict(external.adapter), asdict(geometry)])
    return work / hashlib.sha256(text.encode()).hexdigest()[:16]
