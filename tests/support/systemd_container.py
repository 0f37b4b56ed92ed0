"""A gallery's machine: this machine's own root, copy-on-write, under systemd as PID 1.

The overlay is in memory and the container has no network but its own loopback. A copy of the
checkout is /srv/latent-resonance there, a clip is the camera, and a PulseAudio null sink is the
room: what is heard in it is written to /srv/room.f32.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
CHECKOUT = "/srv/latent-resonance"
INSTALLED = ("pyproject.toml", "uv.lock", "runtime", "export", "models", "docs", "systemd")
PROGRAMS = "/opt/latent-resonance/current/.venv/bin"
SITE = "/etc/latent-resonance/latent-resonance.yaml"
RATE = 48_000  # Hz, of what the room hears
UNWANTED = (  # of this machine's own
    *("postgresql.service", "systemd-timesyncd.service", "systemd-firstboot.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "e2scrub_reap.service"),
)
ROOM = """\
[Service]
RuntimeDirectory=room
Environment=HOME=/run/room XDG_RUNTIME_DIR=/run/room PULSE_RUNTIME_PATH=/run/room
ExecStart=pulseaudio -n --daemonize=no --use-pid-file=no --exit-idle-time=-1 --disable-shm=yes \\
  --log-level=error -L "module-native-protocol-unix socket=/run/speaker auth-anonymous=1" \\
  -L "module-null-sink sink_name=room rate=48000 channels=1"
[Install]
WantedBy=multi-user.target
"""
EAR = """\
[Unit]
StartLimitIntervalSec=0
[Service]
Environment=HOME=/run/room PULSE_SERVER=unix:/run/speaker
ExecStart=parec -d room.monitor --rate=48000 --channels=1 --format=float32le --raw
StandardOutput=append:/srv/room.f32
StandardError=null
Restart=always
RestartSec=200ms
[Install]
WantedBy=multi-user.target
"""
HEARD_IN_THE_ROOM = "[Service]\nEnvironment=PULSE_SERVER=unix:/run/speaker\n"
SETTINGS = "camera: {source: /srv/face.mp4}\noutput: {device: pulse}\n"


def skip_where_nothing_can_boot() -> None:
    """Skips, with the reason."""
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
    """Has power or has not; is looked at through `run`.

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
        _mount("-t", "tmpfs", "-o", "size=3g", "tmpfs", memory)
        for place in (memory / "upper", memory / "work"):
            place.mkdir()
        layers = f"lowerdir=/,upperdir={memory}/upper,workdir={memory}/work"
        _mount("-t", "overlay", "-o", layers, "overlay", self.root)
        self._offline("mask", *UNWANTED)
        self._offline("set-default", "multi-user.target")

    def furnish(self, clip: Path) -> None:
        """Puts the checkout as it is now, a room and a face there."""
        checkout = self.root / CHECKOUT[1:]
        checkout.mkdir()
        for name in INSTALLED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, checkout / name)
        # this machine's may lie under /tmp, of which a booted machine has its own
        shutil.copy(os.environ.get("UV") or shutil.which("uv"), self.root / "usr/local/bin/uv")
        units = self.root / "etc/systemd/system"
        (units / "room.service").write_text(ROOM)
        (units / "ear.service").write_text(EAR)
        self._offline("enable", "room.service", "ear.service")
        self.drop_in("latent-resonance-voice", "room", HEARD_IN_THE_ROOM)
        settings = self.root / "etc/latent-resonance"
        settings.mkdir()
        (settings / "latent-resonance.yaml").write_text(SETTINGS)
        shutil.copy(clip, self.root / "srv/face.mp4")

    def drop_in(self, service: str, name: str, text: str) -> Path:
        """Changes a unit without touching it, as a technician would."""
        folder = self.root / f"etc/systemd/system/{service}.service.d"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.conf"
        path.write_text(text)
        return path

    def power_on(self, patience_s: float = 60.0) -> None:
        """Returns when systemd answers."""
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
        end_s = time.monotonic() + patience_s
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "console").read_text()
            assert time.monotonic() < end_s, "the container's systemd does not answer"
            time.sleep(0.1)

    def cut_power(self) -> None:
        """Everything in it is gone at this instant."""
        if self.process is not None and self.process.poll() is None:
            if self.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, 9)  # the first of a PID namespace takes all others along
            else:
                self.process.kill()
            self.process.wait()
        self.process, self.pid = None, 0

    def close(self) -> None:
        """Leaves nothing mounted."""
        self.cut_power()
        for place in (self.root, self.folder / "memory"):
            subprocess.run(["umount", str(place)], check=False)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command in it, as root."""
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
        """One property of a unit."""
        return self.run("systemctl", "show", unit, "-p", key, "--value").stdout.strip()

    def until(self, unit: str, key: str, target: str, patience_s: float = 60.0) -> float:
        """Waits for a property; returns the seconds it took."""
        began_s = time.monotonic()
        while (found := self.show(unit, key)) != target:
            waited_s = time.monotonic() - began_s
            assert waited_s < patience_s, f"{unit} {key}: {found!r}, not {target!r}\n{self.log()}"
            time.sleep(0.2)
        return time.monotonic() - began_s

    def log(self) -> str:
        """What the instrument and systemd wrote about it since it has power."""
        return self.run("journalctl", "-b", "--no-pager", "-u", "latent-resonance*").stdout

    def heard_db(self, seconds: float) -> float:
        """RMS of what the room hears from now on, in dB of full scale."""
        with self.listening() as heard:
            time.sleep(seconds)
        return float(10 * np.log10(np.mean(np.square(heard[0])) + 1e-12))

    @contextlib.contextmanager
    def listening(self) -> Iterator[list[NDArray[np.float64]]]:
        """What the room hears meanwhile: afterwards the list holds the samples."""
        path = self.root / "srv/room.f32"
        begin = path.stat().st_size // 4
        heard: list[NDArray[np.float64]] = []
        yield heard
        samples = np.fromfile(path, np.float32, offset=4 * begin)
        assert len(samples) > RATE / 2, "the room's ear has stopped"
        heard.append(samples.astype(np.float64))

    def _answers(self) -> bool:
        found = subprocess.run(
            ["pgrep", "-o", "-P", str(self.process.pid)], capture_output=True, check=False
        )
        self.pid = int(found.stdout or 0)
        if not self.pid or Path(f"/proc/{self.pid}/comm").read_text() != "systemd\n":
            return False
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("starting", "running", "degraded")

    def _offline(self, verb: str, *units: str) -> None:
        command = ["systemctl", f"--root={self.root}", "--quiet", verb, *units]
        subprocess.run(command, check=True, capture_output=True)


def _mount(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mount is refused here: {done.stderr.strip()}")


def _environment() -> dict[str, str]:
    """Of a root shell there, with this machine's uv and no network."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": "/root", "UV_OFFLINE": "1", "UV_CACHE_DIR": str(_uv_cache())}


def _uv_cache() -> Path:
    uv = os.environ.get("UV") or "uv"
    done = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())
