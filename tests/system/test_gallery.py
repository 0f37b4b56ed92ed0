"""The voice as a unit runs it: unattended, with settings that are wrong, and outside its hours."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from tests.support.pulse_server import Voice, environment_in
from tests.support.timing import PATIENCE, until

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(170)]
SILENT = 1e-4  # a WAV of 16 bits has its dither
WRONG = "output: {volume_db: loud}\nloop: {morph_s: -1}\n"


class Unit:
    """A voice with a settings file, and a socket that receives its systemd notifications."""

    def __init__(self, folder: Path, pack: Path) -> None:
        self.folder, self.pack = folder, pack
        self.environment = environment_in(folder)
        self.config, self.take = folder / "gallery.yaml", folder / "take.wav"
        self.notify_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.notify_socket.bind(str(folder / "notify"))
        self.environment["NOTIFY_SOCKET"] = str(folder / "notify")
        self.notifications: list[str] = []

    def start(self, text: str, *arguments: str) -> Voice:
        self.config.write_text(text)
        arguments = ("--config", str(self.config), "--pack", str(self.pack), *arguments)
        return Voice(self.folder, self.environment, *arguments, "--record", str(self.take))

    def status(self) -> str:
        """The latest status line."""
        try:
            while True:
                self.notifications.append(self.notify_socket.recv(1024).decode())
        except BlockingIOError:
            lines = [line for line in self.notifications if line.startswith("STATUS=")]
            return lines[-1] if lines else ""

    def until_status(self, words: str) -> None:
        try:
            until(lambda: words in self.status(), 60 * PATIENCE, words)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.notifications}") from None

    def peak(self) -> float:
        with wave.open(str(self.take)) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        assert len(sound) > 48_000
        return float(np.abs(sound).max())


@pytest.fixture
def unit(tmp_path: Path, pack_folder: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path, pack_folder)
    yield unit
    unit.notify_socket.close()


def test_unattended_it_plays_with_the_defaults_until_the_file_is_valid(unit: Unit) -> None:
    with closing(unit.start(WRONG, "--unattended")) as voice:
        unit.until_status("settings refused: ")
        unit.until_status("playing with the defaults")
        for key in ("output.volume_db: 'loud'", "loop.morph_s: -1"):
            assert key in voice.said()
        time.sleep(2.0)
        unit.config.write_text("output: {volume_db: -3}\n")
        voice.says("now output.volume_db = -3.0")
        until(lambda: "refused" not in unit.status(), 10 * PATIENCE, "a status without it")
        voice.leave()
    assert unit.peak() > 0.003


def test_attended_invalid_settings_are_an_error_with_every_message(unit: Unit) -> None:
    with closing(unit.start(WRONG)) as voice:
        assert voice.process.wait(60 * PATIENCE) == 2
        assert voice.said().count("gallery.yaml: ") == 2
    assert not unit.take.exists()


def test_unattended_a_missing_pack_is_replaced_by_the_bundled_one(
    unit: Unit,
) -> None:
    unit.pack = unit.folder / "nowhere"
    with closing(unit.start("", "--unattended")) as voice:
        unit.until_status("playing with the defaults")
        assert "playing the pack and the score that came with the program" in voice.said()
        voice.leave()


def test_unattended_networks_that_cannot_run_are_replaced_by_the_bundled_ones(
    unit: Unit, make_pack: Callable[..., Path]
) -> None:
    unit.pack = make_pack()
    network = onnx.load(unit.pack / "generator.onnx")
    network.graph.node[-1].op_type = "NoSuchOperator"  # a valid hash does not make it run
    onnx.save(network, unit.pack / "generator.onnx")
    manifest = yaml.safe_load((unit.pack / "pack.yaml").read_text())
    manifest["sha256"]["generator.onnx"] = sha256(
        (unit.pack / "generator.onnx").read_bytes()
    ).hexdigest()
    (unit.pack / "pack.yaml").write_text(yaml.safe_dump(manifest))
    with closing(unit.start("", "--unattended")) as voice:
        unit.until_status("playing with the defaults")
        assert "generator.onnx: not a network that can be run" in voice.said()
        voice.says("pack cello, networks on CPUExecutionProvider")
        time.sleep(2.0)
        voice.leave()
    assert unit.peak() > 0.003


def test_outside_opening_hours_it_is_silent_and_opens_when_the_settings_change(unit: Unit) -> None:
    with closing(unit.start("hours: {daily: closed}")) as voice:
        unit.until_status("STATUS=closed, ")
        time.sleep(3.0)
        voice.leave()
    assert unit.peak() < SILENT
    with closing(unit.start("hours: {daily: closed}")) as voice:
        unit.until_status("STATUS=closed, ")
        unit.config.write_text("hours: {daily: always}")
        unit.until_status("playing the score, no visitor")
        time.sleep(3.0)
        voice.leave()
    assert unit.peak() > 0.003


def test_without_attract_it_is_silent_until_a_visitor_comes(unit: Unit) -> None:
    with closing(unit.start("attract: {enabled: false}")) as voice:
        unit.until_status("silent until a visitor comes")
        time.sleep(3.0)
        said = voice.leave()
    assert unit.peak() < SILENT
    assert ": 0 visits, 0 s for visitors, no faults\n" in said


def test_it_starts_quietly_in_quiet_hours(unit: Unit) -> None:
    with closing(unit.start("quiet: {when: {daily: always}}")) as voice:
        unit.until_status("quiet hours")
        time.sleep(3.0)
        voice.leave()
    assert 0.0 < unit.peak() < 0.1


PROGRAM = """
import os, sys
from pathlib import Path
from latent_resonance.pack import open_pack
from latent_resonance.config.settings import Settings
{first}
threads = len(os.listdir("/proc/self/task"))
from latent_resonance.voice.synthesis.networks import load_networks
networks = load_networks(open_pack(Path(sys.argv[1])), Settings().inference)
print(len(os.listdir("/proc/self/task")) - threads - 1)  # one ends runs that take too long
"""


@pytest.mark.parametrize("reports", [False, True])
def test_onnxruntime_sends_no_telemetry(tmp_path: Path, pack_folder: Path, reports: bool) -> None:
    """With telemetry, ONNX Runtime starts a thread and stores an id of this machine on disk."""
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    first = "import numpy, scipy.fft"
    if reports:  # its behaviour without the workaround
        first += ", onnxruntime"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first), str(pack_folder)],
        env=environment | {"HOME": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    if reports and not written:
        pytest.skip("this build of ONNX Runtime has no telemetry")
    assert bool(written) is reports
    if not reports:
        assert int(done.stdout) == 0
