"""One stretch of a recording becomes clips; in a worker process.

WORK/<key>-<stretch>.npz   pixels and fingerprints of the clips that are kept, and what was
                           refused: whole or not there, so that a run can be killed and go on
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.dataset.audio_reader import read_stretch
from latent_resonance_export.dataset.clip_measures import fingerprint, measure
from latent_resonance_export.dataset.dataset import quantise
from latent_resonance_export.dataset.loops import (
    close_loop,
    fade_length,
    level_below_peak,
    picture_at,
    sustain,
)
from latent_resonance_export.dataset.recordings import Recording
from latent_resonance_export.dataset.rejection import Reason, Refusal, why_refused
from latent_resonance_export.dataset.segment import by_onset, by_stride
from latent_resonance_export.dataset.settings import Cutting

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """A stretch of a recording, and where its result belongs."""

    recording: Recording
    number: int
    cutting: Cutting
    work: Path

    @property
    def path(self) -> Path:
        """The result's file."""
        return self.work / f"{self.cutting.key(self.recording.sha256)}-{self.number}.npz"

    @property
    def first(self) -> int:
        """Sample, at the pack's rate, at which the stretch begins."""
        return self.number * self.cutting.stretch_s * self.cutting.geometry.sample_rate


@dataclass(frozen=True)
class Kept:
    """A clip that keeps to the limits; its pixels are row `row` of the stretch's file."""

    row: int
    start: int  # samples, at the pack's rate
    level_db: float
    flatness_db: float


@dataclass(frozen=True)
class Heard:
    """What became of a stretch, without its pixels."""

    kept: list[Kept]
    refused: list[Refusal]
    fingerprints: NDArray[np.float16]  # (n_kept, n)
    seconds: float  # of sound in the stretch, without what the next one reads again


def samples_of(recording: Recording, cutting: Cutting) -> int:
    """Length of a recording at the pack's sample rate."""
    return int(recording.frames * cutting.geometry.sample_rate / recording.sample_rate)


def stretches_of(recording: Recording, cutting: Cutting, work: Path) -> list[Task]:
    """All stretches of a recording in which a clip can begin; at least one."""
    last = max(samples_of(recording, cutting) - cutting.needed, 0)
    stretch = cutting.stretch_s * cutting.geometry.sample_rate
    return [Task(recording, i, cutting, work) for i in range(last // stretch + 1)]


def listen(task: Task) -> float:
    """Reads a stretch and writes what became of it; gives its seconds. For a worker process."""
    found = _Clips(task)
    clips = list(found.clips())
    heard = {
        "seconds": found.seconds,
        "kept": [[start, level_db, flatness_db] for start, level_db, flatness_db, *_ in clips],
        "refused": [
            [r.offset_s, r.reason.name, r.detail, r.level_db, r.flatness_db] for r in found.refused
        ],
    }
    beside = task.path.with_name(f"{task.path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            np.savez(
                file,
                pixels=np.array([clip[3] for clip in clips], np.uint8),
                fingerprints=np.array([clip[4] for clip in clips], np.float16),
                heard=np.array(json.dumps(heard)),
            )
        beside.replace(task.path)
    finally:
        beside.unlink(missing_ok=True)
    return found.seconds


def recall(task: Task) -> Heard | None:
    """What an earlier `listen` wrote; None if it is not there or not whole."""
    try:
        with np.load(task.path, allow_pickle=False) as file:
            said, fingerprints = json.loads(str(file["heard"])), file["fingerprints"]
        source = task.recording.source
        kept = [Kept(row, *values) for row, values in enumerate(said["kept"])]
        refused = [
            Refusal(source, at, Reason[reason], *rest) for at, reason, *rest in said["refused"]
        ]
        return Heard(kept, refused, fingerprints, said["seconds"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def pixels_of(task: Task) -> NDArray[np.uint8]:
    """(n_kept, n_mels, n_frames) of a stretch that was listened to."""
    with np.load(task.path, allow_pickle=False) as file:
        return file["pixels"]


class _Clips:
    """Cuts a stretch and sorts its clips."""

    def __init__(self, task: Task) -> None:
        self.task, self.cutting = task, task.cutting
        self.geometry, self.recording = task.cutting.geometry, task.recording
        self.rate = self.geometry.sample_rate
        self.refused: list[Refusal] = []
        first_s = task.number * self.cutting.stretch_s
        length_s = self.cutting.stretch_s + self.cutting.needed / self.rate
        self.stretch = read_stretch(self.recording, first_s, length_s, self.rate)
        here_s = len(self.stretch.audio) / self.rate
        is_last = here_s + first_s >= self.recording.seconds - 1.0
        self.seconds = here_s if is_last else min(here_s, float(self.cutting.stretch_s))

    def clips(self) -> Iterator[tuple[int, float, float, NDArray[np.uint8], NDArray[np.float16]]]:
        """(start, level_db, flatness_db, pixels, fingerprint) of each clip that is kept."""
        if self.stretch.fault:
            self._refuse(len(self.stretch.audio), Reason.BROKEN, self.stretch.fault)
        for start, length, loop in self._loops():
            share = self.stretch.clipped_share(
                start / self.rate, length / self.rate, self.recording.sample_rate
            )
            measured = measure(loop, self.rate, share)
            levels = (round(measured.level_db, 2), round(measured.flatness_db, 2))
            refusal = why_refused(measured, self.cutting.limits)
            if refusal:
                self._refuse(start, *refusal, *levels)
                continue
            below_peak = level_below_peak(loop, self.geometry)
            picture = picture_at(below_peak, self._peak_db(start), self.geometry)
            yield self.task.first + start, *levels, quantise(picture), fingerprint(below_peak)

    def _loops(self) -> Iterator[tuple[int, int, FloatArray]]:
        """(start in the stretch, samples used, loop)."""
        audio, needed = self.stretch.audio, self.cutting.needed
        if self.task.number == 0 and len(audio) < needed:
            yield from self._sustained()
            return
        for start in self._starts():
            piece = audio[start : start + needed]
            yield start, needed, close_loop(piece, self.geometry.loop_length)

    def _sustained(self) -> Iterator[tuple[int, int, FloatArray]]:
        audio, shortest = self.stretch.audio, self.cutting.shortest
        if len(audio) >= shortest:
            fade, length = fade_length(self.geometry), self.geometry.loop_length
            yield 0, len(audio), sustain(audio, length, fade)
        elif not self.stretch.fault:
            detail = f"{len(audio) / self.rate:.2f} s, shorter than {shortest / self.rate:.2f} s"
            self._refuse(0, Reason.SHORT, detail)

    def _starts(self) -> list[int]:
        """Beginnings in this stretch from which there is enough sound left."""
        audio, stride = self.stretch.audio, self.cutting.stride
        last = min(len(audio) - self.cutting.needed + 1, self.cutting.stretch_s * self.rate)
        if self.cutting.cut == "onset":
            return by_onset(audio, last, stride, self.rate)
        first = self.task.first
        return [start - first for start in by_stride(first, first + last, stride)]

    def _peak_db(self, start: int) -> float:
        """Drawn by content and place, so that neither a name nor the number of jobs matters."""
        name = f"{self.cutting.seed} {self.recording.sha256} {self.task.first + start}"
        rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
        return float(rng.uniform(*self.cutting.peak_db))

    def _refuse(self, start: int, reason: Reason, detail: str, *levels: float) -> None:
        offset_s = round((self.task.first + start) / self.rate, 6)
        source = self.recording.source
        self.refused.append(Refusal(source, offset_s, reason, detail, *levels))
