"""A dataset of looping spectrograms on disk: one memory-mapped array, a table and a sidecar.

    DATASET/spectrograms.npy   (n_clips, n_mels, n_frames) uint8, 0..255 = -1..1
    DATASET/clips.csv          one line per clip: source, licence, author, whether held out
    DATASET/dataset.yaml       geometry, description of the sounds, sha256 of spectrograms.npy

A step of a byte is 0.31 dB at 80 dB of range. Training adds uniform dequantisation noise of that
width, so that the discriminator cannot detect real clips by their quantisation.

*Held-out* clips are never trained on: `audition` compares generated clips with them.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry

FORMAT = 2
SPECTROGRAMS, CLIPS, SIDECAR = "spectrograms.npy", "clips.csv", "dataset.yaml"


class DatasetError(LatentResonanceError):
    """The folder is not a dataset."""


@dataclass(frozen=True)
class Clip:
    """The source of one loop."""

    source: str  # the recording, relative to the folder it was found in
    offset_s: float
    licence: str
    author: str
    held_out: bool
    level_db: float | None = None  # RMS of the recording; None if not measured
    flatness_db: float | None = None
    made: str = "cut"  # or "sustained", "repeated", "held": of a sound shorter than a loop
    bandwidth_hz: float | None = None  # the upper end of what sounds


@dataclass(frozen=True)
class Dataset:
    """An opened dataset: `pixels` is (n_clips, n_mels, n_frames) uint8, memory-mapped."""

    pixels: NDArray[np.uint8]
    geometry: Geometry
    about: dict[str, str]
    held_out: NDArray[np.bool_]  # (n_clips,)
    sha256: str  # of spectrograms.npy: identifies what a run was trained on

    @property
    def training(self) -> NDArray[np.intp]:
        """Indices of the clips to train on: (n_training,)."""
        return np.flatnonzero(~self.held_out)

    @property
    def silent_bands(self) -> NDArray[np.bool_]:
        """The mel bands that are silent in every frame of every training clip: (n_mels,)."""
        has_signal = np.zeros(self.geometry.n_mels, bool)
        for index in self.training:  # one clip in memory at a time
            has_signal |= self.pixels[index].any(axis=1)
        return ~has_signal

    def batch(self, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Random training clips as stored: (size, 1, n_mels, n_frames) uint8."""
        training = self.training
        return self.pixels[training[np.sort(rng.integers(len(training), size=size))]][:, None]

    def spectrograms(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """The clips with these indices: (n, n_mels, n_frames) float32 in [-1, 1]."""
        pixels: NDArray[np.float32] = self.pixels[indices].astype(np.float32)
        return (pixels + 0.5) * (2.0 / 256.0) - 1.0


def quantise(spectrogram: NDArray[np.float32]) -> NDArray[np.uint8]:
    """[-1, 1] to one byte per pixel, of any shape."""
    pixels: NDArray[np.uint8] = np.clip((spectrogram + 1.0) * 128.0, 0, 255).astype(np.uint8)
    return pixels


def write_dataset(
    spectrograms: Iterable[NDArray[np.float32]],
    clips: list[Clip],
    folder: Path,
    geometry: Geometry,
    *,
    about: dict[str, str],
) -> None:
    """Writes one spectrogram per clip, (n_mels, n_frames); the folder appears complete or not."""
    unfinished = folder.with_name(folder.name + ".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    pixels = (quantise(spectrogram) for spectrogram in spectrograms)
    write_pixels(pixels, len(clips), unfinished / SPECTROGRAMS, geometry)
    write_clips(clips, unfinished / CLIPS)
    write_sidecar(unfinished, geometry, about)
    unfinished.rename(folder)


def write_pixels(
    pixels: Iterable[NDArray[np.uint8]], n_clips: int, path: Path, geometry: Geometry
) -> None:
    """Writes n_clips spectrograms, (n_mels, n_frames) each, one after the other.

    Not through a memory map: on a full disk that would kill the process, not raise OSError.
    """
    shape = (n_clips, geometry.n_mels, geometry.n_frames)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for _, spectrogram in zip(range(n_clips), pixels, strict=True):
            if spectrogram.shape != shape[1:] or spectrogram.dtype != np.uint8:
                raise ValueError(
                    f"spectrogram is {spectrogram.shape} {spectrogram.dtype}, not {shape[1:]} uint8"
                )
            file.write(np.ascontiguousarray(spectrogram).data)


def write_clips(clips: list[Clip], path: Path) -> None:
    """The table of clips, in the order of the spectrograms."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Clip)])
        table.writeheader()
        table.writerows({**asdict(clip), "held_out": int(clip.held_out)} for clip in clips)


def write_sidecar(folder: Path, geometry: Geometry, about: dict[str, str]) -> None:
    """Writes the geometry, the description and the hash of the spectrograms in the folder."""
    with (folder / SPECTROGRAMS).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    sidecar = {"format": FORMAT, "geometry": asdict(geometry), "about": about, "sha256": sha256}
    text = yaml.safe_dump(sidecar, sort_keys=False, allow_unicode=True)
    (folder / SIDECAR).write_text(text, encoding="utf-8")


def open_dataset(folder: Path) -> Dataset:
    """Opens a dataset without reading it into memory.

    Raises
    ------
    DatasetError
        The folder or a file is missing or broken, or the files disagree.
    """
    try:
        sidecar = yaml.safe_load((folder / SIDECAR).read_text(encoding="utf-8"))
        pixels = np.load(folder / SPECTROGRAMS, mmap_mode="r", allow_pickle=False)
        geometry, about = Geometry(**sidecar["geometry"]), dict(sidecar["about"])
        held_out = np.array([clip.held_out for clip in read_clips(folder / CLIPS)], bool)
        sha256 = str(sidecar["sha256"])
    except (OSError, ValueError, TypeError, KeyError, EOFError, csv.Error, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{folder} is not a dataset ({reason}): create it again") from error
    expected = (len(held_out), geometry.n_mels, geometry.n_frames)
    if pixels.shape != expected or pixels.dtype != np.uint8:
        found, stated = (" × ".join(map(str, shape)) for shape in (pixels.shape, expected))
        raise DatasetError(
            f"{folder}: spectrograms.npy is {found} {pixels.dtype}, but clips.csv and dataset.yaml "
            f"state {stated} uint8: create it again"
        )
    if held_out.all():
        raise DatasetError(f"{folder} has no training clips: create it again with more recordings")
    return Dataset(pixels, geometry, about, held_out, sha256)


def read_clips(path: Path) -> list[Clip]:
    """The table of clips, in the order of the spectrograms."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Clip(
                row["source"],
                float(row["offset_s"]),
                row["licence"],
                row["author"],
                bool(int(row["held_out"])),
                _number(row.get("level_db")),
                _number(row.get("flatness_db")),
                row.get("made") or "cut",
                _number(row.get("bandwidth_hz")),
            )
            for row in csv.DictReader(file)
        ]


def _number(text: str | None) -> float | None:
    return float(text) if text else None
