"""Reads a segment of a recording in blocks: mono, at the pack's sample rate.

Channels are averaged, unless they cancel (channels.py): then the loudest is taken.

No file is ever entirely in memory. Resampling begins MARGIN_S before the segment and ends
MARGIN_S after it, so that a segment has the same samples as if the whole file had been resampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from latent_resonance_export.dataset.recordings.audio_file import (
    AudioFileError,
    describe_error,
    open_audio,
)
from latent_resonance_export.dataset.recordings.channels import (
    AUTO,
    ChannelStatistics,
    chosen_weights,
    fixed_weights,
)
from latent_resonance_export.dataset.recordings.recording import Recording

FloatArray = NDArray[np.float32]
MARGIN_S = 1  # a whole second is a whole number of samples at any rate
BLOCK = 1 << 18  # samples, of all channels together
COUNT_STEP_S = 0.01  # bins in which clipped samples are counted
MIN_CLIPPED_RUN = 3  # as many equal samples in a row at the peak are clipped
NEAR_PEAK = 0.98
MIN_PEAK = 0.1  # a block below is not clipped
MIN_STEP = 0.002  # of the peak: a clipped wave reaches the peak in a larger step than a smooth one
ONE_CHANNEL = 0.9  # of all clipped samples in one channel: that one is clipped, or a timecode
MAX_AMPLITUDE = 1000.0  # above, 60 dB over full scale, the file is broken
FULL_SCALE = 32768.0  # of 16 bits
# The magnitudes of telephony's codes, of 16 bits: eight chords of 16 steps (ITU-T G.711).
N_CODES = 256  # with their signs
CHORD, STEP = np.divmod(np.arange(N_CODES // 2), 16)
A_LAW = np.where(CHORD == 0, 16 * STEP + 8, (16 * STEP + 264) << np.maximum(CHORD - 1, 0))
MU_LAW = ((8 * STEP + 132) << CHORD) - 132
MAX_MISSING_S = 0.5  # mp3 headers only estimate the length


@dataclass(frozen=True)
class Segment:
    """A part of a recording."""

    audio: FloatArray  # (n,) mono; shorter than requested if the file is broken
    clipped: NDArray[np.int64]  # (n_bins,) clipped samples per COUNT_STEP_S, over all channels
    channels: int
    fault: str  # why reading stopped early, or ""
    note: str = ""  # which channel was taken, if not the mean
    clipped_channel: int = 0  # of several, the one that is clipped, from 1; 0 if there is none

    def clipped_share(self, start_s: float, length_s: float, sample_rate: int) -> float:
        """Share of clipped samples, before mixing and resampling, in a part of the segment."""
        first, last = int(start_s / COUNT_STEP_S), int((start_s + length_s) / COUNT_STEP_S)
        samples = length_s * sample_rate * self.channels
        return float(self.clipped[first:last].sum() / samples)


def read_segment(
    recording: Recording, first_s: int, length_s: float, sample_rate: int, channel: str = AUTO
) -> Segment:
    """Reads `length_s` seconds from second `first_s` on, or up to the end of the recording."""
    reader = _SegmentReader(recording, first_s, length_s, sample_rate)
    fault = ""
    try:
        with open_audio(recording.readable) as file:
            reader.read(file, channel)
    except (OSError, AudioFileError) as error:
        fault = describe_error(error)
    return Segment(
        reader.audio(),
        reader.clipped,
        reader.channels,
        fault,
        reader.note,
        reader.clipped_channel(),
    )


class _SegmentReader:
    """Collects a segment block by block; keeps what was read before an error."""

    def __init__(
        self, recording: Recording, first_s: int, length_s: float, sample_rate: int
    ) -> None:
        self.rate, self.out_rate = recording.sample_rate, sample_rate
        self.is_lossy = recording.is_lossy
        self.margin_s = min(first_s, MARGIN_S)
        self.begin = (first_s - self.margin_s) * self.rate
        self.end = min(recording.frames, int((first_s + length_s + MARGIN_S) * self.rate))
        self.length = round(length_s * sample_rate)
        self.clipped = np.zeros(int(length_s / COUNT_STEP_S) + 1, np.int64)
        self.channels = 1  # that are used
        self.clipped_of = np.zeros(recording.channels, np.int64)  # (channels,) clipped samples
        self.note = ""
        self.parts: list[FloatArray] = []

    def audio(self) -> FloatArray:
        """The samples that were read, without the margin: (n,) mono."""
        lead = self.margin_s * self.out_rate
        whole = np.concatenate([*self.parts, np.zeros(0, np.float32)])
        return whole[lead : lead + self.length]

    def clipped_channel(self) -> int:
        """The channel, from 1, with all but a tenth of the clipped samples; 0 if there is none."""
        most, total = self.clipped_of.max(), self.clipped_of.sum()
        is_one = self.channels > 1 and most > ONE_CHANNEL * total
        return int(self.clipped_of.argmax()) + 1 if is_one else 0

    def read(self, file: soundfile.SoundFile, channel: str) -> None:
        """Reads the file, counts clipped samples, mixes to mono and resamples."""
        weights = self._weights(file, channel)
        used = np.flatnonzero(weights)
        self.channels = len(used)
        resampler = soxr.ResampleStream(self.rate, self.out_rate, 1, dtype="float32")
        at = self.begin
        for block in self._blocks(file):
            for channel_used in used:
                found = find_clipped(block[:, channel_used], self.is_lossy)
                self.clipped_of[channel_used] += len(found)
                self._count_clipped(found, at)
            mono = block @ weights
            at += len(block)
            self.parts.append(resampler.resample_chunk(mono, last=at >= self.end))
        missing_s = (self.end - at) / self.rate
        if missing_s > MAX_MISSING_S:
            raise AudioFileError(f"it ends {missing_s:.1f} s earlier than its header states")

    def _weights(self, file: soundfile.SoundFile, channel: str) -> FloatArray:
        """The weight of each channel; `auto` reads the segment once more to choose them."""
        if file.channels == 1 or channel != AUTO:
            return fixed_weights(channel, file.channels)
        statistics = ChannelStatistics(file.channels)
        try:
            for block in self._blocks(file):
                statistics.add(block)
        except (AudioFileError, RuntimeError):
            pass  # the second reading meets the same fault, and reports it
        weights, self.note = chosen_weights(statistics.covariance())
        return weights

    def _blocks(self, file: soundfile.SoundFile) -> Iterator[FloatArray]:
        """Blocks of (frames, channels) from begin to end, as long as they are valid."""
        if file.tell() != self.begin:
            file.seek(self.begin)
        size, at = max(BLOCK // file.channels, 1), self.begin
        while at < self.end:
            block = file.read(min(size, self.end - at), dtype="float32", always_2d=True)
            if not len(block):
                return
            if not np.abs(block).max() <= MAX_AMPLITUDE:  # also true for NaN
                raise AudioFileError("samples are NaN, or more than 60 dB over full scale")
            yield block
            at += len(block)

    def _count_clipped(self, positions: NDArray[np.intp], at: int) -> None:
        seconds = (at + positions) / self.rate - (self.begin / self.rate + self.margin_s)
        bins = np.floor(seconds / COUNT_STEP_S).astype(np.intp)
        inside = (bins >= 0) & (bins < len(self.clipped))
        np.add.at(self.clipped, bins[inside], 1)


def find_clipped(channel: FloatArray, is_lossy: bool) -> NDArray[np.intp]:
    """Positions of the clipped samples of a block of one channel, (frames,).

    Clipped are runs of equal samples at the peak that are reached in a larger step than that of
    a smooth wave. Lossy coding rounds such runs, so there samples over full scale count too.
    """
    runs = _clipped_runs(channel)
    over = np.flatnonzero(np.abs(channel) > 1.0) if is_lossy else runs[:0]
    return np.concatenate([runs, over])


def _clipped_runs(channel: FloatArray) -> NDArray[np.intp]:
    peak = float(np.abs(channel).max())
    if peak < MIN_PEAK:
        return np.zeros(0, np.intp)
    first, last = _equal_runs(channel, peak)
    before = np.abs(channel[np.maximum(first - 1, 0)] - channel[first])
    after = np.abs(channel[np.minimum(last + 1, len(channel) - 1)] - channel[last])
    step, lengths = np.maximum(before, after), last - first + 1
    is_cut = (lengths >= MIN_CLIPPED_RUN) & (step > MIN_STEP * peak)
    if is_cut.any():
        is_cut &= step > _smooth_step(lengths, quantisation_step(channel))
    runs = [np.arange(a, b + 1) for a, b in zip(first[is_cut], last[is_cut], strict=True)]
    return np.concatenate([np.zeros(0, np.intp), *runs])


def _equal_runs(channel: FloatArray, peak: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last sample of each run of equal samples near the peak."""
    near = np.flatnonzero(np.abs(channel) >= NEAR_PEAK * peak)
    begins = np.flatnonzero(
        (np.diff(near, prepend=-2) > 1) | (np.diff(channel[near], prepend=2 * peak) != 0)
    )
    lengths = np.diff(begins, append=len(near))
    return near[begins], near[begins] + lengths - 1


def _smooth_step(lengths: NDArray[np.intp], quantum: float) -> NDArray[np.float64]:
    """The largest step after a run of equal samples at the peak of a smooth wave.

    A parabola that changes by one quantum within half the run, h samples, changes by
    (2 h + 1) / h² quanta in the next sample; rounding adds one more.
    """
    half = np.maximum(lengths - 1, 1) / 2
    steps: NDArray[np.float64] = quantum * ((2 * half + 1) / half**2 + 1)
    return steps


def quantisation_step(channel: FloatArray) -> float:
    """The difference between two values of a channel (n,) at its peak: 1/128 if it had 8 bits.

    Measured, because the depth of the file says nothing: 8 bits are also in files of 16. It is the
    smallest difference of all, unless the steps grow with the value, as those of telephony do.
    """
    values = np.unique(channel)
    if len(values) == 1:
        return 0.0
    magnitudes = np.abs(values) * FULL_SCALE
    for law in (A_LAW, MU_LAW) if len(values) <= N_CODES else ():
        if np.isin(magnitudes, law).all():
            steps = np.diff(law[law <= magnitudes.max()], prepend=0)
            return float(steps[-1]) / FULL_SCALE
    return float(np.diff(values).min())
