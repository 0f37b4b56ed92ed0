"""Each isolation method, in its own process, because none can be undone."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.realtime

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
    """Shows that the tests below test the isolation, not a machine without a network."""
    assert outcome_of("print(outcome(socket.AF_INET))") == ["works"]


def test_in_a_namespace_of_its_own_no_address_can_be_reached() -> None:
    output = outcome_of("""
try:
    sandbox.enter_empty_namespace()
    print(outcome(socket.AF_INET), outcome(socket.AF_UNIX))
except OSError as error:
    print("refused")
""")
    if output == ["refused"]:
        pytest.skip("this machine allows no network namespaces")
    assert output == ["ENETUNREACH", "works"]


def test_behind_the_filter_there_are_no_sockets_but_unix_ones() -> None:
    output = outcome_of("""
sandbox.install_socket_filter()
families = socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_UNIX
print(*(outcome(family) for family in families), ring())
for end in socket.socketpair():
    end.close()
""")
    assert output == ["EAFNOSUPPORT"] * 4 + ["works", "EAFNOSUPPORT"]


def test_the_filter_of_a_thread_applies_to_its_children_only() -> None:
    output = outcome_of("""
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
    assert output == ["EAFNOSUPPORT", "works"]


def test_network_access_is_dropped_by_one_of_the_methods() -> None:
    way = "print(sandbox.drop_network().replace(' ', '-'), outcome(socket.AF_INET))"
    output = outcome_of(way)
    assert output in (["network-namespace", "ENETUNREACH"], ["seccomp-filter", "EAFNOSUPPORT"])


def test_with_other_threads_running_the_filter_is_used() -> None:
    output = outcome_of("""
leave = threading.Event()
thread = threading.Thread(target=leave.wait)
thread.start()
print(sandbox.drop_network().replace(" ", "-"), outcome(socket.AF_INET))
leave.set()
""")
    assert output == ["seccomp-filter", "EAFNOSUPPORT"]


def test_core_dumps_are_disabled() -> None:
    output = outcome_of("""
import resource
sandbox.disable_core_dumps()
print(*resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
""")
    assert output == ["0", "0", "0"]
