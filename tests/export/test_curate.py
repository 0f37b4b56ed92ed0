"""A folder of recordings becomes a dataset: reproducible, and complete or not at all."""

from __future__ import annotations

import csv
import fcntl
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.small_loops import RATE, SETTINGS, SMALL, Play

from latent_resonance.audio.spectrogram import loop_to_spectrogram
from latent_resonance_export.dataset.curate import curate
from latent_resonance_export.dataset.dataset import Clip, open_dataset, read_clips
from latent_resonance_export.dataset.loops import close_loop, normalise_peak
from latent_resonance_export.dataset.settings import CurationError
from latent_resonance_export.progress import ProgressCallback

SMALL_CURATE = """
import sys
from pathlib import Path
from tests.support.small_loops import SETTINGS
from latent_resonance_export.dataset.curate import curate
if __name__ == "__main__":
    sounds, dataset = map(Path, sys.argv[1:])
    curate(sounds, dataset, SETTINGS, about="melodies", licence="CC0-1.0")
"""


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory, play: Play) -> Path:
    """Recordings of several formats, rates and channels, in nested folders: 39 s of melodies."""
    folder = tmp_path_factory.mktemp("sounds")
    (folder / "deep" / "deeper").mkdir(parents=True)
    for i, (name, rate, channels) in enumerate(
        [
            ("a.wav", 48_000, 1),
            ("b.flac", 44_100, 2),
            ("deep/c.ogg", 32_000, 1),
            ("deep/deeper/d.mp3", 44_100, 2),
            ("deep/e.aiff", 22_050, 3),
        ]
    ):
        sound = play(9.0 if i == 0 else 7.5, rate, i)
        soundfile.write(folder / name, np.repeat(sound[:, None], channels, axis=1), rate)
    return folder


