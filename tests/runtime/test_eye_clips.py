"""Clips of every kind: what can be seen is seen, what cannot is said in one line.

The films are made here from a photograph; a few of real people are used where they are at hand.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.support import faces

from latent_resonance.config.settings import Settings
from latent_resonance.eye.camera.camera import MAX_SIDE, CameraError, images_of_clip
from latent_resonance.eye.main import states_of_clip
from latent_resonance.face_state import FEATURE_RANGES, FEATURES, FaceState, neutral_features

CLIPS = Path(__file__).parents[3] / "shared" / "assets"
MOUTH = FEATURES.index("mouth_open")


def write_film(path: Path, pictures: list[faces.Pixels], rate: float = 30.0) -> Path:
    """A film of RGB pictures of one size."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def states(path: Path) -> list[FaceState]:
    return list(states_of_clip(path, Settings()))


def assert_all_is_in_order(seen: list[FaceState]) -> None:
    """Sequence and time rise, and every feature is a number within its range."""
    assert [state.sequence for state in seen] == list(range(len(seen)))
    assert np.all(np.diff([state.time_ns for state in seen]) > 0)
    low, high = np.array([FEATURE_RANGES[name] for name in FEATURES], np.float32).T
    for state in seen:
        assert np.all((state.features >= low) & (state.features <= high))  # no for NaN as well


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Half a second of the photograph, drifting."""
    return write_film(tmp_path / "face.mp4", faces.drifting(faces.photograph(), 15))


def test_every_image_of_a_clip_has_a_state_at_its_own_time(film: Path) -> None:
    seen = states(film)
    assert len(seen) == 15
    assert all(state.present for state in seen)
    assert [state.time_ns for state in seen] == pytest.approx(np.arange(15) * 1e9 / 30, abs=1e6)
    assert_all_is_in_order(seen)


def test_the_same_clip_is_seen_the_same_way_twice(film: Path) -> None:
    first, again = (np.array([state.features for state in states(film)]) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("max_faces", [1, 2])
def test_a_clip_is_seen_without_mediapipe_too(film: Path, max_faces: int) -> None:
    settings = Settings(eye={"tracker": "light", "max_faces": max_faces})
    seen = list(states_of_clip(film, settings))
    assert [state.present for state in seen] == [True] * 15
    assert_all_is_in_order(seen)


def test_a_clip_without_a_face_has_nobody_in_it(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 120, 160, 3), dtype=np.uint8)
    seen = states(write_film(tmp_path / "noise.mp4", list(noise)))
    assert len(seen) == 8
    assert not any(state.present for state in seen)
    assert all(np.array_equal(state.features, neutral_features()) for state in seen)


def assert_said_in_one_line(path: Path, complaint: str, remedy: str) -> None:
    with pytest.raises(CameraError) as caught:
        states_of_clip(path, Settings())  # at once: nothing is taken from the iterator
    message = str(caught.value)
    assert message.startswith(str(path))
    assert re.search(complaint, message)
    assert re.search(remedy, message)
    assert "\n" not in message


def test_a_missing_clip_is_said_to_be_missing(tmp_path: Path) -> None:
    assert_said_in_one_line(tmp_path / "no.mp4", "No such file", "give the path of a video file")


def test_a_folder_is_not_a_clip(tmp_path: Path) -> None:
    assert_said_in_one_line(tmp_path, "directory", "give the path of a video file")


def test_an_empty_clip_is_said_to_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert_said_in_one_line(path, "is empty", "copy it again")


@pytest.mark.parametrize("content", [b"a poem, not a film\n" * 40, b"\0" * 4096, b"x"])
def test_what_is_not_a_video_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "poem.mp4"
    path.write_bytes(content)
    assert_said_in_one_line(path, "not a video", "give an MP4")


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_clip_that_was_cut_off_is_refused(
    tmp_path: Path, film: Path, suffix: str, kept: float
) -> None:
    letterbox = converted(film, tmp_path / f"whole.{suffix}", "-c:v", "mpeg4")
    assert len(list(images_of_clip(letterbox))) == 15
    data = letterbox.read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data[: int(len(data) * kept)])
    assert_said_in_one_line(path, "was cut off|not a video", "copy it again|give an MP4")


def test_a_clip_of_one_pixel_has_nobody_in_it(tmp_path: Path, film: Path) -> None:
    path = converted(film, tmp_path / "pixel.mkv", "-vf", "scale=1:1", "-c:v", "ffv1")
    assert next(images_of_clip(path)).pixels.shape == (1, 1, 3)
    seen = states(path)
    assert len(seen) == 15
    assert not any(state.present for state in seen)


def test_a_portrait_clip_is_seen(tmp_path: Path) -> None:
    tall = faces.placed(faces.photograph(), 1.0, (0, 0), size=(480, 854))
    seen = states(write_film(tmp_path / "tall.mp4", [tall] * 10))
    assert all(state.present for state in seen)
    assert_all_is_in_order(seen)


def test_a_clip_that_was_filmed_sideways_is_seen_upright(tmp_path: Path) -> None:
    """Phones store a picture that lies on its side, and a note to turn it clockwise."""
    path = write_film(tmp_path / "lying.mp4", [np.rot90(faces.photograph())] * 5)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44  # ISO/IEC 14496-12: 16.16 fixed point, the last of 2.30
    one = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 480 * one, 0, 1 << 30)
    path.write_bytes(data)
    image = next(images_of_clip(path)).pixels.astype(int)
    assert image.shape == (480, 640, 3)
    assert np.abs(image - faces.photograph()).mean() < 10
    assert all(state.present for state in states(path))


def test_a_clip_in_4k_is_made_smaller_and_seen(tmp_path: Path) -> None:
    large = faces.placed(faces.photograph(), 4.5, (0, 0), size=(3840, 2160))
    path = write_film(tmp_path / "large.mp4", [large] * 5)
    assert max(next(images_of_clip(path)).pixels.shape) == MAX_SIDE
    seen = states(path)
    assert [state.present for state in seen] == [True] * 5
    assert_all_is_in_order(seen)


def test_a_grey_clip_is_seen(tmp_path: Path, film: Path) -> None:
    path = converted(film, tmp_path / "grey.mkv", "-pix_fmt", "gray", "-c:v", "ffv1")
    image = next(images_of_clip(path)).pixels
    assert image.shape == (480, 640, 3)
    assert np.ptp(image.astype(int), axis=2).max() <= 2
    assert all(state.present for state in states(path))


@pytest.mark.parametrize("depth", ["gbrp10le", "yuv444p16le", "gray16le"])
def test_a_clip_of_more_than_eight_bits_is_seen(tmp_path: Path, film: Path, depth: str) -> None:
    path = converted(film, tmp_path / "deep.mkv", "-pix_fmt", depth, "-c:v", "ffv1")
    assert next(images_of_clip(path)).pixels.dtype == np.uint8
    assert all(state.present for state in states(path))


def test_a_clip_of_variable_rate_keeps_its_own_times(tmp_path: Path, film: Path) -> None:
    """Ten images 33 ms apart, then five 100 ms apart."""
    stretch = "setpts='if(lt(N,10),N/30,10/30+(N-10)/10)/TB'"
    path = converted(
        film, tmp_path / "uneven.mkv", "-vf", stretch, "-fps_mode", "vfr", "-c:v", "ffv1"
    )
    seen = states(path)
    expected_s = [*np.arange(10) / 30, *(1 / 3 + np.arange(5) / 10)]
    assert [state.time_ns / 1e9 for state in seen] == pytest.approx(expected_s, abs=0.002)
    assert_all_is_in_order(seen)


def converted(source: Path, target: Path, *options: str) -> Path:
    """The film as FFmpeg writes it with these options."""
    ffmpeg("-i", str(source), *options, str(target))
    return target


def ffmpeg(*arguments: str) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt install ffmpeg")
    command = ["ffmpeg", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def real_clip(name: str) -> list[FaceState]:
    path = CLIPS / name
    if not path.is_file():
        pytest.skip(f"no clip of a real person at hand: ../shared/assets/{name}")
    return states(path)


@pytest.mark.parametrize("name", ["face-yes.mkv", "face-sorry.mkv", "face-again.mkv"])
def test_a_real_person_is_seen_all_the_time_and_moves(name: str) -> None:
    seen = real_clip(name)
    assert len(seen) > 50
    assert np.mean([state.present for state in seen]) > 0.9
    assert_all_is_in_order(seen)
    features = np.array([state.features for state in seen])
    assert np.abs(features[:, FEATURES.index("pitch_velocity")]).max() > 0.1
    assert 0.05 < features[:, FEATURES.index("motion")].max() <= 1.0


def test_a_face_behind_a_hand_is_absent_for_a_moment_and_neutral_meanwhile() -> None:
    seen = real_clip("face-please.mkv")
    absent = [state for state in seen if not state.present]
    assert 0 < len(absent) < len(seen) / 2
    assert all(np.array_equal(state.features, neutral_features()) for state in absent)
    assert_all_is_in_order(seen)


def test_a_mouth_that_opens_in_a_film_opens_in_the_states(tmp_path: Path) -> None:
    """Two seconds at rest teaches the neutral face; then the mouth opens wide."""
    rest, opened = faces.photograph(), faces.mouth_opened(0.25)
    film = write_film(tmp_path / "mouth.mp4", [*[rest] * 60, *[opened] * 15])
    mouth = np.array([state.features[MOUTH] for state in states(film)])
    assert mouth[50:60].max() < 0.1
    assert mouth[-5:].min() > 0.35
