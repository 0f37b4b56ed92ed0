"""Without a terminal, progress is lines: one where a stage begins, then three times a minute."""

from __future__ import annotations

import pytest

from latent_resonance_export.cli.terminal import StageLines, stages, time_left
from latent_resonance_export.progress import counted


def test_lines_say_how_far_each_stage_is_and_how_long_it_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now_s = [0.0]
    show = StageLines(clock=lambda: now_s[0])

    def printed(at_s: float, stage: str, done: int) -> str:
        now_s[0] = at_s
        show(stage, done, 100)
        return capsys.readouterr().err

    assert printed(0.0, "sampling", 0) == "sampling: 0 of 100\n"
    assert printed(5.0, "sampling", 10) == ""
    assert printed(20.0, "sampling", 10) == "sampling: 20 of 100, 1 min 20 s left\n"
    assert printed(21.0, "training", 1) == "training: 1 of 100\n"
    assert printed(22.0, "sampling", 20).startswith("sampling: 40 of 100, "), "it comes again"


def test_short_work_can_say_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now_s = [0.0]
    show = StageLines(clock=lambda: now_s[0], at_begin=False)
    for at_s, stage, done in ((0.0, "opening", 0), (9.0, "opening", 50), (10.0, "extracting", 1)):
        now_s[0] = at_s
        show(stage, done, 50)
    assert capsys.readouterr().err == ""
    now_s[0] = 20.0
    show("extracting", 24, 50)
    assert capsys.readouterr().err == "extracting: 25 of 50, 0 min 10 s left\n"


def test_every_item_counts_once() -> None:
    counts: list[int] = []
    items = counted("abc", "rendering", 3, lambda _stage, done, _total: counts.append(done))
    assert list(items) == ["a", "b", "c"]
    assert counts == [0, 1, 1, 1]


def test_the_beginning_of_a_stage_says_no_time() -> None:
    assert time_left(0, 10, 5.0) == time_left(3, 10, 0.5) == ""


def test_what_is_no_terminal_gets_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with stages() as show:
        show("sampling", 0, 3)
    assert capfd.readouterr().err == "sampling: 0 of 3\n"
