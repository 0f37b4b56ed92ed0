"""Requests of the staff page, and how root takes them from a folder that it does not trust."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest
from tests.support.monitor_server import TOKEN, monitor_server, status_of

from latent_resonance.gallery.maintenance import (
    ANSWER,
    FOLDER_VARIABLE,
    JOURNAL,
    MAX_LINES,
    REQUEST,
    RESTARTS,
    Job,
    MaintenanceError,
    parse_job,
    serve_request,
)
from latent_resonance.monitor.maintenance import Maintenance


class Machine:
    """The two folders, a settings file, and the commands that were run."""

    def __init__(self, folder: Path) -> None:
        self.requests, self.answers = folder / "state", folder / "run"
        for place in (self.requests, self.answers):
            place.mkdir()
        self.config = folder / "gallery.yaml"
        self.config.write_text("hours: {daily: always}  # every day\n")
        self.commands: list[tuple[str, ...]] = []

    def run(self, command: tuple[str, ...]) -> str:
        self.commands.append(command)
        return "".join(f"line {i}\n" for i in range(150))

    def serve(self) -> None:
        serve_request(self.requests, self.answers, self.config, self.run)

    def answer(self, data: bytes) -> dict[str, object]:
        """What becomes of the bytes of a request."""
        (self.requests / REQUEST).write_bytes(data)
        self.serve()
        assert list(self.requests.iterdir()) == []
        return json.loads((self.answers / ANSWER).read_text())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("part", RESTARTS)
def test_a_part_is_restarted_by_the_command_of_its_name(machine: Machine, part: str) -> None:
    assert machine.answer(Job("a", "restart", part).encode())["error"] == ""
    assert machine.commands == [RESTARTS[part]]


def test_the_journals_last_lines_come_back(machine: Machine) -> None:
    answer = machine.answer(Job("a", "journal").encode())
    assert answer["lines"] == [f"line {i}" for i in range(50, 150)]
    assert len(answer["lines"]) == MAX_LINES
    assert machine.commands == [JOURNAL]


def test_settings_are_changed_and_the_new_ones_come_back(machine: Machine) -> None:
    answer = machine.answer(Job("a", "settings", {"hours.daily": "9:00-10:00"}).encode())
    assert machine.config.read_text() == "hours: {daily: '9:00-10:00'}  # every day\n"
    assert answer["settings"]["hours.daily"] == "'9:00-10:00'"
    assert answer["name"] == "a"


@pytest.mark.parametrize(
    "content",
    [
        {"name": "a", "kind": "restart", "value": "sshd"},
        {"name": "a", "kind": "restart", "value": ["eye"]},
        {"name": "a", "kind": "journal", "value": "-D /root"},
        {"name": "a", "kind": "shell", "value": "id"},
        {"name": "a" * 65, "kind": "journal", "value": None},
        {"name": "a", "kind": "settings", "value": {"monitor.host": "0.0.0.0"}},
        {"name": "a", "kind": "settings", "value": {"hours.daily": 3}},
        {"kind": "journal"},
        ["journal"],
        "journal",
    ],
)
def test_what_is_not_in_the_vocabulary_does_nothing(machine: Machine, content: object) -> None:
    before = machine.config.read_bytes()
    assert machine.answer(json.dumps(content).encode())["error"]
    assert machine.commands == []
    assert machine.config.read_bytes() == before


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 30_000, b"x" * 100_000])
def test_what_is_no_json_is_removed(machine: Machine, data: bytes) -> None:
    assert machine.answer(data)["error"]


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "pipe", "folder", "nothing"])
def test_only_a_regular_file_of_one_name_is_read(
    machine: Machine, kind: str, tmp_path: Path
) -> None:
    place, secret = machine.requests / REQUEST, tmp_path / "secret"
    secret.write_bytes(Job("a", "restart", "machine").encode())
    if kind == "symbolic link":
        place.symlink_to(secret)
    elif kind == "hard link":
        os.link(secret, place)
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        (place / "inner").mkdir(parents=True)
    machine.serve()
    assert machine.commands == []
    assert not os.path.lexists(place)
    assert secret.exists()


def test_the_monitor_waits_for_its_own_answer(machine: Machine) -> None:
    environment = {
        "STATE_DIRECTORY": str(machine.requests),
        FOLDER_VARIABLE: str(machine.answers),
    }
    (machine.answers / ANSWER).write_text('{"name": "older", "error": "", "lines": []}')
    stop = threading.Event()

    def unit() -> None:
        while not stop.wait(0.02):
            machine.serve()

    thread = threading.Thread(target=unit)
    thread.start()
    try:
        maintenance = Maintenance(None, environment)
        answer = asyncio.run(maintenance.do("settings", {"output.volume_db": "-6"}))
        with pytest.raises(MaintenanceError, match="at most 12"):
            asyncio.run(Maintenance(None, environment).do("settings", {"output.volume_db": "60"}))
    finally:
        stop.set()
        thread.join()
    assert maintenance.by_unit
    assert answer.settings["output.volume_db"] == "-6"


def test_without_the_unit_settings_are_changed_here_and_nothing_is_restarted(
    machine: Machine,
) -> None:
    maintenance = Maintenance(machine.config, {})
    answer = asyncio.run(maintenance.do("settings", {"hours.daily": "closed"}))
    assert answer.settings["hours.daily"] == "closed"
    with pytest.raises(MaintenanceError, match="install"):
        asyncio.run(maintenance.do("restart", "machine"))
    with pytest.raises(MaintenanceError, match="--config"):
        asyncio.run(Maintenance(None, {}).do("read", None))


def test_a_request_needs_the_token_and_the_origin(tmp_path: Path) -> None:
    config = tmp_path / "gallery.yaml"
    config.write_text("")
    body = b'{"kind": "settings", "value": {"output.volume_db": "-6"}}'
    right = f"Authorization: Bearer {TOKEN}\r\n"
    with monitor_server(tmp_path) as server:
        server.services.maintenance = Maintenance(config, {})

        def status(headers: str, content: bytes = body) -> int:
            head = f"POST /maintain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}"
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
            return status_of(server.exchange(head.encode() + content))

        assert status("") == 401
        assert status(right + "Origin: http://elsewhere.example\r\n") == 403
        assert status(right, b'{"kind": "restart", "value": "sshd"}') == 400
        assert status(right, b"x" * 10_000) == 413
        assert config.read_text() == ""
        assert status(right) == 200
    assert "volume_db: -6" in config.read_text()


def test_a_job_has_exactly_its_keys() -> None:
    assert parse_job({"name": "a", "kind": "read", "value": None}) == Job("a", "read")
    with pytest.raises(MaintenanceError, match="name, kind and value"):
        parse_job({"name": "a", "kind": "read", "value": None, "unit": "x"})
