"""A gallery: the instrument as it is run, its pack and settings, a speaker of air, a camera."""

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
from tests.system.soaking.camera import Scene
from tests.system.soaking.processes import comes_first, roles_of
from tests.system.soaking.sink_recorder import Ear

HERE = Path(__file__).parent
INSTRUMENT = f"{shlex.quote(sys.executable)} -m latent_resonance"
IMAGES_PER_S = (
    12  # an eye that is told "nobody" by a camera that is gone says so ten times a second
)
STATUS = re.compile(
    r"STATUS=(?P<status>.* (?P<images>\d+) images/s, (?P<underflows>\d+) underfl.*)"
)
LEAVES_S = 10.0
SERVER_PRIORITY = 20  # of 1..99, what PipeWire and PulseAudio ask for


class Server(SoundServer):
    """With the priority that sound servers have."""

    def start(self) -> None:
        """There is a server, and it answers."""
        super().start()
        comes_first(self.process.pid, SERVER_PRIORITY)


class House:
    """Everything that a soak needs; `close` leaves nothing behind.

    Parameters
    ----------
    folder : for sockets and what else is used while it plays; its path is short
    pack : copied, since it will be replaced
    command : the instrument, a shell's words before its own arguments
    """

    def __init__(self, folder: Path, pack: Path, command: str = INSTRUMENT) -> None:
        self.folder, self.stack = folder, ExitStack()
        try:
            self._furnish(pack, command)
        except BaseException:
            self.close()
            raise

    def _furnish(self, pack: Path, command: str) -> None:
        folder = self.folder
        self.scene = Scene(folder)
        self.pack = Path(shutil.copytree(pack, folder / "pack"))
        self.sheet = yaml.safe_load((self.pack / "pack.yaml").read_text())
        self.config = folder / "gallery.yaml"
        self.meeting = folder / "run" / "face.sock"
        self.head = (
            f"pack: {self.pack}\nsocket_path: {self.meeting}\n"
            "camera: {source: C920}\n"  # by its name, for its number will change
            # She smiles: her mouth at rest is 0.3 open. For this artist that is closed.
            "controls: {band_pass: {input: [0.4, 0.9]}}\n"
        )
        self.set("")
        self.environment = environment_in(folder)
        self.server = Server(self.environment)
        self.stack.callback(self.server.kill)
        self.server.start()
        self.ear = Ear(self.environment)
        self.stack.callback(self.ear.close)
        self.systemd = self.stack.enter_context(
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        )
        self.systemd.bind(str(folder / "notify"))
        self.screen = folder / "said"
        self.read_to = 0  # of the screen, bytes
        self.status, self.images_per_s, self.underflows = "", 0, 0
        self.begun_s = time.monotonic()
        self.process = self._perform(command)
        self.stack.callback(self._end)

    def _perform(self, command: str) -> subprocess.Popen[bytes]:
        camera = {
            "LD_PRELOAD": str(compiled(HERE.parent / "fakecam.c", self.folder)),
            "FAKECAM_RAW": str(self.scene.images),
            "FAKECAM_CTL": str(self.scene.plug),
            "NOTIFY_SOCKET": str(self.folder / "notify"),
        }
        with self.screen.open("wb") as screen:
            return subprocess.Popen(
                [*shlex.split(command), "perform", "--config", str(self.config)],
                env=self.environment | camera,
                stderr=screen,
                start_new_session=True,  # Ctrl-C is for the soak, which asks it to leave
            )

    def set(self, more: str) -> None:
        """Edits the YAML, as an editor does."""
        beside = self.config.with_suffix(".new")
        beside.write_text(self.head + more)
        beside.replace(self.config)

    def rename_pack(self, name: str) -> None:
        """Another pack lies where the first one did."""
        self.sheet["name"] = name
        beside = self.pack / "pack.yaml.new"
        beside.write_text(yaml.safe_dump(self.sheet, sort_keys=False))
        beside.replace(self.pack / "pack.yaml")

    def tell(self, number: signal.Signals, role: str = "voice") -> None:
        """A signal for one of the instrument's processes, if it is there."""
        if (process := roles_of(self.process.pid).get(role)) is not None:
            subprocess.run(["kill", f"-{number.value}", str(process)], check=False)

    def hear_news(self) -> list[str]:
        """Takes in what systemd would be told; returns what a person would have read meanwhile."""
        while True:
            try:
                message = self.systemd.recv(4096).decode()
            except BlockingIOError:
                break
            if (found := STATUS.search(message)) is not None:
                self.status = found["status"]
                self.images_per_s = int(found["images"])
                self.underflows = int(found["underflows"])
        with self.screen.open("rb") as screen:
            screen.seek(self.read_to)
            *lines, rest = screen.read().split(b"\n")
            self.read_to = screen.tell() - len(rest)
        return [line.decode(errors="replace") for line in lines]

    @property
    def plays_for_a_visitor(self) -> bool:
        """Whether the instrument says so, and has the images for it."""
        return "for a visitor" in self.status and self.images_per_s >= IMAGES_PER_S

    @property
    def alive(self) -> bool:
        """Whether the instrument is still there."""
        return self.process.poll() is None

    def leave(self) -> int:
        """Asks the instrument to leave; its exit code, −9 if it had to be killed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(LEAVES_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def close(self) -> None:
        """Nothing is left behind."""
        self.stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self) -> None:
        if self.alive:
            self.process.kill()
        self.process.wait()
