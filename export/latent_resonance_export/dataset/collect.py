"""Collects the workers' results: removes duplicates, splits, makes the table of clips.

Pure, except that it reads the files that `extract` wrote, one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.dataset.dataset import Clip
from latent_resonance_export.dataset.duplicates import find_duplicates
from latent_resonance_export.dataset.extract import (
    KeptClip,
    SegmentResult,
    Task,
    load_pixels,
    load_result,
    n_samples,
)
from latent_resonance_export.dataset.kinds import Unlike, kind_of, mean_spectrum, most_unlike
from latent_resonance_export.dataset.recordings.licences import Attribution
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.rejection import Reason, Rejection
from latent_resonance_export.dataset.split import Span, choose_held_out, describe_held_out
from latent_resonance_export.dataset.worker_pool import LIMIT_S

CRASHED = (
    "reading it ended the process: the decoder crashed, memory ran out, or it took "
    f"{LIMIT_S // 60} minutes"
)


@dataclass(frozen=True)
class Candidate:
    """A clip within the limits, and the segment that it is from."""

    task: Task
    kept: KeptClip
    spectrum: NDArray[np.float32] = field(compare=False)  # its mean level in each band

    @property
    def source(self) -> str:
        """The name of its recording."""
        return self.task.recording.source

    @property
    def span(self) -> Span:
        """The samples of the recording that it is made of."""
        recording, settings = self.task.recording, self.task.settings
        end = min(self.kept.start + settings.source_length, n_samples(recording, settings))
        return Span(recording.sha256, self.kept.start, end, kind_of(recording.source))

    @property
    def offset_s(self) -> float:
        """Seconds from the recording's beginning."""
        return round(self.kept.start / self.task.settings.geometry.sample_rate, 6)

    def rejection(self, reason: Reason, detail: str) -> Rejection:
        """The rejection of this clip."""
        kept, source = self.kept, self.task.recording.source
        return Rejection(source, self.offset_s, reason, detail, kept.level_db, kept.flatness_db)


class ClipCollection:
    """All clips within the limits; appends further rejections to the given list."""

    def __init__(self, tasks: list[Task], rejected: list[Rejection]) -> None:
        self.rejected, self.seconds = rejected, 0.0
        self.candidates: list[Candidate] = []
        self.notes: dict[str, list[str]] = {}
        fingerprints = []
        for task in tasks:
            result = load_result(task) or _crash_result(task)
            self.candidates.extend(
                Candidate(task, kept, mean_spectrum(print_))
                for kept, print_ in zip(result.kept, result.fingerprints, strict=False)
            )
            self._note(task.recording, result.note)
            rejected.extend(result.rejected)
            self.seconds += result.seconds
            if result.kept:
                fingerprints.append(result.fingerprints)
        self.fingerprints = (
            np.concatenate(fingerprints) if fingerprints else np.zeros((0, 1), np.float16)
        )

    def _note(self, recording: Recording, note: str) -> None:
        """Collects what is unusual about a recording, once each."""
        found = self.notes.setdefault(recording.source, list(recording.notes))
        if note and note not in found:
            found.append(note)

    def without_duplicates(self, min_difference_db: float) -> list[Candidate]:
        """The clips without near-duplicates; of several copies the best is kept.

        The best: lossless rather than lossy, then that of the highest sample rate.
        """
        recordings = [candidate.task.recording for candidate in self.candidates]
        rates = [-recording.sample_rate for recording in recordings]
        order = np.lexsort((rates, [recording.is_lossy for recording in recordings]))
        near = find_duplicates(self.fingerprints[order], min_difference_db)
        found = {int(order[i]): (order[which], apart) for i, (which, apart) in near.items()}
        for index, (which, apart_db) in sorted(found.items()):
            other = self.candidates[which]
            detail = (
                f"{apart_db:.1f} dB from {other.task.recording.source} at {other.offset_s:.1f} s"
            )
            self.rejected.append(self.candidates[index].rejection(Reason.DUPLICATE, detail))
        return [c for i, c in enumerate(self.candidates) if i not in found]

    def split(
        self, candidates: list[Candidate], share: float
    ) -> tuple[list[Candidate], list[Candidate]]:
        """(training clips, held-out clips)."""
        if not candidates:
            return [], []
        held_out, dropped = choose_held_out([c.span for c in candidates], share)
        for index in sorted(dropped):
            detail = "shares samples with a held-out loop"
            self.rejected.append(candidates[index].rejection(Reason.OVERLAP, detail))
        training = [c for i, c in enumerate(candidates) if i not in held_out | dropped]
        return training, [candidates[i] for i in sorted(held_out)]


def _crash_result(task: Task) -> SegmentResult:
    at_s = float(task.number * task.settings.segment_s)
    rejection = Rejection(task.recording.source, at_s, Reason.BROKEN, CRASHED)
    return SegmentResult([], [rejection], np.zeros((0, 1), np.float16), 0.0)


def clip_table(
    training: list[Candidate], held_out: list[Candidate], attributions: dict[str, Attribution]
) -> list[Clip]:
    """The table of clips, in the order of the spectrograms."""
    return [
        Clip(
            source=c.task.recording.source,
            offset_s=c.offset_s,
            licence=attributions[c.task.recording.source].licence,
            author=attributions[c.task.recording.source].author,
            held_out=i >= len(training),
            level_db=c.kept.level_db,
            flatness_db=c.kept.flatness_db,
            made=c.kept.made,
            bandwidth_hz=c.kept.bandwidth_hz,
        )
        for i, c in enumerate(training + held_out)
    ]


def about_of(sounds: str, clips: list[Clip]) -> dict[str, str]:
    """For cards and reports: description, licences and authors; what is held out."""
    licences = sorted({clip.licence or "unknown" for clip in clips})
    authors = sorted({clip.author for clip in clips} - {""})
    return {
        "sounds": sounds,
        "licence": ", ".join(licences),
        "authors": ", ".join(authors),
        "held_out": describe_held_out([c.source for c in clips], [c.held_out for c in clips]),
    }


def most_unlike_folders(candidates: list[Candidate]) -> Unlike:
    """The folders that sound unlike each other the most."""
    spectra = np.array([candidate.spectrum for candidate in candidates])
    return most_unlike(spectra, [candidate.source for candidate in candidates])


def unique_seconds(candidates: list[Candidate]) -> float:
    """Total length of the source material, overlaps counted once."""
    total, recording, until = 0, "", 0
    for span in sorted((c.span for c in candidates), key=lambda p: (p.recording, p.start)):
        until = until if span.recording == recording else 0
        total += max(span.end - max(span.start, until), 0)
        recording, until = span.recording, max(span.end, until)
    return total / candidates[0].task.settings.geometry.sample_rate


def iter_pixels(candidates: list[Candidate]) -> Iterator[NDArray[np.uint8]]:
    """The pixels of each clip, (n_mels, n_frames); one segment at a time is in memory."""
    for _, group in groupby(candidates, key=lambda candidate: candidate.task.path):
        members = list(group)
        pixels = load_pixels(members[0].task)
        for member in members:
            yield pixels[member.kept.row]
