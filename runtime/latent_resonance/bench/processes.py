"""A performance as it is: `perform` in processes of its own, watched from outside.

The bench stands where systemd stands (sd_notify(3)): the voice tells it when samples leave for
the speaker and how many were missing, the eye when it sees, and the kernel adds who said so. So
nothing of the instrument is changed for being measured, and both processes are found. The drawn
face, or a film, is the camera; the speaker, if there is one, plays.
"""

from __future__ import annotations

import os
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

import yaml

from latent_resonance import LatentResonanceError
from latent_resonance.bench import synthetic_face
from latent_resonance.bench.context import Subject
from latent_resonance.bench.measurement import Figure
from latent_resonance.linux.process_usage import Usage, usage_of

PERFORM = ("latent_resonance", "perform")
STARTS = 3
PATIENCE_S = 60.0  # for a sound; a cold SD card is slow
EYE_PATIENCE_S = 30.0  # for an image, from the first sound on
SETTLE_S = 2.0  # after the first image: a face has to be noticed, greeted and played
LEAVING_S = 5.0
OWED_START_S = 1.5
OWED_VOICE = (35.0, 250.0)  # % of a core, MB
OWED_EYE = (40.0, 350.0)
MEGABYTES = 2**20 / 1e6  # in a MiB
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred, unix(7)
UNDERFLOWS = re.compile(r"(\d+) underflows")
FOR_SOMEBODY = re.compile(r"STATUS=(greeting|playing for a visitor)")
NOBODY = "no face was seen; name a film of one with --clip"
NO_EYE = "the eye does not see here"


class PerformanceFailedError(LatentResonanceError):
    """`perform` ended, or did not begin to sound; the message holds its own last words."""


@dataclass
class Heard:
    """What the processes of a performance have told, and when (CLOCK_MONOTONIC)."""

    ready_s: dict[int, float] = field(default_factory=dict)  # by process
    status: dict[int, str] = field(default_factory=dict)
    for_somebody: bool = False

    def note(self, message: str, process: int, now_s: float) -> None:
        """Takes one datagram in."""
        if "READY=1" in message:
            self.ready_s.setdefault(process, now_s)
        if message.startswith("STATUS="):
            self.status[process] = message
            self.for_somebody |= FOR_SOMEBODY.match(message) is not None


@dataclass(frozen=True)
class Taken:
    """What a process took of the machine: % of a core, MB, and MB by which that grew."""

    share: float
    memory: float
    growth: float


