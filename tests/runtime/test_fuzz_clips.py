"""Clips of arbitrary bytes: they are read as far as possible, or refused with an error of ours.

OpenCV decodes them in this process: a clip that crashed it would end the test's process.
"""

from __future__ import annotations

import warnings
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from hypothesis import strategies as st
from tests.support.fuzz import damaged, fuzz, fuzzed

from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.clip import ClipWarning, duration_of_clip_s, images_of_clip

CODECS = {".avi": "MJPG", ".mp4": "mp4v", ".mkv": "VP80"}
SIZE = (64, 48)
N_IMAGES = 6
MOST_IMAGES = 100  # that are read, whatever a container declares


def clip_of(suffix: str, folder: Path) -> bytes:
    """A few images of a moving bar, in a container."""
    path = folder / f"whole{suffix}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODECS[suffix]), 25, SIZE)
    for i in range(N_IMAGES):
        image = np.full((SIZE[1], SIZE[0], 3), 60, np.uint8)
        image[:, 8 * i : 8 * i + 8] = 200
        writer.write(image)
    writer.release()
    return path.read_bytes()


@fuzzed
def test_a_clip_of_any_bytes_is_read_or_refused_in_words(tmp_path: Path) -> None:
    whole = {suffix: clip_of(suffix, tmp_path) for suffix in CODECS}
    assert all(whole.values())

    def check(suffix: str, data: st.DataObject) -> None:
        path = tmp_path / f"clip{suffix}"
        path.write_bytes(data.draw(damaged(whole[suffix]) | st.binary(max_size=200)))
        try:
            assert (duration_of_clip_s(path) or 1.0) > 0.0
            shapes = {image.pixels.shape[2:] for image in islice(images_of_clip(path), MOST_IMAGES)}
        except CameraError as error:
            assert "\n" not in str(error)  # noqa: PT017  one of two valid outcomes
        else:
            assert shapes == {(3,)}

    with warnings.catch_warnings(action="ignore", category=ClipWarning):
        fuzz(check, st.sampled_from(sorted(CODECS)), st.data())