@pytest.fixture(scope="module")
def curated(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    curate(sounds, folder, SETTINGS, about="melodies", licence="CC0-1.0")
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_the_dataset_contains_every_format_and_folder(curated: Path) -> None:
    clips = read_clips(curated / "clips.csv")
    sources = {clip.source for clip in clips}
    assert sources == {"a.wav", "b.flac", "deep/c.ogg", "deep/deeper/d.mp3", "deep/e.aiff"}
    dataset = open_dataset(curated)
    assert dataset.geometry == SMALL
    assert len(dataset.pixels) == len(clips) > 50
    assert dataset.about["sounds"] == "melodies"
    assert dataset.about["licence"] == "CC0-1.0"
    assert all(pixels.std() > 10 for pixels in dataset.pixels)


@pytest.mark.slow
def test_clips_start_every_half_loop_and_record_their_offset(curated: Path) -> None:
    of_a = sorted(c.offset_s for c in read_clips(curated / "clips.csv") if c.source == "a.wav")
    steps = np.diff(of_a) / (SMALL.loop_s / 2)
    assert of_a[0] == 0.0
    assert np.abs(steps - steps.round()).max() < 1e-3
    assert np.median(steps) == pytest.approx(1.0, abs=1e-3)


def expected_spectrogram(sound: np.ndarray, clip: Clip) -> np.ndarray:
    """The spectrogram of a clip of a mono sound at the dataset's rate, with its peak at 0 dB."""
    start = round(clip.offset_s * RATE)
    loop = close_loop(sound[start : start + SETTINGS.source_length], SMALL.loop_length)
    return loop_to_spectrogram(normalise_peak(loop, SMALL, 0.0), SMALL)


@pytest.mark.slow
def test_the_pixels_are_the_runtimes_spectrogram_of_the_loop(tmp_path: Path, play: Play) -> None:
    (tmp_path / "in").mkdir()
    sound = play(8.0, RATE, 3)
    soundfile.write(tmp_path / "in" / "a.wav", sound, RATE, subtype="FLOAT")
    curate(tmp_path / "in", tmp_path / "out", replace(SETTINGS, peak_db=(0.0, 0.0)))
    spectrograms = open_dataset(tmp_path / "out").spectrograms(np.arange(5))
    for spectrogram, clip in zip(
        spectrograms, read_clips(tmp_path / "out" / "clips.csv"), strict=False
    ):
        np.testing.assert_allclose(
            spectrogram, expected_spectrogram(sound, clip), atol=1 / 256 + 2e-3
        )


@pytest.mark.slow
def test_held_out_clips_share_no_sample_with_training_clips(curated: Path) -> None:
    clips = read_clips(curated / "clips.csv")
    length_s = SETTINGS.source_length / RATE
    held = [clip for clip in clips if clip.held_out]
    assert 0.05 < len(held) / len(clips) < 0.2
    pairs = [(a, b) for a in held for b in clips if not b.held_out and a.source == b.source]
    assert pairs, "the test needs recordings with both kinds of clips"
    assert all(abs(a.offset_s - b.offset_s) >= length_s - 1e-3 for a, b in pairs)


@pytest.mark.slow
def test_the_same_recordings_give_the_same_bytes_on_any_number_of_cores(
    sounds: Path, curated: Path, tmp_path: Path
) -> None:
    curate(sounds, tmp_path / "again", SETTINGS, about="melodies", licence="CC0-1.0", jobs=3)
    assert files_in(tmp_path / "again") == files_in(curated)


@pytest.mark.slow
def test_another_seed_gives_other_levels(sounds: Path, curated: Path, tmp_path: Path) -> None:
    curate(sounds, tmp_path / "other", replace(SETTINGS, seed=8))
    peaks = [
        open_dataset(folder).pixels.max(axis=(1, 2)) for folder in (curated, tmp_path / "other")
    ]
    assert (peaks[0] != peaks[1]).mean() > 0.5
    assert min(map(min, peaks)) >= 256 - 9 / SMALL.range_db * 256 - 2


@pytest.mark.slow
def test_no_temporary_file_is_left(curated: Path) -> None:
    assert [path.name for path in curated.parent.iterdir()] == ["dataset"]
    assert sorted(files_in(curated)) == [
        "clips.csv",
        "dataset.yaml",
        "files.csv",
        "rejected.csv",
        "report.html",
        "spectrograms.npy",
    ]


@pytest.mark.realtime
def test_after_a_kill_the_next_run_resumes_with_the_same_bytes(
    sounds: Path, curated: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", SMALL_CURATE, str(sounds), str(tmp_path / "out")]
    work = tmp_path / "out.part"
    kills = 0
    for target in (1, 3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(list(work.glob("*.npz"))) < target and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        if process.poll() is None:
            process.kill()
            kills += 1
        process.wait()
        assert kills == 0 or not (tmp_path / "out").exists()
    assert kills, "no run was killed"
    done_before = {path.name: path.stat().st_mtime_ns for path in work.glob("*.npz")}
    assert done_before
    seen = dict.fromkeys(done_before, 0)

    def remember(stage: str, *_: int) -> None:
        if stage == "extracting":
            seen.update({p.name: p.stat().st_mtime_ns for p in work.glob("*.npz")})

    curate(
        sounds, tmp_path / "out", SETTINGS, about="melodies", licence="CC0-1.0", progress=remember
    )
    assert {name: seen[name] for name in done_before} == done_before, "finished work was repeated"
    assert files_in(tmp_path / "out") == files_in(curated)


@pytest.mark.slow
def test_workers_exit_when_the_run_is_killed(tmp_path: Path, play: Play) -> None:
    (tmp_path / "in").mkdir()
    for i in range(3):
        soundfile.write(tmp_path / "in" / f"{i}.wav", play(60.0, 16_000, i), RATE)
    command = [sys.executable, "-m", "latent_resonance_export", "curate", str(tmp_path / "in")]
    process = subprocess.Popen([*command, "-o", str(tmp_path / "out"), "--jobs", "2"])
    deadline = time.monotonic() + 60
    while not (workers := children_of(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert workers
    while any(is_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_alive(pid) for pid in workers)


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def stop_after_extracting() -> ProgressCallback:
    """Interrupts a run when each segment is finished, and nothing is written yet."""
    extracted = 0

    def stop(stage: str, done: int, total: int) -> None:
        nonlocal extracted
        extracted += done if stage == "extracting" else 0
        if extracted == total:
            raise KeyboardInterrupt

    return stop


@pytest.mark.slow
def test_incomplete_work_is_repeated(sounds: Path, curated: Path, tmp_path: Path) -> None:
    """As after a power cut: files exist, but their content is incomplete."""
    work = tmp_path / "out.part"
    work.mkdir()

    with pytest.raises(KeyboardInterrupt):
        curate(sounds, tmp_path / "out", SETTINGS, progress=stop_after_extracting())
    parts = sorted(work.glob("*.npz"))
    assert len(parts) == 5
    for path, content in zip(parts, (b"", b"PK", parts[2].read_bytes()[:1000]), strict=False):
        path.write_bytes(content)
    curate(sounds, tmp_path / "out", SETTINGS, about="melodies", licence="CC0-1.0")
    assert files_in(tmp_path / "out") == files_in(curated)


@pytest.mark.slow
def test_work_of_other_settings_is_not_used(sounds: Path, curated: Path, tmp_path: Path) -> None:
    other = replace(SETTINGS, stride_s=0.25)
    with pytest.raises(KeyboardInterrupt):
        curate(sounds, tmp_path / "out", other, progress=stop_after_extracting())
    assert list((tmp_path / "out.part").glob("*.npz"))
    curate(sounds, tmp_path / "out", SETTINGS, about="melodies", licence="CC0-1.0")
    assert files_in(tmp_path / "out") == files_in(curated)
    assert not (tmp_path / "out.part").exists()


@pytest.mark.slow
def test_two_runs_cannot_write_the_same_dataset(sounds: Path, tmp_path: Path) -> None:
    (tmp_path / "out.part").mkdir()
    with (tmp_path / "out.part" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CurationError, match="another curate is writing it"):
            curate(sounds, tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_table_contains_level_and_flatness_of_every_loop(curated: Path) -> None:
    with (curated / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(-60 < float(row["level_db"]) < 0 for row in rows)
    assert all(-60 < float(row["flatness_db"]) <= -7.0 for row in rows)
