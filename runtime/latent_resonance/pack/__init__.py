"""Open a model pack: a folder with two networks and a manifest that describes them.

    models/cello/pack.yaml         name, geometry, anchors, the sha256 of each network
    models/cello/generator.onnx    z -> spectrogram
    models/cello/regressor.onnx    features -> z

Pure, apart from reading the files. A pack is data: opening one runs no code from it. The
networks are loaded and checked in `voice/synthesis/networks.py`. archive.py adds a pack from a ZIP
and removes one, signature.py verifies who made the ZIP.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationError

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.config.boundary import boundary, shown
from latent_resonance.config.validation import Section, error_messages
from latent_resonance.config.yaml_file import YamlError, read_yaml
from latent_resonance.face_state import FEATURES

MANIFEST = "pack.yaml"
MAX_MANIFEST_BYTES = 4 * 1024 * 1024  # bytes; 256 anchors of 512 numbers are 3 MB
MAX_NETWORK_BYTES = 1024 * 1024 * 1024  # bytes
MODELS_VARIABLE = "LATENT_RESONANCE_MODELS"
ADDED_VARIABLE = "LATENT_RESONANCE_PACKS"


class PackError(LatentResonanceError):
    """A pack cannot be used; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Pack:
    """An opened pack, whose files match their hashes."""

    folder: Path
    name: str
    geometry: Geometry
    latent_dim: int
    feature_names: tuple[str, ...]
    anchors: NDArray[np.float32]  # (n_anchors, latent_dim)
    level_reference_db: float
    generator: Path
    regressor: Path
    metadata: dict[str, Any]
    truncation: float = 1.0  # see voice/synthesis/truncation.py


Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="64 hexadecimal digits")]
Count = Annotated[int, Field(ge=1, le=65_536)]
Side = Literal[512]  # format 1: a spectrogram is 512 x 512


class _Geometry(Section):
    sample_rate: int = Field(ge=8_000, le=192_000, description="Hz, 8000 to 192000")
    n_fft: int = Field(ge=256, le=16_384, description="samples, 256 to 16384")
    win_length: int = Field(ge=256, le=16_384, description="samples, at most n_fft")
    hop_length: int = Field(ge=32, le=4_096, description="samples, a quarter of win_length or less")
    n_mels: Side = Field(description="512 in format 1")
    n_frames: Side = Field(description="512 in format 1")
    f_min_hz: float = Field(ge=0.0, description="Hz, below f_max_hz")
    f_max_hz: float = Field(gt=0.0, description="Hz, at most half of sample_rate")
    range_db: float = Field(ge=20.0, le=160.0, description="dB, 20 to 160")


class _Hashes(Section):
    generator: Hash = Field(alias="generator.onnx", description="sha256 of the file")
    regressor: Hash = Field(alias="regressor.onnx", description="sha256 of the file")


def _one_line(text: str) -> str:
    """A text that is written into a log and a page as it is."""
    if not text.isprintable():
        raise ValueError("should be one line of text, without control characters")
    return text


class _Manifest(Section):
    format: Literal[1] = Field(description="1 is the format that this version reads")
    name: Annotated[str, AfterValidator(_one_line)] = Field(
        min_length=1, max_length=200, description="the pack's name, of 200 characters at most"
    )
    licence: str = Field(min_length=1, description="under which others may use it")
    sounds: Any = Field(None, description="where the sounds came from")
    geometry: _Geometry
    latent_dim: Count = Field(description="numbers in z")
    features: list[str] = Field(description="the 16 names that the regressor takes, in order")
    level_reference_db: float = Field(ge=-160.0, le=40.0, description="dB, -160 to 40")
    anchors: list[list[float]] = Field(
        min_length=1, description="z of pure tones, each a list of latent_dim numbers"
    )
    truncation: float = Field(
        1.0, ge=0.0, le=2.0, description="calm to wild: 0 to 2, 1 is as trained"
    )
    sha256: _Hashes
    training: Any = Field(None, description="how it was trained")
    quality: Any = Field(None, description="what was measured")
    variants: Any = Field(None, description="the generator at other precisions; not played")


def models_folder() -> Path:
    """Folder of the packs: $LATENT_RESONANCE_MODELS, the checkout's models/, or the wheel's."""
    configured = os.environ.get(MODELS_VARIABLE)
    if configured:
        return Path(configured)
    checkout = Path(__file__).resolve().parents[3] / "models"
    if checkout.is_dir():
        return checkout
    return Path(str(resources.files("latent_resonance") / "models"))


def added_packs_folder() -> Path:
    """Folder of the packs that were added: $LATENT_RESONANCE_PACKS, /srv/packs as installed.

    Without it, `models_folder()`. An upgrade replaces that, and leaves this one alone.
    """
    configured = os.environ.get(ADDED_VARIABLE)
    return Path(configured) if configured else models_folder()


def named_pack(name: str) -> Path | None:
    """The folder of a pack by its name, those that came with the program first; None if none."""
    folders = (models_folder() / name, added_packs_folder() / name)
    return next((folder for folder in folders if (folder / MANIFEST).is_file()), None)


