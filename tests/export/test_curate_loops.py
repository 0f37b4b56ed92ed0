"""What a recording becomes: how its loops are cut, and that no sample of them is another."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from tests.support.small_loops import RATE, SETTINGS, SMALL, Play

from latent_resonance.audio.griffin_lim import griffin_lim
from latent_resonance.audio.mel_inversion import spectrogram_to_magnitude
from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
from latent_resonance_export.dataset.curate import curate
from latent_resonance_export.dataset.dataset import open_dataset, read_clips
from latent_resonance_export.dataset.loops import close_loop, normalise_peak
from latent_resonance_export.dataset.settings import CurationSettings


@pytest.mark.slow
def test_a_recording_at_another_rate_gives_the_same_spectrograms(
    tmp_path: Path, play: Play
) -> None:
    fast = play(6.0, 48_000, 4)
    takes = {"slow": (soxr.resample(fast, 48_000, RATE), RATE), "fast": (fast, 48_000)}
    for name, (sound, rate) in takes.items():
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", sound, rate, subtype="FLOAT")
        curate(tmp_path / name, tmp_path / f"{name}.out", replace(SETTINGS, peak_db=(0.0, 0.0)))
    slow, quick = (open_dataset(tmp_path / f"{name}.out") for name in ("slow", "fast"))
    difference = np.abs(slow.pixels.astype(int) - quick.pixels) * SMALL.range_db / 256
    assert difference.mean() < 0.1
    assert (difference > 1.0).mean() < 0.01


@pytest.mark.slow
def test_the_round_trip_to_audio_adds_only_the_error_of_the_inversion(
    tmp_path: Path, play: Play
) -> None:
    (tmp_path / "in").mkdir()
    geometry = Geometry(n_frames=128)
    sound = play(8.0, 48_000, 5)
    soundfile.write(tmp_path / "in" / "a.wav", sound, 48_000, subtype="FLOAT")
    curate(tmp_path / "in", tmp_path / "out", CurationSettings(geometry, peak_db=(0.0, 0.0)))
    stored = open_dataset(tmp_path / "out").spectrograms(np.arange(1))[0]
    loop = close_loop(sound[: CurationSettings(geometry).source_length], geometry.loop_length)
    direct = loop_to_spectrogram(normalise_peak(loop, geometry, 0.0), geometry)
    errors = [inversion_error(spectrogram, direct, geometry) for spectrogram in (direct, stored)]
    assert errors[0] < 3.0, "the inversion itself fails"
    assert errors[1] < errors[0] + 0.1


def inversion_error(spectrogram: np.ndarray, truth: np.ndarray, geometry: Geometry) -> float:
    """Mean difference in dB between the truth and the inverted spectrogram, down to -40 dB."""
    magnitude = spectrogram_to_magnitude(spectrogram, geometry)
    sound = griffin_lim(np.concatenate([magnitude, magnitude], axis=1), geometry)
    turn = sound[geometry.loop_length // 2 :][: geometry.loop_length]
    turn = np.roll(turn, geometry.loop_length // 2)
    inverted = loop_to_spectrogram(turn, geometry)
    audible = truth > 0.0
    return float(np.abs(inverted - truth)[audible].mean() * geometry.range_db / 2)


@pytest.mark.slow
def test_a_short_recording_is_sustained_and_a_shorter_one_rejected(
    tmp_path: Path, play: Play
) -> None:
    (tmp_path / "in").mkdir()
    for seconds, name in ((6.0, "long"), (0.7, "short"), (0.4, "shorter")):
        soundfile.write(tmp_path / "in" / f"{name}.wav", play(seconds, RATE, len(name)), RATE)
    curated = curate(tmp_path / "in", tmp_path / "out", SETTINGS)
    sources = [clip.source for clip in read_clips(tmp_path / "out" / "clips.csv")]
    assert sources.count("short.wav") == 1
    assert "shorter.wav" not in sources
    (rejection,) = (r for r in curated.rejected if r.source == "shorter.wav")
    assert rejection.detail == "0.40 s, shorter than 0.51 s"
    curate(tmp_path / "in", tmp_path / "all", replace(SETTINGS, shortest_s=0.3))
    assert "shorter.wav" in [c.source for c in read_clips(tmp_path / "all" / "clips.csv")]


@pytest.mark.slow
def test_cut_by_onset_loops_start_at_onsets(tmp_path: Path, play: Play) -> None:
    (tmp_path / "in").mkdir()
    begins = [0.5, 2.25, 4.1, 6.0, 7.7]
    sound = np.zeros(10 * RATE, np.float32)
    for i, at in enumerate(begins):
        note = play(1.2, RATE, 20 + i)
        sound[int(at * RATE) :][: len(note)] += note
    soundfile.write(tmp_path / "in" / "a.wav", sound, RATE)
    curate(tmp_path / "in", tmp_path / "out", replace(SETTINGS, cut="onset", stride_s=1.3))
    offsets = [clip.offset_s for clip in read_clips(tmp_path / "out" / "clips.csv")]
    assert len(offsets) >= 4
    nearest = [min(abs(offset - begin) for begin in begins) for offset in offsets]
    assert max(nearest) < 0.06


@pytest.mark.slow
def test_of_many_recordings_whole_ones_are_held_out(tmp_path: Path, play: Play) -> None:
    (tmp_path / "in").mkdir()
    for i in range(12):
        soundfile.write(tmp_path / "in" / f"{i}.wav", play(2.5, RATE, 40 + i), RATE)
    curate(tmp_path / "in", tmp_path / "out", replace(SETTINGS, stride_s=0.25))
    clips = read_clips(tmp_path / "out" / "clips.csv")
    held = {clip.source for clip in clips if clip.held_out}
    assert held
    assert not held & {clip.source for clip in clips if not clip.held_out}


def test_a_segment_boundary_changes_no_sample(tmp_path: Path, play: Play) -> None:
    """A segment has the same samples as the same part of the whole recording."""
    from latent_resonance_export.dataset.recordings.audio_reader import read_segment
    from latent_resonance_export.dataset.recordings.probe import ProbeTask, probe
    from latent_resonance_export.dataset.recordings.recording import Recording

    soundfile.write(tmp_path / "a.flac", play(12.0, 44_100, 9), 44_100)
    recording = probe(ProbeTask("a.flac", os.fsencode(tmp_path / "a.flac"), tmp_path))
    assert isinstance(recording, Recording)
    whole = read_segment(recording, 0, 12.0, RATE).audio
    part = read_segment(recording, 5, 4.0, RATE).audio
    assert len(part) == 4 * RATE
    np.testing.assert_allclose(part, whole[5 * RATE : 9 * RATE], atol=1e-5)
