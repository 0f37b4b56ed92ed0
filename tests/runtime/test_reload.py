"""Settings and packs that change while the instrument plays: taken softly, or refused."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import face

from latent_resonance.config.settings import Settings, load_settings
from latent_resonance.voice.reload import Reloader
from latent_resonance.voice.synthesis.crossfade import CrossFade
from latent_resonance.voice.synthesis.instrument import Instrument, open_instrument

FACE = face(mouth_open=0.5, head_yaw=0.3)


class Stage:
    """A reloader over a YAML file and a pack of this test's own."""

    def __init__(self, folder: Path, pack: Path) -> None:
        self.config = folder / "gallery.yaml"
        self.pack = pack
        self.said: list[str] = []
        self.asked = threading.Event()
        self.write("")
        self.instrument = open_instrument(self.read(), seed=0)
        self.instrument.generate(FACE, 0.1)
        self.reloader = Reloader(
            self.instrument, self.read, self.config, self.asked, 0, self.said.append
        )

    def write(self, yaml: str) -> None:
        self.config.write_text(yaml)

    def read(self) -> Settings:
        return load_settings(self.config).model_copy(update={"pack": str(self.pack)})

    def edit(self, yaml: str) -> Instrument | None:
        """Saves the file and lets two looks pass."""
        self.write(yaml)
        assert self.reloader.step(FACE) is None  # it may still be changing
        return self.reloader.step(FACE)


@pytest.fixture
def stage(tmp_path: Path, make_pack: Callable[..., Path]) -> Stage:
    return Stage(tmp_path, make_pack())


def test_a_file_that_rests_changes_nothing(stage: Stage) -> None:
    assert [stage.reloader.step(FACE) for _ in range(5)] == [None] * 5
    assert stage.said == []


def test_a_curve_edited_while_playing_is_in_force_and_said(stage: Stage) -> None:
    after = stage.edit("controls: {band_pass: {output: [200, 900]}}")
    assert after.settings.controls.band_pass.output == (200, 900)
    assert after.networks is stage.instrument.networks
    assert stage.said == ["now controls.band_pass.output = (200.0, 900.0)"]


def test_a_file_that_is_replaced_as_editors_do_is_noticed(stage: Stage) -> None:
    beside = stage.config.with_suffix(".new")
    beside.write_text("output: {volume_db: -6}")
    beside.replace(stage.config)
    assert stage.reloader.step(FACE) is None
    assert stage.reloader.step(FACE).settings.output.volume_db == -6


@pytest.mark.parametrize(
    "bad", ["output: {volume_db: loud}", "otput: {}", ": : :", "attract: {score: nowhere.csv}"]
)
def test_a_bad_edit_is_reported_and_the_old_settings_stay(stage: Stage, bad: str) -> None:
    assert stage.edit(bad) is None
    assert len(stage.said) == 2
    assert stage.said[1] == "nothing has been changed by this; playing on as before"
    assert stage.reloader.step(FACE) is None
    assert len(stage.said) == 2  # once
    assert stage.edit("output: {volume_db: -6}").settings.output.volume_db == -6


def test_what_is_read_at_the_start_only_is_said_to_wait_for_it(stage: Stage) -> None:
    assert stage.edit("socket_path: /run/x/face.sock") is None
    assert stage.said == ["socket_path: changed, in force after the next start"]
    after = stage.edit("socket_path: /run/x/face.sock\noutput: {volume_db: -3}")
    assert after.settings.output.volume_db == -3
    assert stage.said[1:] == ["now output.volume_db = -3.0"]


def test_what_the_eye_sees_by_is_left_to_the_eye(stage: Stage) -> None:
    assert stage.edit("camera: {width: 320}") is None
    assert stage.said == ["camera.width: changed, the eye starts afresh with it"]
    assert stage.reloader.settings.camera.width == 320


