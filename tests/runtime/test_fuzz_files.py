"""Settings and packs of arbitrary bytes: they are read, or refused with an error of ours."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import strategies as st
from tests.support.fuzz import NASTY, damaged, fuzz, fuzzed, yaml_bytes

from latent_resonance import LatentResonanceError
from latent_resonance.config.settings import DEFAULTS, Settings, SettingsError, load_settings
from latent_resonance.config.validation import leaf_fields
from latent_resonance.pack import find_pack, open_pack
from latent_resonance.pack.archive import add_pack
from latent_resonance.score import read_score

KEYS = [key for key, _ in leaf_fields(Settings)]


def messages(path: Path) -> list[str]:
    """What is wrong with a settings file; nothing if it is valid."""
    try:
        load_settings(path)
    except SettingsError as error:
        return error.messages or [""]
    return []


def refusal(read: Callable[[], object]) -> str | None:
    """The sentence with which something is refused; None if it is read."""
    try:
        read()
    except LatentResonanceError as error:
        return str(error)
    return None


@fuzzed
def test_a_settings_file_of_any_bytes_is_valid_or_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"

    def check(content: bytes) -> None:
        path.write_bytes(content)
        for message in messages(path):
            assert 0 < len(message) < 3000

    fuzz(check, yaml_bytes(KEYS, DEFAULTS.read_bytes()))


@pytest.mark.parametrize("value", NASTY)
def test_no_value_of_a_setting_raises_anything_else(tmp_path: Path, value: str) -> None:
    path = tmp_path / "settings.yaml"
    for head in ("pack: ", "output: {device: ", "camera:\n  width: ", "hours:\n  monday: "):
        path.write_text(head + value + ("}" if "{" in head else ""))
        assert all(messages(path))


@pytest.mark.parametrize("name", [*NASTY, "x" * 300, "a\0b", "\ud800", "/srv/\udcff", ""])
def test_no_name_of_a_pack_or_score_raises_anything_else(name: str) -> None:
    for read in (find_pack, open_pack, lambda text: read_score(Path(text))):
        with pytest.raises(LatentResonanceError) as caught:
            read(Path(name) if read is open_pack else name)
        assert "\n" not in str(caught.value)


@fuzzed
def test_a_manifest_of_any_bytes_is_valid_or_refused_in_words(
    make_pack: Callable[..., Path],
) -> None:
    folder = make_pack()
    manifest = folder / "pack.yaml"
    whole = manifest.read_bytes()
    keys = [*yaml.safe_load(whole), "geometry.n_fft", "sha256.generator"]

    def check(content: bytes) -> None:
        manifest.write_bytes(content)
        assert "\n" not in (refusal(lambda: open_pack(folder)) or "valid")

    fuzz(check, yaml_bytes(keys, whole))


@fuzzed
def test_a_zip_of_any_bytes_is_added_or_refused_in_words(
    make_pack: Callable[..., Path], tmp_path: Path
) -> None:
    archive, models = tmp_path / "tiny.zip", tmp_path / "models"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for each in sorted(make_pack().iterdir()):
            file.write(each, f"tiny/{each.name}")
    whole = archive.read_bytes()

    def check(content: bytes) -> None:
        shutil.rmtree(models, ignore_errors=True)
        archive.write_bytes(content)
        assert "\n" not in (refusal(lambda: add_pack(archive, models)) or "added")
        assert [each.name for each in models.glob(".*")] == []

    fuzz(check, damaged(whole))


@fuzzed
def test_a_name_of_any_characters_finds_a_pack_or_none() -> None:
    def check(name: str) -> None:
        assert refusal(lambda: find_pack(name)) != ""

    fuzz(check, st.text(max_size=400))


@fuzzed
def test_a_score_of_any_bytes_is_read_or_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "score.csv"
    whole = b"time_s,presence,mouth_open\n0,1,0\n1,1,0.5\n2,0,1e3\n"

    def check(content: bytes) -> None:
        path.write_bytes(content)
        assert refusal(lambda: read_score(path).at_looped(7.0)) != ""

    fuzz(check, damaged(whole) | st.binary(max_size=200))
