"""Chooses the loops that are never trained on, so that `audition` has something to compare with.

Pure. Whole recordings where there are enough of them; else the last stretch of each, and
what overlaps it by a sample is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH_RECORDINGS = 9
NEAR_ENOUGH = 0.5  # of the share asked for: recordings are whole, so it is not met exactly


@dataclass(frozen=True)
class Place:
    """Where a clip lies."""

    recording: str  # sha256
    start: int  # samples
    end: int


def held_out(places: Sequence[Place], share: float) -> tuple[set[int], set[int]]:
    """(held out, dropped because they overlap what is held out), as indices of places.

    Parameters
    ----------
    places : those of a recording in the order of their starts
    share : of all clips, 0..1; at least one is held out
    """
    of_recording: dict[str, list[int]] = {}
    for index, place in enumerate(places):
        of_recording.setdefault(place.recording, []).append(index)
    chosen = _whole_recordings(of_recording, share * len(places))
    if not chosen:
        chosen = _last_stretches(of_recording, share)
    begin = {
        r: min((places[i].start for i in m if i in chosen), default=None)
        for r, m in of_recording.items()
    }
    dropped = {
        index
        for recording, members in of_recording.items()
        for index in members
        if index not in chosen
        and begin[recording] is not None
        and places[index].end > begin[recording]
    }
    return chosen, dropped


def _whole_recordings(of_recording: dict[str, list[int]], target: float) -> set[int]:
    """Recordings by their hash until there are enough clips; none if they do not suit."""
    if len(of_recording) < ENOUGH_RECORDINGS:
        return set()
    chosen: set[int] = set()
    for recording in sorted(of_recording):
        members = of_recording[recording]
        if len(chosen) + len(members) <= target * (1 + NEAR_ENOUGH):
            chosen.update(members)
        if len(chosen) >= target:
            break
    return chosen if len(chosen) >= target * NEAR_ENOUGH else set()


def _last_stretches(of_recording: dict[str, list[int]], share: float) -> set[int]:
    """The end of each recording; of the longest at least one clip."""
    chosen = {
        index
        for members in of_recording.values()
        for index in members[len(members) - round(share * len(members)) :]
    }
    return chosen or {max(of_recording.values(), key=len)[-1]}
