"""Standby reaches the eye's camera, and outlives a voice that crashes."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.pulse_server import Voice, environment_in
from tests.support.timing import PATIENCE, until

from latent_resonance.gallery.standby import StandbyWatch, standby_path

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]


def request(socket_path: Path, **content: object) -> None:
    """Send the voice one request, as a monitor does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as monitor:
        monitor.connect(str(socket_path.with_name("monitor.sock")))
        monitor.send(json.dumps(content).encode())


def test_the_eye_is_told_of_standby_and_still_after_a_crash(
    tmp_path: Path, pack_folder: Path
) -> None:
    environment, path = environment_in(tmp_path), tmp_path / "run" / "face.sock"
    config = tmp_path / "gallery.yaml"
    config.write_text(f"pack: {pack_folder}\nsocket_path: {path}\n")
    eye = StandbyWatch(standby_path(path))
    with closing(Voice(tmp_path, environment, "--config", str(config))) as voice:
        voice.says("networks on")
        assert not eye.on()
        request(path, standby=True)
        until(eye.on, 5 * PATIENCE, "standby")
        voice.process.kill()
        voice.process.wait()
    assert eye.on()
    with closing(Voice(tmp_path, environment, "--config", str(config))) as voice:
        voice.says("networks on")
        voice.says("on standby, as before")
        assert eye.on()
        request(path, standby=False)
        until(lambda: not eye.on(), 5 * PATIENCE, "the end of standby")
        voice.leave()
