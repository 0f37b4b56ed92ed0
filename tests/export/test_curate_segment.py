"""One segment of a recording: what is kept of it, and why the rest is rejected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.recordings import recording
from tests.support.small_loops import RATE, SETTINGS, Play

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.dataset.extract import (
    SegmentResult,
    load_result,
    process_segment,
    segments_of,
)
from latent_resonance_export.dataset.rejection import Reason
from latent_resonance_export.dataset.settings import CurationSettings

WIDE = Geometry()


def first_segment(path: Path, settings: CurationSettings = SETTINGS) -> SegmentResult:
    task = segments_of(recording(path), settings, path.parent)[0]
    process_segment(task)
    result = load_result(task)
    assert result is not None
    return result


def tone(hz: float) -> np.ndarray:
    """Six seconds at half of full scale."""
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(6 * WIDE.sample_rate) / WIDE.sample_rate)


@pytest.mark.parametrize("hz", [4.0, 20.0, 25.0, 17_000.0, 20_000.0])
def test_a_tone_outside_the_bands_is_rejected(tmp_path: Path, hz: float) -> None:
    soundfile.write(tmp_path / "a.wav", tone(hz), WIDE.sample_rate)
    result = first_segment(tmp_path / "a.wav", CurationSettings())
    assert [r.reason for r in result.rejected] == [Reason.BANDS]
    assert not result.kept


@pytest.mark.parametrize("outside_hz", [5.0, 18_000.0])
def test_a_sound_in_the_bands_is_kept_beside_a_louder_one_outside(
    tmp_path: Path, play: Play, outside_hz: float
) -> None:
    sound = 0.1 * play(6.0, WIDE.sample_rate, 1)
    soundfile.write(tmp_path / "a.wav", sound + tone(outside_hz), WIDE.sample_rate)
    result = first_segment(tmp_path / "a.wav", CurationSettings())
    assert result.kept
    assert not result.rejected


def test_a_timecode_beside_the_sound_is_named_where_it_counts_as_clipping(
    tmp_path: Path, play: Play
) -> None:
    """LTC (SMPTE 12M) is a square wave, whose flat tops are those of a clipped one."""
    sound = play(3.0, RATE, 1)
    timecode = 0.9 * np.sign(np.sin(2 * np.pi * 1201 * np.arange(len(sound)) / RATE))
    soundfile.write(tmp_path / "a.wav", np.stack([sound, timecode], 1), RATE)
    both = first_segment(tmp_path / "a.wav")
    assert {r.reason for r in both.rejected} == {Reason.CLIPPING}
    assert all("channel 2" in r.detail for r in both.rejected)
    assert not first_segment(tmp_path / "a.wav", replace(SETTINGS, channel="1")).rejected


def test_of_channels_that_are_all_clipped_none_is_named(tmp_path: Path, play: Play) -> None:
    sounds = [np.clip(20 * play(3.0, RATE, seed), -1, 1) for seed in (1, 2)]
    soundfile.write(tmp_path / "a.wav", np.stack(sounds, 1), RATE)
    rejected = first_segment(tmp_path / "a.wav").rejected
    assert {r.reason for r in rejected} == {Reason.CLIPPING}
    assert not any("channel" in r.detail for r in rejected)
