"""The examples and places of the pack that plays, their files, and earlier versions of them.

In the monitor's event loop. In: changes. Out: files, and requests that bring the voice up to date.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import NamedTuple

from latent_resonance.link.requests import Pair, Request
from latent_resonance.monitor.examples import Examples, Places, pairs_of
from latent_resonance.monitor.examples_file import (
    ExamplesFileError,
    read_examples,
    read_places,
    write_examples,
    write_places,
)

MAX_UNDO = 32  # changes that can be taken back


class Version(NamedTuple):
    """All that is taught for a pack, at one time."""

    examples: Examples = ()
    places: Places = ()

    def requests(self) -> list[Request]:
        """What brings the voice up to date."""
        anchors = tuple(each.z for each in self.places)
        return [Request("pairs", pairs_of(self.examples)), Request("anchors", anchors)]


class Taught:
    """What is taught for one pack at a time.

    Parameters
    ----------
    folder : of the files, two for each pack

    Attributes
    ----------
    problem : what is wrong with the files; empty if nothing is
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pack, self.latent_dim = "", 0
        self.now, self.problem = Version(), ""
        self._earlier: deque[Version] = deque(maxlen=MAX_UNDO)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._earlier)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """One pair for each face of each example."""
        return pairs_of(self.now.examples)

    def load(self, pack: str, latent_dim: int) -> None:
        """Switch to another pack."""
        self.pack, self.latent_dim, self.problem = pack, latent_dim, ""
        self._earlier.clear()
        self.now = Version()
        try:
            self.now = self.now._replace(examples=read_examples(self._file(""), latent_dim))
            self.now = self.now._replace(places=read_places(self._file(".places"), latent_dim))
        except ExamplesFileError as error:
            self.problem = str(error)

    def change(self, version: Version) -> None:
        """Save another version.

        Raises
        ------
        ExamplesFileError
            It cannot be saved; nothing is changed.
        """
        before = self.now
        self._save(version)
        self._earlier.append(before)

    def undo(self) -> None:
        """Take back the last change, of which there is one.

        Raises
        ------
        ExamplesFileError
            It cannot be saved; nothing is changed.
        """
        self._save(self._earlier[-1])
        self._earlier.pop()

    def _save(self, version: Version) -> None:
        if version.examples is not self.now.examples:
            write_examples(self._file(""), version.examples)
        if version.places is not self.now.places:
            write_places(self._file(".places"), version.places)
        self.now, self.problem = version, ""

    def _file(self, kind: str) -> Path:
        name = "".join(c if c.isalnum() or c in "-_" else "_" for c in self.pack)
        return self.folder / f"{name}-{self.latent_dim}{kind}.yaml"
