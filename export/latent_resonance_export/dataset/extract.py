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
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.dataset.clip_measures import bandwidth_hz, fingerprint, measure
from latent_resonance_export.dataset.dataset import quantise
from latent_resonance_export.dataset.loops import (
    close_loop,
    fade_length,
    level_below_peak,
    spectrogram_at_peak,
    sustain,
)
from latent_resonance_export.dataset.one_shots import MIN_S, hold, repeat, trimmed
from latent_resonance_export.dataset.recordings.audio_reader import Segment, read_segment
from latent_resonance_export.dataset.recordings.probe import decoded_again
from latent_resonance_export.dataset.recordings.recording import Recording
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
    made: str  # how: "cut", "sustained", "repeated" or "held"
    bandwidth_hz: float  # the upper end of what sounds


@dataclass(frozen=True)
class Loop:
    """A loop of a segment, before it is measured."""

    start: int  # samples in the segment
    length: int  # samples of the segment that are used
    audio: FloatArray
    made: str = "cut"


@dataclass(frozen=True)
class FinishedClip:
    """A clip within the limits, with its pixels and its fingerprint."""

    start: int  # samples of the recording, at the pack's rate
    level_db: float
    flatness_db: float
    made: str
    bandwidth_hz: float
    pixels: NDArray[np.uint8]
    fingerprint: NDArray[np.float16]

    @property
    def row(self) -> list[float | str]:
        """The values that are written as JSON, in the order of KeptClip."""
        return [self.start, self.level_db, self.flatness_db, self.made, self.bandwidth_hz]


@dataclass(frozen=True)
class SegmentResult:
    """The result of a segment, without its pixels."""

    kept: list[KeptClip]
    rejected: list[Rejection]
    fingerprints: NDArray[np.float16]  # (n_kept, n)
    seconds: float  # of audio in the segment, without the overlap with the next one
    note: str = ""  # which channel was taken, if not the mean


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
        "note": processor.segment.note,
        "kept": [clip.row for clip in clips],
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
                pixels=np.array([clip.pixels for clip in clips], np.uint8),
                fingerprints=np.array([clip.fingerprint for clip in clips], np.float16),
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
        return SegmentResult(kept, rejected, fingerprints, result["seconds"], result["note"])
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
        self.segment = self._read(self.recording, first_s, length_s)
        if self.segment.fault and (again := decoded_again(self.recording, task.work)):
            other = self._read(again, first_s, length_s)
            if len(other.audio) > len(self.segment.audio):
                self.segment = replace(other, note=other.note or again.notes[-1])
        here_s = len(self.segment.audio) / self.rate
        is_last = here_s + first_s >= self.recording.seconds - 1.0
        self.seconds = here_s if is_last else min(here_s, float(self.settings.segment_s))

    def _read(self, recording: Recording, first_s: int, length_s: float) -> Segment:
        return read_segment(recording, first_s, length_s, self.rate, self.settings.channel)

    def clips(self) -> Iterator[FinishedClip]:
        """The clips that are kept."""
        if self.segment.fault:
            self._reject(len(self.segment.audio), Reason.BROKEN, self.segment.fault)
        for loop in self._loops():
            share = self.segment.clipped_share(
                loop.start / self.rate, loop.length / self.rate, self.recording.sample_rate
            )
            measured = measure(loop.audio, self.geometry, share)
            levels = (round(measured.level_db, 2), round(measured.flatness_db, 2))
            if rejection := rejection_of(measured, self.settings.limits):
                reason, detail = rejection
                self._reject(loop.start, reason, self._with_channel(reason, detail), *levels)
            else:
                yield self._finished(loop, *levels)

    def _with_channel(self, reason: Reason, detail: str) -> str:
        """The detail of a rejection, with the channel that causes it."""
        channel = self.segment.clipped_channel
        if reason is not Reason.CLIPPING or not channel:
            return detail
        return f"{detail}, nearly all in channel {channel}: a timecode? --channel chooses another"

    def _finished(self, loop: Loop, level_db: float, flatness_db: float) -> FinishedClip:
        below_peak = level_below_peak(loop.audio, self.geometry)
        spectrogram = spectrogram_at_peak(below_peak, self._peak_db(loop.start), self.geometry)
        return FinishedClip(
            self.task.first + loop.start,
            level_db,
            flatness_db,
            loop.made,
            round(bandwidth_hz(below_peak, self.geometry)),
            quantise(spectrogram),
            fingerprint(below_peak),
        )

    def _loops(self) -> Iterator[Loop]:
        """Loops without DC: its step at a cross-fade would be a thump."""
        audio, source_length = self.segment.audio, self.settings.source_length
        if self.task.number == 0 and len(audio) < source_length:
            yield from self._short(audio - audio.mean() if len(audio) else audio)
            return
        for start in self._starts():
            piece = audio[start : start + source_length]
            loop = close_loop(piece - piece.mean(), self.geometry.loop_length)
            yield Loop(start, source_length, loop)

    def _short(self, audio: FloatArray) -> Iterator[Loop]:
        """A loop of a recording that is shorter than one, if it may be."""
        shortest, length = self.settings.shortest, self.geometry.loop_length
        if len(audio) >= shortest:
            loop = sustain(audio, length, fade_length(self.geometry))
            yield Loop(0, len(audio), loop, "sustained")
            return
        sound = trimmed(audio)
        if self.settings.one_shots != "refuse" and len(sound) >= MIN_S * self.rate:
            yield self._one_shot(sound, len(audio))
        elif not self.segment.fault:
            detail = f"{len(audio) / self.rate:.2f} s, shorter than {shortest / self.rate:.2f} s"
            self._reject(0, Reason.SHORT, detail)

    def _one_shot(self, sound: FloatArray, n_used: int) -> Loop:
        length, rng = self.geometry.loop_length, self._rng("one-shot 0")
        if self.settings.one_shots == "hold":
            return Loop(0, n_used, hold(sound, length, self.rate, rng), "held")
        return Loop(0, n_used, repeat(sound, length, rng), "repeated")

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
        return float(self._rng(str(self.task.first + start)).uniform(*self.settings.peak_db))

    def _rng(self, what: str) -> np.random.Generator:
        """Seeded by content and position: independent of names and number of jobs."""
        name = f"{self.settings.seed} {self.recording.sha256} {what}"
        return np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))

    def _reject(self, start: int, reason: Reason, detail: str, *levels: float) -> None:
        offset_s = round((self.task.first + start) / self.rate, 6)
        source = self.recording.source
        self.rejected.append(Rejection(source, offset_s, reason, detail, *levels))
