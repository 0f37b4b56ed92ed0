"""The machine: temperature, power, memory, disk, clock. Only reads system information."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import latent_resonance
from latent_resonance.doctor.check import FAIL, OK, WARN, Check, run_command
from latent_resonance.linux import cpu_frequency, realtime
from latent_resonance.linux.thermal import HOT_C, Thermometer

MIB = 2**20
MIN_MEMORY_MIB = 300  # available; with less, the kernel is about to kill a process
MIN_DISK_MIB = 200
MAX_AGE_S = 20 * 365 * 86_400  # a clock this far after the installation is wrong
SYSTEMCTL_S = 10.0
# Bits of `vcgencmd get_throttled`: the lower half for now, the upper half since boot.
UNDER_VOLTAGE, THROTTLED, SINCE_BOOT = 0b0001, 0b1110, 16


def checks() -> Iterator[Check]:
    """All checks of this module."""
    yield check_temperature(Thermometer().read().celsius)
    if (flags := firmware_flags(Path("/sys"))) is not None:
        yield check_power(flags)
    yield check_governor(cpu_frequency.slow_governors())
    yield check_memory(Path("/proc/meminfo").read_text())
    usage = shutil.disk_usage("/")
    read_only = bool(os.statvfs("/").f_flag & os.ST_RDONLY)
    yield check_disk(usage.free // MIB, usage.total // MIB, read_only=read_only)
    installed_s = Path(latent_resonance.__file__).stat().st_mtime
    yield check_clock(time.time(), installed_s, synchronised=_is_synchronised(), rtc=_has_rtc())


def check_temperature(celsius: float | None) -> Check:
    """A Raspberry Pi throttles from HOT_C on."""
    if celsius is None:
        return Check("temperature", OK, "this machine has no sensor")
    if celsius >= HOT_C:
        remedy = "improve the cooling (a fan); meanwhile it plays with less detail"
        return Check("temperature", WARN, f"{celsius:.0f} °C", remedy)
    return Check("temperature", OK, f"{celsius:.0f} °C")


def firmware_flags(sys: Path) -> int | None:
    """A Raspberry Pi's throttling flags; None on other machines."""
    for path in sorted(sys.glob("devices/platform/soc*/soc*firmware/get_throttled")):
        try:
            return int(path.read_text(), 16)
        except (OSError, ValueError):
            return None
    return None


def check_power(flags: int) -> Check:
    """Under-voltage and throttling, now and since boot."""
    now = _describe(flags, "now")
    earlier = _describe(flags >> SINCE_BOOT & ~flags, "since boot")
    if not now and not earlier:
        return Check("power", OK, "no under-voltage, no throttling since boot")
    remedy = "use the board's own power supply and a short cable"
    if not (flags | flags >> SINCE_BOOT) & UNDER_VOLTAGE:
        remedy = "improve the cooling (a fan)"
    return Check("power", WARN, ", ".join(now + earlier), remedy)


def check_governor(slow: tuple[str, ...]) -> Check:
    """Whether the processor waits for load before it raises its frequency."""
    if not slow:
        return Check("governor", OK, "the processor's frequency does not wait for the load")
    detail = f"{', '.join(slow)}: the frequency rises only after the load, and a hop is late"
    return Check("governor", WARN, detail, cpu_frequency.REMEDY)


def check_priority(voice_pid: int) -> Check:
    """Real-time priority of the running voice, or of one that this user would start."""
    if voice_pid:
        granted, who = realtime.has_realtime_priority(voice_pid), "the voice"
    else:
        granted, who = realtime.may_have_realtime_priority(), "perform, by this user,"
    if granted:
        return Check("priority", OK, f"{who} has real-time priority")
    detail = f"{who} has no real-time priority: other programs can interrupt the sound"
    return Check("priority", WARN, detail, realtime.REALTIME_REMEDY)


def _describe(flags: int, when: str) -> list[str]:
    names = {UNDER_VOLTAGE: "under-voltage", THROTTLED: "throttled"}
    return [f"{name} {when}" for bits, name in names.items() if flags & bits]


def check_memory(meminfo: str) -> Check:
    """Available memory, from the content of /proc/meminfo."""
    kib = {
        key: int(value.split()[0])
        for key, _, value in (line.partition(":") for line in meminfo.splitlines())
        if value
    }
    free, total = kib["MemAvailable"] // 1024, kib["MemTotal"] // 1024
    detail = f"{free} of {total} MiB available"
    if free < MIN_MEMORY_MIB:
        return Check(
            "memory", WARN, detail, "stop other programs; a machine with 2 GB is sufficient"
        )
    return Check("memory", OK, detail)


def check_disk(free_mib: int, total_mib: int, *, read_only: bool) -> Check:
    """Free disk space; the instrument writes nothing, but systemd's journal does."""
    detail = f"{free_mib} of {total_mib} MiB free" + (", read-only" if read_only else "")
    if free_mib < MIN_DISK_MIB and not read_only:
        remedy = "free some space: sudo apt clean; sudo journalctl --vacuum-size=50M"
        return Check("disk", WARN, detail, remedy)
    return Check("disk", OK, detail)


def check_clock(now_s: float, installed_s: float, *, synchronised: bool, rtc: bool) -> Check:
    """The clock, which only opening hours depend on.

    A time before the installation or decades after it is wrong.
    """
    detail = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now_s))
    if not installed_s - 86_400 <= now_s <= installed_s + MAX_AGE_S:
        remedy = "set it: connect a network, or sudo timedatectl set-time 'YYYY-MM-DD HH:MM'"
        return Check("clock", FAIL, f"{detail} is wrong", remedy)
    if not synchronised and not rtc:
        remedy = "only opening hours depend on it: connect a network, or fit an RTC battery"
        return Check("clock", WARN, f"{detail}, neither synchronised nor kept by a battery", remedy)
    return Check(
        "clock", OK, f"{detail}, {'synchronised' if synchronised else 'kept by a battery'}"
    )


def _is_synchronised() -> bool:
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    return run_command(command, SYSTEMCTL_S).line == "yes"


def _has_rtc() -> bool:
    return any(Path("/sys/class/rtc").glob("rtc*"))
