"""From a training run to a pack: two ONNX files, their sheet and their model card.

Refuses to write unless PyTorch and ONNX Runtime agree. The pack appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import logging
import math
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import yaml
from torch import Tensor, nn

from latent_resonance import LatentResonanceError
from latent_resonance.face_state import FEATURES
from latent_resonance.spectrogram import amplitude_of_pixels, mel_interpolation
from latent_resonance_export.checkpoint import read
from latent_resonance_export.dataset import Dataset
from latent_resonance_export.metrics import distances
from latent_resonance_export.networks import LoopGenerator
from latent_resonance_export.pictures import contact_sheet
from latent_resonance_export.train_regressor import Heard, Trained

AGREEMENT = 1e-4  # largest difference between PyTorch and ONNX Runtime
NETWORKS = ("generator.onnx", "regressor.onnx")


class ConversionError(LatentResonanceError):
    """The networks do not keep the contract of a pack; nothing was written."""


def load_generator(checkpoint: Path) -> tuple[LoopGenerator, int]:
    """The averaged generator of a run and its step; nothing in the file is executed."""
    state = read(checkpoint, torch.device("cpu"))
    generator = LoopGenerator()
    generator.load_state_dict(state["average"])
    return generator.eval().requires_grad_(False), int(state["step"])


def export(network: nn.Module, example: Tensor, names: tuple[str, str], path: Path) -> None:
    """Writes one network with a free batch size, everything in one file."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision; we do not
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.onnx.export(
        network.eval(),
        (example,),
        input_names=[names[0]],
        output_names=[names[1]],
        dynamic_shapes=({0: batch},),
        dynamo=True,
        opset_version=18,
        verbose=False,
    )
    program.save(path, external_data=False)


def disagreement(network: nn.Module, path: Path, batches: list[Tensor]) -> float:
    """Largest difference between PyTorch and ONNX Runtime over some batches."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    worst = 0.0
    for batch in batches:
        ours = network(batch).detach().numpy()
        theirs = session.run(None, {name: batch.numpy()})[0]
        if ours.shape != theirs.shape or not np.isfinite(ours - theirs).all():
            return math.inf
        worst = max(worst, float(np.abs(ours - theirs).max()))
    return worst


def check_loop(pictures: np.ndarray) -> None:
    """Refuses spectrograms outside [-1, 1] or with a seam where the loop closes."""
    if not (np.isfinite(pictures).all() and np.abs(pictures).max() <= 1.0):
        raise ConversionError("the generator leaves [-1, 1] or is not finite; train on")
    change = np.abs(np.diff(pictures, axis=3, append=pictures[..., :1])).mean(axis=(0, 1, 2))
    if change[-1] > 3.0 * np.quantile(change, 0.99) + 0.01:
        raise ConversionError("the loop does not close: its last frame does not meet its first")


def milliseconds(path: Path, latent_dim: int) -> float:
    """Median time of one spectrogram on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    z, times = np.zeros((1, latent_dim), np.float32), []
    for _ in range(25):
        began = time.perf_counter()
        session.run(None, {"z": z})
        times.append(1e3 * (time.perf_counter() - began))
    return round(float(np.median(times)), 1)


def convert(
    generator: LoopGenerator,
    trained: Trained,
    dataset: Dataset,
    folder: Path,
    *,
    name: str,
    training: dict[str, Any],
) -> dict[str, Any]:
    """Writes the pack `folder`; returns its sheet, the content of pack.yaml.

    Raises
    ------
    ConversionError
        PyTorch and ONNX Runtime differ, or the generator breaks the contract.
    """
    if folder.exists() and not (folder / "pack.yaml").is_file():
        raise ConversionError(f"{folder} is there and is no pack; name another folder")
    check_loop(generator(random_z(generator, 16)).numpy())
    part = folder.with_name(folder.name + ".part")
    part.mkdir(parents=True, exist_ok=True)
    quality: dict[str, Any] = dict(trained.report)
    quality |= write_networks(generator, trained.regressor, part)
    quality |= measure(generator, trained.heard, dataset, part)
    sheet = {
        "format": 1,
        "name": name,
        "licence": "Apache-2.0",
        "sounds": dataset.about.get("sounds", "not told"),
        "geometry": asdict(dataset.geometry),
        "latent_dim": generator.latent_dim,
        "features": list(FEATURES),
        "level_reference_db": round(level_reference_db(generator, trained.heard, dataset), 2),
        "anchors": [[round(float(x), 5) for x in anchor] for anchor in trained.anchors],
        "sha256": {f: hashlib.sha256((part / f).read_bytes()).hexdigest() for f in NETWORKS},
        "training": training,
        "quality": quality,
    }
    (part / "pack.yaml").write_text(yaml.safe_dump(sheet, sort_keys=False, width=100))
    (part / "README.md").write_text(card(sheet))
    put_in_place(part, folder)
    return sheet


