"""The subject of an audition: a pack (ONNX Runtime) or a run (PyTorch), and its dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.config.settings import Inference
from latent_resonance.pack import MANIFEST, Pack, PackError, find_pack, open_pack
from latent_resonance.voice.synthesis.networks import load_networks
from latent_resonance_export.dataset.dataset import Dataset, open_dataset
from latent_resonance_export.gan.models.protocol import latent_dim_of
from latent_resonance_export.gan.models.registry import make_generator
from latent_resonance_export.gan.run import CONFIG_FILE, Run, open_run
from latent_resonance_export.pack.onnx_export import export
from latent_resonance_export.regressor.model import FILE as REGRESSOR
from latent_resonance_export.regressor.model import load_regressor

FloatArray = NDArray[np.float32]
BATCH = 8  # z


class AuditionError(LatentResonanceError):
    """The subject or its dataset cannot be auditioned."""


@dataclass(frozen=True)
class Subject:
    """A generator to be auditioned.

    generate : z (n, latent_dim) -> (n, n_mels, n_frames) in [-1, 1], for a few z at once
    write_onnx : writes the generator to the path it is given
    architecture : a name of gan/models/registry.py, or package.module:factory
    regressor : features (n, 16) -> z, and `anchors` (n, latent_dim); None in a run without one
    trained_on : `folder` of its dataset, and `sha256`, if known
    run : the run's folder, None for a pack
    """

    name: str
    geometry: Geometry
    latent_dim: int
    generate: Callable[[FloatArray], FloatArray]
    write_onnx: Callable[[Path], None]
    architecture: str
    steps: int | None = None
    trained_on: dict[str, str] = field(default_factory=dict)
    run: Path | None = None
    regressor: Callable[[FloatArray], FloatArray] | None = None
    anchors: FloatArray | None = None

    def spectrograms_of(self, z: FloatArray) -> Iterator[FloatArray]:
        """Yields the spectrograms (n_mels, n_frames) of z (n, latent_dim)."""
        for start in range(0, len(z), BATCH):
            yield from self.generate(z[start : start + BATCH])

    def draw_z(self, n: int, seed: int) -> FloatArray:
        """Random z: (n, latent_dim); the first ones do not depend on n."""
        rng = np.random.default_rng([seed, 1])
        return rng.standard_normal((n, self.latent_dim), dtype=np.float32)


def open_subject(name: Path) -> Subject:
    """A run's folder, a pack's folder, or a pack's name in models/.

    Raises
    ------
    AuditionError, PackError, RunError, CheckpointError
        It is neither, or it is broken.
    """
    if (name / CONFIG_FILE).is_file():
        return subject_of_run(open_run(name))
    if name.is_dir() and not (name / MANIFEST).is_file():
        raise AuditionError(
            f"{name} is neither a pack (it has no {MANIFEST}) nor a run (no {CONFIG_FILE}): "
            "name the folder that train-gan or convert wrote"
        )
    return subject_of_pack(open_pack(find_pack(name)))


def subject_of_pack(pack: Pack) -> Subject:
    """The subject of a pack; its networks are checked as in the gallery."""
    networks = load_networks(pack, Inference())
    training = pack.metadata.get("training") or {}
    if not isinstance(training, dict):
        raise PackError(f"{pack.folder / MANIFEST}: training is no table; copy the pack again")
    steps = training.get("steps")
    sha256 = training.get("dataset_sha256")
    return Subject(
        name=pack.name,
        geometry=pack.geometry,
        latent_dim=pack.latent_dim,
        generate=_onnx_generator(networks.generator),
        write_onnx=lambda path: _copy(pack.generator, path),
        architecture=str(training.get("architecture", "loop")),
        steps=steps if isinstance(steps, int) else None,
        trained_on={"folder": f"datasets/{pack.name}"} | ({"sha256": sha256} if sha256 else {}),
        regressor=_onnx_regressor(networks.regressor),
        anchors=pack.anchors,
    )


def subject_of_run(run: Run) -> Subject:
    """The subject of a run: its EMA generator."""
    config = run.config
    trained = load_regressor(run.folder) if (run.folder / REGRESSOR).exists() else None
    return Subject(
        name=run.folder.resolve().name,
        geometry=config.geometry,
        latent_dim=latent_dim_of(run.generator),
        generate=_torch_generator(run.generator),
        write_onnx=lambda path: _export(run.generator, path),
        architecture=config.architecture,
        steps=run.step,
        trained_on={"folder": config.dataset, "sha256": config.dataset_sha256},
        run=run.folder,
        regressor=_torch_regressor(trained.regressor) if trained else None,
        anchors=trained.anchors.numpy() if trained else None,
    )


def untrained(subject: Subject) -> Subject:
    """The same architecture with its initial weights, seed 0.

    Raises
    ------
    LatentResonanceError
        The architecture is unknown, or a pack names code, which is never run.
    """
    if subject.run is None and ":" in subject.architecture:
        raise AuditionError(f"the code of {subject.architecture} is not run for a pack")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = make_generator(subject.architecture, subject.geometry)
    network = generator.eval().requires_grad_(requires_grad=False)
    return Subject(
        name="untrained",
        geometry=subject.geometry,
        latent_dim=latent_dim_of(network),
        generate=_torch_generator(network),
        write_onnx=lambda path: _export(network, path),
        architecture=subject.architecture,
    )


def default_folder(subject: Subject) -> Path:
    """The default output folder: in a run, but never in a pack."""
    return subject.run / "audition" if subject.run else Path("auditions") / subject.name


def dataset_of(subject: Subject, named: Path | None) -> Dataset | None:
    """The dataset that is named, else the one in its known folder; None if there is none.

    Raises
    ------
    AuditionError, DatasetError
        It is no dataset, another one, has another geometry, or has no held-out clips.
    """
    folder = named or Path(subject.trained_on.get("folder", ""))
    if not named and not (folder / "dataset.yaml").is_file():
        return None
    dataset = open_dataset(folder)
    _check_geometry(subject, dataset, folder)
    known = subject.trained_on.get("sha256", dataset.sha256)
    if known != dataset.sha256:
        raise AuditionError(
            f"{folder} is not the dataset that {subject.name} was trained on (sha256 "
            f"{dataset.sha256[:12]}…, not {known[:12]}…): name that one by --dataset"
        )
    if not dataset.held_out.any():
        raise AuditionError(
            f"{folder} holds no clip out of training, so there is nothing to compare with: write "
            "it again with some held out"
        )
    return dataset


def _check_geometry(subject: Subject, dataset: Dataset, folder: Path) -> None:
    actual = vars(dataset.geometry)
    different = [
        f"{key} {actual[key]:g}, not {value:g}"
        for key, value in vars(subject.geometry).items()
        if actual[key] != value
    ]
    if different:
        raise AuditionError(
            f"{folder} has another geometry than {subject.name} ({'; '.join(different)}): name "
            "the dataset that it was trained on by --dataset"
        )


def _onnx_generator(session: onnxruntime.InferenceSession) -> Callable[[FloatArray], FloatArray]:
    def generate(z: FloatArray) -> FloatArray:
        (spectrograms,) = session.run(["spectrogram"], {"z": z})
        return cast("FloatArray", spectrograms[:, 0])

    return generate


def _torch_generator(network: torch.nn.Module) -> Callable[[FloatArray], FloatArray]:
    def generate(z: FloatArray) -> FloatArray:
        with torch.inference_mode():
            spectrograms: torch.Tensor = network(torch.from_numpy(z))
            return spectrograms.numpy()[:, 0]

    return generate


def _onnx_regressor(session: onnxruntime.InferenceSession) -> Callable[[FloatArray], FloatArray]:
    def z_of(features: FloatArray) -> FloatArray:
        return np.concatenate([session.run(["z"], {"features": row[None]})[0] for row in features])

    return z_of


def _torch_regressor(network: torch.nn.Module) -> Callable[[FloatArray], FloatArray]:
    def z_of(features: FloatArray) -> FloatArray:
        with torch.inference_mode():
            z: torch.Tensor = network(torch.from_numpy(features))
            return z.numpy()

    return z_of


def _copy(source: Path, path: Path) -> None:
    path.write_bytes(source.read_bytes())


def _export(network: torch.nn.Module, path: Path) -> None:
    example = torch.zeros(2, latent_dim_of(network))
    export(network, example, ("z", "spectrogram"), path)
