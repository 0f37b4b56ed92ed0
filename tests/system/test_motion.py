"""The measurement of motion to sound is right: whatever it finds on a machine like this one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.mark.slow
def test_a_mouth_that_opens_is_heard_at_the_sound_card_each_time(tmp_path: Path) -> None:
    figures, picture = tmp_path / "motion.json", tmp_path / "motion.png"
    command = [sys.executable, str(BENCH / "motion.py"), "--gestures", "5"]
    command += ["--json", str(figures), "--picture", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode in (0, 1), done.stderr  # whether it is quick enough is not asked here
    found = {figure["name"]: figure for figure in json.loads(figures.read_text())}
    assert set(found["underflows"]) == {"name", "value", "unit", "owed", "ok"}
    for what in ("filter", "z"):
        assert found[f"{what} after image, heard"]["value"] == 5
        assert 20 < found[f"{what} after image, p50"]["value"] < 600
        image, motion = (found[f"{what} after {at}, p50"]["value"] for at in ("image", "motion"))
        assert 0 < motion - image < 60  # it waits for the camera
    assert picture.read_bytes().startswith(b"\x89PNG")
