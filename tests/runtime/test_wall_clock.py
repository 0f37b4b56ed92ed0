"""Playing does not depend on the wall clock."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import latent_resonance

SOURCE = Path(latent_resonance.__file__).parent
# Opening hours need the time of day, and the doctor checks the clock.
WALL_CLOCK = ("gallery/opening_hours.py", "doctor/")
CHECKED = [
    path
    for path in sorted(SOURCE.rglob("*.py"))
    if not str(path.relative_to(SOURCE)).startswith(WALL_CLOCK)
]


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: path.stem)
def test_no_module_reads_the_wall_clock(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = f"{node.value.id}.{node.attr}"
            assert name not in {"time.time", "time.time_ns", "time.localtime", "datetime.now"}
