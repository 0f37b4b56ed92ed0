"""Quality presets: their values, their precedence, and the one saved for this machine."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from latent_resonance.bench.quality import save_quality
from latent_resonance.config import presets
from latent_resonance.config.presets import (
    QUALITIES,
    UNMEASURED,
    apply_quality,
    machine_id,
    quality_record,
    saved_quality,
    state_folder,
)
from latent_resonance.config.settings import DEFAULTS, Settings, SettingsError, load_settings

ALL = pytest.mark.parametrize("quality", QUALITIES)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of a user without a saved preset."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "latent-resonance"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def read(file: Path, content: str) -> Settings:
    file.write_text(content)
    return load_settings(file)


def numbers(settings: Settings) -> tuple[float, ...]:
    """The values that a preset may change; larger values cost more."""
    phase = settings.phase
    return (
        settings.camera.width,
        settings.camera.height,
        settings.camera.images_per_s,
        settings.inference.spectrograms_per_s,
        phase.look_ahead,
        phase.iterations,
    )


def test_quality_high_has_the_default_values(file: Path) -> None:
    assert numbers(read(file, "quality: high")) == numbers(Settings())


def test_each_quality_costs_less_than_the_one_before(file: Path) -> None:
    found = [numbers(read(file, f"quality: {quality}")) for quality in QUALITIES]
    assert len(found) == 3
    for more, less in itertools.pairwise(found):
        assert all(a >= b for a, b in zip(more, less, strict=True))
        assert more != less


def test_a_quality_changes_nothing_but_these_numbers(file: Path) -> None:
    low, high = (read(file, f"quality: {quality}") for quality in ("low", "high"))
    back = {
        "quality": "high",
        "camera": high.camera,
        "inference": high.inference,
        "phase": high.phase,
    }
    assert low.model_copy(update=back) == high
    changed = {"width": 640, "height": 480, "images_per_s": 10.0}
    assert low.camera == high.camera.model_copy(update=changed)


@ALL
def test_values_in_the_settings_override_the_preset(file: Path, quality: str) -> None:
    text = "phase: {look_ahead: 5, iterations: 9}\ninference: {spectrograms_per_s: 3.5}\n"
    text += "camera: {images_per_s: 20, width: 800, height: 600}\n"
    assert numbers(read(file, f"quality: {quality}\n{text}")) == (800, 600, 20, 3.5, 5, 9)


def test_a_blank_value_takes_the_presets(file: Path) -> None:
    settings = read(file, "quality: low\nphase: {iterations: , look_ahead: 4}\ncamera:\n")
    assert (settings.phase.iterations, settings.phase.look_ahead) == (2, 4)
    assert (settings.camera.width, settings.camera.images_per_s) == (640, 10.0)


@ALL
def test_the_commented_file_lists_the_values_of_each_preset(file: Path, quality: str) -> None:
    (row,) = [
        line.split()
        for line in DEFAULTS.read_text().splitlines()
        if line.startswith(f"#   {quality} ")
    ]
    listed = tuple(float(word) for word in row[2:])
    assert listed == numbers(read(file, f"quality: {quality}"))


@ALL
def test_the_commented_file_sets_no_value_of_a_preset(file: Path, quality: str) -> None:
    text = DEFAULTS.read_text()
    assert "\nquality: auto " in text
    chosen = read(file, text.replace("\nquality: auto ", f"\nquality: {quality} "))
    assert numbers(chosen) == numbers(read(file, f"quality: {quality}"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("quality: best", "quality: 'best' should be 'auto', 'high', 'medium' or 'low'"),
        ("quality: 3", "quality: 3 "),
        ("quality: [low]", "quality: ['low'] "),
        ("quality: low\nphase: [1]", "phase: [1] should be a section"),
        ("quality: low\nphase: {iterations: 0}", "phase.iterations: 0 should be at least 1"),
        ("quality: low\nphase: {look_ahed: 1}", "did you mean phase.look_ahead?"),
    ],
)
def test_an_invalid_value_gives_the_same_message_with_a_quality(
    file: Path, content: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(file, content)
    assert message in str(caught.value)


@ALL
def test_auto_is_the_preset_saved_for_this_machine(file: Path, quality: str) -> None:
    assert numbers(read(file, "quality: auto")) == numbers(read(file, "quality: high"))
    assert save_quality(quality).is_file()
    assert saved_quality() == quality
    for content in ("quality: auto", "quality:", ""):
        assert numbers(read(file, content)) == numbers(read(file, f"quality: {quality}"))


def test_auto_is_the_units_preset_until_this_machine_is_measured(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(UNMEASURED, "low")
    assert numbers(read(file, "")) == numbers(read(file, "quality: low\n"))
    save_quality("medium")
    assert numbers(read(file, "")) == numbers(read(file, "quality: medium\n"))


def test_an_explicit_quality_ignores_the_saved_one(file: Path) -> None:
    save_quality("low")
    assert numbers(read(file, "quality: high")) == numbers(Settings())


@pytest.mark.parametrize(
    "content",
    [
        "",
        "low",
        "auto\n",
        quality_record("low").replace("low", "lowest"),
        quality_record("low").replace("cores", "cores of another board"),
        quality_record("low") + "more\n",
        "\xff",
    ],
)
def test_a_damaged_file_or_one_of_another_machine_is_ignored(home: Path, content: str) -> None:
    home.mkdir(parents=True)
    (home / "quality").write_text(quality_record("low"))
    assert saved_quality() == "low"
    (home / "quality").write_bytes(content.encode("latin-1"))
    assert saved_quality() is None


def test_the_saved_preset_is_readable_by_all_and_the_only_file(home: Path) -> None:
    path = save_quality("medium")
    assert path == home / "quality"
    assert path.stat().st_mode & 0o777 == 0o644
    assert home.stat().st_mode & 0o777 == 0o755
    assert list(home.iterdir()) == [path]
    assert len(path.read_text().splitlines()) == 2


def test_a_unit_uses_its_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}/one:{tmp_path}/two")
    assert state_folder() == tmp_path / "one"


def test_without_xdg_variables_root_uses_the_system_folder_and_a_user_their_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    own = tmp_path / ".local/state/latent-resonance"
    assert state_folder() == (presets.SYSTEM_FOLDER if os.geteuid() == 0 else own)


def test_without_their_own_file_a_user_reads_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "SYSTEM_FOLDER", tmp_path / "site")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "quality").write_text(quality_record("low"))
    assert saved_quality() == "low"
    save_quality("medium")
    assert saved_quality() == "medium"


RASPBERRY_PI = """\
processor\t: 0
BogoMIPS\t: 108.00
CPU part\t: 0xd0b

processor\t: 1
BogoMIPS\t: 108.00
CPU part\t: 0xd0b

Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""


def test_a_machine_is_identified_by_processor_board_and_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "CPUINFO", tmp_path / "cpuinfo")
    assert machine_id() == f"{os.cpu_count()} cores"
    (tmp_path / "cpuinfo").write_text(RASPBERRY_PI)
    assert machine_id() == f"0xd0b, Raspberry Pi 5 Model B Rev 1.0, {os.cpu_count()} cores"


def test_reading_settings_does_not_import_numpy() -> None:
    program = "import sys, latent_resonance.config.settings; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "latent_resonance.config.presets" in loaded
    assert "numpy" not in loaded


def test_applying_a_quality_does_not_modify_its_argument() -> None:
    content = {"quality": "low", "phase": {"look_ahead": 6}}
    filled = apply_quality(content)
    assert filled["phase"] == {"look_ahead": 6, "iterations": 2}
    assert content == {"quality": "low", "phase": {"look_ahead": 6}}
