"""The live spectrogram of real faces: the page shows what an open mouth would let through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.clips import clip, needs_clips
from tests.support.gallery_process import skip_without_browser
from tests.support.picture_page import (
    HEIGHT,
    PicturePage,
    Spectrograms,
    lit_share,
    luminance,
    picture_page,
    spectrograms_of,
)

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.voice.telemetry import BANDS, band_frequencies_hz

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(180)]
CELLO = Path(__file__).parents[2] / "models" / "cello"
GEOMETRY = Geometry()
FONT_SIZE = "parseFloat(getComputedStyle(document.querySelector('#scale li')).fontSize)"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicturePage]:
    skip_without_browser()
    with picture_page(tmp_path_factory.mktemp("picture"), GEOMETRY) as page:
        yield page


def band_at(hz: float, level: int) -> np.ndarray:
    """Columns of two seconds with a level in one band."""
    columns = np.zeros((94, BANDS), np.uint8)
    columns[:, int(np.argmin(np.abs(np.array(band_frequencies_hz(GEOMETRY)) - hz)))] = level
    return columns


@needs_clips
@pytest.mark.parametrize("name", ["face-yes", "face-sorry", "face-again", "face-please"])
def test_a_real_face_lights_the_upper_half_of_the_page(shown: PicturePage, name: str) -> None:
    spectrograms = spectrograms_of(clip(f"{name}.mkv"), CELLO)
    seconds = len(spectrograms.sound) / shown.columns_per_s
    assert lit_share(shown.show(spectrograms), seconds) >= 0.05


def test_a_generated_band_is_dim_until_the_sound_has_it(shown: PicturePage) -> None:
    band, dark = band_at(4000.0, 128), band_at(4000.0, 0)
    closed, opened = (
        luminance(shown.show(Spectrograms(sound, band))).max() for sound in (dark, band)
    )
    assert 0.005 < closed < 0.3 * opened


def test_without_levels_the_page_is_dark(shown: PicturePage) -> None:
    dark = band_at(4000.0, 0)
    assert lit_share(shown.show(Spectrograms(dark, dark)), 2.0) == 0.0


def test_the_axis_ends_at_8_khz_unless_the_address_says_otherwise(shown: PicturePage) -> None:
    tone, tops = band_at(7800.0, 128), []
    for query in ("max=16000", ""):
        shown.open(query)
        tops.append(top_of(shown.show(Spectrograms(tone, tone))))
    assert 0.1 * HEIGHT < tops[0] < 0.3 * HEIGHT
    assert tops[1] < 0.02 * HEIGHT


def top_of(screenshot: np.ndarray) -> int:
    """The first row, from above, in which anything is lit."""
    return int(np.argmax(luminance(screenshot).max(axis=1) > 0.05))


def test_the_sizes_of_the_labels_follow_the_screen(shown: PicturePage) -> None:
    dark, sizes = band_at(4000.0, 0), []
    shown.show(Spectrograms(dark, dark))
    for height in (720, 2160):
        shown.page.set_viewport_size({"width": height * 16 // 9, "height": height})
        sizes.append(shown.page.evaluate(FONT_SIZE))
    shown.page.set_viewport_size({"width": 1280, "height": 720})
    assert sizes[1] == pytest.approx(3 * sizes[0], rel=0.05)
