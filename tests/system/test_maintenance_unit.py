"""In a booted container: the path unit and its service carry out what the staff page requests.

Without an installation, so that it takes seconds: the units start this environment's program, and
an eye that only waits. `test_units.py` has the rest of their definition.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest
from tests.support import systemd_container

from latent_resonance.gallery.maintenance import Job

EYE = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
STATE, ANSWER = "var/lib/private/latent-resonance-monitor", "run/latent-resonance-maintenance"
MONITORS_UID = 61_234  # as systemd gives to a dynamic user
PATIENCE_S = 120.0  # for an answer, on a machine with two busy cores

pytestmark = [
    pytest.mark.system,
    pytest.mark.realtime,
    pytest.mark.alone,
    pytest.mark.timeout(600),
]


class Booted:
    """A machine with the units, whose monitor is this test."""

    def __init__(self, machine: systemd_container.Machine) -> None:
        self.machine = machine
        self.settings = machine.root / "etc/latent-resonance/latent-resonance.yaml"
        units = machine.root / "etc/systemd/system"
        (units / "latent-resonance-eye.service").write_text(EYE)
        machine.add_units(
            "latent-resonance-maintenance.path", "latent-resonance-maintenance.service"
        )
        machine.enable("latent-resonance-eye.service", "latent-resonance-maintenance.path")
        state = machine.root / STATE
        state.mkdir(parents=True)
        state.parent.chmod(0o700)
        state.chmod(0o700)
        os.chown(state, MONITORS_UID, MONITORS_UID)
        self.settings.parent.mkdir()
        self.settings.write_text("pack: cello  # the first one\n")

    def request(self, job: Job) -> None:
        """Write a request as the monitor does."""
        request = (
            f"import os; os.chdir('/{STATE}'); os.setuid({MONITORS_UID}); "
            f"open('request.new', 'wb').write({job.encode()!r}); "
            "os.rename('request.new', 'request')"
        )
        self.machine.run("/usr/bin/python3", "-c", request)

    def ask(self, job: Job) -> dict[str, object]:
        """Write a request, and wait for its answer."""
        self.request(job)
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            found = self.machine.run("cat", f"/{ANSWER}/answer.json", check=False)
            if found.returncode == 0 and job.name in found.stdout:
                return json.loads(found.stdout)
            time.sleep(0.3)
        raise AssertionError(f"no answer to {job}\n{self.machine.log()}")


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    systemd_container.skip_where_nothing_can_boot()
    machine = systemd_container.Machine(tmp_path_factory.mktemp("machine"))
    try:
        booted = Booted(machine)
        machine.power_on()
        machine.until("latent-resonance-eye", "ActiveState", "active")
        machine.until("latent-resonance-maintenance.path", "ActiveState", "active")
        yield booted
    finally:
        machine.close()


def test_settings_are_changed_as_root_and_the_old_file_is_kept(booted: Booted) -> None:
    assert booted.ask(Job("first", "settings", {"output.volume_db": "-6"}))["error"] == ""
    assert booted.settings.read_text() == "pack: cello  # the first one\noutput:\n  volume_db: -6\n"
    assert "volume_db" not in booted.settings.with_name("latent-resonance.yaml.old").read_text()


def test_the_eye_is_restarted_and_the_journal_says_so(booted: Booted) -> None:
    before = booted.machine.show("latent-resonance-eye", "MainPID")
    assert booted.ask(Job("second", "restart", "eye"))["error"] == ""
    booted.machine.until("latent-resonance-eye", "ActiveState", "active")
    assert booted.machine.show("latent-resonance-eye", "MainPID") != before
    lines = booted.ask(Job("third", "journal"))["lines"]
    assert any("latent-resonance-eye.service" in line for line in lines)


def test_the_monitor_reads_the_answer_as_a_member_of_the_group_and_cannot_write_it(
    booted: Booted,
) -> None:
    modes = booted.machine.run("stat", "-c", "%U %G %a", f"/{ANSWER}", f"/{ANSWER}/answer.json")
    assert modes.stdout.splitlines() == ["root latent-resonance 750", "root latent-resonance 640"]


def test_the_machine_is_restarted(booted: Booted) -> None:
    process = booted.machine.process
    assert process is not None
    booted.request(Job("last", "restart", "machine"))  # nothing is left to read an answer with
    assert process.wait(PATIENCE_S) == 133  # what systemd-nspawn exits with for a reboot
