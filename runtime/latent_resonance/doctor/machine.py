"""The machine: temperature, power, memory, disk, clock. All of it is read, nothing is tried."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import latent_resonance
from latent_resonance.doctor.check import FAIL, OK, WARN, Check, ran
from latent_resonance.linux.thermal import Thermometer
from latent_resonance.voice.load_shedding import HOT_C

MIB = 2**20
LITTLE_MEMORY_MIB = 300  # less than this available and something will be killed
LITTLE_DISK_MIB = 200
LONGEST_LIFE_S = 20 * 365 * 86_400  # a clock this far ahead of the program is wrong
SYSTEMCTL_S = 10.0
# `vcgencmd get_throttled`: the lower half is now, the upper half since the start.
UNDER_VOLTAGE, SLOWED, SINCE_START = 0b0001, 0b1110, 16


def checks() -> Iterator[Check]:
    """All of them."""
    yield check_temperature(Thermometer().read().celsius)
    if (flags := firmware_flags(Path("/sys"))) is not None:
        yield check_power(flags)
    yield check_memory(Path("/proc/meminfo").read_text())
    usage = shutil.disk_usage("/")
    read_only = bool(os.statvfs("/").f_flag & os.ST_RDONLY)
    yield check_disk(usage.free // MIB, usage.total // MIB, read_only=read_only)
    installed_s = Path(latent_resonance.__file__).stat().st_mtime
    yield check_clock(time.time(), installed_s, synchronised=_is_synchronised(), rtc=_has_rtc())


def check_temperature(celsius: float | None) -> Check:
    """From 80 °C on a Raspberry Pi slows itself down."""
    if celsius is None:
        return Check("temperature", OK, "this machine does not say")
    if celsius >= HOT_C:
        remedy = "give it air, or a fan; it plays on with a coarser sound"
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
    """Under-voltage and throttling, now and since the machine was started."""
    now = _named(flags, "now")
    before = _named(flags >> SINCE_START & ~flags, "since the start")
    if not now and not before:
        return Check("power", OK, "never short, never slowed down")
    remedy = "use the board's own power supply and a short cable"
    if not (flags | flags >> SINCE_START) & UNDER_VOLTAGE:
        remedy = "give it air, or a fan"
    return Check("power", WARN, ", ".join(now + before), remedy)


def _named(flags: int, when: str) -> list[str]:
    names = {UNDER_VOLTAGE: "too little voltage", SLOWED: "slowed down"}
    return [f"{name} {when}" for bits, name in names.items() if flags & bits]


def check_memory(meminfo: str) -> Check:
    """What programs could still have, of /proc/meminfo."""
    kib = {
        key: int(value.split()[0])
        for key, _, value in (line.partition(":") for line in meminfo.splitlines())
        if value
    }
    free, total = kib["MemAvailable"] // 1024, kib["MemTotal"] // 1024
    detail = f"{free} of {total} MiB to be had"
    if free < LITTLE_MEMORY_MIB:
        return Check("memory", WARN, detail, "stop other programs; 2 GB of memory are enough")
    return Check("memory", OK, detail)


def check_disk(free_mib: int, total_mib: int, *, read_only: bool) -> Check:
    """The instrument writes nothing, but systemd's journal does."""
    detail = f"{free_mib} of {total_mib} MiB free" + (", read-only" if read_only else "")
    if free_mib < LITTLE_DISK_MIB and not read_only:
        remedy = "make room: sudo apt clean; sudo journalctl --vacuum-size=50M"
        return Check("disk", WARN, detail, remedy)
    return Check("disk", OK, detail)


def check_clock(now_s: float, installed_s: float, *, synchronised: bool, rtc: bool) -> Check:
    """Opening hours need the time of day; nothing else does.

    A clock is implausible before the program was installed, or decades after.
    """
    detail = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now_s))
    if not installed_s - 86_400 <= now_s <= installed_s + LONGEST_LIFE_S:
        remedy = "set it: connect a network, or sudo timedatectl set-time 'YYYY-MM-DD HH:MM'"
        return Check("clock", FAIL, f"{detail} cannot be", remedy)
    if not synchronised and not rtc:
        remedy = "only opening hours need it: connect a network, or fit an RTC battery"
        return Check("clock", WARN, f"{detail}, kept by neither network nor battery", remedy)
    return Check("clock", OK, f"{detail}, {'synchronised' if synchronised else 'by battery'}")


def _is_synchronised() -> bool:
    command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    return ran(command, SYSTEMCTL_S).line == "yes"


def _has_rtc() -> bool:
    return any(Path("/sys/class/rtc").glob("rtc*"))
