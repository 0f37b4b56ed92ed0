"""A gallery with a monitor, and a browser that visits it: one of each for a file of tests."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.support.gallery_process import Gallery, browser, gallery_in, skip_without_a_browser
from tests.support.pulse_server import until


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    skip_without_a_browser()
    with gallery_in(tmp_path_factory.mktemp("gallery")) as there:
        until(lambda: there.number("latent_resonance_visits_total") >= 1, 60, "a visitor is seen")
        yield there


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    skip_without_a_browser()
    with browser() as there:
        yield there


class Visit:
    """A page that is open, and everything that went wrong with it."""

    def __init__(self, chromium: Any, gallery: Gallery, path: str, **context: object) -> None:
        self.context = chromium.new_context(
            **({"viewport": {"width": 1280, "height": 720}} | context)
        )
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda opened: self.asked.append(opened.url))
        self.page.goto(gallery.address + path)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(message.text)

    def unlock(self, gallery: Gallery) -> None:
        self.page.fill("#token", gallery.token)
        self.page.click("text=unlock")
        self.page.wait_for_selector("#controls:enabled")

    def picture(self) -> np.ndarray:
        """What is seen: (height, width, 3)."""
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"), float)


@pytest.fixture
def visit(chromium: Any, gallery: Gallery) -> Iterator[Any]:
    opened: list[Visit] = []

    def go(path: str, **context: object) -> Visit:
        opened.append(Visit(chromium, gallery, path, **context))
        return opened[-1]

    yield go
    for each in opened:
        each.context.close()


@pytest.fixture
def all_as_it_was(gallery: Gallery) -> Iterator[None]:
    """Every test leaves the instrument playing."""
    yield
    for wish in ({"muted": False}, {"standby": False}, {"quiet": False}, {"volume_db": 0.0}):
        gallery.ask(**wish)
