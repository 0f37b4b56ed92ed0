"""`perform` in its own processes, unchanged and measured from outside.

The bench takes the place of systemd (sd_notify(3)): the voice reports the first samples and its
underflows, the eye its first image, and the kernel adds the sender's process id. So the instrument
needs no change to be measured, and both processes are identified. A video of the synthetic face,
or another, is the camera; the loudspeaker, if there is one, plays.
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
from typing import NamedTuple

import yaml

from latent_resonance import LatentResonanceError
from latent_resonance.audio.mel_inversion import spectrogram_to_magnitude
from latent_resonance.bench import synthetic_face
from latent_resonance.bench.context import Context
from latent_resonance.bench.eye import NO_MEDIAPIPE, images_of
from latent_resonance.bench.measurement import Measurement
from latent_resonance.bench.yardsticks import import_s, librosa_cpu_s, mediapipe_cpu_s
from latent_resonance.linux.process_usage import Usage, read_usage

PERFORM = ("latent_resonance", "perform")
N_STARTS = 3
START_TIMEOUT_S = 60.0  # until the first sound; reading from an SD card is slow
EYE_TIMEOUT_S = 30.0  # from the first sound to the first image
SETTLE_S = 2.0  # after the first image, until a visitor is detected and played for
EXIT_TIMEOUT_S = 5.0
TARGET_START = 1.2  # of the time of the imports that any implementation has to do
TARGET_COST = 0.9  # of librosa's time with LIBROSA_ITERATIONS and MediaPipe's together
TARGET_VOICE_MB, TARGET_EYE_MB = 250.0, 350.0
LIBROSA_ITERATIONS = 32
MB_PER_MIB = 2**20 / 1e6  # in a MiB
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred, unix(7)
UNDERFLOWS = re.compile(r"(\d+) underflows")
VISITOR_STATUS = re.compile(r"STATUS=(greeting|playing for a visitor)")
NO_FACE = "no face was detected; name a video of one with --clip"
NO_EYE = "the eye does not run on this machine"


class PerformFailedError(LatentResonanceError):
    """`perform` ended or did not start to play; the message holds the last line of its log."""


@dataclass
class Notifications:
    """The notifications of `perform`'s processes, with times of CLOCK_MONOTONIC."""

    ready_s: dict[int, float] = field(default_factory=dict)  # by process id
    status: dict[int, str] = field(default_factory=dict)
    visitor_seen: bool = False

    def add(self, message: str, pid: int, now_s: float) -> None:
        """Add one datagram."""
        if "READY=1" in message:
            self.ready_s.setdefault(pid, now_s)
        if message.startswith("STATUS="):
            self.status[pid] = message
            self.visitor_seen |= VISITOR_STATUS.match(message) is not None


class ProcessLoad(NamedTuple):
    """Load of a process: % of a core, resident memory and its growth in MB."""

    cpu_percent: float
    memory_mb: float
    growth_mb: float


class PerformProcess:
    """A running `perform` and its notifications so far.

    Parameters
    ----------
    command : command line of `perform`
    notify_socket : receives its notifications
    errors : file for its standard error
    environment : variables added to this process's own
    """

    def __init__(
        self,
        command: list[str],
        notify_socket: socket.socket,
        errors: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.notify_socket, self.errors, self.notifications = notify_socket, errors, Notifications()
        name = notify_socket.getsockname()[1:].decode()
        notify = {"NOTIFY_SOCKET": f"@{name}"}  # systemd's notation for an abstract socket
        self.started_s = time.monotonic()
        with errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, **environment, **notify},
            )

    @property
    def first_sound_s(self) -> float | None:
        """Seconds from its start to the first samples sent to the output."""
        ready_s = self.notifications.ready_s.get(self.process.pid)
        return None if ready_s is None else ready_s - self.started_s

    @property
    def eye(self) -> int | None:
        """Process id of the eye, once it has an image."""
        others = [pid for pid in self.notifications.ready_s if pid != self.process.pid]
        return others[-1] if others else None

    def receive_for(self, seconds: float) -> None:
        """Receive notifications for some seconds.

        Raises
        ------
        PerformFailedError
            `perform` has ended.
        """
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self.notify_socket.settimeout(min(left_s, 0.1))
            try:
                message, extra, *_ = self.notify_socket.recvmsg(
                    4096, socket.CMSG_SPACE(CREDENTIALS.size)
                )
            except TimeoutError:
                self._check_running()
                continue
            pid = CREDENTIALS.unpack(extra[0][2])[0]
            self.notifications.add(message.decode(), pid, time.monotonic())

    def _check_running(self) -> None:
        if self.process.poll() is not None:
            lines = self.errors.read_text(errors="replace").splitlines() or ["it logged nothing"]
            raise PerformFailedError(f"perform has ended: {lines[-1]}")

    def await_sound(self) -> float:
        """Wait for the first samples; return the seconds since the start.

        Raises
        ------
        PerformFailedError
            There were none in time.
        """
        while self.first_sound_s is None:
            if time.monotonic() - self.started_s > START_TIMEOUT_S:
                raise PerformFailedError(f"perform did not play within {START_TIMEOUT_S:g} s")
            self.receive_for(0.02)
        return self.first_sound_s

    def await_eye(self) -> None:
        """Wait for the eye's first image, if there is an eye, and for the sound to follow."""
        end_s = time.monotonic() + EYE_TIMEOUT_S
        while self.eye is None and time.monotonic() < end_s:
            self.receive_for(0.1)
        self.receive_for(SETTLE_S)

    def measure_usage(self, seconds: float) -> tuple[ProcessLoad | None, ProcessLoad | None]:
        """Loads of (voice, eye) over some seconds; None for a process that does not run."""
        pids = (self.process.pid, self.eye)
        before, started_s = [_usage(pid) for pid in pids], time.monotonic()
        self.receive_for(seconds)
        elapsed_s = time.monotonic() - started_s
        voice, eye = map(partial(_load_between, elapsed_s), before, map(_usage, pids))
        return voice, eye

    @property
    def underflows(self) -> int | None:
        """The number that it has reported; None before its first status."""
        found = UNDERFLOWS.search(self.notifications.status.get(self.process.pid, ""))
        return int(found[1]) if found else None

    def stop(self) -> None:
        """Let it fade out and exit; kill it if that takes too long."""
        self.process.terminate()
        try:
            self.process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(context: Context) -> Iterator[Measurement]:
    """Start, shares of a core, memory and its growth, underflows."""
    with tempfile.TemporaryDirectory(prefix="latent-resonance-") as name:
        folder = Path(name)
        write_settings(context, folder)
        starts_s = [(_start_s(folder), import_s()) for _ in range(N_STARTS)]
        with running_perform(folder) as perform:
            perform.await_sound()
            perform.await_eye()
            voice, eye = perform.measure_usage(context.seconds)
    yield from _start_measurements(starts_s)
    yield from _usage_measurements("voice", voice, TARGET_VOICE_MB)
    reason = NO_EYE if eye is None else "" if perform.notifications.visitor_seen else NO_FACE
    yield from _usage_measurements("eye", None if reason else eye, TARGET_EYE_MB, reason)
    yield _cost(voice, None if reason else eye, context, reason)
    yield Measurement("processes.underflows", perform.underflows, "", target=0)


