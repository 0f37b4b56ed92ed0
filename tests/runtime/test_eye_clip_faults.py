"""Clips as people have them: interlaced, damaged, anamorphic, piped, with a maker's records."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.support import faces

from latent_resonance.eye.camera.camera import (
    CameraError,
    ClipWarning,
    duration_of_clip_s,
    images_of_clip,
)
from latent_resonance.eye.camera.container import missing_bytes

N_IMAGES = 45


def ffmpeg(*arguments: str | Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt install ffmpeg")
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that drifts for a second and a half, as H.264."""
    folder = tmp_path_factory.mktemp("film")
    height, width = faces.photograph().shape[:2]
    raw = cv2.VideoWriter(
        str(folder / "raw.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 30.0, (width, height)
    )
    for pixels in faces.drifting(faces.photograph(), N_IMAGES):
        raw.write(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    raw.release()
    options = ("-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p")
    ffmpeg("-i", folder / "raw.mp4", *options, folder / "film.mp4")
    return folder / "film.mp4"


def test_interlaced_video_is_refused_with_the_command_that_converts_it(
    tmp_path: Path, film: Path
) -> None:
    path = tmp_path / "interlaced.mpg"
    fields = ("-vf", "fps=50,interlace", "-c:v", "mpeg2video", "-flags", "+ilme+ildct")
    ffmpeg("-i", film, *fields, path)
    with pytest.raises(CameraError, match=r"interlaced.*ffmpeg -i interlaced\.mpg -vf yadif"):
        list(images_of_clip(path))


def test_a_film_that_begins_black_is_no_interlaced_film(tmp_path: Path, film: Path) -> None:
    path = tmp_path / "fade.mp4"
    ffmpeg("-i", film, "-vf", "fade=in:0:30", "-pix_fmt", "yuv420p", path)
    images = [image.pixels for image in images_of_clip(path)]
    assert images[0].max() == 0
    assert images[-1].mean() > 20


def test_a_maker_s_records_after_the_film_are_no_sign_of_truncation(
    tmp_path: Path, film: Path
) -> None:
    path = tmp_path / "trailer.mp4"
    records = b"\0\0\1\x0bvendor" + bytes(range(1, 200)) + b"TRLR"
    path.write_bytes(film.read_bytes() + records)
    assert missing_bytes(path) == 0
    assert len(list(images_of_clip(path))) == N_IMAGES


def test_an_avi_that_was_written_to_a_pipe_is_read_to_its_end(tmp_path: Path, film: Path) -> None:
    path = tmp_path / "piped.avi"
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt install ffmpeg")
    command = ["ffmpeg", "-v", "error", "-i", str(film), "-c:v", "mjpeg", "-f", "avi", "-"]
    with path.open("wb") as file, subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        file.write(process.stdout.read())
    assert len(list(images_of_clip(path))) == N_IMAGES
    assert duration_of_clip_s(path) is None  # it declares more images than it has bytes


def test_one_damaged_image_does_not_end_a_clip_and_is_said(tmp_path: Path, film: Path) -> None:
    probe = ["ffprobe", "-v", "error", "-show_entries", "packet=pos,size", "-of", "csv=p=0"]
    packets = subprocess.run([*probe, film], check=True, capture_output=True, text=True).stdout
    size, begin = map(int, packets.split()[20].split(","))
    data = bytearray(film.read_bytes())
    data[begin : begin + size] = b"U" * size
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    with pytest.warns(ClipWarning, match=rf"of {N_IMAGES} images cannot be read; copy the clip"):
        images = list(images_of_clip(path))
    assert 0.5 * N_IMAGES < len(images) < N_IMAGES
    assert all(one.time_ns < other.time_ns for one, other in pairwise(images))
    assert images[-1].time_ns == pytest.approx((N_IMAGES - 1) / 30 * 1e9, abs=4e7)


def test_a_whole_clip_gives_no_warning(film: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(images_of_clip(film))) == N_IMAGES


@pytest.mark.parametrize(
    ("squeezed", "ratio"), [("360:480", "16/9"), ("640:240", "1/2"), ("320:480", "2/1")]
)
def test_anamorphic_pixels_are_made_square(
    tmp_path: Path, film: Path, squeezed: str, ratio: str
) -> None:
    path = tmp_path / "anamorphic.mp4"
    ffmpeg("-i", film, "-vf", f"scale={squeezed},setsar={ratio}", "-pix_fmt", "yuv420p", path)
    height, width = next(images_of_clip(path)).pixels.shape[:2]
    assert height == 480
    assert width == pytest.approx(640, abs=1)
    if ratio != "16/9":
        difference = (
            next(images_of_clip(path)).pixels.astype(int) - next(images_of_clip(film)).pixels
        )
        assert np.abs(difference).mean() < 10


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_a_still_picture_is_no_clip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"portrait.{suffix}"
    assert cv2.imwrite(str(path), faces.photograph())
    with pytest.raises(CameraError, match="is a still picture"):
        images_of_clip(path)
