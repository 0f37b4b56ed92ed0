"""Cameras: which one a setting names, and what happens when it is absent, frozen or pulled out."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from latent_resonance.config.settings import Camera
from latent_resonance.eye.camera.camera import (
    MAX_SIDE,
    CameraError,
    ClipCamera,
    V4l2Camera,
    downscaled,
    rgb_from_i420,
)
from latent_resonance.eye.camera.rpicam import RpicamCamera
from latent_resonance.eye.camera.select import find_device, open_camera
from latent_resonance.eye.camera.v4l2 import Device

NS = 1_000_000_000
LOGITECH = "usb-046d_HD_Pro_Webcam_C920-video-index"


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """What udev makes of one USB camera."""
    for folder, name in (("by-id", LOGITECH), ("by-path", "platform-usb-0:1.2:1.0-video-index")):
        (tmp_path / folder).mkdir()
        for index in (1, 0):
            (tmp_path / folder / f"{name}{index}").symlink_to(f"../../video{index}")
    return tmp_path


def test_a_number_names_a_device(names: Path) -> None:
    assert find_device("0", names, []) == Path("/dev/video0")
    assert find_device("12", names, []) == Path("/dev/video12")


def test_a_path_below_dev_names_itself_even_while_it_is_absent(names: Path) -> None:
    assert find_device("/dev/video7", names, []) == Path("/dev/video7")


@pytest.mark.parametrize("part", ["C920", "c920", "HD_Pro"])
def test_a_part_of_a_name_finds_the_device_that_gives_images(names: Path, part: str) -> None:
    assert find_device(part, names, []) == names / "by-id" / f"{LOGITECH}0"


def test_a_part_of_a_port_finds_the_device_plugged_in_there(names: Path) -> None:
    found = find_device("usb-0:1.2", names, [])
    assert found == names / "by-path" / "platform-usb-0:1.2:1.0-video-index0"


WEBCAM = Device(Path("/dev/video2"), "HD Pro Webcam C920", "usb-0000:01:00.0-1.2")


PROCESSOR = Device(Path("/dev/video0"), "rp1-cfe", "platform:1f00110000.csi")


@pytest.mark.parametrize("part", ["usb", "C920", "hd_pro_webcam", "HD Pro", "01:00.0-1.2"])
def test_without_udev_a_camera_is_found_by_the_name_it_gives_itself(
    tmp_path: Path, part: str
) -> None:
    assert find_device(part, tmp_path, [PROCESSOR, WEBCAM]) == WEBCAM.path


def test_usb_is_the_first_usb_camera_and_no_other_device(tmp_path: Path) -> None:
    second = Device(Path("/dev/video4"), "BRIO", "usb-0000:01:00.0-1.3")
    assert find_device("usb", tmp_path, [PROCESSOR, WEBCAM, second]) == WEBCAM.path
    with pytest.raises(CameraError, match=r"no USB camera is there; .* \(there is 'rp1-cfe' at"):
        find_device("usb", tmp_path, [PROCESSOR])


def test_a_port_with_a_point_in_it_is_not_taken_for_a_file_while_it_is_empty(
    tmp_path: Path,
) -> None:
    with pytest.raises(CameraError, match=r"no camera's name contains 'usb-0:1.2'"):
        find_device("usb-0:1.2", tmp_path, [])


def test_a_name_that_no_camera_has_is_said_with_the_way_to_find_one(names: Path) -> None:
    with pytest.raises(CameraError, match=r"contains 'BRIO'; plug it in, or set"):
        find_device("BRIO", names, [])


def test_a_file_is_a_clip_and_not_a_device(names: Path, film: Path) -> None:
    assert find_device(str(film), names, []) is None
    assert find_device("absent.mp4", names, []) is None
    assert isinstance(open_camera(Camera(source=str(film))), ClipCamera)


def test_an_absent_device_is_said_to_be_absent() -> None:
    with pytest.raises(CameraError, match=r"no camera at /dev/video97; plug it in, .* or set"):
        open_camera(Camera(source=97))


def test_a_device_that_is_no_camera_is_refused() -> None:
    with pytest.raises(CameraError, match="no camera at /dev/null"):
        V4l2Camera(Path("/dev/null"), Camera())


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Ten images at 20 a second, each brighter than the one before."""
    path = tmp_path / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20, (64, 48))
    for i in range(10):
        writer.write(np.full((48, 64, 3), 20 * i, np.uint8))
    writer.release()
    return path


def test_a_clip_plays_at_its_own_pace_and_begins_again(film: Path) -> None:
    camera = ClipCamera(film, 30.0)
    started = time.monotonic()
    images = [camera.read() for _ in range(15)]
    took_s = time.monotonic() - started
    assert 0.6 < took_s < 1.5  # nine images of the first round, then five of the second
    brightness = [int(image.pixels.mean()) for image in images]
    assert brightness[:10] == sorted(set(brightness[:10]))
    assert brightness[10:] == pytest.approx(brightness[:5], abs=3)
    assert np.diff([image.time_ns for image in images]).min() > 0
    camera.close()


