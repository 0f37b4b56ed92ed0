"""Looks at a run while it is trained: the first process measures, draws and writes for all."""

from __future__ import annotations

from pathlib import Path

from lightning_fabric import Fabric

from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.checkpoint import Training
from latent_resonance_export.gan.device import by_first
from latent_resonance_export.gan.logging import Journal, Line, open_board, writing
from latent_resonance_export.gan.validation import Yardstick


class Observer:
    """Every process calls it alike and is told alike; `history` is (step, distance), in order."""

    def __init__(
        self, fabric: Fabric, training: Training, dataset: Dataset, folder: Path, seed: int
    ) -> None:
        self.fabric, self.training, self.folder = fabric, training, folder
        self.dataset, self.seed = dataset, seed
        self.yardstick: Yardstick | None = None
        self.journal: Journal | None = None
        self.history = by_first(fabric, self._open)

    def look(self) -> Line:
        """Draws a sheet; gives the averaged generator's distances, the first time the floor too.

        Raises
        ------
        JournalError
            The sheet cannot be written.
        """
        line = by_first(self.fabric, self._look)
        self.history.append((self.training.step, line["swd"]))
        return line

    def write(self, line: Line) -> None:
        """Adds a line to the log.

        Raises
        ------
        JournalError
            It cannot be written.
        """
        by_first(self.fabric, lambda: self.journal.write(line))

    def close(self) -> None:
        """Lets go of the log."""
        if self.journal is not None:
            self.journal.close()

    def _open(self) -> list[tuple[int, float]]:
        step = self.training.step
        self.journal = Journal(self.folder, step, open_board(self.folder, step))
        return list(self.journal.history)

    def _look(self) -> Line:
        training = self.training
        if self.yardstick is None:
            latent_dim = training.average.latent_dim
            self.yardstick = Yardstick(self.dataset, latent_dim, self.seed, self.fabric.device)
        fake = self.yardstick.draw(training.average)
        with writing(self.folder):
            path = self.folder / f"sheet-{training.step:06d}.png"
            self.yardstick.sheet(fake, training.average, training.encoder, path)
        line = self.yardstick.measure(fake)
        first = self.journal.floor is None
        return line | {"swd_floor": self.yardstick.floor()} if first else line
