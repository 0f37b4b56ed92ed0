"""The soak: a healthy instrument passes, a faulty one fails with a message."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.timing import until

SOAK = Path(__file__).with_name("soak.py")
NO_EYE_RESTART = """
from latent_resonance.voice.child_process import EyeProcess
from latent_resonance.cli import main
EyeProcess.RESTART_DELAYS_S = (1e6,)
main()
"""
HOUR = [{"kind": "begun", "at_s": 0.0}]
END = {"kind": "end", "at_s": 3600.0, "why": "over", "exit_code": 0}


def soak(*arguments: object, patience: str = "2") -> subprocess.Popen[str]:
    command = [sys.executable, str(SOAK), *map(str, arguments)]
    environment = os.environ | {"LATENT_RESONANCE_TEST_PATIENCE": patience}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **pipes)


def lines_in(folder: Path, kind: str) -> list[dict[str, Any]]:
    path = folder / "soak.jsonl"
    whole = path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
    return [line for line in map(json.loads, whole) if line["kind"] == kind]


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.timeout(300)
def test_a_healthy_instrument_passes_and_ctrl_c_ends_the_soak_early(
    tmp_path: Path, pack_folder: Path
) -> None:
    folder = tmp_path / "results"
    faults = ("output killed", "settings edited", "camera unplugged")
    arguments = ("--hours", 1, "--pause", 1, "--pack", pack_folder, "--output", folder)
    process = soak(*arguments, "--faults", *faults, patience="6")
    try:
        until(lambda: process.poll() is not None or len(lines_in(folder, "fault")) >= 3, 200, "3")
        time.sleep(1.0)  # so that the end is not attributed to the last fault
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    summary = json.loads((folder / "summary.json").read_text())
    logged = {line["fault"]: line for line in lines_in(folder, "fault")}
    assert set(logged) == set(faults), errors
    assert all(line["recovered"] for line in logged.values())
    assert lines_in(folder, "restart")[0]["role"] == "output"
    samples = lines_in(folder, "sample")
    assert all(line["voice"]["rss_mib"] > 50 for line in samples)
    assert all(line["voice"]["threads"] >= 4 for line in samples)
    assert max(line["images_per_s"] for line in samples) > 5
    assert (folder / "soak.png").read_bytes().startswith(b"\x89PNG")
    assert lines_in(folder, "end")[0]["exit_code"] == 0
    assert summary["recovered"] >= 3
    if "underflows" not in output and "gap" not in output:  # a busy machine may starve the sink
        assert process.returncode == 0, output


@pytest.mark.alone
@pytest.mark.realtime
@pytest.mark.timeout(240)
def test_an_instrument_that_never_restarts_its_eye_fails_with_a_message(
    tmp_path: Path, pack_folder: Path
) -> None:
    program = tmp_path / "broken.py"
    program.write_text(NO_EYE_RESTART)
    folder = tmp_path / "results"
    process = soak(
        *("--minutes", 0.2, "--pause", 1, "--pack", pack_folder, "--output", folder),
        *("--instrument", shlex.join([sys.executable, str(program)]), "--faults", "eye killed"),
        patience="1",
    )
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    assert "wrong: eye killed at" in output
    assert "never well again, its limit is 12.0 s" in output
    (fault,) = lines_in(folder, "fault")
    assert "0 images/s" in fault["missing"]


def sample(at_s: float, mib: float) -> dict[str, Any]:
    usage = {"pid": 7, "rss_mib": mib, "pss_mib": mib, "threads": 9, "files": 12}
    return {"kind": "sample", "at_s": at_s, "visits": 1, "voice": usage}


def judged(folder: Path, *lines: dict[str, Any]) -> tuple[int, str]:
    (folder / "soak.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    process = soak("--judge", folder)
    output = process.communicate(timeout=120)[0]
    return process.returncode, output


def hour_of(mib_per_h: float) -> list[dict[str, Any]]:
    """Samples of a voice that warms up for a minute, fluctuates, and grows."""
    times = [4.0 * i for i in range(900)]
    return [
        sample(at_s, min(at_s, 60.0) + 100.0 + (at_s % 16) / 8 + mib_per_h * at_s / 3600.0)
        for at_s in times
    ]


@pytest.mark.slow
def test_an_hour_of_a_voice_that_does_not_grow_passes(tmp_path: Path) -> None:
    code, output = judged(tmp_path, *HOUR, *hour_of(0.5), END)
    assert code == 0, output
    assert "all well" in output


@pytest.mark.slow
def test_a_voice_that_grows_by_eight_mebibytes_an_hour_leaks(tmp_path: Path) -> None:
    code, output = judged(tmp_path, *HOUR, *hour_of(8.0), END)
    assert code == 1
    assert "wrong: the voice leaks: 8.0 MiB an hour over 1.0 h, more than 4" in output


def silence(lasts_s: float, *, abrupt: bool, excused: bool) -> dict[str, Any]:
    more = {"lasts_s": lasts_s, "abrupt": abrupt, "excused": excused}
    return {"kind": "silence", "at_s": 1000.0, "during": None, **more}


@pytest.mark.slow
def test_only_a_gap_without_a_fault_of_a_speaker_is_a_failure(tmp_path: Path) -> None:
    explained = silence(3.0, abrupt=True, excused=True)
    faded = silence(0.5, abrupt=False, excused=False)
    code, output = judged(tmp_path, *HOUR, *hour_of(0.0), explained, faded, END)
    assert code == 0, output
    gap = silence(0.3, abrupt=True, excused=False)
    code, output = judged(tmp_path, *HOUR, *hour_of(0.0), gap, END)
    assert code == 1
    assert "wrong: 0.30 s of silence (gap) with no fault of a speaker" in output


@pytest.mark.slow
def test_a_soak_that_was_aborted_or_measured_nothing_fails(tmp_path: Path) -> None:
    assert "cut off before its end" in judged(tmp_path, *HOUR, *hour_of(0.0))[1]
    assert "nothing was measured" in judged(tmp_path, *HOUR, END)[1]


@pytest.mark.slow
def test_results_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "soak.jsonl").write_text("")
    process = soak("--output", tmp_path)
    assert "is not empty; give --output a new folder" in process.communicate(timeout=60)[1]
    assert process.returncode == 1
