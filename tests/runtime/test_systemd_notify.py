"""The notifications that systemd receives, on a socket of the test."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from latent_resonance.linux.systemd import MAX_STATUS_CHARACTERS, Notifier, status_line

pytestmark = pytest.mark.realtime


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.setblocking(False)

    def received(self) -> list[str]:
        """Every message since the last call."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    path = str(tmp_path / "notify")
    listener = Systemd(path if request.param == "path" else f"@{path}")
    yield listener
    listener.socket.close()


def notifier(systemd: Systemd, **more: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": systemd.address, **more})


def test_ready_is_sent_once(systemd: Systemd) -> None:
    service = notifier(systemd)
    service.ready()
    service.ready()
    assert systemd.received() == ["READY=1"]


def test_a_status_is_one_line_and_sent_when_it_changes(systemd: Systemd) -> None:
    service = notifier(systemd)
    for text in ("playing\nfor a visitor", "playing for a visitor", "no visitor"):
        service.status(text)
    assert systemd.received() == ["STATUS=playing for a visitor", "STATUS=no visitor"]


def test_a_status_that_quotes_a_file_name_without_text_is_sent(systemd: Systemd) -> None:
    notifier(systemd).status(os.fsdecode(b"pack \xff: not found"))
    assert systemd.received() == ["STATUS=pack ?: not found"]


def test_the_watchdog_is_fed_a_few_times_per_deadline(systemd: Systemd) -> None:
    service = notifier(systemd, WATCHDOG_USEC="400000", WATCHDOG_PID=str(os.getpid()))
    assert service.watchdog_s == 0.4
    end_s = time.monotonic() + 0.4
    while time.monotonic() < end_s:
        service.alive()
        time.sleep(0.001)
    received = systemd.received()
    assert set(received) == {"WATCHDOG=1"}
    assert 2 <= len(received) <= 5


@pytest.mark.parametrize("microseconds", ["", "0", "-1", "soon"])
def test_without_a_watchdog_nothing_is_fed(systemd: Systemd, microseconds: str) -> None:
    service = notifier(systemd, WATCHDOG_USEC=microseconds)
    service.alive()
    assert service.watchdog_s is None
    assert systemd.received() == []


def test_the_watchdog_of_another_process_is_not_fed(systemd: Systemd) -> None:
    service = notifier(systemd, WATCHDOG_USEC="1000000", WATCHDOG_PID=str(os.getpid() + 1))
    service.alive()
    assert systemd.received() == []


@pytest.mark.parametrize("address", [None, "", "relative", "/nowhere/at/all", "vsock:2:1"])
def test_without_systemd_nothing_happens(address: str | None) -> None:
    service = Notifier({} if address is None else {"NOTIFY_SOCKET": address})
    assert not service.connected
    service.ready()
    service.alive()
    service.stopping()
    service.close()
    service.status("not received")


def test_a_full_or_closed_socket_does_not_block(systemd: Systemd) -> None:
    service = notifier(systemd)
    for i in range(10_000):  # far more than a socket buffers
        service.status(f"image {i}")
    assert 0 < len(systemd.received()) < 10_000
    systemd.socket.close()
    service.status("no receiver")


def test_a_status_that_fits_is_the_parts_in_one_line() -> None:
    assert status_line(["playing", "0 underflows", "no speaker (none)"]) == (
        "playing, 0 underflows, no speaker (none)"
    )


@pytest.mark.parametrize("length", [200, 1000])
def test_a_long_status_keeps_the_decisive_words_of_every_part(length: int) -> None:
    refused = f"settings refused: {'x' * length}, playing with the defaults"
    parts = ["playing the score, no visitor", "30 images/s", "12 underflows", refused]
    parts += [f"no speaker ({'y' * length})", "short of time: tier 2"]
    line = status_line(parts)
    assert len(line) <= MAX_STATUS_CHARACTERS
    for words in (*parts[:3], "settings refused: x", "no speaker", parts[-1]):
        assert words in line, line
