"""Whether the wall holds: goes where the eye and the voice are, and tries what they must not.

As root. Enters the namespaces of a running unit, becomes its user, and lets `trespass.py` try
to reach the network, the other side's devices, and (for the eye) any place to write to. The
units' system call filters and device lists are not entered: what fails here fails without them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from latent_resonance.doctor.check import FAIL, OK, WARN, Check
from latent_resonance.doctor.units import State

TRESPASS = Path(__file__).with_name("sandbox_probe.py")
PATIENCE_S = 30.0
HELD = {
    "eye": "no network, no sound card, nowhere to write",
    "voice": "no network, no camera",
}
REMEDY = "remove what was changed: systemctl cat latent-resonance-{0}; then sudo systemd/install.sh"


def check_wall(state: State) -> Check:
    """One side of it."""
    name = f"wall, {state.side}"
    if state.pid == 0:
        return Check(name, WARN, "it does not run, so nothing was tried", "see units, above")
    if os.geteuid() != 0:
        return Check(name, WARN, "only root can try it", "run: sudo latent-resonance doctor")
    try:
        holes = holes_of(state)
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name, WARN, f"it could not be tried ({error})", "try again")
    if holes:
        return Check(name, FAIL, f"it {', '.join(holes)}", REMEDY.format(state.side))
    return Check(name, OK, f"tried and refused: {HELD[state.side]}")


def holes_of(state: State) -> list[str]:
    """What the unit could do that it must not.

    Raises
    ------
    OSError, subprocess.SubprocessError
        It has just ended, or cannot be entered.
    """
    shared = Path(f"/proc/{state.pid}/ns/net").stat() == Path("/proc/self/ns/net").stat()
    holes = ["shares the network of this machine"] if shared else []
    done = subprocess.run(
        trespassing(state),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
        cwd="/",
    )
    return holes + done.stdout.splitlines()


def trespassing(state: State) -> list[str]:
    """The command that tries it: in the unit's namespaces, as its user, with no capability."""
    ids = identity_of(Path(f"/proc/{state.pid}/status").read_text())
    enter = ["nsenter", f"--target={state.pid}", "--mount", "--net", "--ipc", "--"]
    become = ["setpriv", f"--reuid={ids['Uid'][0]}", f"--regid={ids['Gid'][0]}"]
    become += [f"--groups={','.join(ids['Groups'])}" if ids["Groups"] else "--clear-groups"]
    become += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]
    return [*enter, *become, sys.executable, "-I", "-S", str(TRESPASS), state.side]


def identity_of(status: str) -> dict[str, list[str]]:
    """User, group and groups, of /proc/PID/status."""
    pairs = (line.partition(":") for line in status.splitlines())
    return {key: value.split() for key, _, value in pairs if key in ("Uid", "Gid", "Groups")}