class Engine:
    """A performance, from its start on, and what it has told so far.

    Parameters
    ----------
    command : `perform`, which tells what `ear` hears
    errors : where its own words go
    environment : laid over this process's own
    """

    def __init__(
        self, command: list[str], ear: socket.socket, errors: Path, environment: Mapping[str, str]
    ) -> None:
        self.ear, self.errors, self.heard = ear, errors, Heard()
        address = f"@{ear.getsockname()[1:].decode()}"  # as systemd writes an abstract one
        around = {**os.environ, **environment, "NOTIFY_SOCKET": address}
        self.began_s = time.monotonic()
        with errors.open("wb") as sink:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=sink, env=around
            )

    @property
    def first_sound_s(self) -> float | None:
        """Seconds from its start to the first samples that left for the speaker."""
        ready_s = self.heard.ready_s.get(self.process.pid)
        return None if ready_s is None else ready_s - self.began_s

    @property
    def eye(self) -> int | None:
        """The process that sees, once it does."""
        others = [pid for pid in self.heard.ready_s if pid != self.process.pid]
        return others[-1] if others else None

    def listen(self, seconds: float) -> None:
        """Hears for some seconds what the processes tell.

        Raises
        ------
        PerformanceFailedError
            It has ended.
        """
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self.ear.settimeout(min(left_s, 0.1))
            try:
                message, extra, *_ = self.ear.recvmsg(4096, socket.CMSG_SPACE(CREDENTIALS.size))
            except TimeoutError:
                self._must_go_on()
                continue
            process = CREDENTIALS.unpack(extra[0][2])[0]
            self.heard.note(message.decode(), process, time.monotonic())

    def _must_go_on(self) -> None:
        if self.process.poll() is not None:
            said = self.errors.read_text(errors="replace").splitlines() or ["it said nothing"]
            raise PerformanceFailedError(f"perform has ended: {said[-1]}")

    def await_sound(self) -> float:
        """Waits for the first samples; returns how long they took.

        Raises
        ------
        PerformanceFailedError
            There were none.
        """
        while self.first_sound_s is None:
            if time.monotonic() - self.began_s > PATIENCE_S:
                raise PerformanceFailedError(f"perform did not sound within {PATIENCE_S:g} s")
            self.listen(0.02)
        return self.first_sound_s

    def await_eye(self) -> None:
        """Waits for the eye to see, if it ever does, and for what is played to follow."""
        end_s = time.monotonic() + EYE_PATIENCE_S
        while self.eye is None and time.monotonic() < end_s:
            self.listen(0.1)
        self.listen(SETTLE_S)

    def taken_in(self, seconds: float) -> tuple[Taken | None, Taken | None]:
        """What voice and eye take while it is heard for some seconds; None of one not there."""
        processes = (self.process.pid, self.eye)
        before, began_s = [_usage(process) for process in processes], time.monotonic()
        self.listen(seconds)
        lasted_s = time.monotonic() - began_s
        voice, eye = map(partial(_taken, lasted_s), before, map(_usage, processes))
        return voice, eye

    @property
    def underflows(self) -> int | None:
        """How many it has told of; None before it has told anything."""
        told = UNDERFLOWS.search(self.heard.status.get(self.process.pid, ""))
        return int(told[1]) if told else None

    def end(self) -> None:
        """Has it fade out and leave."""
        self.process.terminate()
        try:
            self.process.wait(LEAVING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def figures(subject: Subject) -> Iterator[Figure]:
    """Start, shares of a core, memory and its growth, underflows."""
    with tempfile.TemporaryDirectory(prefix="latent-resonance-") as folder:
        place = Path(folder)
        write_settings(subject, place)
        starts_s = [_start_s(place) for _ in range(STARTS - 1)]
        with performing(place) as engine:
            starts_s.append(engine.await_sound())
            engine.await_eye()
            voice, eye = engine.taken_in(subject.seconds)
    yield Figure("processes.first_sound", statistics.median(starts_s), "s", owed=OWED_START_S)
    yield from _figures_of("voice", voice, OWED_VOICE)
    unseen = NO_EYE if eye is None else "" if engine.heard.for_somebody else NOBODY
    yield from _figures_of("eye", None if unseen else eye, OWED_EYE, unseen)
    yield Figure("processes.underflows", engine.underflows, "", owed=0)


def write_settings(subject: Subject, place: Path) -> None:
    """The settings of the performance: the subject's, with a film for a camera and no hours."""
    clip = subject.clip or place / "face.y4m"
    if subject.clip is None:
        synthetic_face.write_film(clip)
    content = subject.settings.model_dump(mode="json", exclude={"hours", "quiet"})
    content["camera"] |= {"source": str(clip.absolute()), "rotation": 0}
    (place / "settings.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


@contextmanager
def performing(
    place: Path,
    program: tuple[str, ...] = PERFORM,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Engine]:
    """`perform` in a process of its own, which is ended afterwards."""
    command = [sys.executable, "-m", *program, "--config", str(place / "settings.yaml")]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ear.bind("")  # to an abstract address of the kernel's choice
        engine = Engine(command, ear, place / "errors", environment)
        try:
            yield engine
        finally:
            engine.end()


def _start_s(place: Path) -> float:
    with performing(place) as engine:
        return engine.await_sound()


def _usage(process: int | None) -> Usage | None:
    return None if process is None else usage_of(process)


def _taken(seconds: float, before: Usage | None, after: Usage | None) -> Taken | None:
    if before is None or after is None:
        return None
    return Taken(
        100 * (after.cpu_s - before.cpu_s) / seconds,
        after.resident_mib * MEGABYTES,
        (after.resident_mib - before.resident_mib) * MEGABYTES,
    )


def _figures_of(
    name: str, taken: Taken | None, owed: tuple[float, float], remark: str = ""
) -> Iterator[Figure]:
    share, memory, growth = (taken.share, taken.memory, taken.growth) if taken else (None,) * 3
    yield Figure(f"processes.{name}_cpu", share, "% of a core", owed=owed[0], remark=remark)
    yield Figure(f"processes.{name}_memory", memory, "MB", owed=owed[1], remark=remark)
    yield Figure(f"processes.{name}_growth", growth, "MB", remark=remark)
