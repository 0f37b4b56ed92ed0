"""Cameras: which one a setting links, and what happens when it is absent, stalled or unplugged."""

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
from latent_resonance.eye.camera.camera import CameraError, V4l2Camera
from latent_resonance.eye.camera.clip import ClipCamera
from latent_resonance.eye.camera.image import MAX_SIDE, downscaled, rgb_from_i420
from latent_resonance.eye.camera.rpicam import open_rpicam
from latent_resonance.eye.camera.select import find_device, open_camera
from latent_resonance.eye.camera.v4l2 import Device

NS = 1_000_000_000
LOGITECH = "usb-046d_HD_Pro_Webcam_C920-video-index"


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """The links that udev makes for one USB camera."""
    for folder, name in (("by-id", LOGITECH), ("by-path", "platform-usb-0:1.2:1.0-video-index")):
        (tmp_path / folder).mkdir()
        for index in (1, 0):
            (tmp_path / folder / f"{name}{index}").symlink_to(f"../../video{index}")
    return tmp_path


def test_a_number_names_a_device(links: Path) -> None:
    assert find_device("0", links, []) == Path("/dev/video0")
    assert find_device("12", links, []) == Path("/dev/video12")


def test_a_path_below_dev_names_itself_even_while_it_is_absent(links: Path) -> None:
    assert find_device("/dev/video7", links, []) == Path("/dev/video7")


@pytest.mark.parametrize("part", ["C920", "c920", "HD_Pro"])
def test_part_of_a_name_finds_the_device_that_captures_images(links: Path, part: str) -> None:
    assert find_device(part, links, []) == links / "by-id" / f"{LOGITECH}0"


def test_part_of_a_port_finds_the_device_plugged_in_there(links: Path) -> None:
    found = find_device("usb-0:1.2", links, [])
    assert found == links / "by-path" / "platform-usb-0:1.2:1.0-video-index0"


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
    with pytest.raises(
        CameraError, match=r"no USB camera is connected; .* \(connected: 'rp1-cfe' at"
    ):
        find_device("usb", tmp_path, [PROCESSOR])


def test_an_empty_port_with_a_point_in_its_name_is_not_a_file_name(
    tmp_path: Path,
) -> None:
    with pytest.raises(CameraError, match=r"no camera's name contains 'usb-0:1.2'"):
        find_device("usb-0:1.2", tmp_path, [])


def test_the_error_for_an_unknown_name_gives_the_remedy(links: Path) -> None:
    with pytest.raises(CameraError, match=r"contains 'BRIO'; plug it in, or set"):
        find_device("BRIO", links, [])


def test_a_file_is_a_clip_and_not_a_device(links: Path, clip_file: Path) -> None:
    assert find_device(str(clip_file), links, []) is None
    assert find_device("absent.mp4", links, []) is None
    assert isinstance(open_camera(Camera(source=str(clip_file))), ClipCamera)


def test_an_absent_device_is_reported() -> None:
    with pytest.raises(CameraError, match=r"no camera at /dev/video97; plug it in, .* or set"):
        open_camera(Camera(source=97))


def test_a_device_that_is_no_camera_is_refused() -> None:
    with pytest.raises(CameraError, match="no camera at /dev/null"):
        V4l2Camera(Path("/dev/null"), Camera())


@pytest.fixture
def clip_file(tmp_path: Path) -> Path:
    """Ten images at 20 a second, each brighter than the one before."""
    path = tmp_path / "clip_file.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20, (64, 48))
    for i in range(10):
        writer.write(np.full((48, 64, 3), 20 * i, np.uint8))
    writer.release()
    return path


