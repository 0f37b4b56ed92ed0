"""Reads a stretch of a recording: mono, at the pack's sample rate, in blocks.

No file is ever in memory as a whole. Resampling begins LEAD_S before the stretch and ends
LEAD_S after it, so that a stretch has the same samples as if the file had been read in one go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from latent_resonance_export.dataset.recordings import Recording, said

FloatArray = NDArray[np.float32]
LEAD_S = 1  # whole seconds are whole samples at any rate
BLOCK = 1 << 18  # samples, of all channels together
TALLY_S = 0.01  # step in which clipped samples are counted
FLAT_RUN = 3  # equal samples in a row at the peak are clipped
NEAR_PEAK = 0.98
QUIET_PEAK = 0.1  # a block that stays below was not clipped, but may be coarsely quantised
STEEP = 0.002  # of the peak: what is clipped arrives at the peak faster than a round wave does
EIGHT_BIT_STEP = 1 / 128
LOUDEST = 1000.0  # 60 dB over full scale is no sound but a broken file
MISSING_S = 0.5  # headers of mp3 estimate the length


@dataclass(frozen=True)
class Stretch:
    """What was read of a recording."""

    audio: FloatArray  # (n,) mono, from the stretch's beginning; shorter if the file broke
    clipped: NDArray[np.int64]  # (n_tallies,) clipped samples in each TALLY_S, over all channels
    channels: int
    fault: str  # why reading stopped early; "" if it did not

    def clipped_share(self, start_s: float, length_s: float, sample_rate: int) -> float:
        """Share of the recording's own samples in a part of the stretch that are clipped."""
        first, last = int(start_s / TALLY_S), int((start_s + length_s) / TALLY_S)
        samples = length_s * sample_rate * self.channels
        return float(self.clipped[first:last].sum() / samples)


def read_stretch(recording: Recording, first_s: int, length_s: float, sample_rate: int) -> Stretch:
    """Reads `length_s` seconds from the whole second `first_s` on, or to the recording's end."""
    reader = _Reader(recording, first_s, length_s, sample_rate)
    fault = ""
    try:
        with soundfile.SoundFile(recording.path) as file:
            reader.read(file)
    except (OSError, RuntimeError, _NonsenseError) as error:
        fault = said(error)
    return Stretch(reader.audio(), reader.clipped, reader.channels, fault)


class _NonsenseError(ValueError):
    """Samples that are no sound."""


class _Reader:
    """Collects a stretch block by block; what it has when a file breaks is kept."""

    def __init__(
        self, recording: Recording, first_s: int, length_s: float, sample_rate: int
    ) -> None:
        self.rate, self.out_rate = recording.sample_rate, sample_rate
        self.is_lossy = recording.is_lossy
        self.lead_s = min(first_s, LEAD_S)
        self.begin = (first_s - self.lead_s) * self.rate
        self.end = min(recording.frames, int((first_s + length_s + LEAD_S) * self.rate))
        self.length = round(length_s * sample_rate)
        self.clipped = np.zeros(int(length_s / TALLY_S) + 1, np.int64)
        self.channels = 1
        self.parts: list[FloatArray] = []

    def audio(self) -> FloatArray:
        """What was read, from the stretch's beginning on."""
        lead = self.lead_s * self.out_rate
        whole = np.concatenate([*self.parts, np.zeros(0, np.float32)])
        return whole[lead : lead + self.length]

    def read(self, file: soundfile.SoundFile) -> None:
        """Reads, counts what is clipped, mixes to mono and resamples."""
        self.channels = file.channels
        step = EIGHT_BIT_STEP if file.subtype in {"PCM_U8", "PCM_S8"} else 0.0
        resampler = soxr.ResampleStream(self.rate, self.out_rate, 1, dtype="float32")
        at = self.begin
        for block in self._blocks(file):
            self._tally(clipped_in(block, step, self.is_lossy), at)
            mono = block.mean(axis=1, dtype=np.float32)
            at += len(block)
            self.parts.append(resampler.resample_chunk(mono, last=at >= self.end))
        missing_s = (self.end - at) / self.rate
        if missing_s > MISSING_S:
            raise _NonsenseError(f"it ends {missing_s:.1f} s before its header says")

    def _blocks(self, file: soundfile.SoundFile) -> Iterator[FloatArray]:
        """(frames, channels) from begin to end, as long as they are sound."""
        if self.begin:
            file.seek(self.begin)
        size, at = max(BLOCK // file.channels, 1), self.begin
        while at < self.end:
            block = file.read(min(size, self.end - at), dtype="float32", always_2d=True)
            if not len(block):
                return
            if not np.abs(block).max() <= LOUDEST:  # also if there is a NaN
                raise _NonsenseError("samples that are not numbers, or 60 dB over full scale")
            yield block
            at += len(block)

    def _tally(self, places: NDArray[np.intp], at: int) -> None:
        seconds = (at + places) / self.rate - (self.begin / self.rate + self.lead_s)
        tallies = np.floor(seconds / TALLY_S).astype(np.intp)
        inside = (tallies >= 0) & (tallies < len(self.clipped))
        np.add.at(self.clipped, tallies[inside], 1)


def clipped_in(block: FloatArray, step: float, is_lossy: bool) -> NDArray[np.intp]:
    """Frames of a block at which a channel is cut flat, once for each channel.

    A run of equal samples at the peak, reached by more than a round wave's last step. A
    decoder of a lossy format makes such runs round again: there, what is over full scale
    counts.

    Parameters
    ----------
    block : (frames, channels)
    step : of the file's quantisation, where that is coarse
    """
    found = [_flat_runs(channel, step) for channel in block.T]
    if is_lossy:
        found.extend(np.flatnonzero(np.abs(channel) > 1.0) for channel in block.T)
    return np.concatenate(found)


def _flat_runs(channel: FloatArray, step: float) -> NDArray[np.intp]:
    peak = float(np.abs(channel).max())
    if peak < QUIET_PEAK:
        return np.zeros(0, np.intp)
    near = np.flatnonzero(np.abs(channel) >= NEAR_PEAK * peak)
    values = channel[near]
    begins = np.flatnonzero(
        (np.diff(near, prepend=-2) > 1) | (np.diff(values, prepend=2 * peak) != 0)
    )
    lengths = np.diff(begins, append=len(near))
    first, last = near[begins], near[begins] + lengths - 1
    before = np.abs(channel[np.maximum(first - 1, 0)] - channel[first])
    after = np.abs(channel[np.minimum(last + 1, len(channel) - 1)] - channel[last])
    is_cut = (lengths >= FLAT_RUN) & (np.maximum(before, after) > max(STEEP * peak, 1.5 * step))
    chosen = [np.arange(a, b + 1) for a, b in zip(first[is_cut], last[is_cut], strict=True)]
    return np.concatenate([np.zeros(0, np.intp), *chosen])
