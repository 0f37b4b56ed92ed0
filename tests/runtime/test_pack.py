"""Opening a pack: every fault is reported in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.config.settings import Inference
from latent_resonance.face_state import FEATURES
from latent_resonance.pack import Pack, PackError, find_pack, models_folder, open_pack
from latent_resonance.voice.synthesis.networks import load_networks, provider_note

MakePack = Callable[..., Path]


def error_of(folder: Path) -> str:
    with pytest.raises(PackError) as caught:
        open_pack(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


def edit(folder: Path, key: str, value: object) -> Path:
    """Sets one key of a pack's manifest; `a/b` is b in section a, None removes it."""
    manifest = yaml.safe_load((folder / "pack.yaml").read_text())
    section, _, name = key.rpartition("/") if key.count("/") < 2 else key.partition("/")
    inner = manifest[section] if section else manifest
    inner[name] = value
    if value is None:
        del inner[name]
    (folder / "pack.yaml").write_text(yaml.safe_dump(manifest))
    return folder


@pytest.fixture(scope="session")
def pack(pack_folder: Path) -> Pack:
    return open_pack(pack_folder)


def test_a_pack_opens_with_the_values_of_its_manifest(pack: Pack, pack_folder: Path) -> None:
    assert pack.name == "tiny"
    assert pack.geometry == Geometry()
    assert pack.feature_names == FEATURES
    assert pack.anchors.shape == (4, pack.latent_dim)
    assert pack.anchors.dtype == np.float32
    assert pack.generator == pack_folder / "generator.onnx"
    assert pack.metadata["licence"] == "CC0-1.0"


def test_different_z_give_different_harmonic_spectrograms(pack: Pack) -> None:
    networks = load_networks(pack, Inference())
    spectrograms = [networks.spectrogram_of(anchor) for anchor in pack.anchors]
    for spectrogram in spectrograms:
        assert spectrogram.shape == (512, 512)
        assert np.abs(spectrogram).max() <= 1.0
        assert 0.02 < (spectrogram > -0.5).mean() < 0.4  # lines on a dark ground
    assert np.abs(spectrograms[0] - spectrograms[1]).max() > 0.1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 2, "format: 2 should be 1"),
        ("format", None, "format: is missing"),
        ("name", 7, "name: 7 should be text"),
        ("licence", None, "licence: is missing"),
        ("latent_dim", 9, "anchor 0 has 8 numbers, latent_dim is 9"),
        ("latent_dim", 0, "latent_dim: 0 should be at least 1"),
        ("latent_dim", 8.5, "latent_dim: 8.5 should be a whole number"),
        ("features", list(FEATURES[::-1]), "feature 0 is 'stillness', this version sends"),
        ("features", list(FEATURES[:-1]), "takes 15 features, this version sends 16"),
        ("features", [*FEATURES, "tongue"], "takes 17 features, this version sends 16"),
        ("anchors", [], "anchors: [] "),
        ("anchors", [[float("nan")] * 8], "anchors.0.0: nan should be a finite number"),
        ("anchors", [["a"] * 8], "anchors.0.0: 'a' should be a number"),
        ("level_reference_db", float("inf"), "level_reference_db: inf should be a finite number"),
        ("geometry/n_mels", 256, "geometry.n_mels: 256 should be 512"),
        ("geometry/n_frames", 1024, "geometry.n_frames: 1024 should be 512"),
        ("geometry/sample_rate", 44_100.5, "geometry.sample_rate: 44100.5 should be a whole"),
        ("geometry/win_length", 8192, "win_length should be at most n_fft"),
        ("geometry/hop_length", 2048, "hop_length should be win_length / 4 or less"),
        ("geometry/f_max_hz", 30_000.0, "f_max_hz should be sample_rate / 2 or less"),
        ("geometry/f_min_hz", 16_000.0, "f_min_hz should be below f_max_hz"),
        ("geometry/n_mel", 512, "geometry.n_mel: unknown key; did you mean geometry.n_mels?"),
        ("sha256/generator.onnx", None, "sha256.generator.onnx: is missing"),
        ("sha256/generator.onnx", "abc", "sha256.generator.onnx: 'abc' "),
        ("sha256/../../secret.onnx", "0" * 64, "sha256.../../secret.onnx: unknown key"),
        ("sha256/generator.onnx", "0" * 64, "is not the file that pack.yaml describes"),
        ("sha256", ["x"], "sha256: ['x'] should be a section"),
        ("name", "cello\nvoice: failed", "should be one line of text"),
        ("name", "x" * 201, "of 200 characters at most"),
    ],
)
def test_an_invalid_manifest_is_rejected_with_the_rule(
    make_pack: MakePack, key: str, value: object, message: str
) -> None:
    assert message in error_of(edit(make_pack(), key, value))


