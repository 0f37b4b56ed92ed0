"""What galleries do to machines: each fault begins, and ends or is done once it has begun.

Whatever it was, afterwards somebody before the camera is played for and is heard. How long that
may take is the fault's limit: from its end, or from its beginning where it has none.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.support.pulse_server import PATIENCE
from tests.system.soaking.installation import House

CAMERA, EYE, SOUND, DATA, MACHINE = "camera", "eye", "sound", "data", "machine"
End = Callable[[], None]
CAMERA_BACK_S = 3.0 * PATIENCE
EYE_BACK_S = 12.0 * PATIENCE  # MediaPipe starts slowly where others want the processor too
SPEAKER_BACK_S = 3.5 * PATIENCE  # the sink itself rests for two when it is new
AT_ONCE_S = 1.0 * PATIENCE
GIVEN_UP_AFTER = 1.5  # limits: how late it was is worth knowing


@dataclass(frozen=True)
class Fault:
    """One thing that may befall the house.

    Attributes
    ----------
    kind : what it befalls; only those of sound may be heard
    begin : lets it befall; returns what ends it, if anything does
    lasts_s : from its beginning to its end, [shortest, longest]
    limit_s : until all is well again
    says : what the instrument must have said of it, if anything
    """

    name: str
    kind: str
    begin: Callable[[House], End | None]
    lasts_s: tuple[float, float]
    limit_s: float
    says: str = ""

    def duration_s(self, rng: random.Random) -> float:
        """How long it will last this time."""
        return rng.uniform(*self.lasts_s)


def camera(word: str) -> Callable[[House], End]:
    """The camera does something else than to live."""

    def begin(house: House) -> End:
        house.scene.does(word)
        return lambda: house.scene.does("live")

    return begin


def unplug(to: int = 0) -> Callable[[House], End]:
    """The camera is pulled out, and comes back, `to` numbers further on."""

    def begin(house: House) -> End:
        house.scene.is_pulled_out()
        return lambda: house.scene.does("live", (house.scene.number + to) % 10)

    return begin


def send(number: signal.Signals, role: str) -> Callable[[House], None]:
    """A process of the instrument gets a signal."""
    return lambda house: house.tell(number, role)


def unload_the_sink(house: House) -> End:
    """The speaker is pulled out."""
    house.server.unplug()
    return house.server.plug_in


def kill_the_server(house: House) -> End:
    """The sound server dies, and is started again."""
    house.server.kill()
    return house.server.start


def hang_the_server(house: House) -> End:
    """The sound server thinks for a while."""
    house.server.hang()
    return house.server.go_on


def edit_well(house: House) -> End:
    """Somebody turns it down a little, and up again."""
    house.set("output: {volume_db: -3}\n")
    return lambda: house.set("")


def edit_badly(house: House) -> End:
    """Somebody writes what cannot be."""
    house.set("output: {volume_db: loud}\nphase: [1, 2\n")
    return lambda: house.set("")


def swap_the_pack(house: House) -> None:
    """Another pack lies there, and the instrument is told."""
    house.rename_pack("second" if house.sheet["name"] != "second" else "first")
    house.tell(signal.SIGHUP)


def break_the_pack(house: House) -> End:
    """Half of a network was copied when somebody said SIGHUP."""
    network = house.pack / "generator.onnx"
    whole = network.read_bytes()
    network.write_bytes(whole[: len(whole) // 2])
    house.tell(signal.SIGHUP)
    return lambda: network.write_bytes(whole) and None


def write_garbage(house: House) -> End:
    """Somebody writes to the eye's socket, as fast as it goes."""
    stop = threading.Event()

    def write() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            while not stop.wait(1e-4):
                with suppress(BlockingIOError, ConnectionRefusedError, FileNotFoundError):
                    sender.sendto(os.urandom(88), str(house.meeting))

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return stop.set


def keep_busy(_house: House) -> End:
    """Others want every core, twice."""
    command = ["sh", "-c", "while :; do :; done"]
    busy = [subprocess.Popen(command) for _ in range(2 * (os.cpu_count() or 1))]

    def end() -> None:
        for process in busy:
            process.kill()
            process.wait()

    return end


