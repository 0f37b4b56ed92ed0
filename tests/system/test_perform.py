"""The performance as a command: processes, signals, and real PortAudio on a null sink."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

RUN = [sys.executable, "-m", "latent_resonance"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home, a runtime folder and no sound server of its own."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    return os.environ | {"XDG_RUNTIME_DIR": str(runtime), "HOME": str(tmp_path)}


def start(
    arguments: list[str], environment: dict[str, str], **options: object
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*RUN, *arguments], env=environment, stderr=subprocess.PIPE, text=True, **options
    )


def seconds_of(path: Path) -> float:
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


@pytest.mark.realtime
def test_without_camera_and_speaker_the_score_is_played_and_recorded(
    tmp_path: Path, pack_folder: Path, environment: dict[str, str]
) -> None:
    take = tmp_path / "take.wav"
    process = start(
        ["perform", "--pack", str(pack_folder), "--seconds", "6", "--record", str(take)],
        environment,
    )
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert said.count("without a speaker") == 1
    assert seconds_of(take) == pytest.approx(6.0, abs=0.7)
    with wave.open(str(take)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    assert 20 * np.log10(np.sqrt(np.mean(sound[48_000:] ** 2))) > -40


@pytest.mark.realtime
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_fades_out_and_exits_within_half_a_second(
    tmp_path: Path, pack_folder: Path, environment: dict[str, str], number: signal.Signals
) -> None:
    take = tmp_path / "take.wav"
    arguments = ["voice", "--pack", str(pack_folder), "--record", str(take)]
    process = start(arguments, environment)
    for line in process.stderr:
        if "speaker" in line:
            break
    time.sleep(2.0)
    asked = time.monotonic()
    process.send_signal(number)
    process.wait(timeout=10)
    took_s = time.monotonic() - asked
    assert process.returncode == 0, process.stderr.read()
    assert took_s < 0.5 * float(os.environ.get("LATENT_RESONANCE_TEST_PATIENCE", "2"))
    with wave.open(str(take)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    assert np.abs(sound[-200:]).max() < 0.05 * np.abs(sound).max()


@pytest.mark.realtime
def test_a_second_performance_fails_while_the_first_holds_the_speaker(
    pack_folder: Path, environment: dict[str, str]
) -> None:
    first = start(["voice", "--pack", str(pack_folder), "--seconds", "20"], environment)
    for line in first.stderr:
        if "speaker" in line:
            break
    try:
        second = start(["voice", "--pack", str(pack_folder), "--seconds", "1"], environment)
        said = second.communicate(timeout=30)[1]
    finally:
        first.terminate()
        first.communicate(timeout=10)
    assert second.returncode == 1
    assert re.search(rf"process {first.pid}\) holds the speaker", said)


@pytest.fixture
def null_sink(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A real sound server with a null sink."""
    if shutil.which("pulseaudio") is None:
        pytest.skip("pulseaudio is not installed: apt install pulseaudio libasound2-plugins")
    run = Path(environment["XDG_RUNTIME_DIR"])
    environment |= {"PULSE_RUNTIME_PATH": str(run), "PULSE_SERVER": f"unix:{run}/native"}
    command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
    command += ["--disable-shm=yes", "--log-level=error"]
    command += ["-L", f"module-native-protocol-unix socket={run}/native auth-anonymous=1"]
    command += ["-L", "module-null-sink sink_name=spk rate=48000 channels=2"]
    server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    for _ in range(100):
        if (run / "native").exists():
            break
        time.sleep(0.05)
    yield environment
    server.kill()
    server.wait()


@pytest.mark.realtime
def test_a_real_sound_server_receives_the_sound(
    tmp_path: Path, pack_folder: Path, null_sink: dict[str, str]
) -> None:
    recording = tmp_path / "recording.f32"
    recorder_command = ["parec", "-d", "spk.monitor", "--rate=48000", "--channels=1"]
    recorder_command += ["--format=float32le", "--latency-msec=20", "--raw"]
    with recording.open("wb") as file:
        recorder = subprocess.Popen(recorder_command, env=null_sink, stdout=file)
        arguments = ["voice", "--pack", str(pack_folder), "--seconds", "9"]
        said = start(arguments, null_sink).communicate(timeout=60)[1]
        recorder.terminate()
        recorder.wait()
    assert "playing on" in said
    sound = np.fromfile(recording, np.float32)
    rms = np.sqrt(np.mean(np.square(sound[len(sound) // 2 : -48_000])))
    assert 20 * np.log10(rms) > -40
