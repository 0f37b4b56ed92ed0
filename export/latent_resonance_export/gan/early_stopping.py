"""When a run ends: at a step, or when the metric stops improving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MIN_IMPROVEMENT = 0.02  # share of the metric; anything less is noise


@dataclass(frozen=True)
class Goal:
    """Train up to `steps`; with `patience` (steps), stop earlier once the metric has plateaued."""

    steps: int
    patience: int | None = None


def stop_reason(goal: Goal, step: int, history: Sequence[tuple[int, float]]) -> str:
    """`steps` or `plateau`; empty while training should continue."""
    if step >= goal.steps:
        return "steps"
    if goal.patience is not None and has_plateaued(history, goal.patience):
        return "plateau"
    return ""


def has_plateaued(history: Sequence[tuple[int, float]], patience: int) -> bool:
    """Whether no value of the last `patience` steps is 2 % below the best value before them.

    history : (step, metric), ordered by step; lower is better
    """
    if not history:
        return False
    now = history[-1][0]
    earlier = [value for step, value in history if step <= now - patience]
    recent = [value for step, value in history if step > now - patience]
    return bool(earlier) and min(recent) > (1.0 - MIN_IMPROVEMENT) * min(earlier)