def test_hours_and_attract_mode_need_no_other_instrument(stage: Stage) -> None:
    yaml = "hours: {monday: 10:00-18:00, exceptions: {2026-12-24: closed}}\n"
    assert stage.edit(yaml + "attract: {enabled: false}") is None
    assert stage.reloader.settings.attract.enabled is False
    (said,) = stage.said
    assert said.startswith("now attract.enabled = False, hours.monday = 10:00-18:00")
    assert "hours.exceptions = 2026-12-24 closed" in said


def test_in_quiet_hours_another_instrument_plays_and_afterwards_the_first_settings(
    stage: Stage,
) -> None:
    soft = stage.reloader.step(FACE, quiet=True)
    assert soft.settings.output.loudness_lufs == -30.0
    assert soft.settings.controls.noise.output == (0.0, 0.0)
    assert soft.networks is stage.instrument.networks
    assert stage.reloader.step(FACE, quiet=True) is None
    loud = stage.reloader.step(FACE, quiet=False)
    assert loud.settings == stage.instrument.settings
    assert stage.said == ["quiet hours: softer from now on", "the quiet hours are over"]


def test_an_edit_in_quiet_hours_stays_quiet(stage: Stage) -> None:
    stage.reloader.step(FACE, quiet=True)
    stage.write("output: {volume_db: 9}")
    assert stage.reloader.step(FACE, quiet=True) is None
    assert stage.reloader.step(FACE, quiet=True) is None  # no louder: nothing to play anew
    assert stage.reloader.settings.output.volume_db == 9
    loud = stage.reloader.step(FACE, quiet=False)
    assert loud.settings.output.volume_db == 9


def test_what_is_wrong_with_the_file_is_told_until_it_is_right(stage: Stage) -> None:
    stage.edit("otput: {}\nloop: {morph_s: -1}")
    assert stage.reloader.refused.startswith("settings refused: ")
    assert stage.reloader.refused.endswith(" (and 1 more), playing on as before")
    stage.edit("")
    assert stage.reloader.refused == ""
    assert stage.said[-1] == "the settings can be used again"


def test_a_start_with_the_defaults_is_told_until_the_file_is_right(stage: Stage) -> None:
    reloader = Reloader(
        stage.instrument,
        stage.read,
        stage.config,
        stage.asked,
        0,
        stage.said.append,
        refused="/etc/x/gallery.yaml: pack: 3 should be text; name of a pack\nanother",
    )
    stage.reloader = reloader
    wrong = "gallery.yaml: pack: 3 should be text (and 1 more)"
    expected = f"settings refused: {wrong}, playing with the defaults"
    assert reloader.refused == expected
    stage.edit("output: {volume_db: loud}")
    assert reloader.refused.endswith("playing with the defaults")
    assert stage.edit("output: {volume_db: -6}").settings.output.volume_db == -6
    assert reloader.refused == ""


def test_on_sighup_the_pack_is_opened_again(stage: Stage) -> None:
    stage.asked.set()
    after = stage.reloader.step(FACE)
    assert after.networks is not stage.instrument.networks
    assert stage.said == ["now pack tiny opened again"]
    assert stage.reloader.step(FACE) is None


def test_a_damaged_pack_is_refused_and_the_old_one_plays_on(stage: Stage) -> None:
    (stage.pack / "generator.onnx").write_bytes(b"half of it")
    stage.asked.set()
    assert stage.reloader.step(FACE) is None
    assert "is not the file that pack.yaml describes" in stage.said[0]
    player = CrossFade(stage.instrument)
    assert np.abs(np.concatenate([player.hop(FACE, 0) for _ in range(60)])).max() > 0.01


def test_a_pack_of_another_pace_waits_for_the_next_start(
    stage: Stage, make_pack: Callable[..., Path]
) -> None:
    geometry = asdict(stage.instrument.pack.geometry)
    make_pack(geometry=geometry | {"hop_length": 256})
    stage.asked.set()
    assert stage.reloader.step(FACE) is None
    assert "start again to play it" in stage.said[0]


