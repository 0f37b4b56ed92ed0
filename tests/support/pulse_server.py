"""A sound server with virtual speakers, and the voice that plays on them.

The server is PulseAudio on null sinks, private to a test; the voice is the command as it is run.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.timing import until

RATE = 48_000
ALSA_ORDER = ("front-left", "front-right", "rear-left", "rear-right", "front-center", "lfe")
ALSA_ORDER += ("side-left", "side-right")
LOUD = 0.003  # RMS, far below what the voice plays


def environment_in(folder: Path) -> dict[str, str]:
    """A home and a runtime folder, and no sound server except one that a test starts."""
    runtime = folder / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    here = {"XDG_RUNTIME_DIR": runtime, "PULSE_RUNTIME_PATH": runtime, "HOME": folder}
    return (
        os.environ
        | {k: str(v) for k, v in here.items()}
        | {"PULSE_SERVER": f"unix:{runtime}/native"}
    )


def channel_map(channels: int) -> str:
    """PulseAudio's names of a device's channels in ALSA's order, so that none is remapped."""
    return "mono" if channels == 1 else ",".join(ALSA_ORDER[:channels])


class SoundServer:
    """PulseAudio with null sinks."""

    def __init__(
        self, environment: dict[str, str], sinks: tuple[str, ...] = ("spk",), channels: int = 2
    ) -> None:
        if shutil.which("pulseaudio") is None:
            pytest.skip("pulseaudio is not installed: apt install pulseaudio libasound2-plugins")
        self.environment, self.sinks, self.channels = environment, sinks, channels
        self.socket = Path(environment["XDG_RUNTIME_DIR"]) / "native"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no"]
        command += ["--exit-idle-time=-1", "--disable-shm=yes", "--log-level=error"]
        command += ["-L", f"module-native-protocol-unix socket={self.socket} auth-anonymous=1"]
        for sink in self.sinks:
            sink_of = f"module-null-sink sink_name={sink} rate={RATE} channels={self.channels}"
            command += ["-L", f"{sink_of} channel_map={channel_map(self.channels)}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, env=self.environment, **quiet)
        until(lambda: self.socket.exists() and self.pactl("info") != "", 20, "a sound server")

    def pactl(self, *arguments: str) -> str:
        """Run pactl; empty if the server does not answer."""
        command = ["pactl", *arguments]
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                command,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=5,
                check=False,
            )
            return done.stdout.strip()
        return ""

    def unplug(self, sink: str = "spk") -> None:
        """Remove the speaker."""
        for line in self.pactl("list", "short", "modules").splitlines():
            number, name, *arguments = line.split("\t")
            if name == "module-null-sink" and f"sink_name={sink} " in arguments[0] + " ":
                self.pactl("unload-module", number)

    def plug_in(self, sink: str = "spk") -> None:
        """Add the speaker again."""
        assert self.pactl("load-module", "module-null-sink", f"sink_name={sink}", f"rate={RATE}")

    def hang(self) -> None:
        """Stop the server with SIGSTOP."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Continue the server after `hang`."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def hears(self, folder: Path, sink: str = "spk", channels: int = 1) -> Ear:
        """Start to record a sink, mixed to one channel or with all of its own."""
        return Ear(self.environment, folder / f"{time.monotonic_ns()}.f32", sink, channels)


class Ear:
    """A recording of what a sink plays."""

    def __init__(
        self, environment: dict[str, str], path: Path, sink: str, channels: int = 1
    ) -> None:
        self.path, self.channels = path, channels
        command = ["parec", "-d", f"{sink}.monitor", f"--rate={RATE}", f"--channels={channels}"]
        command += [f"--channel-map={channel_map(channels)}"]
        command += ["--format=float32le", "--latency-msec=20", "--raw"]
        with path.open("wb") as file:
            self.process = subprocess.Popen(
                command, env=environment, stdout=file, stderr=subprocess.DEVNULL
            )

    def sound(self) -> NDArray[np.float32]:
        """Everything so far: (n,), or (channels, n) if there are several."""
        data, frame = self.path.read_bytes(), 4 * self.channels
        sound = np.frombuffer(data[: len(data) // frame * frame], np.float32)
        return sound if self.channels == 1 else sound.reshape(-1, self.channels).T

    def hears_something(self) -> bool:
        """Whether the last tenth of a second was not silent."""
        last = self.sound()[..., -RATE // 10 :]
        return last.shape[-1] == RATE // 10 and float(np.sqrt(np.mean(np.square(last)))) > LOUD

    def close(self) -> None:
        """Stop recording."""
        self.process.kill()
        self.process.wait()


class Voice:
    """The command `latent-resonance voice`."""

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        *arguments: str,
        before: tuple[str, ...] = (),
        module: str = "latent_resonance",
    ) -> None:
        self.screen = folder / f"said-{time.monotonic_ns()}"
        command = [*before, sys.executable, "-m", module, "voice", *arguments]
        with self.screen.open("wb") as file:
            self.process = subprocess.Popen(command, env=environment, stderr=file)

    def said(self) -> str:
        """Everything it has logged."""
        return self.screen.read_text()

    def says(self, words: str, within_s: float = 30.0, times: int = 1) -> float:
        """Wait until it has logged some words this often; return how long it took."""

        def logged() -> bool:
            assert self.process.poll() is None or self.said().count(words) >= times, self.said()
            return self.said().count(words) >= times

        try:
            return until(logged, within_s, words)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None

    def children(self) -> list[int]:
        """IDs of its child processes."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in path.read_text().split()]

    def leave(self) -> str:
        """Terminate it, check that it exits normally, and return its log."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        assert code == 0, self.said()
        assert "Traceback" not in self.said(), self.said()
        return self.said()

    def close(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def compiled(source: Path, folder: Path) -> Path:
    """A shared library to preload."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("a C compiler is not installed: apt install gcc libc6-dev")
    library = folder / source.with_suffix(".so").name
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library
