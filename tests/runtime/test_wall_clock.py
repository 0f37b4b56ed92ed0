"""What plays does not ask what time it is on the wall."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import latent_resonance

SOURCE = Path(latent_resonance.__file__).parent
# The hour of the day is what opening hours are about, and the doctor looks at the clock itself.
WALL_CLOCK = ("gallery/opening_hours.py", "doctor/")
PLAYING = [
    path
    for path in sorted(SOURCE.rglob("*.py"))
    if not str(path.relative_to(SOURCE)).startswith(WALL_CLOCK)
]


@pytest.mark.parametrize("path", PLAYING, ids=lambda path: path.stem)
def test_no_line_asks_for_the_wall_clock(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
            assert name not in {"time.time", "time.time_ns", "time.localtime", "datetime.now"}
