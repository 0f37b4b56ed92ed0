"""The governors that choose the processor's frequency, from /sys. Only reads."""

from __future__ import annotations

from pathlib import Path

SLOW_TO_RISE = frozenset({"ondemand", "conservative", "powersave", "schedutil", "userspace"})
SELF_GOVERNED = frozenset({"intel_pstate", "amd-pstate-epp", "amd-pstate"})  # within microseconds
TMPFILES = "/etc/tmpfiles.d/latent-resonance-cpu.conf"
RULE = "w /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor - - - - performance"
REMEDY = f"echo '{RULE}' | sudo tee {TMPFILES} && sudo systemd-tmpfiles --create {TMPFILES}"


def slow_governors(root: Path = Path("/sys")) -> tuple[str, ...]:
    """Governors in use that raise the frequency only after the load; empty if there are none.

    Parameters
    ----------
    root : where /sys is
    """
    found = {
        _read(folder / "scaling_governor")
        for folder in root.glob("devices/system/cpu/cpu[0-9]*/cpufreq")
        if _read(folder / "scaling_driver") not in SELF_GOVERNED
    }
    return tuple(sorted(found & SLOW_TO_RISE))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
