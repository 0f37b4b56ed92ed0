"""What the workers found, put together: without duplicates, divided, as a table of clips.

Pure but for the files of `listening` that it reads, one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.dataset.dataset import Clip
from latent_resonance_export.dataset.duplicates import alike
from latent_resonance_export.dataset.extract import (
    Heard,
    Kept,
    Task,
    pixels_of,
    recall,
    samples_of,
)
from latent_resonance_export.dataset.licences import Origin
from latent_resonance_export.dataset.rejection import Reason, Refusal
from latent_resonance_export.dataset.split import Place, held_out

CRASHED = "reading it ended the process: a decoder crashed, or memory ran out"


@dataclass(frozen=True)
class Candidate:
    """A clip that keeps to the limits, and the stretch it is from."""

    task: Task
    kept: Kept

    @property
    def place(self) -> Place:
        """Samples of the recording that it is made of."""
        recording, cutting = self.task.recording, self.task.cutting
        end = min(self.kept.start + cutting.needed, samples_of(recording, cutting))
        return Place(recording.sha256, self.kept.start, end)

    @property
    def offset_s(self) -> float:
        """Seconds from the recording's beginning."""
        return round(self.kept.start / self.task.cutting.geometry.sample_rate, 6)

    def refusal(self, reason: Reason, detail: str) -> Refusal:
        """That it is left out after all."""
        kept, source = self.kept, self.task.recording.source
        return Refusal(source, self.offset_s, reason, detail, kept.level_db, kept.flatness_db)


class Gathered:
    """All clips that keep to the limits; what is refused is added to the list that is given."""

    def __init__(self, tasks: list[Task], refused: list[Refusal]) -> None:
        self.refused, self.seconds = refused, 0.0
        self.candidates: list[Candidate] = []
        prints = []
        for task in tasks:
            heard = recall(task) or _crashed(task)
            self.candidates.extend(Candidate(task, kept) for kept in heard.kept)
            refused.extend(heard.refused)
            self.seconds += heard.seconds
            if heard.kept:
                prints.append(heard.fingerprints)
        self.fingerprints = np.concatenate(prints) if prints else np.zeros((0, 1), np.float16)

    def without_duplicates(self, min_difference_db: float) -> list[Candidate]:
        """Those unlike every other that is kept; of copies the one that lost nothing is."""
        lossy = [candidate.task.recording.is_lossy for candidate in self.candidates]
        order = np.argsort(lossy, kind="stable")
        near = alike(self.fingerprints[order], min_difference_db)
        found = {int(order[i]): (order[which], apart) for i, (which, apart) in near.items()}
        for index, (which, apart_db) in sorted(found.items()):
            other = self.candidates[which]
            detail = (
                f"{apart_db:.1f} dB from {other.task.recording.source} at {other.offset_s:.1f} s"
            )
            self.refused.append(self.candidates[index].refusal(Reason.DUPLICATE, detail))
        return [c for i, c in enumerate(self.candidates) if i not in found]

    def divided(
        self, candidates: list[Candidate], share: float
    ) -> tuple[list[Candidate], list[Candidate]]:
        """(to train on, held out)."""
        if not candidates:
            return [], []
        held, dropped = held_out([c.place for c in candidates], share)
        for index in sorted(dropped):
            detail = "shares samples with a loop that is held out"
            self.refused.append(candidates[index].refusal(Reason.OVERLAP, detail))
        training = [c for i, c in enumerate(candidates) if i not in held | dropped]
        return training, [candidates[i] for i in sorted(held)]


def _crashed(task: Task) -> Heard:
    at_s = float(task.number * task.cutting.stretch_s)
    refusal = Refusal(task.recording.source, at_s, Reason.BROKEN, CRASHED)
    return Heard([], [refusal], np.zeros((0, 1), np.float16), 0.0)


def clips_of(
    training: list[Candidate], held: list[Candidate], origins: dict[str, Origin]
) -> list[Clip]:
    """The table of clips, in the order of the spectrograms."""
    return [
        Clip(
            source=c.task.recording.source,
            offset_s=c.offset_s,
            licence=origins[c.task.recording.source].licence,
            author=origins[c.task.recording.source].author,
            held_out=i >= len(training),
            level_db=c.kept.level_db,
            flatness_db=c.kept.flatness_db,
        )
        for i, c in enumerate(training + held)
    ]


def about_of(sounds: str, clips: list[Clip]) -> dict[str, str]:
    """For the model card: whose sounds, under which licences."""
    licences = sorted({clip.licence or "unknown" for clip in clips})
    authors = sorted({clip.author for clip in clips} - {""})
    return {"sounds": sounds, "licence": ", ".join(licences), "authors": ", ".join(authors)}


def seconds_in(candidates: list[Candidate]) -> float:
    """Length of what the clips are made of, overlaps counted once."""
    total, recording, until = 0, "", 0
    for place in sorted((c.place for c in candidates), key=lambda p: (p.recording, p.start)):
        until = until if place.recording == recording else 0
        total += max(place.end - max(place.start, until), 0)
        recording, until = place.recording, max(place.end, until)
    return total / candidates[0].task.cutting.geometry.sample_rate


def pixels_in(candidates: list[Candidate]) -> Iterator[NDArray[np.uint8]]:
    """One clip after the other; one stretch at a time is in memory."""
    for _, group in groupby(candidates, key=lambda candidate: candidate.task.path):
        members = list(group)
        pixels = pixels_of(members[0].task)
        for member in members:
            yield pixels[member.kept.row]
