"""Settings and packs that change while the instrument plays: cross-faded, or refused."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.support.audio_measures import face
from tests.support.bad_networks import empty_steps_in, looping_while_moving, with_network
from tests.support.instruments import open_instrument
from tests.support.timing import until

from latent_resonance.config.settings import Settings, load_settings
from latent_resonance.config.source import SettingsSource
from latent_resonance.voice import pack_loader
from latent_resonance.voice.abandoned import count_abandoned
from latent_resonance.voice.reload import Reloader
from latent_resonance.voice.synthesis.crossfade import CrossFade
from latent_resonance.voice.synthesis.instrument import Instrument

FACE = face(mouth_open=0.5, head_yaw=0.3)


class Rig:
    """A reloader with a YAML file and a pack of its own."""

    def __init__(self, folder: Path, pack: Path) -> None:
        self.config = folder / "gallery.yaml"
        self.pack = pack
        self.logged: list[str] = []
        self.reload_requested = threading.Event()
        self.write("")
        self.instrument = open_instrument(self.read())
        self.instrument.generate(FACE, 0.1)
        self.source = SettingsSource(self.read, self.config, log=self.logged.append)
        self.reloader = Reloader(self.instrument, self.source, self.reload_requested, 0)

    def write(self, yaml: str) -> None:
        self.config.write_text(yaml)

    def read(self) -> Settings:
        return load_settings(self.config).model_copy(update={"pack": str(self.pack)})

    def edit(self, yaml: str) -> Instrument | None:
        """Save the file, and return the result of the second check."""
        self.write(yaml)
        assert self.reloader.step(FACE) is None  # it may still be being written
        return self.reloader.step(FACE)


@pytest.fixture
def rig(tmp_path: Path, make_pack: Callable[..., Path]) -> Rig:
    return Rig(tmp_path, make_pack())


def test_an_unchanged_file_changes_nothing(rig: Rig) -> None:
    assert [rig.reloader.step(FACE) for _ in range(5)] == [None] * 5
    assert rig.logged == []


def test_a_curve_edited_while_playing_is_in_force_and_logged(rig: Rig) -> None:
    after = rig.edit("controls: {band_pass: {output: [200, 900]}}")
    assert after.settings.controls.band_pass.output == (200, 900)
    assert after.networks is rig.instrument.networks
    assert rig.logged == ["now controls.band_pass.output = (200.0, 900.0)"]


def test_a_file_replaced_as_by_an_editor_is_noticed(rig: Rig) -> None:
    beside = rig.config.with_suffix(".new")
    beside.write_text("output: {volume_db: -6}")
    beside.replace(rig.config)
    assert rig.reloader.step(FACE) is None
    assert rig.reloader.step(FACE).settings.output.volume_db == -6


@pytest.mark.parametrize(
    "bad", ["output: {volume_db: loud}", "otput: {}", ": : :", "attract: {score: nowhere.csv}"]
)
def test_a_bad_edit_is_reported_and_the_old_settings_stay(rig: Rig, bad: str) -> None:
    assert rig.edit(bad) is None
    assert len(rig.logged) == 2
    assert rig.logged[1] == "nothing has been changed by this; playing on as before"
    assert rig.reloader.step(FACE) is None
    assert len(rig.logged) == 2  # once
    assert rig.edit("output: {volume_db: -6}").settings.output.volume_db == -6


def test_keys_read_at_the_start_are_logged_as_pending(rig: Rig) -> None:
    assert rig.edit("socket_path: /run/x/face.sock") is None
    assert rig.logged == ["socket_path: changed, in force after the next start"]
    after = rig.edit("socket_path: /run/x/face.sock\noutput: {volume_db: -3}")
    assert after.settings.output.volume_db == -3
    assert rig.logged[1:] == ["now output.volume_db = -3.0"]


def test_settings_of_the_eye_are_left_to_the_eye(rig: Rig) -> None:
    assert rig.edit("camera: {width: 320}") is None
    assert rig.logged == ["camera.width: changed, the eye restarts with it"]
    assert rig.reloader.settings.camera.width == 320


def test_hours_and_attract_mode_need_no_new_instrument(rig: Rig) -> None:
    yaml = "hours: {monday: 10:00-18:00, exceptions: {2026-12-24: closed}}\n"
    assert rig.edit(yaml + "attract: {enabled: false}") is None
    assert rig.reloader.settings.attract.enabled is False
    (line,) = rig.logged
    assert line.startswith("now attract.enabled = False, hours.monday = 10:00-18:00")
    assert "hours.exceptions = 2026-12-24 closed" in line


def test_quiet_hours_change_the_instrument_and_their_end_restores_the_settings(
    rig: Rig,
) -> None:
    soft = rig.reloader.step(FACE, quiet=True)
    assert soft.settings.output.loudness_lufs == -30.0
    assert soft.settings.controls.noise.output == (0.0, 0.0)
    assert soft.networks is rig.instrument.networks
    assert rig.reloader.step(FACE, quiet=True) is None
    loud = rig.reloader.step(FACE, quiet=False)
    assert loud.settings == rig.instrument.settings
    assert rig.logged == ["quiet hours: softer from now on", "the quiet hours are over"]


def test_an_edit_in_quiet_hours_stays_quiet(rig: Rig) -> None:
    rig.reloader.step(FACE, quiet=True)
    rig.write("output: {volume_db: 9}")
    assert rig.reloader.step(FACE, quiet=True) is None
    assert rig.reloader.step(FACE, quiet=True) is None  # no louder: the instrument stays
    assert rig.reloader.settings.output.volume_db == 9
    loud = rig.reloader.step(FACE, quiet=False)
    assert loud.settings.output.volume_db == 9


def test_a_settings_error_stays_until_the_file_is_corrected(rig: Rig) -> None:
    rig.edit("otput: {}\nloop: {morph_s: -1}")
    assert rig.reloader.settings_error.startswith("settings refused: ")
    assert rig.reloader.settings_error.endswith(" (and 1 more), playing on as before")
    rig.edit("")
    assert rig.reloader.settings_error == ""
    assert rig.logged[-1] == "the settings can be used again"


def test_a_start_with_the_defaults_is_reported_until_the_file_is_corrected(rig: Rig) -> None:
    error = "/etc/x/gallery.yaml: pack: 3 should be text; name of a pack\nanother"
    source = replace(rig.source, error=error)
    reloader = Reloader(rig.instrument, source, rig.reload_requested, 0)
    rig.reloader = reloader
    wrong = "gallery.yaml: pack: 3 should be text (and 1 more)"
    expected = f"settings refused: {wrong}, playing with the defaults"
    assert reloader.settings_error == expected
    rig.edit("output: {volume_db: loud}")
    assert reloader.settings_error.endswith("playing with the defaults")
    assert rig.edit("output: {volume_db: -6}").settings.output.volume_db == -6
    assert reloader.settings_error == ""


def test_sighup_reopens_the_pack(rig: Rig) -> None:
    rig.reload_requested.set()
    after = rig.reloader.step(FACE)
    assert after.networks is not rig.instrument.networks
    assert rig.logged == ["now pack tiny opened again"]
    assert rig.reloader.step(FACE) is None


def test_a_damaged_pack_is_refused_and_the_old_one_goes_on(rig: Rig) -> None:
    (rig.pack / "generator.onnx").write_bytes(b"half of it")
    rig.reload_requested.set()
    assert rig.reloader.step(FACE) is None
    assert "is not the file that pack.yaml describes" in rig.logged[0]
    hops = [rig.instrument.hop(FACE, 1) for _ in range(60)]
    assert np.abs(np.concatenate(hops)).max() > 0.01


def test_a_network_that_hangs_for_the_present_face_does_not_hold_the_thread_that_maintains(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_loader, "OPEN_DEADLINE_S", 0.5)
    regressor = onnx.load(rig.pack / "regressor.onnx")
    n_steps = empty_steps_in(3.0) / np.abs(FACE).sum()
    endless = looping_while_moving(regressor, n_steps, empty=True)
    with_network(rig.pack, "regressor.onnx", endless)
    rig.reload_requested.set()
    assert rig.reloader.step(FACE) is None
    assert "does not open within 0.5 s" in rig.logged[0]
    assert "playing on as before" in rig.reloader.settings_error
    until(lambda: count_abandoned() == 0, 60, "the thread has come back")  # idle priority


def test_a_refusal_does_not_keep_the_instrument_that_played_then(rig: Rig) -> None:
    generator = rig.pack / "generator.onnx"
    whole = generator.read_bytes()
    gc.disable()
    try:
        rig.reload_requested.set()
        played = weakref.ref(rig.reloader.step(FACE))
        generator.write_bytes(b"half of it")
        rig.reload_requested.set()
        assert rig.reloader.step(FACE) is None
        generator.write_bytes(whole)
        rig.reload_requested.set()
        assert rig.reloader.step(FACE) is not None
        rig.reloader.step(FACE)  # its cross-fade is over
        assert played() is None
    finally:
        gc.enable()


def test_a_pack_with_another_hop_length_waits_for_the_next_start(
    rig: Rig, make_pack: Callable[..., Path]
) -> None:
    geometry = asdict(rig.instrument.pack.geometry)
    make_pack(geometry=geometry | {"hop_length": 256})
    rig.reload_requested.set()
    assert rig.reloader.step(FACE) is None
    assert "start again to play it" in rig.logged[0]


class RecordedInstrument:
    """An instrument that keeps every hop."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.settings, self.pack = instrument.settings, instrument.pack
        self.hops: list[np.ndarray] = []

    def hop(self, features: np.ndarray, iterations: int, device_channels: int) -> np.ndarray:
        self.hops.append(self.instrument.hop(features, iterations, device_channels))
        return self.hops[-1]


