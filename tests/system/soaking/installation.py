"""An installation: the instrument, its pack and settings, a null sink, a simulated camera."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import yaml
from tests.support.pulse_server import SoundServer, compiled, environment_in
from tests.system.soaking.camera import SimulatedCamera
from tests.system.soaking.processes import processes_by_role, raise_priority
from tests.system.soaking.sink_recorder import SinkRecorder

HERE = Path(__file__).parent
INSTRUMENT = f"{shlex.quote(sys.executable)} -m latent_resonance"
IMAGES_PER_S = 12  # without a camera the eye sends "no visitor" ten times a second
STATUS = re.compile(
    r"STATUS=(?P<status>.* (?P<images>\d+) images/s, (?P<underflows>\d+) underfl.*)"
)
STOP_TIMEOUT_S = 10.0
SERVER_PRIORITY = 20  # of 1..99, what PipeWire and PulseAudio ask for


class Server(SoundServer):
    """A sound server with real-time priority."""

    def start(self) -> None:
        """Start the server and wait until it responds."""
        super().start()
        raise_priority(self.process.pid, SERVER_PRIORITY)


class Installation:
    """Everything that a soak needs; `close` removes it.

    Parameters
    ----------
    folder : for sockets and other temporary files; its path must be short
    pack : copied, since faults modify it
    command : of the instrument, in shell syntax, without its arguments
    """

    def __init__(self, folder: Path, pack: Path, command: str = INSTRUMENT) -> None:
        self.folder, self.stack = folder, ExitStack()
        try:
            self._set_up(pack, command)
        except BaseException:
            self.close()
            raise

    def _set_up(self, pack: Path, command: str) -> None:
        folder = self.folder
        self.camera = SimulatedCamera(folder)
        self.pack = Path(shutil.copytree(pack, folder / "pack"))
        self.manifest = yaml.safe_load((self.pack / "pack.yaml").read_text())
        self.config = folder / "gallery.yaml"
        self.socket_path = folder / "run" / "face.sock"
        self.base_settings = (
            f"pack: {self.pack}\nsocket_path: {self.socket_path}\n"
            "camera: {source: C920}\n"  # by its name, since its number changes
            # The photograph smiles: its mouth_open at rest is 0.3, which counts as closed here.
            "controls: {band_pass: {input: [0.4, 0.9]}}\n"
        )
        self.write_settings("")
        self.environment = environment_in(folder)
        self.server = Server(self.environment)
        self.stack.callback(self.server.kill)
        self.server.start()
        self.recorder = SinkRecorder(self.environment)
        self.stack.callback(self.recorder.close)
        self.systemd = self.stack.enter_context(
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        )
        self.systemd.bind(str(folder / "notify"))
        self.log_file = folder / "said"
        self.log_offset = 0  # bytes read so far
        self.status, self.images_per_s, self.underflows = "", 0, 0
        self.started_s = time.monotonic()
        self.process = self._perform(command)
        self.stack.callback(self._end)

    def _perform(self, command: str) -> subprocess.Popen[bytes]:
        camera_variables = {
            "LD_PRELOAD": str(compiled(HERE.parent / "fakecam.c", self.folder)),
            "FAKECAM_RAW": str(self.camera.images),
            "FAKECAM_CTL": str(self.camera.control_file),
            "NOTIFY_SOCKET": str(self.folder / "notify"),
        }
        with self.log_file.open("wb") as log_file:
            return subprocess.Popen(
                [*shlex.split(command), "perform", "--config", str(self.config)],
                env=self.environment | camera_variables,
                stderr=log_file,
                start_new_session=True,  # Ctrl-C goes to the soak, which stops the instrument
            )

    def write_settings(self, more: str) -> None:
        """Replace the YAML file, as an editor does."""
        beside = self.config.with_suffix(".new")
        beside.write_text(self.base_settings + more)
        beside.replace(self.config)

    def rename_pack(self, name: str) -> None:
        """Change the pack's name."""
        self.manifest["name"] = name
        beside = self.pack / "pack.yaml.new"
        beside.write_text(yaml.safe_dump(self.manifest, sort_keys=False))
        beside.replace(self.pack / "pack.yaml")

    def send_signal(self, number: signal.Signals, role: str = "voice") -> None:
        """Send a signal to one of the instrument's processes, if it runs."""
        if (process := processes_by_role(self.process.pid).get(role)) is not None:
            subprocess.run(["kill", f"-{number.value}", str(process)], check=False)

    def read_log(self) -> list[str]:
        """Read the status notifications; return the new lines of the log."""
        while True:
            try:
                message = self.systemd.recv(4096).decode()
            except BlockingIOError:
                break
            if (found := STATUS.search(message)) is not None:
                self.status = found["status"]
                self.images_per_s = int(found["images"])
                self.underflows = int(found["underflows"])
        with self.log_file.open("rb") as log_file:
            log_file.seek(self.log_offset)
            *lines, rest = log_file.read().split(b"\n")
            self.log_offset = log_file.tell() - len(rest)
        return [line.decode(errors="replace") for line in lines]

    @property
    def plays_for_a_visitor(self) -> bool:
        """Whether the instrument reports so, and receives enough images."""
        return "for a visitor" in self.status and self.images_per_s >= IMAGES_PER_S

    @property
    def alive(self) -> bool:
        """Whether the instrument is running."""
        return self.process.poll() is None

    def stop(self) -> int:
        """Stop the instrument; return its exit code, −9 if it had to be killed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def close(self) -> None:
        """End everything and delete the folder."""
        self.stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self) -> None:
        if self.alive:
            self.process.kill()
        self.process.wait()
