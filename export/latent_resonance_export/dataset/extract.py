"""Extracts the clips of one segment of a recording, in a worker process.

WORK/<key>-<segment>.npz   pixels and fingerprints of the kept clips, and all rejections; written
                           atomically, so that a killed run can resume
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

from latent_resonance_export.dataset.audio_reader import read_segment
from latent_resonance_export.dataset.clip_measures import fingerprint, measure
from latent_resonance_export.dataset.dataset import quantise
from latent_resonance_export.dataset.loops import (
    close_loop,
    fade_length,
    level_below_peak,
    spectrogram_at_peak,
    sustain,
)
from latent_resonance_export.dataset.recordings import Recording
from latent_resonance_export.dataset.rejection import Reason, Rejection, rejection_of
from latent_resonance_export.dataset.segment import onset_starts, stride_starts
from latent_resonance_export.dataset.settings import CurationSettings

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """A segment of a recording, and the folder of its result."""

    recording: Recording
    number: int
    settings: CurationSettings
    work: Path

    @property
    def path(self) -> Path:
        """The result's file."""
        return self.work / f"{self.settings.key(self.recording.sha256)}-{self.number}.npz"

    @property
    def first(self) -> int:
        """First sample of the segment, at the pack's rate."""
        return self.number * self.settings.segment_s * self.settings.geometry.sample_rate


@dataclass(frozen=True)
class KeptClip:
    """A clip within the limits; its pixels are row `row` of the segment's file."""

    row: int
    start: int  # samples, at the pack's rate
    level_db: float
    flatness_db: float


@dataclass(frozen=True)
class SegmentResult:
    """The result of a segment, without its pixels."""

    kept: list[KeptClip]
    rejected: list[Rejection]
    fingerprints: NDArray[np.float16]  # (n_kept, n)
    seconds: float  # of audio in the segment, without the overlap with the next one


def n_samples(recording: Recording, settings: CurationSettings) -> int:
    """Length of a recording at the pack's sample rate."""
    return int(recording.frames * settings.geometry.sample_rate / recording.sample_rate)


