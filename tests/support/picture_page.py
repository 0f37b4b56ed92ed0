"""The live spectrogram of a clip in a real browser, with the real link and monitor process.

The clip is rendered first; its columns then reach the page at once, not at the pace of the sound.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from tests.support.gallery_process import free_port, launch_browser
from tests.support.status_reports import PLAYING
from tests.support.timing import until

from latent_resonance.audio.brightness import Levels
from latent_resonance.audio.channels import mix
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.config.settings import Settings
from latent_resonance.link.server import MonitorServer, monitor_path
from latent_resonance.link.telemetry import Columns
from latent_resonance.rendering import Take, states_of
from latent_resonance.voice.telemetry import (
    BANDS,
    HOPS_PER_COLUMN,
    Picture,
    band_frequencies_hz,
    columns_per_s,
)

PAGE_S = 12.0  # the width of the page, picture.js
BEHIND_S = 2.0  # by which the page shows columns late, at most
COLUMNS_PER_MESSAGE = 48
LIT = 0.005  # of white: five times the black of a screen with a contrast of 1000:1
WIDTH, HEIGHT = 1280, 720


class Spectrograms(NamedTuple):
    """The columns of a take: two of (columns, bands)."""

    sound: Levels
    generated: Levels


def spectrograms_of(clip: Path, pack: Path) -> Spectrograms:
    """What the voice sends while a clip plays."""
    settings = Settings(pack=str(pack))
    states, length_s = states_of(clip, settings)
    take = Take(states, settings, seed=0)
    picture = Picture(take.geometry)
    hops = ((mix(samples), source.generated) for samples, source in take.play(length_s))
    pairs = [picture.column(each) for each in zip(*[hops] * HOPS_PER_COLUMN, strict=False)]
    return Spectrograms(*(np.stack(each) for each in zip(*pairs, strict=True)))


class PicturePage:
    """An open page, and the voice's end of the link that it is fed by."""

    def __init__(self, page: Any, address: str, server: MonitorServer, geometry: Geometry) -> None:
        self.page, self.address, self.server, self.sequence = page, address, server, 0
        self.columns_per_s = columns_per_s(geometry)
        hz = band_frequencies_hz(geometry)
        self.report = replace(PLAYING, picture_hz=hz, columns_per_s=self.columns_per_s)

    def open(self, query: str = "") -> None:
        """Load the page; `query` is what follows ? in its address."""
        self.page.goto(f"{self.address}/?{query}")
        self.page.wait_for_timeout(1000)

    def show(self, spectrograms: Spectrograms) -> NDArray[np.uint8]:
        """Send columns between two of silence; return a screenshot: (height, width, 3)."""
        self._connect()
        for each in (self._silence(PAGE_S), spectrograms, self._silence(BEHIND_S)):
            self._send(each)
        assert self.server.dropped == 0
        self.page.wait_for_timeout(500)
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))

    def _silence(self, seconds: float) -> Spectrograms:
        dark = np.zeros((int(seconds * self.columns_per_s), BANDS), np.uint8)
        return Spectrograms(dark, dark)

    def _connect(self) -> None:
        """Send the report, also to a monitor that has reconnected after seconds without news."""
        self.server.broadcast(self.report.encode())
        until(lambda: self.server.accept() or self.server.connected, 10, "the monitor")
        self.server.broadcast(self.report.encode())

    def _send(self, spectrograms: Spectrograms) -> None:
        for start in range(0, len(spectrograms.sound), COLUMNS_PER_MESSAGE):
            sound, generated = (each[start : start + COLUMNS_PER_MESSAGE] for each in spectrograms)
            message = Columns(self.sequence, time.monotonic_ns(), sound, generated)
            self.server.broadcast(message.encode())
            self.sequence += len(sound)
            time.sleep(0.05)  # so that neither the link nor the page's queue overflows


@contextmanager
def picture_page(folder: Path, geometry: Geometry) -> Iterator[PicturePage]:
    """The page of a real monitor in Chromium."""
    server, port = MonitorServer(monitor_path(folder / "face.sock")), free_port()
    config = folder / "monitor.yaml"
    config.write_text(yaml.safe_dump({"monitor": {"port": port}}))
    command = [sys.executable, "-m", "latent_resonance", "monitor", "--config", str(config)]
    monitor = subprocess.Popen(
        [*command, "--socket", str(folder / "face.sock")],
        env=os.environ | {"XDG_STATE_HOME": str(folder)},
        stderr=subprocess.DEVNULL,
    )
    try:
        until(server.accept, 30, "a monitor")
        with launch_browser() as chromium:
            page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            opened = PicturePage(page, f"http://127.0.0.1:{port}", server, geometry)
            opened.open()
            yield opened
    finally:
        monitor.terminate()
        monitor.wait(20)
        server.close()


def lit_share(screenshot: NDArray[np.uint8], seconds: float) -> float:
    """Share of lit pixels in the upper half, of those that `seconds` of sound take up."""
    upper = screenshot[: screenshot.shape[0] // 2]
    lit = luminance(upper) >= LIT
    return float(lit.sum() / (lit.shape[0] * lit.shape[1] * seconds / PAGE_S))


def luminance(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Relative luminance of sRGB pixels (IEC 61966-2-1): (..., 3) -> (...) in 0..1."""
    coded = image / 255.0
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    shares: NDArray[np.float64] = linear @ np.array([0.2126, 0.7152, 0.0722])
    return shares
