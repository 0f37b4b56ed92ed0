"""Faults that occur in galleries: each is injected, and most are removed again.

After every fault the instrument must play for a visitor again within the fault's limit: counted
from its end, or from its start if it has none.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import onnx
from tests.support.bad_networks import looping, with_network
from tests.support.timing import PATIENCE
from tests.system.soaking.installation import Installation
from tests.system.soaking.processes import processes_by_role

CAMERA, EYE, SOUND, DATA, MACHINE = "camera", "eye", "sound", "data", "machine"
End = Callable[[], None]
CAMERA_BACK_S = 3.0 * PATIENCE
EYE_BACK_S = 12.0 * PATIENCE  # MediaPipe starts slowly on a busy machine
SPEAKER_BACK_S = 3.5 * PATIENCE  # a new sink is suspended for two seconds
AT_ONCE_S = 1.0 * PATIENCE
DEADLINE_S = 5.0 * PATIENCE  # of a network's run
GIVE_UP_AFTER = 1.5  # times the limit, so that a late recovery is measured too


@dataclass(frozen=True)
class Fault:
    """A fault that can be injected.

    Attributes
    ----------
    kind : the part that it affects; only faults of sound may be audible
    begin : injects it; returns the function that removes it, if there is one
    lasts_s : [shortest, longest] duration
    limit_s : longest time until the instrument has recovered
    log_line : text that the instrument must log, if any
    """

    name: str
    kind: str
    begin: Callable[[Installation], End | None]
    lasts_s: tuple[float, float]
    limit_s: float
    log_line: str = ""

    def random_duration_s(self, rng: random.Random) -> float:
        """A random duration."""
        return rng.uniform(*self.lasts_s)


def set_camera(mode: str) -> Callable[[Installation], End]:
    """The camera changes its mode."""

    def begin(installation: Installation) -> End:
        installation.camera.set_mode(mode)
        return lambda: installation.camera.set_mode("live")

    return begin


def unplug_camera(to: int = 0) -> Callable[[Installation], End]:
    """The camera is unplugged, and returns with its device number increased by `to`."""

    def begin(installation: Installation) -> End:
        installation.camera.unplug()
        return lambda: installation.camera.set_mode("live", (installation.camera.number + to) % 10)

    return begin


def send_to(number: signal.Signals, role: str) -> Callable[[Installation], None]:
    """A process of the instrument receives a signal."""
    return lambda installation: installation.send_signal(number, role)


def unload_sink(installation: Installation) -> End:
    """The sink disappears."""
    installation.server.unplug()
    return installation.server.plug_in


def kill_server(installation: Installation) -> End:
    """The sound server is killed and started again."""
    installation.server.kill()
    return installation.server.start


def hang_server(installation: Installation) -> End:
    """The sound server stops responding for a while."""
    installation.server.hang()
    return installation.server.go_on


def edit_settings(installation: Installation) -> End:
    """The volume in the settings is lowered and restored."""
    installation.write_settings("output: {volume_db: -3}\n")
    return lambda: installation.write_settings("")


def break_settings(installation: Installation) -> End:
    """The settings become invalid and are restored."""
    installation.write_settings("output: {volume_db: loud}\nphase: [1, 2\n")
    return lambda: installation.write_settings("")


def name_no_pack(value: str) -> Callable[[Installation], End]:
    """The settings name a pack by a value for which a library has an exception of its own."""

    def begin(installation: Installation) -> End:
        before = installation.base_settings
        installation.base_settings = before.replace(f"pack: {installation.pack}", f"pack: {value}")
        installation.write_settings("")

        def end() -> None:
            installation.base_settings = before
            installation.write_settings("")

        return end

    return begin


def replace_pack(installation: Installation) -> None:
    """The pack is replaced, and the voice receives SIGHUP."""
    installation.rename_pack("second" if installation.manifest["name"] != "second" else "first")
    installation.send_signal(signal.SIGHUP)


def truncate_generator(installation: Installation) -> End:
    """The voice receives SIGHUP while only half of a network has been copied."""
    network = installation.pack / "generator.onnx"
    whole = network.read_bytes()
    network.write_bytes(whole[: len(whole) // 2])
    installation.send_signal(signal.SIGHUP)
    return lambda: network.write_bytes(whole) and None


def make_network_endless(installation: Installation) -> End:
    """The voice receives SIGHUP while its pack has a regressor that never returns."""
    network, manifest = installation.pack / "regressor.onnx", installation.pack / "pack.yaml"
    before = {path: path.read_bytes() for path in (network, manifest)}
    with_network(installation.pack, network.name, looping(onnx.load(network), 2**62))
    installation.send_signal(signal.SIGHUP)
    return lambda: [path.write_bytes(content) for path, content in before.items()] and None


def remove_socket(installation: Installation) -> None:
    """The socket between eye and voice is removed."""
    installation.socket_path.unlink()


def exhaust_descriptors(installation: Installation) -> End | None:
    """The voice may open no more files."""
    voice = processes_by_role(installation.process.pid).get("voice")
    if voice is None:
        return None
    soft, hard = resource.prlimit(voice, resource.RLIMIT_NOFILE)
    resource.prlimit(voice, resource.RLIMIT_NOFILE, (8, hard))
    return lambda: resource.prlimit(voice, resource.RLIMIT_NOFILE, (soft, hard)) and None


def write_garbage(installation: Installation) -> End:
    """Random datagrams are sent to the eye's socket, as fast as possible."""
    stop = threading.Event()

    def write() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            while not stop.wait(1e-4):
                with suppress(BlockingIOError, ConnectionRefusedError, FileNotFoundError):
                    sender.sendto(os.urandom(88), str(installation.socket_path))

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return stop.set