FAULTS = (
    Fault("camera unplugged", CAMERA, unplug(), (5, 12), CAMERA_BACK_S),
    Fault("camera under another number", CAMERA, unplug(3), (5, 12), CAMERA_BACK_S),
    Fault("camera stalled", CAMERA, camera("stall"), (6, 12), 2 * CAMERA_BACK_S),
    Fault("camera frozen", CAMERA, camera("freeze"), (8, 14), CAMERA_BACK_S),
    Fault("camera black", CAMERA, camera("black"), (8, 14), CAMERA_BACK_S),
    Fault("camera's driver talks nonsense", CAMERA, camera("nonsense"), (5, 9), CAMERA_BACK_S),
    Fault("camera's driver hangs", CAMERA, camera("hang"), (5, 9), EYE_BACK_S + 10),
    Fault("eye killed", EYE, send(signal.SIGKILL, "eye"), (3, 3), EYE_BACK_S),
    Fault("eye stopped", EYE, send(signal.SIGSTOP, "eye"), (3, 3), EYE_BACK_S + 5),
    Fault("eye leaks", EYE, camera("leak"), (6, 9), EYE_BACK_S),
    Fault("sink unloaded", SOUND, unload_the_sink, (2, 10), SPEAKER_BACK_S),
    Fault("sound server killed", SOUND, kill_the_server, (1, 8), SPEAKER_BACK_S),
    Fault("sound server hangs", SOUND, hang_the_server, (2, 10), SPEAKER_BACK_S),
    Fault("output killed", SOUND, send(signal.SIGKILL, "output"), (1, 1), SPEAKER_BACK_S),
    Fault("output stopped", SOUND, send(signal.SIGSTOP, "output"), (2, 2), SPEAKER_BACK_S + 6),
    Fault("settings edited", DATA, edit_well, (4, 8), AT_ONCE_S + 3, "now output.volume_db"),
    Fault("settings spoilt", DATA, edit_badly, (4, 8), AT_ONCE_S + 3, "playing on as before"),
    Fault("pack replaced", DATA, swap_the_pack, (4, 4), AT_ONCE_S + 6, "opened again"),
    Fault("pack half copied", DATA, break_the_pack, (4, 6), AT_ONCE_S + 3, "playing on as before"),
    Fault("garbage on the socket", DATA, write_garbage, (2, 5), AT_ONCE_S + 2),
    Fault("cores busy", MACHINE, keep_busy, (6, 12), EYE_BACK_S),
)


class Trouble:
    """A fault that is under way, from its beginning to its end to the day all is well again."""

    def __init__(self, fault: Fault, house: House, rng: random.Random) -> None:
        self.fault, self.house = fault, house
        self.begun_s = time.monotonic()
        self.end = fault.begin(house)
        self.ends_s = self.begun_s + fault.duration_s(rng)
        self.counts_from_s: float | None = None  # where the time to recover begins
        self.said = not fault.says
        self.well_s: float | None = None

    def step(self, now_s: float, news: list[str]) -> bool:
        """Ends it in time; whether it is over, well or not."""
        self.said = self.said or any(self.fault.says in line for line in news)
        if self.counts_from_s is None:
            if now_s >= self.ends_s:
                self.finish()
            return False
        if self.said and self.house.plays_for_a_visitor and self.house.ear.hears_something(now_s):
            self.well_s = now_s - self.counts_from_s
            return True
        return now_s - self.counts_from_s > GIVEN_UP_AFTER * self.fault.limit_s

    def finish(self) -> None:
        """Ends it, if it has an end and has not ended."""
        if self.counts_from_s is not None:
            return
        self.counts_from_s = self.begun_s
        if self.end is not None:
            self.end()
            self.counts_from_s = time.monotonic()

    @property
    def lasted_s(self) -> float:
        """From its beginning to its end; 0 for what has none."""
        return (self.counts_from_s or self.begun_s) - self.begun_s

    @property
    def recovered(self) -> bool:
        """Whether all was well within the limit."""
        return self.well_s is not None and self.well_s <= self.fault.limit_s
