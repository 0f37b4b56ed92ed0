"""Chooses the held-out loops, which `audition` compares with. Pure.

Whole recordings if there are enough of them; else the end of each recording, and loops that
overlap it by a single sample are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MIN_RECORDINGS = 9
SHARE_TOLERANCE = 0.5  # of the requested share, which whole recordings do not meet exactly


@dataclass(frozen=True)
class Span:
    """The samples of a recording that a clip is made of."""

    recording: str  # sha256
    start: int  # samples
    end: int


def choose_held_out(spans: Sequence[Span], share: float) -> tuple[set[int], set[int]]:
    """(held out, dropped because of an overlap with them), as indices of spans.

    Parameters
    ----------
    spans : of each recording, in the order of their starts
    share : of all clips, 0..1; at least one is held out
    """
    by_recording: dict[str, list[int]] = {}
    for index, span in enumerate(spans):
        by_recording.setdefault(span.recording, []).append(index)
    chosen = _whole_recordings(by_recording, share * len(spans))
    if not chosen:
        chosen = _last_stretches(by_recording, share)
    dropped: set[int] = set()
    for members in by_recording.values():
        held_out_start = min((spans[i].start for i in members if i in chosen), default=None)
        if held_out_start is not None:
            dropped |= {i for i in members if i not in chosen and spans[i].end > held_out_start}
    return chosen, dropped


def _whole_recordings(by_recording: dict[str, list[int]], target: float) -> set[int]:
    """Recordings in the order of their hashes until there are enough clips; none if not met."""
    if len(by_recording) < MIN_RECORDINGS:
        return set()
    chosen: set[int] = set()
    for recording in sorted(by_recording):
        members = by_recording[recording]
        if len(chosen) + len(members) <= target * (1 + SHARE_TOLERANCE):
            chosen.update(members)
        if len(chosen) >= target:
            break
    return chosen if len(chosen) >= target * SHARE_TOLERANCE else set()


def _last_stretches(by_recording: dict[str, list[int]], share: float) -> set[int]:
    """The last clips of each recording; at least one of the longest."""
    chosen = {
        index
        for members in by_recording.values()
        for index in members[len(members) - round(share * len(members)) :]
    }
    return chosen or {max(by_recording.values(), key=len)[-1]}
