"""The unit of the wall display in a booted machine: it shows the page, and has no camera."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import systemd_container
from tests.support.timing import PATIENCE, until

pytestmark = [
    pytest.mark.system,
    pytest.mark.realtime,
    pytest.mark.alone,
    pytest.mark.timeout(300),
]
SYSTEMD = systemd_container.ROOT / "systemd"
UNIT = "latent-resonance-screen.service"
PROGRAM = Path("opt/latent-resonance/current")
PAGE_UNIT = """\
[Service]
ExecStart=/usr/bin/python3 -u -m http.server --bind 127.0.0.1 --directory /srv/page 8765
"""
SESSION_UNIT = """\
[Service]
User=latent-resonance-screen
PAMName=login
ExecStart=/bin/sleep infinity
"""
LIMITS = (
    "MemoryMax",
    "CPUWeight",
    "DevicePolicy",
    "IPAddressAllow",
    "IPAddressDeny",
)
# A container has neither a console nor a session: a virtual screen, and no PAM.
NO_CONSOLE = """\
[Unit]
Conflicts=
[Service]
PAMName=
TTYPath=
TTYReset=no
TTYVHangup=no
TTYVTDisallocate=no
UtmpIdentifier=
StandardInput=null
Environment=WLR_BACKENDS=headless WLR_RENDERER=pixman WLR_LIBINPUT_NO_DEVICES=1
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[systemd_container.Machine]:
    """A machine with the screen's unit, and a page that it shows."""
    systemd_container.skip_where_nothing_can_boot()
    for program in ("cage", "chromium"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: ./setup all")
    machine = systemd_container.Machine(tmp_path_factory.mktemp("machine"))
    try:
        units = machine.root / "etc/systemd/system"
        shutil.copy(SYSTEMD / UNIT, units)
        (units / "page.service").write_text(PAGE_UNIT)
        (units / "session.service").write_text(SESSION_UNIT)
        machine.drop_in("latent-resonance-screen", "console", NO_CONSOLE)
        for folder in (machine.root / PROGRAM, machine.root / "srv/page"):
            folder.mkdir(parents=True)
        shutil.copy(SYSTEMD / "screen", machine.root / PROGRAM)
        (machine.root / "srv/page/index.html").write_text("<title>page</title>")
        machine.power_on()
        machine.run("groupadd", "--force", "render")
        machine.run("useradd", "--system", "--groups", "render", "latent-resonance-screen")
        machine.run("systemctl", "start", "page.service", UNIT)
        yield machine
    finally:
        machine.close()


def test_the_browser_shows_the_page(machine: systemd_container.Machine) -> None:
    def requests() -> str:
        return machine.run("journalctl", "-u", "page.service", "--no-pager").stdout

    try:
        until(lambda: "GET / " in requests(), 30 * PATIENCE, "the page")
    except AssertionError as error:
        raise AssertionError(machine.log()) from error
    assert machine.show(UNIT, "NRestarts") == "0"
    # Chromium refuses to run without its own sandbox, and says so.
    assert "sandbox" not in machine.log().lower()


def test_it_sees_no_camera_however_it_is_numbered(machine: systemd_container.Machine) -> None:
    pid = machine.show(UNIT, "MainPID")
    for name in ("video0", "video7", "media1", "v4l-subdev3"):
        machine.run("touch", f"/dev/{name}")
    probe = systemd_container.ROOT / "runtime/latent_resonance/doctor/sandbox_probe.py"
    inside = ("nsenter", "-t", pid, "--mount", "--")
    visible = machine.run(*inside, "/usr/bin/python3", "-I", str(probe), "screen").stdout
    assert visible == ""
    outside = machine.run("/usr/bin/python3", "-I", str(probe), "screen").stdout
    assert outside.count("can open /dev/") == 4  # the probe can fail


def installed_limits() -> str:
    """The part of install.sh that limits the user's slice, as a script."""
    lines = (SYSTEMD / "install.sh").read_text().splitlines()
    begins = (lines.index("limit_screen() {"), lines.index("screen_limits() {"))
    functions = [line for begin in begins for line in lines[begin : lines.index("}", begin) + 1]]
    names = ("UNITS=", "SCREEN_USER=")
    return "\n".join(["set -eu", *filter(lambda line: line.startswith(names), lines), *functions])


def test_its_limits_hold_in_the_session_to_which_pam_moves_its_processes(
    machine: systemd_container.Machine,
) -> None:
    checkout = machine.root / "srv/checkout/systemd"
    checkout.mkdir(parents=True)
    shutil.copy(SYSTEMD / "screen-slice.conf", checkout)
    script = f"cd /srv/checkout\n{installed_limits()}\nlimit_screen"
    machine.run("sh", "-c", script)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "session.service")
    pid = machine.show("session.service", "MainPID")
    user_slice = f"user-{machine.run('id', '-u', 'latent-resonance-screen').stdout.strip()}.slice"

    def group() -> str:
        return machine.run("cat", f"/proc/{pid}/cgroup").stdout

    until(lambda: f"/{user_slice}/session-" in group(), 10 * PATIENCE, "a session's control group")
    for limit in LIMITS:
        assert machine.show(user_slice, limit) == machine.show(UNIT, limit) != "", limit
    devices = [set(machine.show(each, "DeviceAllow").splitlines()) for each in (user_slice, UNIT)]
    assert devices[0] <= devices[1]  # which ProtectClock= gives the clock, to read
