"""Settings files with faults: what is left of them, and what is closed or quiet then."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import strategies as st
from tests.support.fuzz import fuzz, fuzzed, yaml_bytes
from tests.support.settings_files import at

from latent_resonance.config.load import initial_settings
from latent_resonance.config.recovery import Recovered, recover_settings
from latent_resonance.config.settings import DEFAULTS, Settings, SettingsError
from latent_resonance.config.timetable import ALWAYS
from latent_resonance.config.validation import leaf_fields
from latent_resonance.gallery.opening_hours import OpeningState
from latent_resonance.voice.quiet_hours import quiet_settings, schedule_state_of

GALLERY = """\
pack: voices
camera: {source: /dev/video2}
hours: {daily: "10:00-18:00"}
quiet: {when: {sunday: "10:00-12:00"}, loudness_lufs: -34}
output: {volume_db: -12, device: HDMI}
attract: {enabled: false}
monitor: {host: 0.0.0.0}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gallery.yaml"


def recovered(file: Path, text: str) -> Recovered:
    file.write_text(text)
    return recover_settings(file)


def is_quiet(settings: Settings) -> bool:
    state = schedule_state_of(settings, at("Mon 12:00"))
    output = quiet_settings(settings).output
    return state.opening is OpeningState.QUIET and output.loudness_lufs + output.volume_db <= -30


@pytest.mark.parametrize(
    "fault",
    ["loop: {moprh_s: 1}", "phase: {look_ahead: many}", "latent: [", "xyzzy: 3", "latent: *x"],
)
def test_a_fault_in_one_section_leaves_all_others_as_written(file: Path, fault: str) -> None:
    found = recovered(file, GALLERY + fault)
    written = recovered(file, GALLERY).settings
    assert found.settings == written
    assert not found.camera_closed
    assert not found.quiet


def test_a_faulty_key_takes_its_default_and_its_section_keeps_the_others(file: Path) -> None:
    found = recovered(file, "latent: {jitter: 9, glide_s: 2}\ncontrols: {noise: {shape: x}}")
    assert found.settings.latent.glide_s == 2
    assert found.settings.latent.jitter == Settings().latent.jitter
    assert found.settings.controls == Settings().controls


@pytest.mark.parametrize(
    "fault",
    [
        "hours: {daily: 10}",
        "hours: [",
        "{hours: {daily: closed},\npack: cello\n",
        "huors: {daily: 9:00-10:00}",
        "monday: closed",
    ],
)
def test_hours_that_cannot_be_read_close_the_camera_and_soften_the_sound(
    file: Path, fault: str
) -> None:
    found = recovered(file, fault)
    assert found.camera_closed
    assert is_quiet(found.settings)
    assert found.settings.hours.timetable().week == (ALWAYS,) * 7  # never silent


@pytest.mark.parametrize("fault", ["camera: {widht: 1}", "eye: {allow_network: maybe}", "eye: ["])
def test_a_camera_that_cannot_be_read_is_closed_at_the_usual_loudness(
    file: Path, fault: str
) -> None:
    found = recovered(file, fault)
    assert found.camera_closed
    assert not found.settings.eye.allow_network
    assert not is_quiet(found.settings)


@pytest.mark.parametrize(
    "fault",
    [
        "{output: {volume_db: loud}, hours: {daily: always}}",
        "output: {volume_db: loud, device: HDMI}",
        "output: {volme_db: -30, loudness_lufs: -16}",
        "otput: {volume_db: -30}",
        "volume_db: -30",
        "quiet: {when: {daily: 10}}",
        "output: {volume_db: 12, ceiling_dbtp: loud}",
    ],
)
def test_a_loudness_that_cannot_be_read_is_that_of_quiet_hours(file: Path, fault: str) -> None:
    found = recovered(file, fault)
    assert is_quiet(found.settings)
    assert not found.camera_closed
    if "HDMI" in fault:
        assert found.settings.output.device == "HDMI"


def test_a_monitor_that_cannot_be_read_listens_on_this_machine_alone(file: Path) -> None:
    found = recovered(file, 'monitor: {host: 0.0.0.0, prot: 1, osc: {listen: "0.0.0.0:9001"}}')
    assert found.settings.monitor.host == "127.0.0.1"
    assert found.settings.monitor.osc.listen is None


@pytest.mark.parametrize("content", [b"\x00\xff", b"- a\n- b", b"# " + b"x" * 300_000])
def test_a_file_without_readable_sections_is_closed_and_quiet(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    found = recover_settings(file)
    assert found.camera_closed
    assert is_quiet(found.settings)


def test_a_missing_file_is_closed_and_quiet(tmp_path: Path) -> None:
    found = recover_settings(tmp_path / "none.yaml")
    assert found.camera_closed
    assert is_quiet(found.settings)


@pytest.mark.parametrize("key", ["on", "5", "1.5", "~", "2024-01-01"])
def test_a_key_that_is_no_word_leaves_all_others_as_written(file: Path, key: str) -> None:
    found = recovered(file, f"{GALLERY}{key}: 1\n")
    assert not found.camera_closed
    assert found.settings.output.volume_db == -12


def test_thousands_of_unknown_keys_close_the_camera_at_once(file: Path) -> None:
    start_s = time.monotonic()
    found = recovered(file, GALLERY + "".join(f"k{number}: 1\n" for number in range(5000)))
    assert time.monotonic() - start_s < 5.0
    assert found.camera_closed
    assert is_quiet(found.settings)


def test_thousands_of_faults_in_a_section_leave_the_others(file: Path) -> None:
    many = ", ".join(f"k{number}: 1" for number in range(5000))
    start_s = time.monotonic()
    found = recovered(file, f"{GALLERY}loop: {{{many}}}\n")
    assert time.monotonic() - start_s < 5.0
    assert not found.camera_closed
    assert found.settings.output.volume_db == -12


def test_a_section_written_twice_counts_as_unreadable(file: Path) -> None:
    found = recovered(file, "hours: {daily: closed}\nhours: {daily: always}")
    assert found.camera_closed


def test_a_process_starts_unattended_with_what_is_valid_and_says_so(file: Path) -> None:
    file.write_text(GALLERY + "camera: {widht: 1}\n")
    logged: list[str] = []
    initial = initial_settings(file, "cello", unattended=True, log=logged.append)
    assert initial.settings.output.volume_db == -12
    assert initial.settings.pack == "cello"
    assert initial.camera_closed
    assert "'camera' is already set" in initial.error
    assert "the camera stays closed" in logged[-1]
    with pytest.raises(SettingsError):
        initial_settings(file, "cello", unattended=False, log=logged.append)


@fuzzed
def test_any_bytes_give_settings_unattended(tmp_path: Path) -> None:
    path = tmp_path / "gallery.yaml"
    keys = [key for key, _ in leaf_fields(Settings)]

    def check(content: bytes) -> None:
        path.write_bytes(content)
        initial = initial_settings(path, None, unattended=True, log=lambda _line: None)
        if not initial.error:
            assert not initial.camera_closed

    fuzz(check, yaml_bytes(keys, DEFAULTS.read_bytes()) | st.text().map(str.encode))
