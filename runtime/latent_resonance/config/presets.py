"""How much of the machine the instrument takes: three qualities, and which one `auto` stands for.

Used when settings are read, in both processes; pure but for one small file that is read, in which
`latent-resonance bench` keeps what this machine is fit for. What the settings say in numbers
always wins. A quality is what a performance begins with; what it sheds when it is short of time
or hot (`voice/load_shedding.py`) are shares of that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

Quality = Literal["auto", "high", "medium", "low"]
Section = Mapping[str, float]

AUTO, HIGH = "auto", "high"
# What each changes in the defaults. The size of the images is not among it: the tracker takes as
# long with 320 × 240 as with 640 × 480, and sees half as far.
QUALITIES: Mapping[str, Mapping[str, Section]] = {
    HIGH: {},
    "medium": {
        "camera": {"images_per_s": 20.0},
        "inference": {"spectrograms_per_s": 7.0},
        "phase": {"look_ahead": 7, "iterations": 3},
    },
    "low": {
        "camera": {"images_per_s": 15.0},
        "inference": {"spectrograms_per_s": 4.0},
        "phase": {"look_ahead": 3, "iterations": 2},
    },
}
NAME = "quality"
SITE = Path("/var/lib/latent-resonance")  # root's answer, which the units may read
CPUINFO = Path("/proc/cpuinfo")
KINDS = ("model name", "Model", "CPU part")  # of a processor or a board, on x86 and on ARM


def with_quality(content: Mapping[Any, Any]) -> dict[Any, Any]:
    """The content of a settings file, filled up with its quality's numbers where it has none.

    What is no quality or no section is left as it is, for whoever checks the settings.
    """
    target = content.get("quality") or AUTO
    chosen = kept_quality() or HIGH if target == AUTO else target
    preset = QUALITIES.get(chosen, {}) if isinstance(chosen, str) else {}
    return {**content, **{name: _filled(content.get(name), preset[name]) for name in preset}}


def _filled(section: object, values: Section) -> object:
    if section is None:
        return dict(values)
    if not isinstance(section, dict):
        return section
    return {**values, **{key: value for key, value in section.items() if value is not None}}


def kept_quality() -> str | None:
    """The answer that was kept on this very machine: a card may have moved to another board."""
    for folder in (own_folder(), SITE):
        try:
            kept = (folder / NAME).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        return next((quality for quality in QUALITIES if kept == answer_of(quality)), None)
    return None


def answer_of(quality: str) -> str:
    """What is kept: a quality, and which machine it is for."""
    return f"{quality}\n{machine()}\n"


def own_folder() -> Path:
    """Where this user's answer is: in the unit's folder, else as the XDG base directories say."""
    if unit := os.environ.get("STATE_DIRECTORY"):  # systemd.exec(5)
        return Path(unit.partition(":")[0])
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / SITE.name
    if os.geteuid() == 0:
        return SITE
    return Path(os.environ.get("HOME", "/"), ".local/state", SITE.name)


def machine() -> str:
    """Processor, board and number of cores, in one line."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return ", ".join([*dict.fromkeys(_kinds(lines)), f"{os.cpu_count()} cores"])


def _kinds(lines: list[str]) -> Iterator[str]:
    for key, _, value in (line.partition(":") for line in lines):
        if key.strip() in KINDS:
            yield value.strip()
