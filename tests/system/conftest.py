"""A gallery with a monitor, and a browser: one of each for a file of tests."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.support.gallery_process import Gallery, gallery_in, launch_browser, skip_without_browser
from tests.support.timing import until


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    skip_without_browser()
    with gallery_in(tmp_path_factory.mktemp("gallery")) as running_gallery:
        until(
            lambda: running_gallery.metric("latent_resonance_visits_total") >= 1,
            60,
            "a visit begins",
        )
        yield running_gallery


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    skip_without_browser()
    with launch_browser() as instance:
        yield instance


class PageVisit:
    """An open page, its errors, and the URLs that it requested."""

    def __init__(self, chromium: Any, gallery: Gallery, path: str, **context: object) -> None:
        self.context = chromium.new_context(
            **({"viewport": {"width": 1280, "height": 720}} | context)
        )
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.urls: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.urls.append(request.url))
        self.page.on("websocket", lambda opened: self.urls.append(opened.url))
        self.page.goto(gallery.address + path)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def unlock(self, gallery: Gallery) -> None:
        self.page.fill("#token", gallery.token)
        self.page.click("text=unlock")
        self.page.wait_for_selector("#controls:enabled")

    def screenshot(self) -> np.ndarray:
        """Screenshot: (height, width, 3)."""
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"), float)


@pytest.fixture
def visit(chromium: Any, gallery: Gallery) -> Iterator[Any]:
    opened: list[PageVisit] = []

    def open_page(path: str, **context: object) -> PageVisit:
        opened.append(PageVisit(chromium, gallery, path, **context))
        return opened[-1]

    yield open_page
    for each in opened:
        each.context.close()


@pytest.fixture
def reset_controls(gallery: Gallery) -> Iterator[None]:
    """Leave the instrument playing after every test."""
    yield
    for request in ({"muted": False}, {"standby": False}, {"quiet": False}, {"volume_db": 0.0}):
        gallery.control(**request)
