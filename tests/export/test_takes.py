"""The command that draws takes of two versions side by side, on short takes."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile
from tests.support.scripts import load_script

RATE = 48_000


@pytest.fixture(scope="module")
def takes() -> ModuleType:
    return load_script("docs/takes.py")


def sine(hz: float, seconds: float = 0.2) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(RATE * seconds)) / RATE)


def test_a_sine_of_full_scale_is_at_0_db_at_its_frequency(takes: ModuleType) -> None:
    levels = takes.levels_db(sine(RATE * 100 / takes.WINDOW, seconds=0.5))
    middle = levels[:, levels.shape[1] // 2]
    assert np.argmax(middle) == 100
    assert middle[100] == pytest.approx(0.0, abs=0.1)
    assert middle[300] < -80.0


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_stereo_of_any_format_is_read_as_the_mean(
    takes: ModuleType, tmp_path: Path, dtype: type
) -> None:
    scale = np.iinfo(np.int16).max if dtype is np.int16 else 1.0
    stereo = (np.stack([sine(440.0), 0.0 * sine(440.0)], axis=1) * scale).astype(dtype)
    wavfile.write(tmp_path / "take.wav", RATE, stereo)
    rate, samples = takes.mono(tmp_path / "take.wav")
    assert rate == RATE
    np.testing.assert_allclose(samples, sine(440.0) / 2, atol=1e-4)


def test_takes_of_one_name_stand_side_by_side(takes: ModuleType, tmp_path: Path) -> None:
    folders = [tmp_path / "before", tmp_path / "after"]
    for folder, loudness in zip(folders, (0.0, 0.5), strict=True):
        folder.mkdir()
        wavfile.write(folder / "a.wav", RATE, (loudness * sine(500.0)).astype(np.float32))
    takes.draw(folders, ["silent", "sounding"], tmp_path / "takes.png")
    with Image.open(tmp_path / "takes.png") as image:
        grey = np.asarray(image.convert("L"), float)
    left, right = np.array_split(grey, 2, axis=1)
    assert right.mean() > left.mean() + 0.5