class Taped:
    """An instrument of which every hop is kept."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.settings, self.pack = instrument.settings, instrument.pack
        self.tape: list[np.ndarray] = []

    def hop(self, features: np.ndarray, iterations: int) -> np.ndarray:
        self.tape.append(self.instrument.hop(features, iterations))
        return self.tape[-1]


def kinks(sound: np.ndarray) -> np.ndarray:
    """The sharpest bend in each 512 samples: a step in a smooth sound stands out here."""
    return np.abs(np.diff(sound, n=2))[: len(sound) // 512 * 512 - 512].reshape(-1, 512).max(axis=1)


@pytest.mark.parametrize("yaml", ["output: {volume_db: -9}", "phase: {look_ahead: 2}"])
def test_between_two_instruments_there_is_neither_gap_nor_pop(stage: Stage, yaml: str) -> None:
    for _ in range(400):  # until the leveller has found its gain
        stage.instrument.hop(FACE, 0)
    before, after = Taped(stage.instrument), Taped(stage.edit(yaml))
    player = CrossFade(before)
    heard = [player.hop(FACE, 0) for _ in range(60)]
    player.coming = after
    heard += [player.hop(FACE, 0) for _ in range(60)]
    assert player.leaving is None
    assert player.instrument is after
    both = len(before.tape) - 60  # hops in which the two are mixed
    assert both * 512 / 48_000 == pytest.approx(0.4, abs=0.02)
    mixed = np.concatenate(heard[60 : 60 + both])
    parts = [np.concatenate(before.tape[60:]), np.concatenate(after.tape[:both])]
    assert np.all(kinks(mixed) <= kinks(parts[0]) + kinks(parts[1]) + 1e-4)
    for edge in (60, 60 + both):
        seam = np.concatenate(heard[edge - 1 : edge + 1])
        beside = [np.concatenate(heard[edge - 3 : edge]), np.concatenate(heard[edge : edge + 3])]
        smooth = max(kinks(part).max() for part in beside)
        assert np.abs(np.diff(seam, n=2))[508:514].max() <= 1.1 * smooth
    loudness = [np.sqrt(np.mean(np.square(part))) for part in (mixed, *parts)]
    assert loudness[2] > 0.2 * loudness[1]  # 9 dB are 0.35, and it was warm when it came in
    assert loudness[0] > 0.6 * loudness[2]


def test_the_mixture_of_two_instruments_keeps_below_the_ceiling(stage: Stage) -> None:
    player = CrossFade(stage.instrument)
    ceiling = 10 ** (stage.instrument.settings.output.ceiling_dbtp / 20)
    for i in range(4):
        player.coming = stage.edit(f"output: {{volume_db: 12, loudness_lufs: {-16 - i / 10}}}")
        for _ in range(45):
            assert np.abs(player.hop(FACE, 0)).max() <= ceiling


EXCHANGES = """
import os, sys, threading
from latent_resonance.face_state import neutral_features
from latent_resonance.config.settings import Settings
from latent_resonance.linux.process_usage import usage_of
from latent_resonance.voice.synthesis.instrument import open_instrument
from latent_resonance.linux.realtime import settle
from latent_resonance.voice.reload import Reloader

settle()
settings, asked = Settings(pack=sys.argv[1]), threading.Event()
first = open_instrument(settings, 0)
first.follow(first, neutral_features())
reloader = Reloader(first, lambda: settings, None, asked, 0, print)
del first

print("MiB", usage_of(os.getpid()).resident_mib)
for _ in range(6):
    asked.set()
    for _ in range(2):  # on a thread of their own, as in performance
        thread = threading.Thread(target=reloader.step, args=(neutral_features(),))
        thread.start()
        thread.join()
print("MiB", usage_of(os.getpid()).resident_mib)
"""


def test_packs_exchanged_again_and_again_take_no_more_memory() -> None:
    cello = Path(__file__).parents[2] / "models" / "cello"
    command = [sys.executable, "-c", EXCHANGES, str(cello)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.count("now pack cello opened again") == 6
    first, last = (float(line.split()[1]) for line in said.splitlines() if line.startswith("MiB"))
    assert last < first + 40  # it was 90 more before freed memory was returned
