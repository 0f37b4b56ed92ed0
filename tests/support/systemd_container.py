"""A machine in a container: the root of this machine as an overlay, with systemd as PID 1.

The overlay is in memory and the container has only a loopback network. It has a copy of the
checkout in /srv/latent-resonance, a clip as its camera, and a PulseAudio null sink as its speaker,
whose output is written to /srv/sink.f32.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from numpy.typing import NDArray

from latent_resonance.config.presets import quality_record

ROOT = Path(__file__).parents[2]
CHECKOUT = "/srv/latent-resonance"
INSTALLED = ("pyproject.toml", "uv.lock", "runtime", "export", "models", "docs", "systemd")
PROGRAMS = "/opt/latent-resonance/current/.venv/bin"
SITE = "/etc/latent-resonance/latent-resonance.yaml"
SAMPLE_RATE = 48_000  # Hz, of the sink
MASKED_UNITS = (  # of this machine
    *("postgresql.service", "systemd-timesyncd.service", "systemd-firstboot.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "e2scrub_reap.service"),
)
SINK_UNIT = """\
[Service]
RuntimeDirectory=sink
Environment=HOME=/run/sink XDG_RUNTIME_DIR=/run/sink PULSE_RUNTIME_PATH=/run/sink
ExecStart=pulseaudio -n --daemonize=no --use-pid-file=no --exit-idle-time=-1 --disable-shm=yes \\
  --log-level=error -L "module-native-protocol-unix socket=/run/speaker auth-anonymous=1" \\
  -L "module-null-sink sink_name=sink rate=48000 channels=1"
