"""Three quality presets, and the one that `auto` stands for on this machine.

Both processes apply them when they read the settings; pure except for one small file, in which
`latent-resonance bench quality` saves the preset for this machine. Values in the settings take
precedence. Load shedding (`voice/load_shedding.py`) reduces them further at run time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

Quality = Literal["auto", "high", "medium", "low"]
SectionDefaults = Mapping[str, float]

AUTO, HIGH = "auto", "high"
UNMEASURED = "LATENT_RESONANCE_UNMEASURED"  # the preset until this machine is measured
# Defaults that each preset changes. Of images of 1280 × 720 the tracker costs little more than of
# 640 × 480, but a USB camera compresses them, and decoding costs as much as tracking. Below
# 640 × 480 nothing is saved. What 10 images/s lack is smoothed by `gallery/state_glide.py`.
QUALITIES: Mapping[str, Mapping[str, SectionDefaults]] = {
    HIGH: {},
    "medium": {
        "camera": {"width": 640, "height": 480, "images_per_s": 20.0},
        "inference": {"spectrograms_per_s": 7.0},
        "phase": {"look_ahead": 7, "iterations": 3},
    },
    "low": {
        "camera": {"width": 640, "height": 480, "images_per_s": 10.0},
        "inference": {"spectrograms_per_s": 4.0},
        "phase": {"look_ahead": 3, "iterations": 2},
    },
}
QUALITY_FILE = "quality"
SYSTEM_FOLDER = Path("/var/lib/latent-resonance")  # written by root, readable by the units
CPUINFO = Path("/proc/cpuinfo")
CPUINFO_KEYS = ("model name", "Model", "CPU part")  # processor or board, on x86 and on ARM


def apply_quality(content: Mapping[Any, Any]) -> dict[Any, Any]:
    """The content of a settings file, with the preset's values where it has none.

    An invalid quality or section is left unchanged, for validation to report.
    """
    quality = content.get("quality") or AUTO
    name = saved_quality() or os.environ.get(UNMEASURED, HIGH) if quality == AUTO else quality
    preset = QUALITIES.get(name, {}) if isinstance(name, str) else {}
    return {**content, **{key: _fill(content.get(key), preset[key]) for key in preset}}


def _fill(section: object, defaults: SectionDefaults) -> object:
    if section is None:
        return dict(defaults)
    if not isinstance(section, dict):
        return section
    return {**defaults, **{key: value for key, value in section.items() if value is not None}}


def saved_quality() -> str | None:
    """The preset saved on this machine; None if it is damaged or for another board."""
    for folder in (state_folder(), SYSTEM_FOLDER):
        try:
            record = (folder / QUALITY_FILE).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        return next((quality for quality in QUALITIES if record == quality_record(quality)), None)
    return None


def quality_record(quality: str) -> str:
    """Content of the saved file: the preset, and the machine that it is for."""
    return f"{quality}\n{machine_id()}\n"


def state_folder() -> Path:
    """The state folder of this user: the unit's, else by the XDG base directory specification."""
    if unit := os.environ.get("STATE_DIRECTORY"):  # systemd.exec(5)
        return Path(unit.partition(":")[0])
    if state := os.environ.get("XDG_STATE_HOME"):
        return Path(state) / SYSTEM_FOLDER.name
    if os.geteuid() == 0:
        return SYSTEM_FOLDER
    return Path(os.environ.get("HOME", "/"), ".local/state", SYSTEM_FOLDER.name)


def machine_id() -> str:
    """Processor, board and number of cores, in one line."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return ", ".join([*dict.fromkeys(_cpuinfo_values(lines)), f"{os.cpu_count()} cores"])


def _cpuinfo_values(lines: list[str]) -> Iterator[str]:
    for key, _, value in (line.partition(":") for line in lines):
        if key.strip() in CPUINFO_KEYS:
            yield value.strip()
