"""The wall display: cage and Chromium, as the unit starts them, on a virtual screen."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gallery_process import Gallery, gallery_in, skip_without_browser
from tests.support.timing import PATIENCE, until

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(180)]
SCREEN = Path(__file__).parents[2] / "systemd" / "screen"
PORT = 8765  # of the page that the screen shows
SCREEN_UID = 65534


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    skip_without_browser()
    for program in ("cage", "Xwayland"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt install cage xwayland")
    if os.geteuid() != 0:
        pytest.skip("only root can switch to the screen's user")
    with gallery_in(tmp_path, port=PORT) as running_gallery:
        yield running_gallery


def test_the_screen_shows_the_spectrogram(gallery: Gallery) -> None:
    home = Path("/var/tmp/latent-resonance-screen-test")
    shutil.rmtree(home, ignore_errors=True)
    (home / "run").mkdir(parents=True, mode=0o700)
    shutil.copy(SCREEN, home / "screen")
    for path in (home, home / "run", home / "screen"):
        os.chown(path, SCREEN_UID, SCREEN_UID)
    environment = {"WLR_BACKENDS": "headless", "WLR_RENDERER": "pixman"}
    environment |= {"WLR_LIBINPUT_NO_DEVICES": "1", "PATH": os.environ["PATH"]}
    environment |= {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run")}
    # No sandbox: a container may not create the namespaces that Chromium's sandbox needs.
    command = ["cage", "-d", "-s", "--", str(home / "screen"), "--no-sandbox"]
    screen = subprocess.Popen(
        command,
        user=SCREEN_UID,
        group=SCREEN_UID,
        extra_groups=[],
        env=environment,
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: gallery.metric("latent_resonance_pages") == 1, 30 * PATIENCE, "a page")
    finally:
        screen.terminate()
        screen.wait(10)
        shutil.rmtree(home, ignore_errors=True)
    until(lambda: gallery.metric("latent_resonance_pages") == 0, 10 * PATIENCE, "no page")
