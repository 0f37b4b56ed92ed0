"""A gallery with a monitor: the whole instrument, with a video as its camera.

`perform --monitor` with two small packs, a video of a face as the camera, and a null sink as the
speaker. Pages are opened in Debian's Chromium, driven by Playwright.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from tests.conftest import write_pack
from tests.support import faces
from tests.support.pulse_server import RATE, Ear, SoundServer, environment_in
from tests.support.timing import until

MODELS = Path(__file__).parents[2] / "models"
CHROMIUM = "/usr/bin/chromium"
PACKS = ("alpha", "beta")


def free_port() -> int:
    """A port that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def face_video(path: Path) -> Path:
    """Two seconds of a face that opens its mouth."""
    closed, opened = faces.photograph(), faces.mouth_opened(0.3)
    return faces.write_clip(path, [*faces.drifting(closed, 30), *faces.drifting(opened, 30)])


class Gallery:
    """The instrument with its monitor, and a recording of its sound."""

    def __init__(self, folder: Path, port: int | None = None, **monitor: object) -> None:
        self.folder, self.port, self.osc = folder, port or free_port(), free_port()
        self.environment = environment_in(folder) | {"XDG_STATE_HOME": str(folder / "state")}
        self.environment["LATENT_RESONANCE_MODELS"] = str(self._models())
        settings = {
            "pack": PACKS[0],
            "camera": {"source": str(face_video(folder / "face.mp4"))},
            "output": {"device": "pulse"},
            "monitor": {"port": self.port, "osc": {"listen": f"127.0.0.1:{self.osc}"}} | monitor,
        }
        self.config = folder / "gallery.yaml"
        self.config.write_text(yaml.safe_dump(settings))
        self.server = SoundServer(self.environment)
        self.log_file = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.ear: Ear | None = None

    def open(self) -> None:
        """Start the instrument; wait until it plays and serves its pages."""
        self.server.start()
        self.process = self._start()
        self.ear = self.server.hears(self.folder)
        until(lambda: (self.healthz() or {}).get("healthy"), 60, "a healthy monitor")

    def _models(self) -> Path:
        models = self.folder / "models"
        models.mkdir()
        for file in MODELS.iterdir():
            if file.is_file():
                (models / file.name).symlink_to(file)
        for name in PACKS:
            (models / name).mkdir()
            write_pack(models / name, name=name)
        return models

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "latent_resonance", "perform", "--monitor"]
        command += ["--config", str(self.config)]
        with self.log_file.open("wb") as file:
            return subprocess.Popen(command, env=self.environment, stderr=file)

    @property
    def address(self) -> str:
        """URL of the pages."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """Token for the controls."""
        return (self.folder / "state" / "latent-resonance" / "monitor-token").read_text().strip()

    def log_text(self) -> str:
        """Everything that the instrument has logged."""
        return self.log_file.read_text()

    def request(
        self, method: str, path: str, content: object = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of a response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        body = None if content is None else json.dumps(content)
        request_headers = {"Content-Type": "application/json"} | headers
        try:
            connection.request(method, path, body, request_headers)
            response = connection.getresponse()
            return response.status, response.read(), dict(response.getheaders())
        finally:
            connection.close()

    def control(self, **request: object) -> int:
        """Send a request with the right token; return the status."""
        authorization = f"Bearer {self.token}"
        return self.request("POST", "/ask", request, Authorization=authorization)[0]

    def healthz(self) -> dict[str, Any] | None:
        """The response of /healthz; None if there is none."""
        try:
            return json.loads(self.request("GET", "/healthz")[1])
        except (OSError, ValueError):
            return None

    def metric(self, name: str) -> float:
        """Value of a metric."""
        text = self.request("GET", "/metrics")[1].decode()
        found = re.search(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        assert found, f"no metric {name} in\n{text}"
        return float(found[1])

    def child_pid(self, command: str) -> int:
        """Process id of the child that runs a command."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in path.read_text().split():
            if f"\0{command}\0" in Path(f"/proc/{pid}/cmdline").read_text():
                return int(pid)
        raise AssertionError(f"no child that runs {command}")

    def record(self, seconds: float) -> NDArray[np.float32]:
        """Record the sound of the next seconds."""
        start = len(self.ear.sound())
        n_samples = int(seconds * RATE)
        until(lambda: len(self.ear.sound()) >= start + n_samples, 5 * seconds + 5, "sound")
        return self.ear.sound()[start : start + n_samples]

    def close(self) -> None:
        """Stop everything."""
        try:
            if self.process is not None:
                self.process.send_signal(signal.SIGTERM)
                self.process.wait(20)
        finally:
            for each in filter(None, (self.process, self.ear and self.ear.process)):
                each.kill()
                each.wait()
            self.server.kill()


def level_db(sound: NDArray[np.float32]) -> float:
    """RMS, dBFS."""
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-12))


def level_at_db(sound: NDArray[np.float32], frequency_hz: float) -> float:
    """RMS at one frequency, dBFS."""
    window = np.hanning(len(sound))
    phasor = np.exp(-2j * np.pi * frequency_hz * np.arange(len(sound)) / RATE)
    amplitude = 2 * np.abs(np.sum(sound * window * phasor)) / window.sum()
    return float(20 * np.log10(amplitude / np.sqrt(2) + 1e-9))


@contextmanager
def gallery_in(folder: Path, port: int | None = None, **monitor: object) -> Iterator[Gallery]:
    """A gallery that is closed at the end; fails if it has logged a traceback."""
    gallery = Gallery(folder, port, **monitor)
    try:
        gallery.open()
        yield gallery
    finally:
        gallery.close()
    assert "Traceback" not in gallery.log_text(), gallery.log_text()


def skip_without_browser() -> None:
    """Skip the test without Chromium or PulseAudio."""
    if not Path(CHROMIUM).exists():
        pytest.skip("chromium is not installed: apt install chromium")
    if shutil.which("pulseaudio") is None:
        pytest.skip("pulseaudio is not installed: apt install pulseaudio libasound2-plugins")


@contextmanager
def launch_browser() -> Iterator[Any]:
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield chromium
        finally:
            chromium.close()
