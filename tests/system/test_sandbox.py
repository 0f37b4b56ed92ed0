"""The isolation of the eye: its system calls are traced.

strace follows every thread of `latent-resonance eye` while it tracks a face for 70 s, longer than
MediaPipe waits before it contacts its logging host, and while it closes, when MediaPipe tries
again. This test acts as the voice and counts the datagrams that arrive.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import faces

from latent_resonance.eye.tracking.tracker import BUNDLE
from latent_resonance.face_state import MESSAGE_BYTES, FaceState, decode

TRACKING_S = 70.0
START_S = 60.0  # importing MediaPipe under strace on a small, busy machine
TRACED = "%file,%network,io_uring_setup,memfd_create,ftruncate,prctl,setrlimit,prlimit64"

CALL = re.compile(r"^(?:[\d.]+ )?(\w+)\((.*)\)\s+= (-?\d+|\?|0x[0-9a-f]+)(.*)$")
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
SENDS = {"sendto", "sendmsg", "sendmmsg"}
CHANGES = {  # the calls of strace's %file that change a file or a folder
    *("creat", "mkdir", "mkdirat", "mknod", "mknodat", "rename", "renameat", "renameat2"),
    *("link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rmdir", "truncate"),
    *("chmod", "fchmodat", "chown", "fchownat", "setxattr", "utimensat", "ftruncate"),
}
# The eye redirects MediaPipe's stderr there during startup.
ALLOWED_WRITES = {"/dev/null"}


@dataclass(frozen=True)
class Call:
    """One system call that has returned."""

    name: str
    arguments: str
    result: str

    @property
    def succeeded(self) -> bool:
        return not self.result.startswith(("-", "?"))

    @property
    def path(self) -> str:
        """The first path among the arguments."""
        found = re.search(r'"([^"]*)"', self.arguments)
        return found.group(1) if found else ""


@dataclass(frozen=True)
class Trace:
    """System calls, datagrams and log of an eye."""

    calls: list[Call]
    datagrams: list[bytes]
    log: str
    exit_code: int
    socket_path: Path

    def successful(self, names: Iterable[str]) -> list[Call]:
        target = set(names)
        return [call for call in self.calls if call.name in target and call.succeeded]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """The trace of an eye, from start to exit."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: apt install strace")
    folder = tmp_path_factory.mktemp("isolation")
    settings = folder / "eye.yaml"
    settings.write_text(f"camera:\n  source: {clip_of_a_face(folder / 'face.mp4')}\n")
    path = folder / "eye.sock"
    eye = [sys.executable, "-m", "latent_resonance", "eye"]
    eye += ["--config", str(settings), "--socket", str(path)]
    # -D: the eye, not strace, is our child; -ff: a file for each thread
    strace = ["strace", "-D", "-ff", "--seccomp-bpf", "-s", "64", "-e", f"trace={TRACED}"]
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as voice,
        (folder / "log").open("wb") as log,
    ):
        voice.bind(str(path))
        process = subprocess.Popen([*strace, "-o", str(folder / "trace"), *eye], stderr=log)
        try:
            datagrams = list(listen(voice, process))
            process.send_signal(signal.SIGTERM)
            exit_code = process.wait(timeout=30)
        finally:
            process.kill()
            process.wait()
        datagrams += remaining(voice)
    calls = calls_of(folder, process.pid)
    return Trace(calls, datagrams, (folder / "log").read_text(), exit_code, path)


def clip_of_a_face(path: Path) -> Path:
    """Three seconds of a drifting face that opens its mouth."""
    images = [
        *faces.drifting(faces.photograph(), 60),
        *faces.drifting(faces.mouth_opened(0.2), 30),
    ]
    return faces.write_clip(path, images)


def listen(voice: socket.socket, process: subprocess.Popen[bytes]) -> Iterable[bytes]:
    """Every datagram until TRACKING_S after the first face, the eye's exit, or START_S."""
    voice.settimeout(0.5)
    end_s = time.monotonic() + START_S
    tracking = False
    while time.monotonic() < end_s and process.poll() is None:
        try:
            data = voice.recv(1 << 16)
        except TimeoutError:
            continue
        yield data
        if not tracking and decode(data).present:
            tracking, end_s = True, time.monotonic() + TRACKING_S


def remaining(voice: socket.socket) -> Iterable[bytes]:
    """The datagrams that the eye sent while it exited."""
    voice.setblocking(False)
    while True:
        try:
            yield voice.recv(1 << 16)
        except BlockingIOError:
            return


def calls_of(folder: Path, pid: int) -> list[Call]:
    """Every traced call of every thread, once strace has written the last one."""
    for _ in range(100):
        if "+++ exited" in (folder / f"trace.{pid}").read_text():
            break
        time.sleep(0.1)
    lines = [line for file in folder.glob("trace.*") for line in file.read_text().splitlines()]
    found = [CALL.match(line) for line in lines if not line.startswith(("+++", "---"))]
    assert None not in found, [line for line, call in zip(lines, found, strict=False) if not call]
    return [Call(call[1], call[2], call[3]) for call in found if call]


pytestmark = [pytest.mark.realtime, pytest.mark.timeout(300)]


def test_the_eye_tracked_the_face_and_exited_on_sigterm(trace: Trace) -> None:
    assert trace.exit_code == 0, trace.log
    assert "Traceback" not in trace.log
    states = [decode(data) for data in trace.datagrams]
    present = [state for state in states if state.present]
    assert seconds(present) > TRACKING_S - 5
    assert len(present) > 0.9 * len(states)


def seconds(states: list[FaceState]) -> float:
    return (states[-1].time_ns - states[0].time_ns) / 1e9


def test_the_trace_covers_the_tracker_and_the_sender(trace: Trace) -> None:
    """Otherwise the tests below could pass on an empty trace."""
    opened = [call.path for call in trace.successful(["openat", "open"])]
    assert any(path.endswith(BUNDLE) for path in opened)
    assert any("libmediapipe" in path for path in opened)
    assert len(trace.successful(SENDS)) > 0.9 * len(trace.datagrams)


def test_the_eye_sends_only_to_the_voices_socket(trace: Trace) -> None:
    outside = [
        call
        for call in trace.successful(["connect", *SENDS])
        if f'sun_path="{trace.socket_path}"' not in call.arguments
    ]
    assert outside == []
    assert trace.successful(["io_uring_setup", "accept", "accept4", "listen"]) == []


def test_each_datagram_is_exactly_one_face_state(trace: Trace) -> None:
    assert {len(data) for data in trace.datagrams} == {MESSAGE_BYTES}
    sent = trace.successful(SENDS)
    assert {call.result for call in sent} == {str(MESSAGE_BYTES)}
    assert len(sent) == len(trace.datagrams)


def test_the_eye_opens_no_file_for_writing_and_changes_none(trace: Trace) -> None:
    written = {
        call.path
        for call in trace.successful(["open", "openat", "openat2"])
        if WRITES.search(call.arguments)
    }
    assert written <= ALLOWED_WRITES
    assert trace.successful(CHANGES) == []


def test_the_eye_cannot_dump_core(trace: Trace) -> None:
    limits = trace.successful(["setrlimit", "prlimit64"])
    assert any(re.search(r"RLIMIT_CORE, \{rlim_cur=0, rlim_max=0\}", c.arguments) for c in limits)
    assert any(
        "PR_SET_DUMPABLE, SUID_DUMP_DISABLE" in c.arguments for c in trace.successful(["prctl"])
    )
    assert re.search(r"network access dropped \((network namespace|seccomp filter)\)", trace.log)