def bends(sound: np.ndarray) -> np.ndarray:
    """Largest second difference in each 512 samples, where a step in a smooth sound shows."""
    return np.abs(np.diff(sound, n=2))[: len(sound) // 512 * 512 - 512].reshape(-1, 512).max(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("yaml", ["output: {volume_db: -9}", "phase: {look_ahead: 2}"])
def test_between_two_instruments_there_is_neither_gap_nor_click(rig: Rig, yaml: str) -> None:
    for _ in range(400):  # until the leveller has found its gain
        rig.instrument.hop(FACE, 0)
    before, after = RecordedInstrument(rig.instrument), RecordedInstrument(rig.edit(yaml))
    cross_fade = CrossFade(before)
    played = [cross_fade.hop(before, FACE, 0) for _ in range(60)]
    played += [cross_fade.hop(after, FACE, 0) for _ in range(60)]
    assert cross_fade.previous is None
    assert cross_fade.instrument is after
    both = len(before.hops) - 60  # hops in which the two are mixed
    assert both * 512 / 48_000 == pytest.approx(0.4, abs=0.02)
    mixed = np.concatenate(played[60 : 60 + both])
    parts = [np.concatenate(before.hops[60:]), np.concatenate(after.hops[:both])]
    assert np.all(bends(mixed) <= bends(parts[0]) + bends(parts[1]) + 1e-4)
    for edge in (60, 60 + both):
        seam = np.concatenate(played[edge - 1 : edge + 1])
        beside = [np.concatenate(played[edge - 3 : edge]), np.concatenate(played[edge : edge + 3])]
        smooth = max(bends(part).max() for part in beside)
        assert np.abs(np.diff(seam, n=2))[508:514].max() <= 1.1 * smooth
    loudness = [np.sqrt(np.mean(np.square(part))) for part in (mixed, *parts)]
    assert loudness[2] > 0.2 * loudness[1]  # 9 dB are 0.35, and it was warmed up
    assert loudness[0] > 0.6 * loudness[2]


@pytest.mark.slow
def test_the_mixture_of_two_instruments_keeps_below_the_ceiling(rig: Rig) -> None:
    cross_fade = CrossFade(rig.instrument)
    ceiling = 10 ** (rig.instrument.settings.output.ceiling_dbtp / 20)
    for i in range(4):
        after = rig.edit(f"output: {{volume_db: 12, loudness_lufs: {-16 - i / 10}}}")
        for _ in range(45):
            assert np.abs(cross_fade.hop(after, FACE, 0)).max() <= ceiling


EXCHANGES = """
import os, sys, threading
from latent_resonance.face_state import neutral_features
from latent_resonance.config.settings import Settings
from latent_resonance.config.source import SettingsSource
from latent_resonance.linux.process_usage import read_usage
from tests.support.instruments import open_instrument
from tests.support.timing import until
from latent_resonance.linux.realtime import prepare_realtime_process
from latent_resonance.voice.reload import Reloader

prepare_realtime_process()
settings, reload_requested = Settings(pack=sys.argv[1]), threading.Event()
first = open_instrument(settings)
first.follow(first, neutral_features())
reloader = Reloader(first, SettingsSource(lambda: settings), reload_requested, 0)
del first

print("MiB", read_usage(os.getpid()).resident_mib)
for _ in range(6):
    reload_requested.set()
    for _ in range(2):  # on a thread of their own, as in performance
        thread = threading.Thread(target=reloader.step, args=(neutral_features(),))
        thread.start()
        thread.join()
print("MiB", read_usage(os.getpid()).resident_mib)
"""


@pytest.mark.slow
def test_replacing_packs_repeatedly_does_not_leak_memory() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", EXCHANGES, str(root / "models" / "cello")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    log = done.stdout
    assert log.count("now pack cello opened again") == 6
    first, last = (float(line.split()[1]) for line in log.splitlines() if line.startswith("MiB"))
    assert last < first + 80  # up to 45 more as it is, 140 to 190 if freed memory is not returned
