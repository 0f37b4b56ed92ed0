"""Which images are requested from a USB camera, and what is done if it has others.

The camera is `fakecam.c`: it always has raw images of 640 × 480, and in some tests MJPG of
1280 × 720.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest
from tests.support import faces
from tests.support.camera_rig import write_images, write_jpegs
from tests.support.pulse_server import compiled

SOURCE = Path(__file__).with_name("fakecam.c")
READ = """
import json, sys
from latent_resonance.config.settings import Camera
from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.select import open_camera
camera = open_camera(Camera(**json.loads(sys.argv[1])))
try:
    images = [camera.read() for _ in range(3)]
    shapes = [image.pixels.shape for image in images]
    print(json.dumps({"shapes": shapes, "mean": images[-1].pixels.mean(axis=(0, 1)).tolist()}))
except CameraError as error:
    print(json.dumps({"error": str(error)}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("camera")
    compiled(SOURCE, folder)
    write_images(folder / "images.yuyv")
    write_jpegs(folder / "images.jpegs")
    (folder / "plug").write_text("0 live")
    return folder


def read(folder: Path, *, mjpg: str | None = None, rate: int = 30, **settings: object) -> Any:
    """What an eye with these settings reads."""
    environment = {
        "LD_PRELOAD": str(folder / "fakecam.so"),
        "FAKECAM_RAW": str(folder / "images.yuyv"),
        "FAKECAM_CTL": str(folder / "plug"),
        "FAKECAM_MJPG_RATE": str(rate),
    }
    if mjpg is not None:
        environment["FAKECAM_MJPG"] = str(folder / mjpg)
    done = subprocess.run(
        [sys.executable, "-c", READ, json.dumps({"source": "C920", **settings})],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


@pytest.mark.slow
def test_large_images_are_requested_as_mjpg(folder: Path) -> None:
    found = read(folder, mjpg="images.jpegs")
    assert found["shapes"] == [[720, 1280, 3]] * 3
    expected = cv2.resize(faces.photograph(), (1280, 720)).mean(axis=(0, 1))
    assert found["mean"] == pytest.approx(expected, abs=4)  # RGB, not BGR


def test_small_images_are_requested_raw(folder: Path) -> None:
    found = read(folder, mjpg="images.jpegs", width=640, height=480)
    assert found["shapes"] == [[480, 640, 3]] * 3


def test_a_camera_without_mjpg_sends_what_it_has(folder: Path) -> None:
    assert read(folder)["shapes"] == [[480, 640, 3]] * 3


@pytest.mark.parametrize(("rate", "height"), [(15, 480), (24, 720)])
def test_a_camera_that_is_slow_at_the_large_size_sends_small_images(
    folder: Path, rate: int, height: int
) -> None:
    found = read(folder, mjpg="images.jpegs", rate=rate)
    assert {shape[0] for shape in found["shapes"]} == {height}


def test_a_slow_rate_that_was_requested_keeps_the_large_size(folder: Path) -> None:
    found = read(folder, mjpg="images.jpegs", rate=15, images_per_s=15.0)
    assert {shape[0] for shape in found["shapes"]} == {720}


def test_a_damaged_image_repeats_the_one_before(folder: Path) -> None:
    """Repeats are then dropped, see `frame_checks.py`."""
    write_jpegs(folder / "some.jpegs", damaged=lambda i: i % 3 == 0)
    found = read(folder, mjpg="some.jpegs")
    assert found["shapes"] == [[720, 1280, 3]] * 3
    expected = cv2.resize(faces.photograph(), (1280, 720)).mean(axis=(0, 1))
    assert found["mean"] == pytest.approx(expected, abs=4)
