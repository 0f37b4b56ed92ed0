"""Short MP3 files of kept and of rejected places, for the report."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile

from latent_resonance_export.dataset.dataset import Clip
from latent_resonance_export.dataset.recordings.audio_reader import read_segment
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.rejection import Reason, Rejection, group_by_reason
from latent_resonance_export.dataset.result import Example

SAMPLE_RATE = 24_000  # Hz
N_KEPT, N_REJECTED = 8, 2  # the latter of each reason
AUDIBLE = {Reason.SILENCE, Reason.CLIPPING, Reason.NOISE, Reason.DUPLICATE, Reason.SHORT}


@dataclass(frozen=True)
class ExampleTask:
    """A place of a recording to encode."""

    recording: Recording
    offset_s: float
    length_s: float
    channel: str
    why: str


def example_tasks(
    recordings: Sequence[Recording],
    clips: Sequence[Clip],
    rejected: Sequence[Rejection],
    length_s: float,
    channel: str,
) -> list[ExampleTask]:
    """Places from all over the dataset, and the first ones of each reason."""
    by_source = {recording.source: recording for recording in recordings}
    places = [*_kept(clips), *_rejected(rejected)]
    return [
        ExampleTask(by_source[source], offset_s, length_s, channel, why)
        for source, offset_s, why in places
        if source in by_source
    ]


def _kept(clips: Sequence[Clip]) -> Iterator[tuple[str, float, str]]:
    for index in np.unique(np.linspace(0, len(clips) - 1, N_KEPT).round().astype(int)):
        yield clips[index].source, clips[index].offset_s, ""


def _rejected(rejected: Sequence[Rejection]) -> Iterator[tuple[str, float, str]]:
    for reason, group in group_by_reason(rejected):
        if reason in AUDIBLE:
            first = {r.source: r for r in reversed(group)}
            yield from (
                (r.source, r.offset_s, f"{reason.label}: {r.detail}")
                for r in list(first.values())[:N_REJECTED]
            )


def encode_example(task: ExampleTask) -> Example:
    """Reads the place and encodes it; silent where nothing can be read. Runs in a worker."""
    first_s = int(task.offset_s)
    length_s = task.offset_s - first_s + task.length_s
    segment = read_segment(task.recording, first_s, length_s, SAMPLE_RATE, task.channel)
    audio = segment.audio[round((task.offset_s - first_s) * SAMPLE_RATE) :]
    content = io.BytesIO()
    soundfile.write(content, np.clip(audio, -1, 1), SAMPLE_RATE, format="MP3")
    return Example(task.recording.source, task.offset_s, task.why, content.getvalue())
