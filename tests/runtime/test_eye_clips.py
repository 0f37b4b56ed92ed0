"""Clips of every kind: readable ones have states, others a one-line error.

The clips are made here from a photograph; a few of real people are used if they are available.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.support import faces
from tests.support.clips import clip, needs_clips

from latent_resonance.config.settings import Settings
from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.clip import images_of_clip
from latent_resonance.eye.camera.image import MAX_SIDE
from latent_resonance.eye.features.extractor import HOLD_S
from latent_resonance.eye.main import states_of_clip
from latent_resonance.face_state import FEATURE_RANGES, FEATURES, FaceState, neutral_features

MOUTH = FEATURES.index("mouth_open")


def states(path: Path) -> list[FaceState]:
    return list(states_of_clip(path, Settings()))


def assert_states_valid(seen: list[FaceState]) -> None:
    """Sequence and time rise, and every feature is a number within its range."""
    assert [state.sequence for state in seen] == list(range(len(seen)))
    assert np.all(np.diff([state.time_ns for state in seen]) > 0)
    low, high = np.array([FEATURE_RANGES[name] for name in FEATURES], np.float32).T
    for state in seen:
        assert np.all((state.features >= low) & (state.features <= high))  # False for NaN


@pytest.fixture
def clip_file(tmp_path: Path) -> Path:
    """Half a second of the photograph, drifting."""
    return faces.write_clip(tmp_path / "face.mp4", faces.drifting(faces.photograph(), 15))


def test_every_image_of_a_clip_has_a_state_at_its_own_time(clip_file: Path) -> None:
    seen = states(clip_file)
    assert len(seen) == 15
    assert all(state.present for state in seen)
    assert [state.time_ns for state in seen] == pytest.approx(np.arange(15) * 1e9 / 30, abs=1e6)
    assert_states_valid(seen)


def test_a_clip_has_the_same_states_each_time(clip_file: Path) -> None:
    first, again = (np.array([state.features for state in states(clip_file)]) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("max_faces", [1, 2])
def test_the_onnx_tracker_finds_the_face_in_a_clip(clip_file: Path, max_faces: int) -> None:
    settings = Settings(eye={"tracker": "light", "max_faces": max_faces})
    seen = list(states_of_clip(clip_file, settings))
    assert [state.present for state in seen] == [True] * 15
    assert_states_valid(seen)


def test_a_clip_without_a_face_has_only_absent_states(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 120, 160, 3), dtype=np.uint8)
    seen = states(faces.write_clip(tmp_path / "noise.mp4", list(noise)))
    assert len(seen) == 8
    assert not any(state.present for state in seen)
    assert all(np.array_equal(state.features, neutral_features()) for state in seen)


def assert_one_line_error(path: Path, reason: str, remedy: str) -> None:
    with pytest.raises(CameraError) as caught:
        states_of_clip(path, Settings())  # immediately, before the iterator is used
    message = str(caught.value)
    assert message.startswith(str(path))
    assert re.search(reason, message)
    assert re.search(remedy, message)
    assert "\n" not in message


def test_a_missing_clip_is_reported(tmp_path: Path) -> None:
    assert_one_line_error(tmp_path / "no.mp4", "No such file", "give the path of a video file")


def test_a_folder_is_not_a_clip(tmp_path: Path) -> None:
    assert_one_line_error(tmp_path, "directory", "give the path of a video file")


def test_an_empty_clip_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert_one_line_error(path, "is empty", "copy it again")


@pytest.mark.parametrize("content", [b"a poem, not a film\n" * 40, b"\0" * 4096, b"x"])
def test_a_file_that_is_not_a_video_is_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "poem.mp4"
    path.write_bytes(content)
    assert_one_line_error(path, "not a readable video", "use MP4")


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_truncated_clip_is_refused(
    tmp_path: Path, clip_file: Path, suffix: str, kept: float
) -> None:
    whole = converted(clip_file, tmp_path / f"whole.{suffix}", "-c:v", "mpeg4")
    assert len(list(images_of_clip(whole))) == 15
    data = whole.read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data[: int(len(data) * kept)])
    assert_one_line_error(path, "truncated|not a readable video", "copy it again|use MP4")


def test_a_clip_of_one_pixel_has_only_absent_states(tmp_path: Path, clip_file: Path) -> None:
    path = converted(clip_file, tmp_path / "pixel.mkv", "-vf", "scale=1:1", "-c:v", "ffv1")
    assert next(images_of_clip(path)).pixels.shape == (1, 1, 3)
    seen = states(path)
    assert len(seen) == 15
    assert not any(state.present for state in seen)


def test_a_portrait_clip_is_seen(tmp_path: Path) -> None:
    tall = faces.placed(faces.photograph(), 1.0, (0, 0), size=(480, 854))
    seen = states(faces.write_clip(tmp_path / "tall.mp4", [tall] * 10))
    assert all(state.present for state in seen)
    assert_states_valid(seen)


def test_a_clip_recorded_sideways_is_read_upright(tmp_path: Path) -> None:
    """Phones store a sideways image with metadata to rotate it clockwise."""
    path = faces.write_clip(tmp_path / "lying.mp4", [np.rot90(faces.photograph())] * 5)
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44  # ISO/IEC 14496-12: 16.16 fixed point, the last of 2.30
    one = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 480 * one, 0, 1 << 30)
    path.write_bytes(data)
    image = next(images_of_clip(path)).pixels.astype(int)
    assert image.shape == (480, 640, 3)
    assert np.abs(image - faces.photograph()).mean() < 10
    assert all(state.present for state in states(path))


def test_a_clip_in_4k_is_downscaled_and_tracked(tmp_path: Path) -> None:
    large = faces.placed(faces.photograph(), 4.5, (0, 0), size=(3840, 2160))
    path = faces.write_clip(tmp_path / "large.mp4", [large] * 5)
    assert max(next(images_of_clip(path)).pixels.shape) == MAX_SIDE
    seen = states(path)
    assert [state.present for state in seen] == [True] * 5
    assert_states_valid(seen)


def test_a_grey_clip_is_tracked(tmp_path: Path, clip_file: Path) -> None:
    path = converted(clip_file, tmp_path / "grey.mkv", "-pix_fmt", "gray", "-c:v", "ffv1")
    image = next(images_of_clip(path)).pixels
    assert image.shape == (480, 640, 3)
    assert np.ptp(image.astype(int), axis=2).max() <= 2
    assert all(state.present for state in states(path))


@pytest.mark.slow
@pytest.mark.parametrize("depth", ["gbrp10le", "yuv444p16le", "gray16le"])
def test_a_clip_of_more_than_eight_bits_is_tracked(
    tmp_path: Path, clip_file: Path, depth: str
) -> None:
    path = converted(clip_file, tmp_path / "deep.mkv", "-pix_fmt", depth, "-c:v", "ffv1")
    assert next(images_of_clip(path)).pixels.dtype == np.uint8
    assert all(state.present for state in states(path))


@pytest.mark.slow
def test_a_clip_of_variable_rate_keeps_its_own_times(tmp_path: Path, clip_file: Path) -> None:
    """Ten images 33 ms apart, then five 100 ms apart."""
    stretch = "setpts='if(lt(N,10),N/30,10/30+(N-10)/10)/TB'"
    path = converted(
        clip_file, tmp_path / "uneven.mkv", "-vf", stretch, "-fps_mode", "vfr", "-c:v", "ffv1"
    )
    seen = states(path)
    expected_s = [*np.arange(10) / 30, *(1 / 3 + np.arange(5) / 10)]
    assert [state.time_ns / 1e9 for state in seen] == pytest.approx(expected_s, abs=0.002)
    assert_states_valid(seen)


def converted(source: Path, target: Path, *options: str) -> Path:
    """The clip as FFmpeg writes it with these options."""
    ffmpeg("-i", str(source), *options, str(target))
    return target


def ffmpeg(*arguments: str) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt install ffmpeg")
    command = ["ffmpeg", "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.mark.slow
@needs_clips
@pytest.mark.parametrize("name", ["face-yes.mkv", "face-sorry.mkv", "face-again.mkv"])
def test_a_real_person_is_tracked_all_the_time_and_moves(name: str) -> None:
    seen = states(clip(name))
    assert len(seen) > 50
    assert np.mean([state.present for state in seen]) > 0.9
    assert_states_valid(seen)
    features = np.array([state.features for state in seen])
    assert np.abs(features[:, FEATURES.index("pitch_velocity")]).max() > 0.1
    assert 0.05 < features[:, FEATURES.index("motion")].max() <= 1.0


@pytest.mark.slow
@needs_clips
def test_hands_that_pass_before_a_face_do_not_end_a_visit() -> None:
    seen = states(clip("face-please.mkv"))
    assert np.mean([state.present for state in seen]) > 0.97
    assert_states_valid(seen)


def test_a_face_covered_for_longer_is_held_and_then_absent_with_neutral_features(
    tmp_path: Path,
) -> None:
    shown, covered = faces.photograph(), np.full_like(faces.photograph(), 90)
    seen = states(faces.write_clip(tmp_path / "covered.mp4", [*[shown] * 20, *[covered] * 40]))
    held = round(30 * HOLD_S)
    n_present = sum(state.present for state in seen)
    assert n_present == pytest.approx(20 + held, abs=1)
    assert [state.present for state in seen] == [True] * n_present + [False] * (60 - n_present)
    absent = [state for state in seen if not state.present]
    assert all(np.array_equal(state.features, neutral_features()) for state in absent)
    assert_states_valid(seen)


@pytest.mark.slow
def test_a_mouth_that_opens_in_a_clip_opens_in_the_states(tmp_path: Path) -> None:
    """The baseline is learned from two seconds at rest; then the mouth opens wide."""
    rest, opened = faces.photograph(), faces.mouth_opened(0.25)
    clip_file = faces.write_clip(tmp_path / "mouth.mp4", [*[rest] * 60, *[opened] * 15])
    mouth = np.array([state.features[MOUTH] for state in states(clip_file)])
    assert mouth[50:60].max() < 0.1
    assert mouth[-5:].min() > 0.35
