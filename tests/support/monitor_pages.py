"""The staff page and the wall in Chromium, of a monitor in this process that is fed reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.support.monitor_server import TOKEN, Server, monitor_server
from tests.support.status_reports import PLAYING, energies

from latent_resonance.link.requests import Request

LATENT_DIM = 8
REPORT = replace(
    PLAYING,
    doing="playing for a visitor, muted",
    door="closed until Tuesday 10:00",
    tier=1,
    tier_reason="hot (81 °C)",
    overridden=("head_yaw",),
    news=((4.0, "a message"), (400.0, "another")),
    z=tuple(float(x) for x in np.linspace(-1, 1, LATENT_DIM)),
)


class MonitorPages:
    """A monitor, and a browser to open its pages in."""

    def __init__(self, server: Server, chromium: Any) -> None:
        self.server, self.chromium = server, chromium
        self.sent: list[Request] = []  # to the voice, by teaching and takes
        server.services.teaching.send = server.services.takes.send = self.sent.append
        self.address = f"http://127.0.0.1:{server.port}"

    @contextmanager
    def opened(self, path: str, **context: object) -> Iterator[Any]:
        """A page; fails at the end if a script has failed on it."""
        errors: list[str] = []
        with self.chromium.new_context(**context) as browser:
            page = browser.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(self.address + path)
            yield page
        assert errors == []

    @contextmanager
    def unlocked(self, **context: object) -> Iterator[Any]:
        """The staff page with its token, a report and features."""
        with self.opened("/staff", **context) as page:
            page.fill("#token", TOKEN)
            page.click("#key button")
            page.wait_for_selector("#controls:enabled")
            self.publish(REPORT)
            self.publish(energies(0.06))
            page.wait_for_selector("#state dd")
            page.wait_for_selector("#value-present:not(:empty)")
            yield page

    def last(self, kind: str) -> Any:
        """The value of the last request of a kind."""
        return [request.value for request in self.sent if request.kind == kind][-1]

    def publish(self, message: object) -> None:
        """Send a message as if the voice had."""
        self.server.call(self.server.services.broadcaster.publish, message)


@contextmanager
def monitor_pages(folder: Path, chromium: Any, **monitor: object) -> Iterator[MonitorPages]:
    """A monitor within the context, and a browser that is open."""
    with monitor_server(folder, **monitor) as server:
        server.call(server.services.broadcaster.on_connected)
        yield MonitorPages(server, chromium)