def segments_of(recording: Recording, settings: CurationSettings, work: Path) -> list[Task]:
    """All segments of a recording in which a clip can begin; at least one."""
    last = max(n_samples(recording, settings) - settings.source_length, 0)
    segment = settings.segment_s * settings.geometry.sample_rate
    return [Task(recording, i, settings, work) for i in range(last // segment + 1)]


def process_segment(task: Task) -> float:
    """Reads a segment and writes its result; returns its seconds. Runs in a worker process."""
    processor = _SegmentProcessor(task)
    clips = list(processor.clips())
    result = {
        "seconds": processor.seconds,
        "kept": [[start, level_db, flatness_db] for start, level_db, flatness_db, *_ in clips],
        "refused": [
            [r.offset_s, r.reason.name, r.detail, r.level_db, r.flatness_db]
            for r in processor.rejected
        ],
    }
    beside = task.path.with_name(f"{task.path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            np.savez(
                file,
                pixels=np.array([clip[3] for clip in clips], np.uint8),
                fingerprints=np.array([clip[4] for clip in clips], np.float16),
                heard=np.array(json.dumps(result)),  # words: the key in existing work folders
            )
        beside.replace(task.path)
    finally:
        beside.unlink(missing_ok=True)
    return processor.seconds


def load_result(task: Task) -> SegmentResult | None:
    """The result that an earlier `process_segment` wrote; None if missing or incomplete."""
    try:
        with np.load(task.path, allow_pickle=False) as file:
            text = str(file["heard"])  # words: the key in existing work folders
            result, fingerprints = json.loads(text), file["fingerprints"]
        source = task.recording.source
        kept = [KeptClip(row, *values) for row, values in enumerate(result["kept"])]
        rejected = [
            Rejection(source, at, Reason[reason], *rest) for at, reason, *rest in result["refused"]
        ]
        return SegmentResult(kept, rejected, fingerprints, result["seconds"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def load_pixels(task: Task) -> NDArray[np.uint8]:
    """(n_kept, n_mels, n_frames) of a finished segment."""
    with np.load(task.path, allow_pickle=False) as file:
        pixels: NDArray[np.uint8] = file["pixels"]
        return pixels


class _SegmentProcessor:
    """Cuts a segment into clips and rejects those outside the limits."""

    def __init__(self, task: Task) -> None:
        self.task, self.settings = task, task.settings
        self.geometry, self.recording = task.settings.geometry, task.recording
        self.rate = self.geometry.sample_rate
        self.rejected: list[Rejection] = []
        first_s = task.number * self.settings.segment_s
        length_s = self.settings.segment_s + self.settings.source_length / self.rate
        self.segment = read_segment(self.recording, first_s, length_s, self.rate)
        here_s = len(self.segment.audio) / self.rate
        is_last = here_s + first_s >= self.recording.seconds - 1.0
        self.seconds = here_s if is_last else min(here_s, float(self.settings.segment_s))

    def clips(self) -> Iterator[tuple[int, float, float, NDArray[np.uint8], NDArray[np.float16]]]:
        """(start, level_db, flatness_db, pixels, fingerprint) of each clip that is kept."""
        if self.segment.fault:
            self._reject(len(self.segment.audio), Reason.BROKEN, self.segment.fault)
        for start, length, loop in self._loops():
            share = self.segment.clipped_share(
                start / self.rate, length / self.rate, self.recording.sample_rate
            )
            measured = measure(loop, self.rate, share)
            levels = (round(measured.level_db, 2), round(measured.flatness_db, 2))
            rejection = rejection_of(measured, self.settings.limits)
            if rejection:
                self._reject(start, *rejection, *levels)
                continue
            below_peak = level_below_peak(loop, self.geometry)
            spectrogram = spectrogram_at_peak(below_peak, self._peak_db(start), self.geometry)
            yield self.task.first + start, *levels, quantise(spectrogram), fingerprint(below_peak)

    def _loops(self) -> Iterator[tuple[int, int, FloatArray]]:
        """(start in the segment, samples used, loop)."""
        audio, source_length = self.segment.audio, self.settings.source_length
        if self.task.number == 0 and len(audio) < source_length:
            yield from self._sustained()
            return
        for start in self._starts():
            piece = audio[start : start + source_length]
            yield start, source_length, close_loop(piece, self.geometry.loop_length)

    def _sustained(self) -> Iterator[tuple[int, int, FloatArray]]:
        audio, shortest = self.segment.audio, self.settings.shortest
        if len(audio) >= shortest:
            fade, length = fade_length(self.geometry), self.geometry.loop_length
            yield 0, len(audio), sustain(audio, length, fade)
        elif not self.segment.fault:
            detail = f"{len(audio) / self.rate:.2f} s, shorter than {shortest / self.rate:.2f} s"
            self._reject(0, Reason.SHORT, detail)

    def _starts(self) -> list[int]:
        """Starts in this segment with enough audio after them."""
        audio, stride = self.segment.audio, self.settings.stride
        last = min(
            len(audio) - self.settings.source_length + 1, self.settings.segment_s * self.rate
        )
        if self.settings.cut == "onset":
            return onset_starts(audio, last, stride, self.rate)
        first = self.task.first
        return [start - first for start in stride_starts(first, first + last, stride)]

    def _peak_db(self, start: int) -> float:
        """Random, seeded by content and position: independent of names and number of jobs."""
        name = f"{self.settings.seed} {self.recording.sha256} {self.task.first + start}"
        rng = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
        return float(rng.uniform(*self.settings.peak_db))

    def _reject(self, start: int, reason: Reason, detail: str, *levels: float) -> None:
        offset_s = round((self.task.first + start) / self.rate, 6)
        source = self.recording.source
        self.rejected.append(Rejection(source, offset_s, reason, detail, *levels))
