"""The command that makes the README's sounds and film, on short material."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile
from tests.support.scripts import load_script

DOCS = Path(__file__).parents[2] / "docs"
RATE = 48_000


@pytest.fixture(scope="module")
def media() -> ModuleType:
    return load_script("docs/media.py")


def streams_of(path: Path) -> dict[str, dict[str, Any]]:
    """The streams of a file by their kind, as ffprobe counts them."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    return {each["codec_type"]: each for each in json.loads(done.stdout)["streams"]}


def test_what_is_not_yet_played_is_dark(media: ModuleType) -> None:
    plot = np.full((4, media.MARGIN[0] + media.WIDTH + 20, 3), 200, np.uint8)
    images = list(media.images_of(plot, 1.0))
    assert len(images) == media.RATE
    middle = media.MARGIN[0] + media.WIDTH // 2
    assert images[5][0, middle, 0] == 50
    assert images[25][0, middle, 0] == 200
    for image in images:
        assert (image[:, : media.MARGIN[0]] == 200).all()  # the labels
        assert (image == media.CURSOR).any()


def test_a_film_has_an_image_every_thirtieth_of_a_second_and_the_sound(
    media: ModuleType, tmp_path: Path
) -> None:
    plot = np.zeros((720, media.MARGIN[0] + media.WIDTH + 20, 3), np.uint8)
    tone = np.sin(np.arange(RATE // 2) / 20) * 8000
    wavfile.write(tmp_path / "a.wav", RATE, tone.astype(np.int16))
    media.write_film(plot, tmp_path / "a.wav", 0.5, tmp_path / "film.mp4")
    streams = streams_of(tmp_path / "film.mp4")
    assert streams["video"]["nb_read_frames"] == "15"
    assert streams["video"]["pix_fmt"] == "yuv420p"  # what browsers play
    assert streams["audio"]["codec_name"] == "aac"
    assert float(streams["audio"]["duration"]) == pytest.approx(0.5, abs=0.05)


def test_clips_of_different_sizes_are_joined(media: ModuleType, tmp_path: Path) -> None:
    clips = []
    for size in ("480x270", "640x480"):
        clips.append(tmp_path / f"{size}.mkv")
        source = f"testsrc=size={size}:rate=15:duration=0.4"
        subprocess.run(
            ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, clips[-1]], check=True
        )
    media.join(clips, tmp_path / "joined.mkv")
    video = streams_of(tmp_path / "joined.mkv")["video"]
    assert (video["width"], video["height"], video["nb_read_frames"]) == (640, 480, "24")


@pytest.mark.slow
def test_half_a_minute_of_a_pack_is_less_than_a_megabyte(media: ModuleType, tmp_path: Path) -> None:
    media.sound_of_pack("cello", tmp_path / "cello.mp4", seconds=1.0)
    audio = streams_of(tmp_path / "cello.mp4")["audio"]
    assert audio["channels"] == 2
    assert (tmp_path / "cello.mp4").stat().st_size * 32 < 1e6


@pytest.mark.parametrize("path", sorted((DOCS / "media").glob("*")), ids=lambda path: path.name)
def test_the_media_of_the_repository_are_small_and_complete(media: ModuleType, path: Path) -> None:
    assert path.stat().st_size < 1e6
    if path.suffix == ".png":
        with Image.open(path) as image:
            assert image.width == media.SCALE_TO
    else:
        assert float(streams_of(path)["audio"]["duration"]) > 9
