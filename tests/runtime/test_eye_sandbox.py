"""Each way to give the network up, in a process of its own: there is no way back."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
import errno, socket, threading, ctypes, platform
from latent_resonance.eye import sandbox

def outcome(family, kind=socket.SOCK_DGRAM):
    try:
        with socket.socket(family, kind) as probe:
            if family in (socket.AF_INET, socket.AF_INET6):
                probe.connect(("127.0.0.1" if family == socket.AF_INET else "::1", 53))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "works"

def ring():
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(425, 4, ctypes.create_string_buffer(256))
    return "works" if descriptor >= 0 else errno.errorcode[ctypes.get_errno()]
"""


def outcome_of(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE + program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_without_isolation_the_probe_reaches_this_machine() -> None:
    """So that the tests below show what isolation does, and not a machine without a network."""
    assert outcome_of("print(outcome(socket.AF_INET))") == ["works"]


def test_in_a_namespace_of_its_own_no_address_can_be_reached() -> None:
    said = outcome_of("""
try:
    sandbox.enter_empty_namespace()
    print(outcome(socket.AF_INET), outcome(socket.AF_UNIX))
except OSError as error:
    print("refused")
""")
    if said == ["refused"]:
        pytest.skip("this machine allows no network namespaces")
    assert said == ["ENETUNREACH", "works"]


def test_behind_the_filter_there_are_no_sockets_but_unix_ones() -> None:
    said = outcome_of("""
sandbox.install_socket_filter()
families = socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_UNIX
print(*(outcome(family) for family in families), ring())
for end in socket.socketpair():
    end.close()
""")
    assert said == ["EAFNOSUPPORT"] * 4 + ["works", "EAFNOSUPPORT"]


def test_the_filter_of_a_thread_binds_what_it_starts_and_nobody_else() -> None:
    said = outcome_of("""
def inner():
    print(outcome(socket.AF_INET))
def outer():
    sandbox.drop_thread_network()
    child = threading.Thread(target=inner)
    child.start()
    child.join()
thread = threading.Thread(target=outer)
thread.start()
thread.join()
print(outcome(socket.AF_INET))
""")
    assert said == ["EAFNOSUPPORT", "works"]


def test_the_eye_gives_the_network_up_one_way_or_the_other() -> None:
    way = "print(sandbox.drop_network().replace(' ', '-'), outcome(socket.AF_INET))"
    said = outcome_of(way)
    assert said in (["network-namespace", "ENETUNREACH"], ["seccomp-filter", "EAFNOSUPPORT"])


def test_with_threads_running_the_filter_takes_the_place_of_the_namespace() -> None:
    said = outcome_of("""
leave = threading.Event()
thread = threading.Thread(target=leave.wait)
thread.start()
print(sandbox.drop_network().replace(" ", "-"), outcome(socket.AF_INET))
leave.set()
""")
    assert said == ["seccomp-filter", "EAFNOSUPPORT"]


def test_no_core_is_left() -> None:
    said = outcome_of("""
import resource
sandbox.disable_core_dumps()
print(*resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
""")
    assert said == ["0", "0", "0"]
