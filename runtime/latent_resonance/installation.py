"""How this program was installed, and so how it is repaired there.

A *checkout* is the repository, run by uv; a *gallery* is what `systemd/install.sh` makes of it; a
*wheel* was installed by pip. A remedy that names a command is true in one of them only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

Kind = Literal["checkout", "gallery", "wheel"]

GALLERY = Path("/opt/latent-resonance")  # PREFIX in systemd/install.sh

INSTALL_AGAIN: dict[Kind, str] = {
    "checkout": "run `uv sync`",
    "gallery": "run `sudo systemd/install.sh` again, in the repository",
    "wheel": "run `pip install --force-reinstall latent-resonance`",
}
RESTORE_MODELS: dict[Kind, str] = INSTALL_AGAIN | {"checkout": "run `git checkout models`"}
INSTALL_MONITOR: dict[Kind, str] = {
    "checkout": "run it with `uv run --extra monitor latent-resonance …`",
    "gallery": "run `sudo systemd/install.sh --monitor`, in the repository",
    "wheel": "run `pip install 'latent-resonance[monitor]'`",
}
INSTALL_UNITS: dict[Kind, str] = {
    "checkout": "run: sudo systemd/install.sh",
    "gallery": "run: sudo systemd/install.sh, in the repository",
    "wheel": "clone the repository, and there run: sudo systemd/install.sh",
}
ONE_OPENCV: dict[Kind, str] = INSTALL_AGAIN | {
    "wheel": "run `pip uninstall -y opencv-python opencv-contrib-python`, then "
    "`pip install --force-reinstall --no-deps opencv-python-headless`"
}


def kind_of(module: Path, prefix: Path) -> Kind:
    """How a program was installed, given the path of this module and of its environment."""
    if (module.parents[1] / "pyproject.toml").is_file():
        return "checkout"
    return "gallery" if prefix.is_relative_to(GALLERY) else "wheel"


def remedy_here(remedies: dict[Kind, str]) -> str:
    """The remedy that is true for this installation."""
    return remedies[kind_of(Path(__file__).resolve(), Path(sys.prefix).resolve())]