@pytest.mark.parametrize("name", ["generator.onnx", "regressor.onnx", "pack.yaml"])
def test_a_missing_file_is_named(make_pack: MakePack, name: str) -> None:
    folder = make_pack()
    (folder / name).unlink()
    assert str(folder / name) in error_of(folder)


@pytest.mark.parametrize("name", ["generator.onnx", "regressor.onnx"])
def test_one_changed_byte_of_a_network_is_detected(make_pack: MakePack, name: str) -> None:
    path = make_pack() / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert f"{path}: is not the file" in error_of(path.parent)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no keys and values"),
        (b"- 1\n", "has no keys and values"),
        (b"x" * 20_000_000, "20000000 bytes, at most"),
        (b"a: &a [1]\nb: *a\n", "an alias"),
        (b"name: !!python/object/apply:os.abort []\n", "line 1: a tag (!!python"),
        (b"\x80", "not text in UTF-8"),
    ],
)
def test_a_malformed_manifest_is_rejected(
    make_pack: MakePack, content: bytes, message: str
) -> None:
    folder = make_pack()
    (folder / "pack.yaml").write_bytes(content)
    assert message in error_of(folder)


def test_a_missing_folder_is_rejected(tmp_path: Path) -> None:
    assert "no such pack" in error_of(tmp_path / "none")


def test_a_pack_is_found_by_name_and_by_folder(
    pack_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATENT_RESONANCE_MODELS", str(pack_folder.parent))
    assert models_folder() == pack_folder.parent
    assert find_pack("tiny") == pack_folder
    assert find_pack(pack_folder) == pack_folder


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tinny", "did you mean tiny?"),
        ("violin", "available: tiny"),
        ("../models/none", "available: tiny"),
        (".", "not a pack, for it has no pack.yaml"),
    ],
)
def test_an_unknown_name_is_rejected_with_the_available_ones(
    pack_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, message: str
) -> None:
    monkeypatch.setenv("LATENT_RESONANCE_MODELS", str(pack_folder.parent))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackError, match=r"no pack|not a pack") as caught:
        find_pack(name)
    assert message in str(caught.value)


def test_the_checkouts_own_models_are_found_from_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LATENT_RESONANCE_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert models_folder() == Path(__file__).resolve().parents[2] / "models"


@pytest.mark.parametrize("absent", ["CUDAExecutionProvider", "TvmExecutionProvider"])
def test_a_provider_that_is_absent_is_replaced_by_the_cpu_in_a_sentence(
    pack_folder: Path, absent: str
) -> None:
    inference = Inference(providers=(absent, "CPUExecutionProvider"))
    networks = load_networks(open_pack(pack_folder), inference)
    assert networks.provider == "CPUExecutionProvider"
    assert f"since {absent} is not in this onnxruntime" in provider_note(
        inference, networks.provider
    )
    assert provider_note(Inference(), networks.provider) == ""


def test_a_provider_that_finds_no_device_is_replaced_by_the_cpu(
    pack_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    inference = Inference(providers=("CUDAExecutionProvider",))
    networks = load_networks(open_pack(pack_folder), inference)
    assert networks.provider == "CPUExecutionProvider"
    assert "finds no device" in provider_note(inference, networks.provider)
