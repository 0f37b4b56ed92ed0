"""Settings changed from the staff page: key by key, in the artist's own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from latent_resonance.config.edit import EDITABLE, EditError, edit_settings, editable_values
from latent_resonance.config.settings import DEFAULTS, Settings, load_settings

COMMENTED = """\
# The settings of the room on the left.
output:
  device: USB      # the amplifier
  volume_db: -6.0  # as agreed with the neighbours
hours:             # winter
  daily: "10:00-18:00"

  monday: closed   # the house is closed
  exceptions:
    2026-12-24: 10:00-14:00
    # nor on the day after
    2026-12-25: closed
quiet: {when: {daily: "10:00-11:00"}, loudness_lufs: -34}
attract:
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gallery.yaml"
    path.write_text(COMMENTED)
    return path


def value_of(path: Path, key: str) -> object:
    value: object = load_settings(path)
    for name in key.split("."):
        value = getattr(value, name)
    return value


def test_a_changed_key_leaves_every_other_character(file: Path) -> None:
    edit_settings(file, {"output.volume_db": "-9", "hours.monday": "12:00-16:00"})
    expected = COMMENTED.replace("-6.0", "-9").replace("monday: closed", "monday: '12:00-16:00'")
    assert file.read_text() == expected
    assert file.with_name("gallery.yaml.old").read_text() == COMMENTED


@pytest.mark.parametrize(
    ("text", "key"),
    [
        *((COMMENTED, key) for key in EDITABLE),
        *((DEFAULTS.read_text(), key) for key in ("hours.daily", "quiet.when.sunday", "packs")),
        *(("# empty\n", key) for key in ("hours.monday", "quiet.when.exceptions", "packs")),
        *(("pack: cello", key) for key in ("attract.enabled", "quiet.when.daily")),
        ("", "output.volume_db"),
    ],
)
def test_every_editable_key_can_be_set_and_set_back(key: str, text: str, file: Path) -> None:
    file.write_text(text)
    before = value_of(file, key)
    value = {
        "exceptions": "{2027-01-01: closed, 2027-01-02: [9:00-10:00, 11:00-12:00]}",
        "volume_db": "-3.5",
        "level_db": "-20",
        "enabled": "false",
        "palette": "deep",
        "packs": '[{hours: {monday: always}, pack: voices}, {hours: "9:00-10:00", pack: cello}]',
    }.get(key.rpartition(".")[2], "9:00-10:00, 22:00-02:00")
    old = editable_values(file)
    edit_settings(file, {key: value})
    assert value_of(file, key) != before
    assert {name for name, found in editable_values(file).items() if found != old[name]} == {key}
    edit_settings(file, {key: old[key]})
    assert value_of(file, key) == before
    assert file.read_text().count("#") >= text.count("#") - ("exceptions" in key)


def test_a_blank_value_is_the_default(file: Path) -> None:
    edit_settings(file, {"output.volume_db": "", "attract.level_db": ""})
    assert load_settings(file).output.volume_db == Settings().output.volume_db


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"output.volume_db": "40"}, "output.volume_db: 40 should be at most 12"),
        ({"hours.daily": "late"}, "hours.daily: 'late' should be hours such as"),
        ({"packs": "[{pack: cello}]"}, "packs.0.hours: is missing"),
        ({"monitor.host": "0.0.0.0"}, "monitor.host: should be one of"),
        ({"hours.daily": "*a"}, "hours.daily: '\\*a' should be a value as in the file"),
        ({"hours.daily": "x\nmonitor: {host: 0.0.0.0}"}, "hours.daily: "),
    ],
)
def test_what_the_file_would_refuse_is_refused_and_nothing_changes(
    values: dict[str, str], sentence: str, file: Path
) -> None:
    with pytest.raises(EditError, match=sentence):
        edit_settings(file, values)
    assert file.read_text() == COMMENTED
    assert [each.name for each in file.parent.iterdir()] == ["gallery.yaml"]


def test_a_file_that_is_not_valid_is_not_edited(file: Path) -> None:
    file.write_text("hours: {daily: [")
    with pytest.raises(EditError, match="line"):
        edit_settings(file, {"hours.daily": "always"})


def test_a_file_in_another_encoding_is_edited_and_is_utf_8_then(file: Path) -> None:
    file.write_bytes("pack: voices  # für uns\n".encode("utf-16"))
    edit_settings(file, {"output.volume_db": "-.5"})
    assert file.read_text(encoding="utf-8").startswith("pack: voices  # für uns\n")
    assert load_settings(file).output.volume_db == -0.5


def test_the_mode_of_the_file_stays(file: Path) -> None:
    file.chmod(0o640)
    edit_settings(file, {"attract.enabled": "false"})
    assert file.stat().st_mode & 0o777 == 0o640
