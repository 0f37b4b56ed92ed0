"""A voice of a unit starts and plays on with settings and limits that raised in other libraries."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.pulse_server import Voice, environment_in
from tests.support.timing import PATIENCE

from latent_resonance.link.server import monitor_path

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]
HOSTILE = (
    "pack: !!bool maybe",
    f"pack: {'x' * 300}",
    "pack: !!timestamp x",
    f"camera: {{width: 0x{'f' * 4000}}}",
    "pack: /home/pi/mine",
    'output: {device: "a\\0b"}',
    "attract: {score: /dev/zero}",
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "gallery.yaml"


@pytest.fixture
def voice(tmp_path: Path, config: Path, pack_folder: Path) -> Iterator[Voice]:
    """A voice whose settings have named a user who does not exist since before it started."""
    config.write_text(f"pack: ~cello\nsocket_path: {tmp_path}/run/face.sock\n")
    environment = environment_in(tmp_path) | {"LATENT_RESONANCE_MODELS": str(pack_folder.parent)}
    bundled = pack_folder.parent / "cello"
    if not bundled.exists():
        bundled.symlink_to(pack_folder)
    with closing(Voice(tmp_path, environment, "--unattended", "--config", str(config))) as voice:
        voice.says("playing on without a speaker")
        yield voice


def test_no_edit_of_the_settings_ends_a_running_voice(voice: Voice, config: Path) -> None:
    head = config.read_text().partition("\n")[2]
    assert "~cello" in voice.said()
    for number, text in enumerate(HOSTILE, start=1):
        config.write_text(f"{text}\n{head}")
        voice.says("playing on as before", times=number)
    config.write_text(f"pack: cello\noutput: {{volume_db: -3}}\n{head}")
    voice.says("now output.volume_db = -3.0")
    said = voice.leave()
    assert " failed (" not in said


def test_a_voice_that_runs_out_of_file_descriptors_plays_on_and_recovers(
    voice: Voice, tmp_path: Path
) -> None:
    pid, path = voice.process.pid, str(monitor_path(tmp_path / "run" / "face.sock"))
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(name.name) for name in Path(f"/proc/{pid}/fd").iterdir())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, usual[1]))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as monitor:
        monitor.connect(path)
        voice.says("Too many open files", 20 * PATIENCE)
        time.sleep(2.0)
        assert voice.process.poll() is None
        resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
        monitor.settimeout(10 * PATIENCE)
        assert monitor.recv(65536)[:2] == b"LR"
    assert voice.leave().count("Too many open files") <= 3
