"""What every table needs: the packs, the clips, and processes to share the work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from tests.bench.answering.playing import states_of

from latent_resonance.face_state import FaceState

SIGNERS = ("face-yes", "face-sorry", "face-again", "face-please")  # clips of one person each
Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass
class Bench:
    """The choices of the command line.

    Attributes
    ----------
    folder : holds the clips; None if no table needs them
    packs : names or folders
    pairs : of spectrograms, in the table of glides
    pool : processes; None to work in this one
    """

    folder: Path | None
    packs: Sequence[str]
    pairs: int
    pool: Executor | None = None

    @cached_property
    def clips(self) -> dict[str, list[FaceState]]:
        """The states of each clip, which the eye sees once."""
        assert self.folder is not None  # required by the command line
        paths = [self.folder / f"{name}.mkv" for name in SIGNERS]
        return dict(zip(SIGNERS, self.each("clips: the eye", states_of, paths), strict=True))

    def each(
        self, label: str, function: Callable[[Job], Result], jobs: Iterable[Job]
    ) -> list[Result]:
        """function(job) of every job in order, with progress.

        Parameters
        ----------
        function : of a module, as other processes import it; or a partial of one
        """
        return list(self._counted(label, function, list(jobs)))

    def _counted(
        self, label: str, function: Callable[[Job], Result], jobs: list[Job]
    ) -> Iterator[Result]:
        results = self.pool.map(function, jobs) if self.pool else map(function, jobs)
        for i, result in enumerate(results, 1):
            log(f"{label}: {i} of {len(jobs)}")
            yield result


def log(text: str) -> None:
    """Print progress: on a terminal each line replaces the last."""
    begin, end = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    print(f"{begin}{text}", end=end, file=sys.stderr, flush=True)
