"""Rendering: the same bytes every time, complete files or none."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import centroid_hz, settings_of

from latent_resonance.linux.atomic_file import OutputFileError, atomic_path
from latent_resonance.rendering import render, render_samples

SCORE = "time_s,presence,mouth_open\n0,1,0\n2,1,0\n2.2,1,0.8\n4,1,0.8\n"


@pytest.fixture
def score(tmp_path: Path) -> Path:
    path = tmp_path / "score.csv"
    path.write_text(SCORE)
    return path


def samples_of(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert file.getframerate() == 48_000
        data = file.readframes(file.getnframes())
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


@pytest.mark.slow
def test_the_same_source_and_seed_give_the_same_bytes(
    tmp_path: Path, pack_folder: Path, score: Path
) -> None:
    takes = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]
    for take, seed in zip(takes, (3, 3, 4), strict=True):
        render(score, take, settings_of(pack_folder), seed=seed)
    first, again, other = (take.read_bytes() for take in takes)
    assert first == again
    assert first != other


@pytest.mark.slow
def test_the_sound_changes_when_the_face_does(
    tmp_path: Path, pack_folder: Path, score: Path
) -> None:
    report = render(score, tmp_path / "a.wav", settings_of(pack_folder))
    sound = samples_of(tmp_path / "a.wav")
    assert len(sound) / 48_000 == pytest.approx(4.0, abs=0.05)
    assert report.visited == 1.0
    closed, opened = sound[48_000 : 48_000 * 19 // 10], sound[48_000 * 5 // 2 : 48_000 * 37 // 10]
    assert centroid_hz(opened) > 2 * centroid_hz(closed)
    bends = np.abs(np.diff(sound, 3))
    assert bends.max() < 0.5 * np.abs(sound).max()


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_a_take_of_several_channels_is_a_wav_of_as_many(
    tmp_path: Path, pack_folder: Path, score: Path, channels: int
) -> None:
    settings = settings_of(pack_folder)
    render(score, tmp_path / "a.wav", settings, seconds=1.5, channels=channels)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getnchannels() == channels
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    samples = render_samples(score, settings, seconds=1.5, channels=channels)
    assert samples.ndim == (1 if channels == 1 else 2)
    written = data.reshape(-1, channels).T / 32767
    assert np.abs(written - samples).max() < 3 / 32767


@pytest.mark.slow
def test_without_a_visitor_the_attract_score_plays(tmp_path: Path, pack_folder: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("time_s,presence\n0,0\n6,0\n")
    report = render(empty, tmp_path / "a.wav", settings_of(pack_folder))
    assert report.visited == 0.0
    assert report.rms_db > -40


@pytest.mark.slow
def test_a_plot_of_the_take_is_written(tmp_path: Path, pack_folder: Path, score: Path) -> None:
    render(score, tmp_path / "a.wav", settings_of(pack_folder), plot=tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_after_the_score_the_attract_score_plays_on(
    tmp_path: Path, pack_folder: Path, score: Path
) -> None:
    report = render(score, tmp_path / "a.wav", settings_of(pack_folder), seconds=7.0)
    assert report.seconds == pytest.approx(7.0, abs=0.05)
    assert 0.5 < report.visited < 0.85


def test_an_output_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, pack_folder: Path, score: Path
) -> None:
    with pytest.raises(OutputFileError, match="cannot be written"):
        render(score, tmp_path / "no" / "a.wav", settings_of(pack_folder))
    with pytest.raises(OutputFileError, match="is not a regular file"):
        render(score, tmp_path, settings_of(pack_folder))
    with pytest.raises(OutputFileError, match="is not a regular file"):
        render(score, Path("/dev/null"), settings_of(pack_folder))
    assert list(tmp_path.iterdir()) == [score]
    assert not Path("/dev/null").is_file()


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_no_half_file(
    tmp_path: Path, pack_folder: Path, score: Path
) -> None:
    command = (
        f"ulimit -f 64 && exec {sys.executable} -m latent_resonance render {score} -o full.wav"
    )
    done = subprocess.run(
        ["bash", "-c", f"{command} --pack {pack_folder}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "full.wav: cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [score]


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("before")

    def fail_half_way() -> None:
        with atomic_path(target) as beside:
            beside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
