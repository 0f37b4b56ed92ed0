"""When a run is done: at a step, or when the metric has ceased to fall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_FALL = 0.02  # of the metric; less is chance


@dataclass(frozen=True)
class Goal:
    """Until which step to train, and, with `patience` (steps), no longer than it gets better."""

    steps: int
    patience: int | None = None


def why_done(goal: Goal, step: int, history: Sequence[tuple[int, float]]) -> str:
    """`steps` or `plateau`; nothing while there is more to do."""
    if step >= goal.steps:
        return "steps"
    if goal.patience is not None and has_settled(history, goal.patience):
        return "plateau"
    return ""


def has_settled(history: Sequence[tuple[int, float]], patience: int) -> bool:
    """Whether the last `patience` steps brought no value 2 % below the best before them.

    history : (step, metric) in the order of the steps; a low metric is good
    """
    if not history:
        return False
    now = history[-1][0]
    before = [value for step, value in history if step <= now - patience]
    since = [value for step, value in history if step > now - patience]
    return bool(before) and min(since) > (1.0 - LEAST_FALL) * min(before)