def test_a_clip_of_a_single_image_is_shown_again_at_the_rate_that_was_asked_for(
    tmp_path: Path,
) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / "one.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 48)
    )
    writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    camera = ClipCamera(tmp_path / "one.avi", 20.0)
    times_s = np.array([camera.read().time_ns for _ in range(6)]) / NS
    assert np.diff(times_s) == pytest.approx(0.05, abs=0.03)
    camera.close()


def test_of_a_clip_that_is_quicker_than_was_asked_for_some_images_are_left_out(film: Path) -> None:
    camera = ClipCamera(film, 5.0)
    times_s = np.array([camera.read().time_ns for _ in range(6)]) / NS
    assert np.diff(times_s).min() > 0.09
    assert np.diff(times_s).mean() == pytest.approx(1 / 5.5, abs=0.03)
    camera.close()


def test_a_clip_that_disappears_while_it_plays_is_reported(film: Path) -> None:
    camera = ClipCamera(film, 30.0)
    film.unlink()
    for _ in range(10):
        camera.read()  # it is open, so the round is played to its end
    with pytest.raises(CameraError, match="No such file"):
        camera.read()


@pytest.mark.parametrize(("width", "stride"), [(640, 640), (600, 640), (100, 128)])
def test_the_padding_of_rows_is_not_part_of_the_picture(width: int, stride: int) -> None:
    planes = np.full((48 * 3 // 2, stride), 128, np.uint8)
    planes[:48, :width], planes[:48, width:] = 200, 0  # what lies in the padding would be dark
    pixels = rgb_from_i420(planes, width)
    assert pixels.shape == (48, width, 3)
    assert pixels.min() > 190


def test_an_image_larger_than_the_tracker_needs_is_made_smaller_in_proportion() -> None:
    assert downscaled(np.zeros((2160, 3840, 3), np.uint8)).shape == (720, MAX_SIDE, 3)
    assert downscaled(np.zeros((4000, 3, 3), np.uint8)).shape == (MAX_SIDE, 1, 3)
    small = np.zeros((1, 1, 3), np.uint8)
    assert downscaled(small) is small


RPICAM = """#!{python}
import os, sys, time
arguments = dict(zip(sys.argv[1::1], sys.argv[2::1]))
assert arguments["--codec"] == "yuv420" and arguments["--output"] == "-"
width, height = int(arguments["--width"]), int(arguments["--height"])
stride = -(-width // 64) * 64
luma = (bytes([180]) * width + bytes(stride - width)) * height
image = luma + bytes([128]) * (stride * height // 2)
for _ in range({images}):
    os.write(1, image[:1000])
    sys.stdout.buffer.write(image[1000:])
    sys.stdout.flush()
{then}
"""


@pytest.fixture
def rpicam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs a program of this name that writes images as the Raspberry Pi's does."""

    def install(images: int, then: str = "") -> None:
        program = tmp_path / "bin" / "rpicam-vid"
        program.parent.mkdir(exist_ok=True)
        program.write_text(RPICAM.format(python=sys.executable, images=images, then=then))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return install


def test_a_csi_camera_is_read_through_a_pipe(rpicam: Callable[..., None]) -> None:
    rpicam(images=3, then="time.sleep(60)")
    camera = open_camera(Camera(source="rpicam", width=600, height=480))
    images = [camera.read() for _ in range(3)]
    camera.close()
    for image in images:
        assert image.pixels.shape == (480, 600, 3)
        assert image.pixels.min() > 170  # no column of the padding, no byte of another image
        assert 0 <= time.monotonic_ns() - image.time_ns < 30 * NS
    assert np.diff([image.time_ns for image in images]).min() >= 0


def test_a_csi_camera_that_ends_says_what_to_look_at(rpicam: Callable[..., None]) -> None:
    rpicam(images=1)
    camera = RpicamCamera(Camera(source="rpicam", width=64, height=48))
    camera.read()
    with pytest.raises(CameraError, match="rpicam-hello"):
        camera.read()
    camera.close()


def test_a_csi_camera_that_freezes_is_given_up(rpicam: Callable[..., None]) -> None:
    rpicam(images=1, then="time.sleep(60)")
    camera = RpicamCamera(Camera(source="rpicam", width=64, height=48))
    camera.read()
    with pytest.raises(CameraError, match="sent nothing for 2 s"):
        camera.read()
    closing = time.monotonic()
    camera.close()
    assert time.monotonic() - closing < 2.0


def test_a_csi_camera_without_its_program_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CameraError, match="apt install rpicam-apps-lite"):
        open_camera(Camera(source="rpicam"))


def test_a_csi_program_that_cannot_run_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "rpicam-vid"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CameraError, match=r"rpicam-vid cannot run \(Exec format error\)"):
        open_camera(Camera(source="rpicam"))
