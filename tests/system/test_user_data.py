"""The first boot with `systemd/image/user-data`, run by cloud-init in a booted container."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import systemd_container

ROOT = Path(__file__).parents[2]
USER_DATA = ROOT / "systemd/image/user-data"
INSTALLER = "install-latent-resonance.service"
VOICE, EYE = "latent-resonance-voice", "latent-resonance-eye"
INSTALLED_S = 300.0

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True)
def cloud_init() -> None:
    """Skip without cloud-init."""
    if shutil.which("cloud-init") is None:
        pytest.skip("cloud-init is not installed: apt install cloud-init")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[systemd_container.Machine]:
    """A booted machine with this checkout as a repository, and nothing installed."""
    systemd_container.skip_where_nothing_can_boot()
    machine = systemd_container.Machine(tmp_path)
    try:
        clip = tmp_path / "face.mp4"
        clip.touch()
        machine.prepare(clip)
        machine.power_on()
        yield machine
    finally:
        machine.close()


def test_cloud_init_accepts_the_file() -> None:
    command = ["cloud-init", "schema", "--config-file", str(USER_DATA)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Valid")


def test_a_blank_repository_is_named() -> None:
    script = (
        USER_DATA.read_text().partition("content: |\n      #!/bin/sh\n")[2].partition("  - path")[0]
    )
    script = script.replace("/etc/latent-resonance/source", "/dev/null").replace(
        "set -eu", "set -eu; REPOSITORY="
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "REPOSITORY is blank" in done.stderr


@pytest.mark.realtime
@pytest.mark.timeout(600)
def test_a_first_boot_fetches_installs_and_plays(machine: systemd_container.Machine) -> None:
    repository = commit_checkout(machine)
    cache = machine.run("env").stdout.splitlines()  # of this machine, since there is no network
    of_uv = "".join(f"Environment={line}\n" for line in cache if line.startswith("UV_"))
    machine.drop_in(INSTALLER.removesuffix(".service"), "cache", f"[Service]\n{of_uv}")
    seed = machine.root / "var/lib/cloud/seed/nocloud"
    seed.mkdir(parents=True)
    (seed / "meta-data").write_text("instance-id: first\n")
    text = USER_DATA.read_text()
    assert text.count("REPOSITORY=\n") == 1
    (seed / "user-data").write_text(text.replace("REPOSITORY=\n", f"REPOSITORY={repository}\n"))
    for stage in (
        ["init", "--local"],
        ["init"],
        *(["modules", "-m", m] for m in ("config", "final")),
    ):
        machine.run("cloud-init", *stage, check=False)  # modules of others may fail in a container
    machine.until(INSTALLER, "ActiveState", "inactive", INSTALLED_S)
    assert machine.show(INSTALLER, "Result") == "success", installation(machine)
    for unit in (VOICE, EYE):
        machine.until(unit, "ActiveState", "active")
    assert machine.show(INSTALLER, "UnitFileState") == "disabled"  # once only
    assert "gallery" in machine.run("getent", "group", "video").stdout


def commit_checkout(machine: systemd_container.Machine) -> str:
    """Make the checkout in the machine a repository; return its address."""
    git = ["git", "-C", systemd_container.CHECKOUT, "-c", "user.name=T", "-c", "user.email=t@t"]
    machine.run(*git, "init", "--quiet")
    machine.run(*git, "add", "--all")
    machine.run(*git, "commit", "--quiet", "--message", "All")
    return f"file://{systemd_container.CHECKOUT}"


def installation(machine: systemd_container.Machine) -> str:
    """The journal of the installation."""
    return machine.run("journalctl", "--no-pager", "-u", INSTALLER).stdout
