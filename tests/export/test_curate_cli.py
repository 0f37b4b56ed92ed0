"""The command line of `curate`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import soundfile
import yaml

from latent_resonance_export.dataset.dataset import open_dataset, read_clips

Workshop = Callable[..., CompletedProcess[str]]
Play = Callable[[float, int, int], np.ndarray]
RATE = 16_000
GEOMETRY = {
    "sample_rate": RATE,
    "n_fft": 1024,
    "win_length": 1024,
    "hop_length": 32,  # loops of 1.02 s
    "f_max_hz": 7000,
}


@pytest.fixture
def geometry(tmp_path: Path) -> Path:
    path = tmp_path / "geometry.yaml"
    path.write_text(yaml.safe_dump(GEOMETRY))
    return path


def test_the_help_explains_every_option_in_few_columns(workshop: Workshop) -> None:
    done = workshop("curate", "--help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 92
    options = done.stdout.partition("Options:")[2].strip().split("\n  -")
    assert len(options) >= 15
    for option in options:
        assert len(option.split()) >= 4, f"no help for {option}"
    for label in ("onset", "sustained", "LICENSES.csv", "report.html", "to resume"):
        assert label in done.stdout


@pytest.mark.slow
def test_a_folder_becomes_a_dataset_and_two_lines_report_it(
    workshop: Workshop, tmp_path: Path, geometry: Path, play: Play
) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.wav", play(12.0, RATE, 1), RATE)
    (tmp_path / "in" / "b.mp3").write_bytes(b"broken" * 100)
    options = ("--geometry", geometry, "--sounds", "a test", "--licence", "CC0-1.0")
    done = workshop("curate", tmp_path / "in", "-o", tmp_path / "deep" / "out", *options)
    assert done.returncode == 0, done.stderr
    curated, rejected = done.stdout.splitlines()
    dataset = open_dataset(tmp_path / "deep" / "out")
    training = len(dataset.training)
    assert f"{training} loops of 1.02 s, and {len(dataset.pixels) - training} held out" in curated
    assert rejected.startswith("rejected: ")
    assert "1 broken" in rejected
    assert rejected.endswith("report.html")
    assert f"{training} loops are few" in done.stderr
    assert {clip.licence for clip in read_clips(tmp_path / "deep" / "out" / "clips.csv")} == {
        "CC0-1.0"
    }


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--cut", "cake"], "'stride', 'onset'"),
        (["--stride", "0"], "0.25<=x"),
        (["--held-out", "0"], "0<x<=0.5"),
        (["--peak", "3", "1"], "3 1 should be LOW <= HIGH, -60 to 0 dB"),
        (["--peak", "nan", "nan"], "LOW <= HIGH"),
        (["--jobs", "0"], "1<=x"),
        (["--channel", "0"], "'0' should be auto, mean, or a channel's number from 1"),
        (["--one-shots", "stretch"], "'refuse', 'repeat', 'hold'"),
        (["--max-flatness", "nan"], "nan should be a number"),
        (["--stride", "nan"], "nan should be a number"),
    ],
)
def test_an_invalid_option_names_the_rule(
    workshop: Workshop, tmp_path: Path, options: list[str], rule: str
) -> None:
    done = workshop("curate", tmp_path, "-o", tmp_path / "out", *options)
    assert done.returncode == 2
    assert rule in done.stderr


def test_an_error_is_one_line(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop("curate", tmp_path / "none", "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"latent-resonance-export: {tmp_path}/none: no such folder; name another\n"
    )


def may_mount() -> bool:
    mount = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "x", "/mnt"]
    return shutil.which("unshare") is not None and not subprocess.run(mount, check=False).returncode


@pytest.mark.realtime
@pytest.mark.skipif(not may_mount(), reason="needs a small file system of its own")
@pytest.mark.parametrize("size", ["3m", "12m"])
def test_a_full_disk_is_reported_and_finished_work_is_kept(
    tmp_path: Path, geometry: Path, play: Play, size: str
) -> None:
    """While extracting (3 MiB), or when writing the dataset (12 MiB); resumes with more space."""
    (tmp_path / "in").mkdir()
    (tmp_path / "small").mkdir()
    for i in range(4):
        soundfile.write(tmp_path / "in" / f"{i}.wav", play(5.0, RATE, i), RATE)
    program = f"{sys.executable} -m latent_resonance_export curate in -o small/out --jobs 1"
    script = f"""
        mount -t tmpfs -o size={size} small small
        {program} --geometry {geometry} && exit 9
        ls small; ls small/out.part
        mount -o remount,size=100m small
        {program} --geometry {geometry}
    """
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no space left on the disk; free some and run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    between, finished = done.stdout.splitlines()[:-2], done.stdout.splitlines()[-2:]
    assert between[0] == "out.part", "a half dataset was visible"
    assert any(name.endswith(".npz") for name in between)
    assert not any(name.endswith(".npz.part") for name in between)
    assert finished[0].startswith("small/out: ")
