"""Recordings whose header is not true: never finished, of another length, or contradictory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.recordings import SECONDS, needs_ffmpeg, opened, recording, samples
from tests.support.small_loops import RATE, Play

from latent_resonance_export.dataset.recordings.probe import (
    COMPLETED,
    FIRST_OF_CHAIN,
    FIRST_OF_WAV,
)
from latent_resonance_export.dataset.rejection import Rejection


def without_length_64(path: Path, name: bytes = b"RF64") -> None:
    """A recording in RF64 whose recorder lost its power: the lengths in ds64 are still 0."""
    content = path.read_bytes()
    at = content.index(b"ds64") + 8
    path.write_bytes(name + content[4:at] + bytes(24) + content[at + 24 :])


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_a_large_recording_that_was_cut_off_by_a_power_failure_is_read_to_its_end(
    tmp_path: Path, play: Play, name: bytes
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, play(SECONDS, RATE, 1), RATE, format="RF64", subtype="PCM_16")
    whole = samples(path)
    without_length_64(path, name)
    found = recording(path)
    assert found.notes == (COMPLETED,)
    np.testing.assert_array_equal(samples(path), whole)


@needs_ffmpeg
def test_a_film_that_was_cut_off_says_how_much_is_missing(tmp_path: Path, play: Play) -> None:
    soundfile.write(tmp_path / "a.wav", play(SECONDS, RATE, 1), RATE)
    encode = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-movflags", "faststart"]
    subprocess.run([*encode, tmp_path / "a.m4a"], check=True)
    whole = (tmp_path / "a.m4a").read_bytes()
    assert not recording(tmp_path / "a.m4a").fault
    (tmp_path / "half.m4a").write_bytes(whole[: len(whole) // 2])
    found = recording(tmp_path / "half.m4a")
    assert found.fault == f"it ends {SECONDS - found.seconds:.1f} s earlier than its header states"


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (24, b"\0\0\0\0", "its header is damaged"),  # a sample rate of 0
        pytest.param(34, b"\0\0", "a coding of samples that nothing", marks=needs_ffmpeg),
    ],
)
def test_a_header_that_contradicts_itself_is_refused_in_words(
    tmp_path: Path, play: Play, at: int, value: bytes, reason: str
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, play(1.0, RATE, 1), RATE)
    content = path.read_bytes()
    path.write_bytes(content[:at] + value + content[at + len(value) :])
    refused = opened(path)
    assert isinstance(refused, Rejection)
    assert reason in refused.detail


def chain(folder: Path, play: Play, kind: str, before: bytes = b"") -> Path:
    """Two recordings in one file, as a recorder of a radio stream or `cat` writes them."""
    for i, seconds in enumerate((1.0, 2.0)):
        soundfile.write(folder / f"{i}.{kind}", play(seconds, RATE, i), RATE)
    path = folder / f"chain.{kind}"
    parts = [before + (folder / f"{i}.{kind}").read_bytes() for i in range(2)]
    path.write_bytes(b"".join(parts))
    return path


ID3 = b"ID3\4\0\0" + bytes([0, 0, 2, 1]) + bytes(257)  # sizes have seven bits in a byte
CHAINS = [("ogg", b""), ("mp3", b""), ("mp3", ID3)]


@needs_ffmpeg
@pytest.mark.parametrize(("kind", "before"), CHAINS, ids=["ogg", "mp3", "mp3 with tags"])
def test_a_chain_of_recordings_is_read_to_its_end(
    tmp_path: Path, play: Play, kind: str, before: bytes
) -> None:
    found = recording(chain(tmp_path, play, kind, before))
    assert found.seconds == pytest.approx(3.0, abs=0.2)
    assert not found.fault
    assert not recording(tmp_path / f"0.{kind}").decoded


@pytest.mark.parametrize("end", [b"TAG" + bytes(125), b"APETAGEX" + bytes(9000), bytes(9000)])
def test_what_follows_an_mp3_and_is_no_sound_is_no_further_recording(
    tmp_path: Path, play: Play, end: bytes
) -> None:
    soundfile.write(tmp_path / "a.mp3", play(1.0, RATE, 0), RATE)
    (tmp_path / "a.mp3").write_bytes((tmp_path / "a.mp3").read_bytes() + end)
    found = recording(tmp_path / "a.mp3")
    assert not found.decoded
    assert not found.notes


@needs_ffmpeg
@pytest.mark.parametrize("first", [b"data", b"RIFF"])
def test_samples_after_the_first_ones_of_a_wav_are_named_each_time(
    tmp_path: Path, play: Play, first: bytes
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, play(1.0, RATE, 0), RATE)
    content = path.read_bytes()
    path.write_bytes(content + content[content.index(first) :])
    for _ in range(2):  # a run, and one that resumes it
        found = recording(path)
        assert found.seconds == pytest.approx(1.0)
        assert found.fault == FIRST_OF_WAV


@pytest.mark.parametrize("kind", ["ogg", "mp3"])
def test_without_ffmpeg_a_chain_is_read_in_part_and_says_so(
    tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("PATH", "")
    found = recording(chain(tmp_path, play, kind))
    assert found.seconds == pytest.approx(1.0, abs=0.1)
    assert found.notes == (FIRST_OF_CHAIN,)
