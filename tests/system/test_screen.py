"""The picture on a screen: cage and Chromium, as the unit starts them, on a screen of memory."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gallery_process import Gallery, gallery_in, skip_without_a_browser
from tests.support.pulse_server import PATIENCE, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
SCREEN = Path(__file__).parents[2] / "systemd" / "screen"
PORT = 8765  # the page's, which the screen shows
NOBODY = 65534


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    skip_without_a_browser()
    for program in ("cage", "Xwayland"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt install cage xwayland")
    if os.geteuid() != 0:
        pytest.skip("only root can become the screen's user")
    with gallery_in(tmp_path, port=PORT) as there:
        yield there


def test_the_screen_shows_the_picture(gallery: Gallery) -> None:
    home = Path("/var/tmp/latent-resonance-screen-test")
    shutil.rmtree(home, ignore_errors=True)
    (home / "run").mkdir(parents=True, mode=0o700)
    shutil.copy(SCREEN, home / "screen")
    for path in (home, home / "run", home / "screen"):
        os.chown(path, NOBODY, NOBODY)
    on_memory = {"WLR_BACKENDS": "headless", "WLR_RENDERER": "pixman"}
    on_memory |= {"WLR_LIBINPUT_NO_DEVICES": "1", "PATH": os.environ["PATH"]}
    on_memory |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}
    # No sandbox: a container may not make the name spaces that Chromium's own needs.
    command = ["cage", "-d", "-s", "--", str(home / "screen"), "--no-sandbox"]
    screen = subprocess.Popen(
        command,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env=on_memory,
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: gallery.number("latent_resonance_pages") == 1, 30 * PATIENCE, "a page")
    finally:
        screen.terminate()
        screen.wait(10)
        shutil.rmtree(home, ignore_errors=True)
    until(lambda: gallery.number("latent_resonance_pages") == 0, 10 * PATIENCE, "no page")