@pytest.mark.realtime
def test_a_clip_plays_at_its_own_rate_and_loops(clip_file: Path) -> None:
    camera = ClipCamera(clip_file, 30.0)
    started = time.monotonic()
    images = [camera.read() for _ in range(15)]
    took_s = time.monotonic() - started
    assert 0.6 < took_s < 1.5  # nine images of the first round, then five of the second
    brightness = [int(image.pixels.mean()) for image in images]
    assert brightness[:10] == sorted(set(brightness[:10]))
    assert brightness[10:] == pytest.approx(brightness[:5], abs=3)
    assert np.diff([image.time_ns for image in images]).min() > 0
    camera.close()


def test_a_clip_of_one_image_repeats_at_the_requested_rate(
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


def test_images_of_a_clip_above_the_requested_rate_are_dropped(clip_file: Path) -> None:
    camera = ClipCamera(clip_file, 5.0)
    times_s = np.array([camera.read().time_ns for _ in range(6)]) / NS
    assert np.diff(times_s).min() > 0.09
    assert np.diff(times_s).mean() == pytest.approx(1 / 5.5, abs=0.03)
    camera.close()


def test_a_clip_that_disappears_while_it_plays_is_reported(clip_file: Path) -> None:
    camera = ClipCamera(clip_file, 30.0)
    clip_file.unlink()
    for _ in range(10):
        camera.read()  # it is open, so the round is played to its end
    with pytest.raises(CameraError, match="No such file"):
        camera.read()


@pytest.mark.parametrize(("width", "stride"), [(640, 640), (600, 640), (100, 128)])
def test_row_padding_is_not_part_of_the_image(width: int, stride: int) -> None:
    planes = np.full((48 * 3 // 2, stride), 128, np.uint8)
    planes[:48, :width], planes[:48, width:] = 200, 0  # what lies in the padding would be dark
    pixels = rgb_from_i420(planes, width)
    assert pixels.shape == (48, width, 3)
    assert pixels.min() > 190


def test_an_image_larger_than_the_tracker_needs_is_downscaled_in_proportion() -> None:
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


def test_the_error_of_a_csi_program_that_ends_gives_the_remedy(rpicam: Callable[..., None]) -> None:
    rpicam(images=1)
    camera = open_rpicam(Camera(source="rpicam", width=64, height=48))
    camera.read()
    with pytest.raises(CameraError, match="rpicam-hello"):
        camera.read()
    camera.close()


@pytest.mark.realtime
def test_a_csi_camera_that_stalls_raises_an_error(rpicam: Callable[..., None]) -> None:
    rpicam(images=1, then="time.sleep(60)")
    camera = open_rpicam(Camera(source="rpicam", width=64, height=48))
    camera.read()
    with pytest.raises(CameraError, match="sent nothing for 2 s"):
        camera.read()
    closing = time.monotonic()
    camera.close()
    assert time.monotonic() - closing < 2.0


# Writes what GStreamer would, to the descriptor of its fdsink, and what NVIDIA's source prints.
GST = """#!{python}
import os, sys, time
arguments = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
image = next(word for word in sys.argv if "format=I420" in word)
size = dict(part.split("=") for part in image.split(",") if "=" in part)
print("GST_ARGUS: Creating output stream", flush=True)
assert "video/x-raw(memory:NVMM),framerate=30/1" in sys.argv
pipe = int(arguments["fd"])
luma = int(size["width"]) * int(size["height"])
for _ in range(2):
    os.write(pipe, bytes([200]) * luma + bytes([128]) * (luma // 2))
"""


def test_a_jetsons_camera_is_read_through_a_pipe_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "gst-launch-1.0"
    program.write_text(GST.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    camera = open_camera(Camera(source="argus", width=604, height=480, images_per_s=30.0))
    for _ in range(2):
        pixels = camera.read().pixels
        assert pixels.shape == (480, 600, 3)
        assert pixels.min() > 170
    with pytest.raises(CameraError, match="nvargus-daemon"):
        camera.read()
    camera.close()


def test_a_jetson_without_gstreamer_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CameraError, match="apt install gstreamer1"):
        open_camera(Camera(source="argus"))


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
