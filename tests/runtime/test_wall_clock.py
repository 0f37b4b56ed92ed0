"""Playing does not depend on the wall clock."""

from __future__ import annotations

import ast
from pathlib import Path

import latent_resonance

SOURCE = Path(latent_resonance.__file__).parent
# Opening hours need the time of day, and the doctor checks the clock.
WALL_CLOCK = ("gallery/opening_hours.py", "doctor/")
CHECKED = [
    path
    for path in sorted(SOURCE.rglob("*.py"))
    if not str(path.relative_to(SOURCE)).startswith(WALL_CLOCK)
]


def wall_clock_calls(path: Path) -> list[str]:
    return [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and f"{node.value.id}.{node.attr}"
        in {"time.time", "time.time_ns", "time.localtime", "datetime.now"}
    ]


def test_no_module_reads_the_wall_clock() -> None:
    assert len(CHECKED) > 100
    assert [call for path in CHECKED for call in wall_clock_calls(path)] == []


def test_a_read_of_the_wall_clock_would_be_found() -> None:
    assert wall_clock_calls(SOURCE / "gallery" / "opening_hours.py")
