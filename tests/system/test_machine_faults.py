"""Faults of the machine: power cuts, full disks, clock jumps, high load, little memory."""

from __future__ import annotations

import hashlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from tests.support.pulse_server import SoundServer, Voice, compiled, environment_in
from tests.support.timing import PATIENCE, until

import latent_resonance

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(170)]
HERE = Path(__file__).parent
SOURCE = Path(latent_resonance.__file__).parent
CELLO = HERE.parents[1] / "models" / "cello"


class Machine:
    """A folder as home and runtime folder, and voice processes that run in it."""

    def __init__(self, folder: Path, pack: Path, stack: ExitStack) -> None:
        self.folder, self.pack, self.stack = folder, pack, stack
        self.environment = environment_in(folder)
        self.config = folder / "gallery.yaml"
        self.config.write_text(f"pack: {pack}\nsocket_path: {folder}/run/face.sock\n")

    def voice(self, *arguments: str, before: tuple[str, ...] = (), **environment: str) -> Voice:
        arguments = ("--config", str(self.config), *arguments)
        voice = Voice(self.folder, self.environment | environment, *arguments, before=before)
        return self.stack.enter_context(closing(voice))


@pytest.fixture
def machine(tmp_path: Path, pack_folder: Path) -> Iterator[Machine]:
    with ExitStack() as stack:
        yield Machine(tmp_path, pack_folder, stack)


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    """Hashes and modification times of all files in a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }


def played_s(voice: Voice) -> float:
    return float(voice.said().split("played ")[1].split()[0])


def seconds_of(path: Path) -> float:
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


@pytest.mark.parametrize("cuts", [10, pytest.param(50, marks=pytest.mark.timeout(900))])
def test_after_a_power_cut_at_any_time_it_starts_again(machine: Machine, cuts: int) -> None:
    if cuts > 10 and not os.environ.get("LATENT_RESONANCE_LONG_TESTS"):
        pytest.skip("takes minutes: set LATENT_RESONANCE_LONG_TESTS=1")
    pack, yaml = fingerprint(machine.pack), machine.config.read_bytes()
    rng = random.Random(4)
    for _ in range(cuts):
        voice = machine.voice()
        if rng.random() < 0.5:  # while playing; otherwise during startup
            voice.says("playing on without a speaker")
        time.sleep(rng.uniform(0.0, 0.7))
        children = voice.children()
        voice.process.kill()
        voice.process.wait()
        for child in children:  # child processes exit with it, even while blocked
            until(lambda gone=child: not alive(gone), 5, "the output process is gone")
    voice = machine.voice()
    voice.says("playing on without a speaker")
    voice.leave()
    assert fingerprint(machine.pack) == pack
    assert machine.config.read_bytes() == yaml


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_full_disk_ends_the_recording_but_not_the_sound(machine: Machine) -> None:
    take = machine.folder / "take.wav"
    voice = machine.voice("--record", str(take), before=("prlimit", "--fsize=200000"))
    voice.says("the recording has ended", 40)
    time.sleep(2.0)
    log = voice.leave()
    assert log.count("the recording has ended (File too large), 2.1 s are kept") == 1
    assert played_s(voice) > 3.5
    assert take.stat().st_size == 200_000
    assert seconds_of(take) == pytest.approx((200_000 - 44) / 2 / 48_000, abs=0.01)


# As on a read-only image: everything is readable, and only a tmpfs is writable.
READ_ONLY = """
mount -t tmpfs none /mnt && mkdir /mnt/here /mnt/pack /mnt/run &&
mount --bind "$1" /mnt/here && mount --bind "$2" /mnt/pack && mount -o remount,ro,bind /mnt/here &&
mount -t tmpfs -o ro none /tmp && mount -o remount,ro,bind / && shift 2 && exec "$@"
"""


@pytest.mark.parametrize("runtime_folder", ["/mnt/run", "/nowhere"])
def test_on_a_read_only_root_without_tmp_it_plays_or_names_the_remedy(
    machine: Machine, runtime_folder: str
) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can mount a root read-only for one process")
    if any(Path(place).is_relative_to("/tmp") for place in (SOURCE, sys.prefix)):
        pytest.skip("the program itself is under /tmp, which this test hides")
    machine.config.write_text("pack: /mnt/pack\n")
    machine.config, folders = Path("/mnt/here/gallery.yaml"), (machine.folder, machine.pack)
    before = ("unshare", "--mount", "sh", "-c", READ_ONLY, "sh", *map(str, folders))
    voice = machine.voice("--seconds", "3", before=before, XDG_RUNTIME_DIR=runtime_folder)
    code = voice.process.wait(timeout=60)
    if runtime_folder == "/nowhere":
        assert code == 2
        assert voice.said().endswith("/run and /tmp cannot be written; set socket_path\n")
    else:
        assert code == 0, voice.said()
        assert played_s(voice) == pytest.approx(3.0, abs=0.7)


@pytest.mark.parametrize("place", ["/proc/nowhere/face.sock", "/dev/null/face.sock"])
def test_an_impossible_socket_path_is_reported_without_a_traceback(
    machine: Machine, place: str
) -> None:
    machine.config.write_text(f"pack: {machine.pack}\nsocket_path: {place}\n")
    voice = machine.voice()
    assert voice.process.wait(timeout=60) != 0
    assert "Traceback" not in voice.said()
    assert "set socket_path" in voice.said()


def test_clock_jumps_of_years_change_nothing(machine: Machine) -> None:
    leap, take = machine.folder / "leap", machine.folder / "take.wav"
    leap.write_text("0")
    library = compiled(HERE / "leap.c", machine.folder)
    voice = machine.voice("--record", str(take), LD_PRELOAD=str(library), LEAP=str(leap))
    voice.says("playing on without a speaker")
    start_s = time.monotonic()
    for seconds in (20 * 365 * 86_400, -30 * 365 * 86_400, 0):
        leap.write_text(str(seconds))
        shown = subprocess.run(
            ["date", "+%s"],
            env=os.environ | {"LD_PRELOAD": str(library), "LEAP": str(leap)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert abs(int(shown.stdout) - time.time() - seconds) < 5  # the jump took effect
        time.sleep(1.5)
    voice.leave()
    took_s = time.monotonic() - start_s
    assert played_s(voice) == pytest.approx(took_s, abs=1.0 * PATIENCE)
    assert seconds_of(take) == pytest.approx(played_s(voice), abs=0.7)
    with wave.open(str(take)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    loudness = [np.sqrt(np.mean(np.square(part))) for part in np.split(sound[48_000:][:144_000], 9)]
    assert min(loudness) > 0.003


@pytest.mark.alone
def test_under_load_the_voice_reduces_iterations_and_loses_no_samples(machine: Machine) -> None:
    """On one core under load, without real-time priority, with too many iterations."""
    machine.config.write_text(
        machine.config.read_text()
        + "phase: {iterations: 32, look_ahead: 16}\noutput: {buffer_s: 0.3}\n"
    )
    take = machine.folder / "take.wav"
    before = ("taskset", "-c", "0")
    if os.geteuid() == 0:
        before = ("setpriv", "--bounding-set=-sys_nice", *before)
    busy = [machine.stack.enter_context(spinning()) for _ in range(2)]
    voice = machine.voice("--record", str(take), before=before)
    voice.says("short of time: tier 1 of 3", 60)
    assert all(process.poll() is None for process in busy)
    log = voice.leave()
    assert "down to tier" in log


class spinning(closing):  # noqa: N801  used like a function, as contextlib.closing is
    """A process in a busy loop on one core."""

    def __init__(self, core: int = 0) -> None:
        command = ["taskset", "-c", str(core), "sh", "-c", "while :; do :; done"]
        self.process = subprocess.Popen(command)

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.alone
def test_with_busy_loops_on_all_cores_no_samples_are_lost(machine: Machine) -> None:
    if os.geteuid() != 0:  # both get their usual real-time priority
        pytest.skip("only root may give real-time priority")
    server = SoundServer(machine.environment)
    machine.stack.callback(server.kill)
    server.start()
    first = ("chrt", "--all-tasks", "--fifo", "--pid", "20", str(server.process.pid))
    subprocess.run(first, check=True)
    voice = machine.voice()
    voice.says("playing on ")
    time.sleep(4.0)  # a new sink suspends for two
    cores = 2 * sorted(os.sched_getaffinity(0))
    busy = [machine.stack.enter_context(spinning(core)) for core in cores]
    time.sleep(8.0)
    assert all(process.poll() is None for process in busy)
    underflows = int(voice.leave().split("played ")[1].split()[2])
    assert underflows <= 6 * PATIENCE  # tens of them without real-time priority


def test_without_memory_for_a_new_network_the_old_one_stays(machine: Machine) -> None:
    machine.config.write_text(f"pack: {CELLO}\nsocket_path: {machine.folder}/run/face.sock\n")
    voice = machine.voice()
    voice.says("playing on without a speaker")
    status = Path(f"/proc/{voice.process.pid}/status").read_text()
    (size,) = re.findall(r"VmData:\s+(\d+) kB", status)
    limit = int(size) * 1024 + (8 << 20)  # a third of the network's size
    resource.prlimit(voice.process.pid, resource.RLIMIT_DATA, (limit, -1))
    for _ in range(20):  # freed memory is reused first
        if "playing on as before" in voice.said():
            break
        voice.process.send_signal(signal.SIGHUP)
        time.sleep(1.5)
    resource.prlimit(voice.process.pid, resource.RLIMIT_DATA, (-1, -1))
    voice.says("playing on as before", 5)
    voice.process.send_signal(signal.SIGHUP)
    voice.says("opened again", 20, times=voice.said().count("opened again") + 1)
    voice.leave()


FULL = """
mount -t tmpfs -o size=16k,mode=1777 none /mnt && (cat /dev/zero > /mnt/all; true) 2>/dev/null &&
test "$(df --output=avail /mnt | tail -1)" -eq 0 && exec "$@"
"""


@pytest.mark.parametrize("record", [(), ("--record", "/mnt/take.wav")])
def test_on_a_full_disk_it_plays_or_reports_that_it_cannot_record(
    machine: Machine, record: tuple[str, ...]
) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can mount a full disk for one process")
    machine.config.write_text(f"pack: {machine.pack}\n")
    before = ("unshare", "--mount", "sh", "-c", FULL, "sh")
    voice = machine.voice("--seconds", "3", *record, before=before, XDG_RUNTIME_DIR="/mnt")
    code = voice.process.wait(timeout=60)
    assert "Traceback" not in voice.said()
    if record:
        assert code == 1
        assert "/mnt/take.wav: cannot be written (No space left on device)" in voice.said()
    else:
        assert code == 0, voice.said()
        assert played_s(voice) == pytest.approx(3.0, abs=0.7)


def test_memory_is_locked_if_the_system_allows_it(machine: Machine) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has CAP_IPC_LOCK")
    voice = machine.voice()
    voice.says("playing on without a speaker")
    status = Path(f"/proc/{voice.process.pid}/status").read_text()
    voice.leave()
    (locked,) = [int(line.split()[1]) for line in status.splitlines() if "VmLck" in line]
    (resident,) = [int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line]
    assert locked > 0
    assert resident < 300 * 1024  # only pages that have been touched
