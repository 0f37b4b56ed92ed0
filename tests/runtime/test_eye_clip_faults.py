"""Clips as people have them: interlaced, damaged, anamorphic, piped, with a maker's records."""

from __future__ import annotations

import shutil
import struct
import subprocess
import warnings
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.support import faces

from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.clip import ClipWarning, duration_of_clip_s, images_of_clip
from latent_resonance.eye.camera.clip_loss import ClipLoss, Repetition
from latent_resonance.eye.camera.clip_times import ClipTimes
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
    faces.write_clip(folder / "raw.mp4", faces.drifting(faces.photograph(), N_IMAGES))
    options = ("-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p")
    ffmpeg("-i", folder / "raw.mp4", *options, folder / "film.mp4")
    return folder / "film.mp4"


@pytest.mark.slow
def test_interlaced_video_is_refused_with_the_command_that_converts_it(
    tmp_path: Path, film: Path
) -> None:
    path = tmp_path / "interlaced.mpg"
    fields = ("-vf", "fps=50,interlace", "-c:v", "mpeg2video", "-flags", "+ilme+ildct")
    ffmpeg("-i", film, *fields, path)
    with pytest.raises(CameraError, match=r"interlaced.*ffmpeg -i interlaced\.mpg -vf yadif"):
        list(images_of_clip(path))


@pytest.mark.slow
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


def test_a_coding_that_opencv_cannot_decode_is_named_with_the_conversion(
    tmp_path: Path, film: Path
) -> None:
    path, content = tmp_path / "phone.mp4", film.read_bytes()
    assert content.count(b"avc1") >= 1
    path.write_bytes(content.replace(b"avc1", b"vvc1").replace(b"avcC", b"vvcC"))  # H.266
    with pytest.raises(
        CameraError, match=r"can decode \(vvc1\).*ffmpeg -i phone\.mp4 -c:v libx264"
    ):
        images_of_clip(path)


def test_a_bare_stream_is_played_at_its_rate_and_that_is_said(tmp_path: Path, film: Path) -> None:
    path = tmp_path / "bare.h264"
    ffmpeg("-i", film, "-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264", path)
    with pytest.warns(ClipWarning, match=r"no times.*25 a second.*ffmpeg -r RATE -i bare\.h264"):
        times_s = [image.time_ns / 1e9 for image in images_of_clip(path)]
    assert times_s == pytest.approx(np.arange(N_IMAGES) / 25, abs=1e-6)


@pytest.mark.parametrize(
    ("stated_ms", "expected_ms"),
    [
        ([0, 40, 40, 120], [0, 40, 41, 120]),
        ([0, 40, 0, 80], [0, 40, 41, 80]),
        ([0, 0, 0], [0, 50, 100]),
        ([-33, 0, 33], [0, 1, 33]),
        ([], []),
    ],
)
def test_the_times_of_a_clip_rise(stated_ms: list[float], expected_ms: list[float]) -> None:
    times = ClipTimes(20.0)
    assert [times.add(each) / 1e6 for each in stated_ms] == expected_ms


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


def loss_of(times_s: list[float], declared: int, *, is_exact: bool = False) -> int:
    loss = ClipLoss(declared, 30.0, is_exact=is_exact)
    for time_s in times_s:
        loss.add(time_s)
    return loss.missing


REGULAR = [i / 30 for i in range(60)]


def test_an_image_that_a_decoder_leaves_out_is_missing_in_the_times() -> None:
    assert loss_of(REGULAR, 60) == 0
    assert loss_of(REGULAR[:20] + REGULAR[21:], 60) == 1
    assert loss_of(REGULAR[:20] + REGULAR[21:], 60, is_exact=True) == 1


def test_a_clip_that_ends_long_before_its_declared_end_lacks_the_rest() -> None:
    assert loss_of(REGULAR[:20], 60) == 40
    assert loss_of(REGULAR, 63) == 0  # its sound is a little longer
    assert loss_of(REGULAR, 63, is_exact=True) == 3


def test_a_clip_without_a_constant_rate_lacks_nothing_by_its_times() -> None:
    times_s = list(np.cumsum(np.random.default_rng(0).uniform(0.02, 0.1, 60)))
    assert loss_of(times_s, 1000) == 0


def test_images_that_repeat_are_found_unless_they_are_black() -> None:
    rng = np.random.default_rng(0)
    moving = [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(20)]
    repetition = Repetition()
    for i, pixels in enumerate([*[moving[0] * 0] * 30, *moving]):
        repetition.add(pixels, i / 30)
    assert not repetition.is_suspicious
    for i in range(20):
        repetition.add(moving[-1], 2 + i / 30)
    assert repetition.is_suspicious
    assert repetition.start_s == pytest.approx(49 / 30)


def test_a_clip_that_stands_still_is_read_and_the_reason_is_said(tmp_path: Path) -> None:
    path = tmp_path / "still.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30.0, (64, 48))
    for _ in range(20):
        video.write(np.full((48, 64, 3), 90, np.uint8))
    video.release()
    images = images_of_clip(path)
    with pytest.warns(ClipWarning, match="20 images from 0.0 s on are the same.*interlaced"):
        assert len(list(images)) == 20


@pytest.fixture
def avi(tmp_path: Path) -> Path:
    """Twenty images of noise as MJPG."""
    path = tmp_path / "film.avi"
    rng = np.random.default_rng(0)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30.0, (64, 48))
    for _ in range(20):
        video.write(rng.integers(0, 255, (48, 64, 3), np.uint8))
    video.release()
    return path


@pytest.mark.parametrize("error", [8, 4096, -7, -10_000])
def test_an_avi_whose_declared_length_is_wrong_is_read_whole(avi: Path, error: int) -> None:
    data = bytearray(avi.read_bytes())
    data[4:8] = struct.pack("<I", len(data) - 8 + error)
    avi.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(images_of_clip(avi))) == 20


def test_an_avi_of_two_parts_is_truncated_where_the_second_one_is(tmp_path: Path) -> None:
    def part(form: bytes) -> bytes:
        movie = b"LIST" + struct.pack("<I", 104) + b"movi" + bytes(100)
        return b"RIFF" + struct.pack("<I", 4 + len(movie)) + form + movie

    path = tmp_path / "opendml.avi"
    path.write_bytes((part(b"AVI ") + part(b"AVIX"))[:-30])
    assert missing_bytes(path) == 30


def test_a_damaged_image_of_an_avi_is_said(avi: Path) -> None:
    data = bytearray(avi.read_bytes())
    begin = data.index(b"00dc", len(data) // 2) + 8
    data[begin : begin + 400] = b"U" * 400
    avi.write_bytes(data)
    with pytest.warns(ClipWarning, match="1 of 20 images cannot be read; copy the clip"):
        assert len(list(images_of_clip(avi))) == 19


@pytest.mark.parametrize("kind", [b"free", b"uuid", b"skip"])
def test_an_incomplete_box_that_holds_no_images_is_no_sign_of_truncation(
    tmp_path: Path, film: Path, kind: bytes
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(film.read_bytes() + struct.pack(">I", 5000) + kind + bytes(100))
    assert missing_bytes(path) == 0


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
