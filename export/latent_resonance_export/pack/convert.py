"""From networks to a pack: a run that has a regressor, or a generator trained elsewhere.

Both end in `pack/writer.py`, which writes the pack whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.pack import sha256_of
from latent_resonance_export.dataset.dataset import CLIPS, open_dataset, read_clips
from latent_resonance_export.gan.run import Run, open_run
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.adapter import Reading, adapt
from latent_resonance_export.pack.atomic_folder import Staging
from latent_resonance_export.pack.external_generator import load_outside
from latent_resonance_export.pack.onnx_export import export
from latent_resonance_export.pack.origin import NOT_TOLD, licence_of, sounds_of
from latent_resonance_export.pack.writer import (
    Converted,
    Made,
    Progress,
    Wishes,
    check_generator,
    silent,
    write_pack,
)
from latent_resonance_export.regressor.model import (
    FILE,
    Trained,
    load_regressor,
    save_regressor,
)
from latent_resonance_export.regressor.train import train_regressor

__all__ = ["ConversionError", "Outside", "Wishes", "convert_outside", "convert_run", "export"]


@dataclass(frozen=True)
class Outside:
    """A generator that was trained elsewhere, and how to read what it draws."""

    checkpoint: Path
    factory: str  # package.module:function
    reading: Reading
    trust: bool = False
    seed: int = 0  # of the regressor


def convert_run(
    folder: Path,
    output: Path,
    wishes: Wishes,
    dataset_folder: Path | None = None,
    progress: Progress = silent,
) -> Converted:
    """Writes the pack of a run that has been through train-gan and train-regressor.

    Raises
    ------
    RunError, CheckpointError, DatasetError
        The run or its dataset is not what it should be.
    ConversionError
        What the run holds cannot become a pack; nothing was written.
    """
    run, trained = open_run(folder), load_regressor(folder)
    if trained.step != run.step:
        raise ConversionError(
            f"{folder / FILE} is of step {trained.step}, the checkpoint of step {run.step}: "
            f"train-regressor {folder} learns the newer one"
        )
    dataset = run.dataset(dataset_folder)
    clips = read_clips((dataset_folder or Path(run.sheet.dataset)) / CLIPS)
    made = Made(
        generator=run.generator,
        trained=trained,
        geometry=run.sheet.geometry,
        dataset=dataset,
        sounds=sounds_of(dataset, clips),
        licence=licence_of(clips),
        training=how_it_was_trained(run) | trained.how,
    )
    with Staging(output) as staging:
        return write_pack(made, staging, wishes, progress)


def convert_outside(
    outside: Outside,
    output: Path,
    wishes: Wishes,
    dataset_folder: Path | None = None,
    geometry: Geometry | None = None,
    progress: Progress = silent,
    teach: Callable[..., Trained] = train_regressor,
) -> Converted:
    """Writes a pack around a generator that was trained elsewhere, and trains its regressor.

    Raises
    ------
    DatasetError
        The dataset is none.
    ConversionError
        The network cannot be read, or not be made to keep a pack's contract.
    """
    dataset = open_dataset(dataset_folder) if dataset_folder else None
    clips = read_clips(dataset_folder / CLIPS) if dataset_folder else []
    geometry = dataset.geometry if dataset else geometry or Geometry()
    network = load_outside(outside.checkpoint, outside.factory, trust=outside.trust)
    generator = adapt(network, geometry, outside.reading).eval()
    check_generator(generator, geometry)
    with Staging(output) as staging:
        trained = taken_up(staging.work, outside, geometry)
        if trained is None:
            trained = teach(generator, geometry=geometry, seed=outside.seed, progress=progress)
            keep(trained, staging.work, outside, geometry)
        made = Made(
            generator=generator,
            trained=trained,
            geometry=geometry,
            dataset=dataset,
            sounds=sounds_of(dataset, clips) if dataset else NOT_TOLD,
            licence=licence_of(clips),
            training=how_it_was_read(generator, outside) | trained.how,
        )
        return write_pack(made, staging, wishes, progress)


def how_it_was_trained(run: Run) -> dict[str, Any]:
    """What the sheet of a pack tells of the run, without any paths."""
    told = {"architecture": run.sheet.architecture, "steps": run.step}
    ancestor = run.sheet.begun_from
    return told | ({"begun_from": Path(ancestor).name} if ancestor else {})


def how_it_was_read(generator: nn.Module, outside: Outside) -> dict[str, Any]:
    """What the sheet of a pack tells of a generator that was trained elsewhere."""
    low, high = generator.value_range
    return {
        "architecture": outside.factory,
        "checkpoint_sha256": sha256_of(outside.checkpoint),
        "value_range": f"{low:g} to {high:g}",
        "cross_faded": generator.cross_faded,
    }


def taken_up(work: Path, outside: Outside, geometry: Geometry) -> Trained | None:
    """The regressor that an interrupted conversion of the same had trained, if there is one."""
    kept = kept_at(work, outside, geometry)
    return load_regressor(kept) if (kept / FILE).is_file() else None


def keep(trained: Trained, work: Path, outside: Outside, geometry: Geometry) -> None:
    """Keeps a regressor, which took minutes, until the pack is written."""
    folder = kept_at(work, outside, geometry)
    folder.mkdir(exist_ok=True)
    save_regressor(trained, folder)


def kept_at(work: Path, outside: Outside, geometry: Geometry) -> Path:
    """A folder that is another one if anything that the regressor depends on is."""
    told = (sha256_of(outside.checkpoint), outside.factory, outside.seed)
    text = json.dumps([*told, asdict(outside.reading), asdict(geometry)])
    return work / hashlib.sha256(text.encode()).hexdigest()[:16]
