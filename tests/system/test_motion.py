"""The measurement of motion to sound is right: whatever it finds on a machine like this one."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"
sys.path.append(str(BENCH))
sys.path.append(str(Path(__file__).parent))

from moving.onsets import RATE, chord_levels, high_levels, onset_s  # noqa: E402  the path comes first
from moving.probe import CLOSED_HZ, OPEN_HZ  # noqa: E402
from moving.room import RoomError, laid_over, read_tape  # noqa: E402


def tone(frequency_hz: float, seconds: float) -> np.ndarray:
    return 0.1 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize("opened_s", [0.5, 0.5137])
def test_a_filter_that_opens_is_found_within_two_milliseconds(opened_s: float) -> None:
    sound = tone(150, 2.0)
    sound[round(opened_s * RATE) :] += tone(5000, 2.0)[: len(sound) - round(opened_s * RATE)]
    found = onset_s(high_levels(sound), 0.0, 0.4)
    assert 0.4 + found == pytest.approx(opened_s, abs=0.002)


def test_another_chord_is_found_no_earlier_than_half_a_window_before_it() -> None:
    sound = np.concatenate([tone(CLOSED_HZ, 0.5), tone(OPEN_HZ, 1.0)])
    found = onset_s(chord_levels(sound, OPEN_HZ), 0.0, 0.4)
    assert 0.5 - 0.022 < 0.4 + found < 0.5


def test_where_nothing_changes_nothing_is_found() -> None:
    sound = tone(OPEN_HZ, 2.0) + tone(5000, 2.0)
    assert onset_s(high_levels(sound), 0.0, 0.5) is None
    assert onset_s(chord_levels(sound, OPEN_HZ), 0.0, 0.5) is None


def test_a_gap_in_a_tape_is_silence_of_its_length() -> None:
    piece = np.full(480, 0.5, np.float32)
    tape = b"".join(
        struct.pack("qq", round(at_s * 1e9), len(piece)) + piece.tobytes()
        for at_s in (7.0, 7.01, 7.05)
    )
    heard = read_tape(tape)
    assert heard.begun_s == 7.0
    assert len(heard.samples) == 0.06 * RATE
    assert np.count_nonzero(heard.samples == 0) == pytest.approx(0.03 * RATE, abs=2)
    with pytest.raises(RoomError, match="heard nothing"):
        read_tape(b"")


def test_settings_to_try_change_only_what_they_name() -> None:
    below = {"output": {"device": "air", "buffer_s": 1}, "pack": "a"}
    assert laid_over(below, {"output": {"buffer_s": 2}}) == {
        "output": {"device": "air", "buffer_s": 2},
        "pack": "a",
    }


@pytest.mark.slow
def test_a_mouth_that_opens_is_heard_at_the_sound_card_each_time(tmp_path: Path) -> None:
    figures, picture = tmp_path / "motion.json", tmp_path / "motion.png"
    command = [sys.executable, str(BENCH / "motion.py"), "--gestures", "5"]
    command += ["--json", str(figures), "--picture", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode in (0, 1), done.stderr  # whether it is quick enough is not asked here
    found = {figure["name"]: figure for figure in json.loads(figures.read_text())}
    assert set(found["underflows"]) == {"name", "value", "unit", "owed", "ok"}
    for what in ("filter", "spectrogram"):
        assert found[f"{what} after image, heard"]["value"] == 5
        assert 20 < found[f"{what} after image, p50"]["value"] < 600
        image, motion = (found[f"{what} after {at}, p50"]["value"] for at in ("image", "motion"))
        assert 0 < motion - image < 60  # it waits for the camera
    assert picture.read_bytes().startswith(b"\x89PNG")