[Install]
WantedBy=multi-user.target
"""
RECORDER_UNIT = """\
[Unit]
StartLimitIntervalSec=0
[Service]
Environment=HOME=/run/sink PULSE_SERVER=unix:/run/speaker
ExecStart=parec -d sink.monitor --rate=48000 --channels=1 --format=float32le --raw
StandardOutput=append:/srv/sink.f32
StandardError=null
Restart=always
RestartSec=200ms
[Install]
WantedBy=multi-user.target
"""
VOICE_DROP_IN = "[Service]\nEnvironment=PULSE_SERVER=unix:/run/speaker\n"
SETTINGS = "camera: {source: /srv/face.mp4}\noutput: {device: pulse}\n"
NOT_INSTALLED = {  # what a unit names, and what there is without an installation
    "/opt/latent-resonance/current/.venv": sys.prefix,
    "/opt/latent-resonance/current/models": str(ROOT / "models"),
    "ProtectHome=yes": "ProtectHome=no",  # this environment may be in a home
    "PartOf=latent-resonance.target": "",
    "WantedBy=latent-resonance.target": "WantedBy=multi-user.target",
}


def skip_where_nothing_can_boot() -> None:
    """Skip the test, with the reason."""
    if os.geteuid() != 0:
        pytest.skip("only root can boot a container")
    for program, package in (
        ("systemd-nspawn", "systemd-container"),
        ("pulseaudio", "pulseaudio libasound2-plugins"),
        ("parec", "pulseaudio-utils"),
        ("uv", "uv"),
    ):
        if shutil.which(program) is None and not (program == "uv" and os.environ.get("UV")):
            pytest.skip(f"{program} is not installed: apt install {package}")


class Machine:
    """A machine that can be powered on and off; `run` executes commands in it.

    Parameters
    ----------
    folder
        Where its root is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0  # of its systemd
        memory = folder / "memory"
        for place in (self.root, memory):
            place.mkdir()
        _fill_cache()
        _mount("-t", "tmpfs", "-o", "size=3g", "tmpfs", memory)
        for place in (memory / "upper", memory / "work"):
            place.mkdir()
        layers = f"lowerdir=/,upperdir={memory}/upper,workdir={memory}/work"
        _mount("-t", "overlay", "-o", layers, "overlay", self.root)
        self._offline("mask", *MASKED_UNITS)
        self._offline("set-default", "multi-user.target")

    def prepare(self, clip: Path) -> None:
        """Copy the checkout, the sink's units and a clip of a face."""
        checkout = self.root / CHECKOUT[1:]
        checkout.mkdir()
        for name in INSTALLED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, checkout / name)
        # this machine's uv may be under /tmp, which a booted machine replaces
        shutil.copy(os.environ.get("UV") or shutil.which("uv"), self.root / "usr/local/bin/uv")
        units = self.root / "etc/systemd/system"
        (units / "sink.service").write_text(SINK_UNIT)
        (units / "recorder.service").write_text(RECORDER_UNIT)
        self._offline("enable", "sink.service", "recorder.service")
        self.drop_in("latent-resonance-voice", "sink", VOICE_DROP_IN)
        self.save_quality()
        settings = self.root / "etc/latent-resonance"
        settings.mkdir()
        (settings / "latent-resonance.yaml").write_text(SETTINGS)
        shutil.copy(clip, self.root / "srv/face.mp4")

    def save_quality(self) -> None:
        """Save quality low, as if it had been measured; otherwise the first boot measures it."""
        state = self.root / "var/lib/latent-resonance"
        state.mkdir(parents=True, exist_ok=True)
        (state / "quality").write_text(quality_record("low"))

    def add_units(self, *names: str) -> None:
        """Add units of systemd/ and their group; they start this environment's program."""
        for name in names:
            text = (ROOT / "systemd" / name).read_text()
            for installed, here in NOT_INSTALLED.items():
                text = text.replace(installed, here)
            (self.root / "etc/systemd/system" / name).write_text(text)
        with (self.root / "etc/group").open("a") as groups:
            groups.write("latent-resonance:x:987:\n")

    def enable(self, *units: str) -> None:
        """Enable units before the machine is powered on."""
        self._offline("enable", *units)

    def drop_in(self, service: str, name: str, text: str) -> Path:
        """Add a drop-in to a unit."""
        folder = self.root / f"etc/systemd/system/{service}.service.d"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.conf"
        path.write_text(text)
        return path

    def power_on(self, timeout_s: float = 60.0) -> None:
        """Boot; returns when systemd answers."""
        command = ["systemd-nspawn", "-q", "-D", str(self.root), "-b", "-M", "latent-resonance"]
        command += ["--register=no", "--keep-unit", "--private-network", "--console=pipe"]
        command += ["--link-journal=no", f"--bind={_uv_cache()}"]
        with (self.folder / "console").open("ab") as console:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        end_s = time.monotonic() + timeout_s
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "console").read_text()
            assert time.monotonic() < end_s, "the container's systemd does not answer"
            time.sleep(0.1)

    def cut_power(self) -> None:
        """Kill every process at once."""
        if self.process is not None and self.process.poll() is None:
            try:
                os.kill(self.pid or self.process.pid, 9)  # the death of PID 1 ends its namespace
            except ProcessLookupError:
                self.process.kill()
            self.process.wait()
        self.process, self.pid = None, 0

    def close(self) -> None:
        """Power off and unmount."""
        self.cut_power()
        for place in (self.root, self.folder / "memory"):
            subprocess.run(["umount", str(place)], check=False)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine, as root."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-a", "--", *command],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0 or not check, (command, done.stdout, done.stderr)
        return done

    def show(self, unit: str, key: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", unit, "-p", key, "--value").stdout.strip()

    def until(self, unit: str, key: str, target: str, timeout_s: float = 60.0) -> float:
        """Wait for a property's value; returns the seconds it took."""
        start_s = time.monotonic()
        while (found := self.show(unit, key)) != target:
            waited_s = time.monotonic() - start_s
            assert waited_s < timeout_s, f"{unit} {key}: {found!r}, not {target!r}\n{self.log()}"
            time.sleep(0.2)
        return time.monotonic() - start_s

    def log(self) -> str:
        """The journal of the instrument's units since boot."""
        return self.run("journalctl", "-b", "--no-pager", "-u", "latent-resonance*").stdout

    def level_db(self, seconds: float) -> float:
        """RMS of the sink from now on, in dBFS."""
        with self.recording() as captured:
            time.sleep(seconds)
        return float(10 * np.log10(np.mean(np.square(captured[0])) + 1e-12))

    @contextlib.contextmanager
    def recording(self) -> Iterator[list[NDArray[np.float64]]]:
        """Record the sink; after the block the list holds the samples."""
        path = self.root / "srv/sink.f32"
        begin = path.stat().st_size // 4
        captured: list[NDArray[np.float64]] = []
        yield captured
        samples = np.fromfile(path, np.float32, offset=4 * begin)
        assert len(samples) > SAMPLE_RATE / 2, "the sink's recorder has stopped"
        captured.append(samples.astype(np.float64))

    def _answers(self) -> bool:
        found = subprocess.run(
            ["pgrep", "-o", "-P", str(self.process.pid)], capture_output=True, check=False
        )
        child = int(found.stdout or 0)
        try:
            name = Path(f"/proc/{child}/comm").read_text()
        except OSError:  # there is none yet, or the first one, which starts systemd, has just ended
            return False
        if name != "systemd\n":
            return False
        self.pid = child
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("starting", "running", "degraded")

    def _offline(self, verb: str, *units: str) -> None:
        command = ["systemctl", f"--root={self.root}", "--quiet", verb, *units]
        subprocess.run(command, check=True, capture_output=True)


def _mount(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mount failed: {done.stderr.strip()}")


def _environment() -> dict[str, str]:
    """The environment of a root shell, with this machine's uv cache and no network."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": "/root", "UV_OFFLINE": "1", "UV_CACHE_DIR": str(_uv_cache())}


@cache
def _fill_cache() -> None:
    """Have uv's cache hold what the installer builds the runtime with: machines have no network.

    `uv sync` has the newest of these packages in it, which after a release are others.
    """
    pins = ("--build-constraints", ROOT / "systemd/build.txt", "--require-hashes")
    with TemporaryDirectory() as wheel:
        command = [_uv(), "build", "--quiet", "--wheel", *pins, "--out-dir", wheel]
        subprocess.run([*command, ROOT / "runtime"], check=True)


def _uv() -> str:
    return os.environ.get("UV") or "uv"


def _uv_cache() -> Path:
    done = subprocess.run([_uv(), "cache", "dir"], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())
