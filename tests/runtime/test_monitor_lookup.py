"""Host names of the settings while their addresses change: a resolver of its own for a process."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from latent_resonance.config.monitor import Osc
from latent_resonance.monitor.lookup import REFRESH_S
from latent_resonance.monitor.osc import OscSender

pytestmark = pytest.mark.realtime

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
PROGRAM = """
import json, sys, time
from pythonosc.osc_message_builder import OscMessageBuilder
from latent_resonance.config.monitor import Osc
from latent_resonance.monitor.osc import OscReceiver, OscSender

now_s, log, requests = 100.0, [], []
clock = lambda: now_s
sender = OscSender(Osc(send_to=("lights.test:" + sys.argv[1],)), clock, log.append)
receiver = OscReceiver(Osc(senders=("lights.test",)), requests.append, clock, log.append)
message = OscMessageBuilder("/latent/muted")
message.add_arg(1)
message = message.build().dgram
for line in sys.stdin:
    now_s += float(line)
    for _ in range(30):  # the lookup has a thread of its own
        sender.on_link(True)
        receiver.refresh_senders()
        time.sleep(0.01)
    accepted = []
    for address in ("127.0.0.2", "127.0.0.3"):
        before = len(requests)
        receiver.datagram_received(message, (address, 9))
        accepted += [address] * (len(requests) > before)
    sender.on_link(False)
    print(json.dumps({"accepted": accepted, "log": log}), flush=True)
"""
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
# Files that a process in a mount namespace of its own sees in place of the machine's.
MOUNT = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/nsswitch.conf && shift 2 && '


class Resolver:
    """A process that sends to, and receives from, `lights.test`, and its /etc/hosts."""

    def __init__(self, folder: Path) -> None:
        self._hosts, switch = folder / "hosts", folder / "nsswitch.conf"
        self._hosts.write_text("")
        switch.write_text("hosts: files\n")
        command = (*NAMESPACE, MOUNT + 'exec "$@"', "sh", str(self._hosts), str(switch))
        self.targets = dict(zip((FIRST, SECOND), two_sockets(), strict=True))
        port = next(iter(self.targets.values())).getsockname()[1]
        self.process = subprocess.Popen(
            [*command, sys.executable, "-c", PROGRAM, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def after(self, seconds: float, address: str | None) -> dict[str, Any]:
        """What holds when some time has passed since the name got another address, or none."""
        self._hosts.write_text(f"{address} lights.test\n" if address else "")
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found | {"sent_to": self._last_receivers()}

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for each in self.targets.values():
            each.close()

    def _last_receivers(self) -> list[str]:
        """The addresses at which the last packet has arrived."""
        return [address for address, each in self.targets.items() if b",F" in last_packet(each)]


def two_sockets() -> tuple[socket.socket, socket.socket]:
    """Sockets at the two addresses with the same port."""
    first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    first.bind((FIRST, 0))
    second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    second.bind((SECOND, first.getsockname()[1]))
    for each in (first, second):
        each.setblocking(False)
    return first, second


def last_packet(target: socket.socket) -> bytes:
    packet = b""
    try:
        while True:
            packet = target.recv(65_536)
    except BlockingIOError:
        return packet


@pytest.fixture
def resolver(tmp_path: Path) -> Iterator[Resolver]:
    mount = (*NAMESPACE, "mount --bind /etc/hosts /etc/hosts")
    if not shutil.which("unshare") or subprocess.run(mount, check=False, timeout=5).returncode:
        pytest.skip("a user may have no mount namespace here: kernel.unprivileged_userns_clone")
    resolver = Resolver(tmp_path)
    yield resolver
    resolver.close()


def test_a_name_is_followed_to_its_new_address(resolver: Resolver) -> None:
    first = resolver.after(0.0, FIRST)
    assert (first["sent_to"], first["accepted"]) == ([FIRST], [FIRST])
    soon = resolver.after(REFRESH_S - 1.0, SECOND)
    assert (soon["sent_to"], soon["accepted"]) == ([FIRST], [FIRST])
    moved = resolver.after(2.0, SECOND)
    assert (moved["sent_to"], moved["accepted"]) == ([SECOND], [SECOND])
    assert moved["log"] == []


def test_a_name_that_is_lost_keeps_its_address_until_it_is_found_again(
    resolver: Resolver,
) -> None:
    resolver.after(0.0, FIRST)
    lost = resolver.after(REFRESH_S + 1.0, None)
    assert (lost["sent_to"], lost["accepted"]) == ([FIRST], [FIRST])
    assert len(lost["log"]) == 2  # one for each key of the settings
    assert all("lights.test cannot be resolved" in line for line in lost["log"])
    found = resolver.after(2.0, SECOND)
    assert (found["sent_to"], found["accepted"]) == ([SECOND], [SECOND])
    assert all("lights.test has been found" in line for line in found["log"][2:])


def test_of_several_addresses_the_first_that_can_be_reached_is_sent_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
        target.bind(("127.0.0.1", 0))
        target.settimeout(2.0)
        unreachable = (socket.AF_INET6, ("fe80::1", 9, 0, 4242))  # of no interface
        sender = OscSender(
            Osc(send_to=(f"127.0.0.1:{target.getsockname()[1]}",)), lambda: 100.0, print
        )
        (lookup,) = sender._targets
        monkeypatch.setattr(lookup, "found", (unreachable, *lookup.found))
        sender.on_link(True)
        assert b"/latent/playing" in target.recv(65_536)