def _start_measurements(starts_s: list[tuple[float, float]]) -> Iterator[Measurement]:
    """Of pairs of (first sound, imports) in seconds, one after the other."""
    sound_s, imports_s = map(statistics.median, zip(*starts_s, strict=True))
    ratio = statistics.median(ours / theirs for ours, theirs in starts_s)
    yield Measurement("processes.start", ratio, "of imports", target=TARGET_START)
    yield Measurement("processes.first.sound", sound_s, "s")
    yield Measurement("processes.first.imports", imports_s, "s")


def _cost(
    voice: ProcessLoad | None, eye: ProcessLoad | None, context: Context, remark: str
) -> Measurement:
    """Processor time of a performance, in relation to librosa's and MediaPipe's for the same."""
    images = images_of(context.clip)
    face_s = mediapipe_cpu_s(images, context.settings.eye, context.short_s)
    if voice is None or eye is None or face_s is None:
        return _relative_cost(None, remark or NO_MEDIAPIPE)
    geometry = context.pack.geometry
    magnitude = spectrogram_to_magnitude(context.spectrograms[0], geometry)
    theirs_s = librosa_cpu_s(magnitude, geometry, LIBROSA_ITERATIONS)
    theirs_s += face_s * context.settings.camera.images_per_s
    return _relative_cost((voice.cpu_percent + eye.cpu_percent) / 100 / theirs_s, "")


def _relative_cost(ratio: float | None, remark: str) -> Measurement:
    unit = "of librosa + MediaPipe"
    return Measurement("processes.cost", ratio, unit, target=TARGET_COST, remark=remark)


def write_settings(context: Context, folder: Path) -> None:
    """Write the context's settings with a video as camera and without opening hours."""
    clip = context.clip or folder / "face.y4m"
    if context.clip is None:
        synthetic_face.write_video(clip)
    content = context.settings.model_dump(mode="json", exclude={"hours", "quiet"})
    content["camera"] |= {"source": str(clip.absolute()), "rotation": 0}
    (folder / "settings.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


@contextmanager
def running_perform(
    folder: Path,
    program: tuple[str, ...] = PERFORM,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[PerformProcess]:
    """Run `perform` in a process of its own and stop it afterwards."""
    command = [sys.executable, "-m", *program, "--config", str(folder / "settings.yaml")]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify_socket:
        notify_socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        notify_socket.bind("")  # to an abstract address that the kernel chooses
        perform = PerformProcess(command, notify_socket, folder / "errors", environment)
        try:
            yield perform
        finally:
            perform.stop()


def _start_s(folder: Path) -> float:
    with running_perform(folder) as perform:
        return perform.await_sound()


def _usage(pid: int | None) -> Usage | None:
    return None if pid is None else read_usage(pid)


def _load_between(seconds: float, before: Usage | None, after: Usage | None) -> ProcessLoad | None:
    if before is None or after is None:
        return None
    return ProcessLoad(
        100 * (after.cpu_s - before.cpu_s) / seconds,
        after.resident_mib * MB_PER_MIB,
        (after.resident_mib - before.resident_mib) * MB_PER_MIB,
    )


def _usage_measurements(
    name: str, load: ProcessLoad | None, target_mb: float, remark: str = ""
) -> Iterator[Measurement]:
    cpu, memory, growth = load or (None, None, None)
    yield Measurement(f"processes.{name}_cpu", cpu, "% of a core", remark=remark)
    yield Measurement(f"processes.{name}_memory", memory, "MB", target=target_mb, remark=remark)
    yield Measurement(f"processes.{name}_growth", growth, "MB", remark=remark)