def load_cpu(_installation: Installation) -> End:
    """Other processes occupy every core twice."""
    command = ["sh", "-c", "while :; do :; done"]
    busy = [subprocess.Popen(command) for _ in range(2 * (os.cpu_count() or 1))]

    def end() -> None:
        for process in busy:
            process.kill()
            process.wait()

    return end


FAULTS = (
    Fault("camera unplugged", CAMERA, unplug_camera(), (5, 12), CAMERA_BACK_S),
    Fault("camera under another number", CAMERA, unplug_camera(3), (5, 12), CAMERA_BACK_S),
    Fault("camera stalled", CAMERA, set_camera("stall"), (6, 12), 2 * CAMERA_BACK_S),
    Fault("camera frozen", CAMERA, set_camera("freeze"), (8, 14), CAMERA_BACK_S),
    Fault("camera black", CAMERA, set_camera("black"), (8, 14), CAMERA_BACK_S),
    Fault("camera's driver talks nonsense", CAMERA, set_camera("nonsense"), (5, 9), CAMERA_BACK_S),
    Fault("camera's driver hangs", CAMERA, set_camera("hang"), (5, 9), EYE_BACK_S + 10),
    Fault("eye killed", EYE, send_to(signal.SIGKILL, "eye"), (3, 3), EYE_BACK_S),
    Fault("eye stopped", EYE, send_to(signal.SIGSTOP, "eye"), (3, 3), EYE_BACK_S + 5),
    Fault("eye leaks", EYE, set_camera("leak"), (6, 9), EYE_BACK_S),
    Fault("sink unloaded", SOUND, unload_sink, (2, 10), SPEAKER_BACK_S),
    Fault("sound server killed", SOUND, kill_server, (1, 8), SPEAKER_BACK_S),
    Fault("sound server hangs", SOUND, hang_server, (2, 10), SPEAKER_BACK_S),
    Fault("output killed", SOUND, send_to(signal.SIGKILL, "output"), (1, 1), SPEAKER_BACK_S),
    Fault("output stopped", SOUND, send_to(signal.SIGSTOP, "output"), (2, 2), SPEAKER_BACK_S + 6),
    Fault("settings edited", DATA, edit_settings, (4, 8), AT_ONCE_S + 3, "now output.volume_db"),
    Fault("settings spoilt", DATA, break_settings, (4, 8), AT_ONCE_S + 3, "playing on as before"),
    Fault("pack replaced", DATA, replace_pack, (4, 4), AT_ONCE_S + 6, "opened again"),
    Fault(
        "pack half copied", DATA, truncate_generator, (4, 6), AT_ONCE_S + 3, "playing on as before"
    ),
    Fault(
        "pack named by a user's home", DATA, name_no_pack("~nobody/cello"), (4, 8),
        AT_ONCE_S + 3, "playing on as before",
    ),
    Fault(
        "pack named by a YAML tag", DATA, name_no_pack("!!timestamp x"), (4, 8),
        AT_ONCE_S + 3, "playing on as before",
    ),
    Fault(
        "network that never returns", DATA, make_network_endless, (8, 10),
        DEADLINE_S, "playing on as before",
    ),
    Fault("socket removed", DATA, remove_socket, (3, 3), AT_ONCE_S + 6, "it is made again"),
    Fault("descriptors exhausted", MACHINE, exhaust_descriptors, (3, 6), EYE_BACK_S),
    Fault("garbage on the socket", DATA, write_garbage, (2, 5), AT_ONCE_S + 2),
    Fault("cores busy", MACHINE, load_cpu, (6, 12), EYE_BACK_S),
)  # fmt: skip


class ActiveFault:
    """An injected fault, until the instrument has recovered."""

    def __init__(self, fault: Fault, installation: Installation, rng: random.Random) -> None:
        self.fault, self.installation = fault, installation
        self.started_s = time.monotonic()
        self.end = fault.begin(installation)
        self.end_s = self.started_s + fault.random_duration_s(rng)
        self.recovery_start_s: float | None = None
        self.logged = not fault.log_line
        self.well_s: float | None = None

    def step(self, now_s: float, new_lines: list[str]) -> bool:
        """Remove it when its time is over; return whether recovery has succeeded or failed."""
        self.logged = self.logged or any(self.fault.log_line in line for line in new_lines)
        if self.recovery_start_s is None:
            if now_s >= self.end_s:
                self.finish()
            return False
        if (
            self.logged
            and self.installation.plays_for_a_visitor
            and self.installation.recorder.is_audible(now_s)
        ):
            self.well_s = now_s - self.recovery_start_s
            return True
        return now_s - self.recovery_start_s > GIVE_UP_AFTER * self.fault.limit_s

    def finish(self) -> None:
        """Remove it, if it can be removed and has not been yet."""
        if self.recovery_start_s is not None:
            return
        self.recovery_start_s = self.started_s
        if self.end is not None:
            self.end()
            self.recovery_start_s = time.monotonic()

    @property
    def lasted_s(self) -> float:
        """Its duration; 0 if it has no end."""
        return (self.recovery_start_s or self.started_s) - self.started_s

    @property
    def recovered(self) -> bool:
        """Whether the instrument recovered within the limit."""
        return self.well_s is not None and self.well_s <= self.fault.limit_s
