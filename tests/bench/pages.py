"""Screenshots of the wall and the staff page, at the sizes of a phone, a laptop and a 4K display.

A clip is rendered; its columns and features go through the link and a real monitor to the pages in
Chromium. On the staff page a pair and a place on the map are kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as pytest does for the tests

from tests.support.picture_page import (  # noqa: E402
    PicturePage,
    Spectrograms,
    picture_page,
    spectrograms_of,
)

from latent_resonance import __version__  # noqa: E402
from latent_resonance.config.settings import Settings  # noqa: E402
from latent_resonance.link.telemetry import Energies  # noqa: E402
from latent_resonance.pack import open_pack  # noqa: E402
from latent_resonance.rendering import states_of  # noqa: E402

SIZES = {"phone": (390, 844), "laptop": (1440, 900), "4k": (3840, 2160)}
STEPS = ("#hold", "[data-walk=random]", "#keep")
MAP_TIMEOUT_S = 300.0
REPORTS_MS = 200
TIMES = 4  # that the clip is shown in a row


def main(arguments: Sequence[str] | None = None) -> int:
    """Write PAGE-SIZE.png for both pages and every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("clip", type=Path, metavar="CLIP")
    parser.add_argument("--pack", type=Path, default=ROOT / "models" / "cello")
    parser.add_argument("--pages", nargs="+", default=["staff", "wall"], choices=["staff", "wall"])
    parser.add_argument("--language", default="en-GB")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    pack = open_pack(options.pack)
    with (
        tempfile.TemporaryDirectory() as folder,
        picture_page(Path(folder), pack.geometry) as wall,
    ):
        wall.report = replace(
            wall.report,
            build=__version__,
            pack=pack.name,
            doing="playing for a visitor",
            z=tuple(map(float, pack.anchors[0])),
        )
        if "staff" in options.pages:
            _picture_of_staff(wall, options, Path(folder))
        if "wall" in options.pages:
            _picture_of_wall(wall, options)
    return 0


def _picture_of_wall(wall: PicturePage, options: argparse.Namespace) -> None:
    once = spectrograms_of(options.clip, options.pack)
    spectrograms = Spectrograms(*(np.tile(each, (TIMES, 1)) for each in once))
    for name, (width, height) in SIZES.items():
        wall.page.set_viewport_size({"width": width, "height": height})
        wall.show(spectrograms)
        wall.page.screenshot(path=options.folder / f"wall-{name}.png")
        wall.page.focus("#full")
        wall.page.wait_for_timeout(600)
        wall.page.screenshot(path=options.folder / f"wall-{name}-tools.png")


def _picture_of_staff(wall: PicturePage, options: argparse.Namespace, folder: Path) -> None:
    states, _ = states_of(options.clip, Settings(pack=str(options.pack)))
    face = max((state for state in states if state.present), key=lambda each: each.features[0])
    energies = Energies(1, face.time_ns, "play", True, -21.0, 0.07, face.features)
    token = (folder / "latent-resonance" / "monitor-token").read_text().strip()
    with _staff(wall, options.language) as page:
        page.fill("#token", token)
        page.click("#key button")
        page.wait_for_selector("#controls:enabled")
        _report(wall, page, energies)
        for selector in STEPS:
            with page.expect_response("**/teach"):
                page.click(selector)
        _open_map(wall, page, energies)
        page.fill("#examples input", "wide open")
        page.press("#examples input", "Enter")
        box = page.locator("#map").bounding_box()
        page.mouse.click(box["x"] + 0.62 * box["width"], box["y"] + 0.4 * box["height"])
        page.wait_for_selector("#keep-place:enabled")
        page.fill("#place-name", "by the door")
        page.click("#keep-place")
        page.wait_for_selector("#places li")
        page.evaluate("document.activeElement.blur()")
        for name, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            _report(wall, page, energies)
            page.screenshot(path=options.folder / f"staff-{name}.png", full_page=True)


@contextmanager
def _staff(wall: PicturePage, language: str) -> Iterator[Any]:
    browser = wall.page.context.browser
    with browser.new_context(locale=language, viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        page.goto(f"{wall.address}/staff")
        yield page


def _open_map(wall: PicturePage, page: Any, energies: Energies) -> None:
    """Open the map, which takes longer than a monitor waits for a voice that sends nothing."""
    page.click("#open-map")
    end_s = time.monotonic() + MAP_TIMEOUT_S
    while not page.locator("#map").is_visible() and time.monotonic() < end_s:
        _report(wall, page, energies)


def _report(wall: PicturePage, page: Any, energies: Energies) -> None:
    """Send what a voice sends, so that the page is up to date."""
    for _ in range(3):
        wall.server.accept()
        wall.server.broadcast(replace(wall.report, correcting=True).encode())
        wall.server.broadcast(energies.encode())
        page.wait_for_timeout(REPORTS_MS)


if __name__ == "__main__":
    sys.exit(main())
