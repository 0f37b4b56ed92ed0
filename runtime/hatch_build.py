"""Adds the bundled packs and face models to the distributions of the runtime.

The repository has them once, in the `models/` beside this folder. A source distribution carries
them as `models/`, a wheel as `latent_resonance/models/`. An editable installation uses the
checkout's, and HATCH_BUILD_NO_HOOKS=1 leaves them out, as `systemd/install.sh` does, which copies
them itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKS = ("cello", "metal", "voices")
DOCUMENTS = ("README.md", "THIRD_PARTY_NOTICES.md")


class BundledModels(BuildHookInterface[BuilderConfig]):
    """The build hook; hatchling finds it by its base class."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files, unless the installation is editable."""
        if version == "editable":
            return
        folder = "models" if self.target_name == "sdist" else "latent_resonance/models"
        for path in bundled_files(Path(self.root)):
            build_data["force_include"][str(path)] = f"{folder}/{path.name}"


def bundled_files(root: Path) -> list[Path]:
    """The packs' folders, the face models and their documents, given the folder of the project.

    It is `runtime/` of the repository, or an unpacked source distribution.
    """
    models = next(path for path in (root / "models", root.parent / "models") if path.is_dir())
    return [models / name for name in (*PACKS, *DOCUMENTS)] + sorted(models.glob("face_*"))
