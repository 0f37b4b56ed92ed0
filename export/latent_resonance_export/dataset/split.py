"""Chooses the held-out loops, which `audition` compares with. Pure.

A share of each recording: its last loops, and loops that overlap them by a single sample are
dropped. Of recordings that are too short for that, whole ones are held out, but only where their
kind (their folder) has others: a recording that is its kind's only one is always trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MIN_CLIPS = 9  # of a recording whose end is held out: about two loops are dropped before it
MAX_EXCESS = 1.5  # of the requested share, which whole recordings do not meet exactly


@dataclass(frozen=True)
class Span:
    """The samples of a recording that a clip is made of."""

    recording: str  # sha256
    start: int  # samples
    end: int
    kind: str = ""  # of sound: the recording's folder


def choose_held_out(spans: Sequence[Span], share: float) -> tuple[set[int], set[int]]:
    """(held out, dropped because of an overlap with them), as indices of spans.

    Parameters
    ----------
    spans : of each recording, in the order of their starts
    share : of all clips, 0..1; at least one is held out
    """
    recordings = _by(spans, [span.recording for span in spans])
    kinds: dict[str, list[list[int]]] = {}
    for name in sorted(recordings):
        kinds.setdefault(spans[recordings[name][0]].kind, []).append(recordings[name])
    chosen = {index for members in kinds.values() for index in _of_kind(members, share)}
    if not chosen:
        chosen = {max(recordings.values(), key=len)[-1]}
    dropped: set[int] = set()
    for members in recordings.values():
        held_out_start = min((spans[i].start for i in members if i in chosen), default=None)
        if held_out_start is not None:
            dropped |= {i for i in members if i not in chosen and spans[i].end > held_out_start}
    return chosen, dropped


def _by(spans: Sequence[Span], keys: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index in range(len(spans)):
        groups.setdefault(keys[index], []).append(index)
    return groups


def _of_kind(recordings: list[list[int]], share: float) -> set[int]:
    """The held-out clips of one kind's recordings, each a list of clips."""
    short = [members for members in recordings if len(members) < MIN_CLIPS]
    long = [members for members in recordings if len(members) >= MIN_CLIPS]
    whole = _whole_recordings(short, share, spare=not long)
    ends = long if whole else recordings
    return whole | {index for members in ends for index in _end(members, share)}


def _whole_recordings(recordings: list[list[int]], share: float, *, spare: bool) -> set[int]:
    """Recordings until their share is met; one is spared if there are no others of the kind."""
    target = share * sum(map(len, recordings))
    chosen: set[int] = set()
    for members in recordings[int(spare) :]:
        if len(chosen) + len(members) <= target * MAX_EXCESS:
            chosen.update(members)
        if len(chosen) >= target:
            break
    return chosen


def _end(members: list[int], share: float) -> list[int]:
    """The last clips of a recording, at least one of them trained on."""
    n = min(round(share * len(members)), len(members) - 1)
    return members[len(members) - n :]


def describe_held_out(names: Sequence[str], held_out: Sequence[bool]) -> str:
    """What the held-out loops are, in a sentence.

    Parameters
    ----------
    names : of the recording of each loop
    held_out : of each loop
    """
    held = {name for name, is_held in zip(names, held_out, strict=True) if is_held}
    trained = {name for name, is_held in zip(names, held_out, strict=True) if not is_held}
    ends, whole = len(held & trained), sorted(held - trained)
    shown = ", ".join(whole[:3]) + (", …" if len(whole) > 3 else "")
    parts = [f"the ends of {_count(ends, 'recording')}"] if ends else []
    parts += [f"{_count(len(whole), 'whole recording')} ({shown})"] if whole else []
    total = _count(sum(held_out), "loop")
    return f"{total}: {' and '.join(parts)}; no sample is in a training loop"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"