@boundary(PackError, "give the name of a pack in models/, or a folder that can be read")
def find_pack(name: str | Path) -> Path:
    """The folder of a pack, given that folder or a name that `list_packs()` has.

    Raises
    ------
    PackError
        There is no such pack; the message lists the available ones.
    """
    folder, models = Path(name).expanduser(), models_folder()
    if (folder / MANIFEST).is_file():
        return folder
    if len(folder.parts) == 1 and (found := named_pack(str(folder))):
        return found
    if folder.is_dir():
        raise PackError(f"{folder}: not a pack, for it has no {MANIFEST}; choose another folder")
    names = list_packs()
    close = difflib.get_close_matches(shown(str(name)), names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"available: {', '.join(names) or 'none'}"
    raise PackError(f"no pack {shown(str(name))!r} in {models}; {hint} (or give a pack's folder)")


@boundary(PackError, "copy the pack again")
def open_pack(folder: Path) -> Pack:
    """Read a pack's manifest and verify its files.

    Raises
    ------
    PackError
        In one line: what is wrong, where, and what to do.
    """
    manifest = _read_manifest(folder / MANIFEST)
    _check_features(folder, manifest.features)
    hashes = {
        "generator.onnx": manifest.sha256.generator,
        "regressor.onnx": manifest.sha256.regressor,
    }
    for name, sha256 in hashes.items():
        _check_file(folder / name, sha256)
    return Pack(
        folder=folder,
        name=manifest.name,
        geometry=_geometry(folder, manifest.geometry),
        latent_dim=manifest.latent_dim,
        feature_names=tuple(manifest.features),
        anchors=_anchors(folder, manifest),
        level_reference_db=manifest.level_reference_db,
        generator=folder / "generator.onnx",
        regressor=folder / "regressor.onnx",
        metadata=manifest.model_dump(include={"licence", "sounds", "training", "quality"}),
        truncation=manifest.truncation,
    )


def _read_manifest(path: Path) -> _Manifest:
    if not path.parent.is_dir():
        raise PackError(f"{path.parent}: no such pack; models/ has the available ones")
    try:
        content = read_yaml(path, MAX_MANIFEST_BYTES)
    except YamlError as error:
        raise PackError(f"{error}; copy the pack again") from error
    if not isinstance(content, dict):
        raise PackError(f"{path}: has no keys and values; copy the pack again")
    try:
        return _Manifest.model_validate(content)
    except ValidationError as error:
        raise PackError(f"{path}: {error_messages(error, _Manifest)[0]}") from error


def _check_features(folder: Path, names: list[str]) -> None:
    for i, (found, expected) in enumerate(zip(names, FEATURES, strict=False)):
        if found != expected:
            raise PackError(
                f"{folder}: feature {i} is {found!r}, this version sends {expected!r}; "
                "train the pack's regressor again"
            )
    if len(names) != len(FEATURES):
        raise PackError(
            f"{folder}: takes {len(names)} features, this version sends {len(FEATURES)}; "
            "train the pack's regressor again"
        )


def _geometry(folder: Path, given: _Geometry) -> Geometry:
    if rule := _broken_rule(given):
        values = ", ".join(f"{key} {value:g}" for key, value in given)
        raise PackError(f"{folder}: geometry: {rule}, not {values}; export the pack again")
    return Geometry(**given.model_dump())


def _broken_rule(given: _Geometry) -> str:
    """The first rule between two values that a geometry breaks; "" if none."""
    rules = (
        (given.win_length <= given.n_fft, "win_length should be at most n_fft"),
        (4 * given.hop_length <= given.win_length, "hop_length should be win_length / 4 or less"),
        (given.f_min_hz < given.f_max_hz, "f_min_hz should be below f_max_hz"),
        (2 * given.f_max_hz <= given.sample_rate, "f_max_hz should be sample_rate / 2 or less"),
    )
    return next((rule for valid, rule in rules if not valid), "")


def why_unplayable(geometry: Geometry) -> str:
    """Why no pack can have a geometry, by the rules of `open_pack`; "" if one can."""
    try:
        return _broken_rule(_Geometry.model_validate(asdict(geometry)))
    except ValidationError as error:
        return error_messages(error, _Geometry)[0]


def _anchors(folder: Path, manifest: _Manifest) -> NDArray[np.float32]:
    for i, anchor in enumerate(manifest.anchors):
        if len(anchor) != manifest.latent_dim:
            raise PackError(
                f"{folder}: anchor {i} has {len(anchor)} numbers, latent_dim is "
                f"{manifest.latent_dim}; export the pack again"
            )
    return np.array(manifest.anchors, np.float32)


def _check_file(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise PackError(f"{path}: is missing; copy the whole pack again")
    if path.stat().st_size > MAX_NETWORK_BYTES:
        raise PackError(f"{path}: larger than 1 GiB, the limit for a network; copy the pack again")
    try:
        found = sha256_of(path)
    except OSError as error:
        raise PackError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from error
    if found != sha256:
        raise PackError(
            f"{path}: is not the file that {MANIFEST} describes (sha256 {found[:12]}…, expected "
            f"{sha256[:12]}…); copy the pack again"
        )


def list_packs() -> tuple[str, ...]:
    """Names of the packs in models/ and of those that were added, without opening them."""
    folders = (models_folder(), added_packs_folder())
    manifests = (manifest for folder in folders for manifest in folder.glob(f"*/{MANIFEST}"))
    return tuple(sorted({manifest.parent.name for manifest in manifests}))


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