def random_z(generator: LoopGenerator, n: int) -> Tensor:
    """The same n random z each time: (n, latent_dim)."""
    return torch.randn(n, generator.latent_dim, generator=torch.Generator().manual_seed(1))


def write_networks(generator: nn.Module, regressor: nn.Module, part: Path) -> dict[str, float]:
    """Writes both networks; returns by how much PyTorch and ONNX Runtime differ on each.

    Raises
    ------
    ConversionError
        If one differs by more than AGREEMENT.
    """
    chance = torch.Generator().manual_seed(2)
    features = torch.randn(16, len(FEATURES), generator=chance)
    contracts = (
        (generator, random_z(generator, 16), ("z", "spectrogram")),
        (regressor, features, ("features", "z")),
    )
    differences = {}
    for file, (network, example, names) in zip(NETWORKS, contracts, strict=True):
        export(network, example[:2], names, part / file)
        worst = disagreement(network, part / file, [example, example[:1], example[:4]])
        if worst > AGREEMENT:
            raise ConversionError(f"{file}: PyTorch and ONNX Runtime differ by {worst:.2g}")
        differences[f"{Path(file).stem}_disagreement"] = float(f"{worst:.2g}")
    return differences


def put_in_place(part: Path, folder: Path) -> None:
    """Renames a finished pack to its name; an older pack of that name gives way."""
    old = folder.with_name(folder.name + ".old")
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    if old.exists():
        shutil.rmtree(old)


def measure(generator: LoopGenerator, heard: Heard, dataset: Dataset, part: Path) -> dict[str, Any]:
    """Figures of the model card, and its audition sheet: real above, generated below."""
    real = dataset.batch(64, np.random.default_rng(1))
    fake = torch.cat([generator(c) for c in heard.z[:64].split(16)]).numpy()
    contact_sheet(np.concatenate([real[:6], fake[:18]])[:, 0], part / "audition.png")
    file = part / NETWORKS[0]
    return distances(real[:, 0], fake[:, 0]) | {
        "median_flatness_db": round(float(heard.descriptors[:, 1].median()), 1),
        "generator_mb": round(file.stat().st_size / 1e6, 1),
        "generator_ms_one_thread": milliseconds(file, generator.latent_dim),
    }


def level_reference_db(generator: LoopGenerator, heard: Heard, dataset: Dataset) -> float:
    """RMS in dBFS that the spectrograms stand for, from 32 of them.

    A sinusoid of amplitude a has power a**2 / 2, and a Hann window spreads its power over 1.5 bins.
    """
    geometry = dataset.geometry
    pixels = generator(heard.z[:32]).numpy()[:, 0]
    powers = [
        np.square(mel_interpolation(geometry) @ amplitude_of_pixels(p, geometry.range_db)).sum(
            axis=0
        )
        for p in pixels
    ]
    return float(10 * np.log10(np.mean(powers) / 2 / 1.5 + 1e-12))


def card(sheet: dict[str, Any]) -> str:
    """The model card."""
    quality = "\n".join(f"| {key} | {value} |" for key, value in sheet["quality"].items())
    training = "\n".join(f"| {key} | {value} |" for key, value in sheet["training"].items())
    return f"""# {sheet["name"]}

A looped mel-spectrogram generator and the regressor that plays it, for Latent Resonance.

**Sounds:** {sheet["sounds"]}
**Licence of the networks:** {sheet["licence"]}

![real above, generated below](audition.png)

The first row of the sheet is real, the rows below are generated from random z.

| trained | |
|---|---|
{training}

| measured | |
|---|---|
{quality}

`spectrum_db` and `onset_db` are sliced Wasserstein distances between real and generated single
frames and changes between frames; 0 is alike. The rank correlations are Spearman's, of a face's
feature with the sound that it makes, through the real generator on movement not seen in training.
"""
