"""Packs by the clock, the artist's own pack, and the one requested on the staff page."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.audio_measures import face
from tests.support.instruments import open_instrument

from latent_resonance.config.load import read_settings
from latent_resonance.config.settings import Settings, SettingsError, load_settings
from latent_resonance.config.source import SettingsSource
from latent_resonance.pack import MODELS_VARIABLE
from latent_resonance.voice.pack_choice import PackChoice, pack_by_clock
from latent_resonance.voice.reload import Reloader
from latent_resonance.voice.synthesis.instrument import Instrument

FACE = face(mouth_open=0.5)
FRIDAY, SATURDAY = datetime(2026, 11, 27, 12, tzinfo=UTC), datetime(2026, 11, 28, 12, tzinfo=UTC)
PACKS = """
pack: cello
packs:
  - {hours: {saturday: always, exceptions: {2026-12-26: closed}}, pack: voices}
  - {hours: ["11:00-13:00", "23:00-02:00"], pack: /srv/packs/mine}
"""


def settings_from(text: str, folder: Path) -> Settings:
    path = folder / "gallery.yaml"
    path.write_text(text)
    return load_settings(path)


@pytest.mark.parametrize(
    ("now", "pack"),
    [
        (FRIDAY, "/srv/packs/mine"),
        (FRIDAY.replace(hour=13), None),
        (FRIDAY.replace(hour=23), "/srv/packs/mine"),
        (SATURDAY.replace(hour=1), "voices"),  # the first line counts
        (SATURDAY, "voices"),
        (datetime(2026, 12, 26, 14, tzinfo=UTC), None),  # a Saturday with other hours
        (FRIDAY.replace(year=1970), None),  # a clock that was never set
    ],
)
def test_the_first_line_whose_hours_apply_gives_the_pack(
    now: datetime, pack: str | None, tmp_path: Path
) -> None:
    assert pack_by_clock(settings_from(PACKS, tmp_path).packs, now) == pack


def test_a_pack_from_the_command_line_plays_at_any_time(tmp_path: Path) -> None:
    settings_from(PACKS, tmp_path)
    assert read_settings(tmp_path / "gallery.yaml").packs
    assert read_settings(tmp_path / "gallery.yaml", "cello").packs == ()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("packs: [{hours: 9-5, pack: cello}]", "packs.0.hours.daily"),
        ("packs: [{hours: {someday: always}, pack: cello}]", "packs.0.hours.someday"),
        ("packs: [{hours: always}]", "packs.0.pack"),
        ("packs: [{pack: cello}]", "packs.0.hours"),
        ("packs: cello", "packs"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named(text: str, key: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"gallery.yaml: {key}: "):
        settings_from(text, tmp_path)


@pytest.fixture
def models(tmp_path: Path, make_pack: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder models/ with one pack, cello."""
    folder = tmp_path / "models"
    shutil.copytree(make_pack(), folder / "cello")
    monkeypatch.setenv(MODELS_VARIABLE, str(folder))
    return folder


def test_an_own_pack_is_offered_beside_those_in_models_and_new_ones_are_found(
    models: Path, tmp_path: Path
) -> None:
    own = shutil.copytree(models / "cello", tmp_path / "packs" / "mine")
    choice = PackChoice()
    choice.scan(str(own), ())
    assert choice.folders == {"cello": models / "cello", "mine": own}
    shutil.copytree(models / "cello", models / "voices")
    shutil.rmtree(own)
    choice.scan(str(own), ())
    assert set(choice.folders) == {"cello", "voices"}


class Rig:
    """A reloader that follows the staff, the clock and a settings file."""

    def __init__(self, config: Path) -> None:
        self.source = SettingsSource(lambda: load_settings(config), config, log=self.log)
        self.logged: list[str] = []
        self.choice = PackChoice()
        instrument = open_instrument(load_settings(config))
        instrument.generate(FACE, 0.1)
        self.reloader = Reloader(instrument, self.source, threading.Event(), 0)

    def log(self, sentence: str) -> None:
        self.logged.append(sentence)

    def plays(self, now: datetime, requested: str | None = None) -> Path:
        """The folder of the pack that plays after a step."""
        reloader = self.reloader
        self.choice.scan(reloader.own_pack, reloader.settings.packs)
        pack = self.choice.pack(requested, reloader.settings, now)
        new: Instrument | None = reloader.step(FACE, pack=pack)
        assert new in (None, reloader.instrument)
        return reloader.instrument.pack.folder


def test_the_staffs_choice_precedes_the_clock_and_null_goes_back_to_it(
    models: Path, tmp_path: Path
) -> None:
    own = shutil.copytree(models / "cello", tmp_path / "packs" / "mine")
    night = shutil.copytree(models / "cello", tmp_path / "packs" / "night")
    config = tmp_path / "gallery.yaml"
    config.write_text(f"pack: {own}\npacks: [{{hours: '18:00-24:00', pack: {night}}}]\n")
    rig = Rig(config)
    evening = FRIDAY.replace(hour=19)
    assert rig.plays(FRIDAY) == own
    assert rig.plays(evening) == night
    assert rig.plays(evening, "cello") == models / "cello"
    assert rig.plays(evening, "mine") == own  # found again after switches
    assert rig.plays(evening) == night
    assert rig.plays(FRIDAY.replace(hour=20, day=28).replace(hour=1)) == own


def test_a_pack_that_is_missing_at_its_hours_is_reported_once_and_the_other_plays_on(
    models: Path, tmp_path: Path
) -> None:
    config = tmp_path / "gallery.yaml"
    config.write_text("packs: [{hours: always, pack: nowhere}]\n")
    rig = Rig(config)
    assert [rig.plays(FRIDAY) for _ in range(3)] == [models / "cello"] * 3
    assert len(rig.logged) == 2
    assert "nowhere" in rig.logged[0]


def test_a_pack_by_the_clock_that_comes_later_or_is_copied_again_is_played_then(
    models: Path, tmp_path: Path
) -> None:
    night, config = tmp_path / "packs" / "night", tmp_path / "gallery.yaml"
    config.write_text(f"packs: [{{hours: always, pack: {night}}}]\n")
    rig = Rig(config)
    assert rig.plays(FRIDAY) == models / "cello"
    shutil.copytree(models / "cello", night)
    whole = (night / "generator.onnx").read_bytes()
    (night / "generator.onnx").write_bytes(whole[:-100])  # a copy that broke
    assert [rig.plays(FRIDAY) for _ in range(3)] == [models / "cello"] * 3
    n_logged = len(rig.logged)
    (night / "generator.onnx").write_bytes(whole)
    assert [rig.plays(FRIDAY) for _ in range(3)] == [models / "cello", night, night]
    assert len(rig.logged) == n_logged + 2  # the settings can be used again; the pack
    assert rig.reloader.settings_error == ""
