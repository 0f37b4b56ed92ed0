"""Tests the sandboxes of the running units by trying what they must not be able to do.

Needs root. Enters the namespaces of a running unit, becomes its user, and runs `sandbox_probe.py`,
which tries to reach the network (but for the screen, a browser), the devices of the others, and
(for the eye) any folder to write to. The units' system call filters and device lists are not
applied, so that a violation found here is one that they alone would prevent.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from latent_resonance.doctor.check import FAIL, OK, WARN, Check
from latent_resonance.doctor.units import UnitState

PROBE = Path(__file__).with_name("sandbox_probe.py")
TIMEOUT_S = 30.0
DENIED = {
    "eye": "network, sound card, writing files",
    "voice": "network, camera",
    "screen": "camera, sound card",
}
ON_THE_NETWORK = ("screen",)
REMEDY = "remove local changes: systemctl cat latent-resonance-{0}; then sudo systemd/install.sh"


def check_sandbox(state: UnitState) -> Check:
    """Whether the sandbox of a unit holds."""
    name = f"wall, {state.role}"
    if state.pid == 0:
        return Check(name, WARN, "not tested, since it is not running", "see units, above")
    if os.geteuid() != 0:
        return Check(name, WARN, "only root can test it", "run: sudo latent-resonance doctor")
    try:
        violations = find_violations(state)
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name, WARN, f"the test could not run ({error})", "try again")
    if violations:
        return Check(name, FAIL, f"it {', '.join(violations)}", REMEDY.format(state.role))
    return Check(name, OK, f"tested and denied: {DENIED[state.role]}")


def find_violations(state: UnitState) -> list[str]:
    """What the unit can do although it must not.

    Raises
    ------
    OSError, subprocess.SubprocessError
        The process has just exited, or its namespaces cannot be entered.
    """
    shared = Path(f"/proc/{state.pid}/ns/net").stat() == Path("/proc/self/ns/net").stat()
    may_share = state.role in ON_THE_NETWORK
    violations = ["shares the network of this machine"] if shared and not may_share else []
    done = subprocess.run(
        probe_command(state),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
        cwd="/",
    )
    return violations + done.stdout.splitlines()


def probe_command(state: UnitState) -> list[str]:
    """The command of the probe: in the unit's namespaces, as its user, without capabilities."""
    ids = read_ids(Path(f"/proc/{state.pid}/status").read_text())
    enter = ["nsenter", f"--target={state.pid}", "--mount", "--net", "--ipc", "--"]
    become = ["setpriv", f"--reuid={ids['Uid'][0]}", f"--regid={ids['Gid'][0]}"]
    become += [f"--groups={','.join(ids['Groups'])}" if ids["Groups"] else "--clear-groups"]
    become += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]
    return [*enter, *become, sys.executable, "-I", "-S", str(PROBE), state.role]


def read_ids(status: str) -> dict[str, list[str]]:
    """User, group and supplementary groups from the content of /proc/PID/status."""
    pairs = (line.partition(":") for line in status.splitlines())
    return {key: value.split() for key, _, value in pairs if key in ("Uid", "Gid", "Groups")}
