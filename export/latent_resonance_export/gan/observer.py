"""Evaluation and logging during training; rank 0 measures, plots and writes for all processes."""

from __future__ import annotations

import time
from pathlib import Path

from lightning_fabric import Fabric

from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.checkpoint import Training
from latent_resonance_export.gan.device import on_rank_zero
from latent_resonance_export.gan.logging import (
    LogLine,
    TrainingLog,
    explain_write_errors,
    open_tensorboard,
)
from latent_resonance_export.gan.models.protocol import latent_dim_of
from latent_resonance_export.gan.validation import Validation

SOUND_INTERVAL_S = 60.0  # rendering 30 s of sound takes some 5 s of one core


class Observer:
    """Evaluates and logs; every process calls the same methods and gets the same results.

    history : (step, swd) of every evaluation, in order
    """

    def __init__(
        self,
        fabric: Fabric,
        training: Training,
        dataset: Dataset,
        folder: Path,
        seed: int,
        sound_s: float = 0.0,
    ) -> None:
        self.fabric, self.training, self.folder = fabric, training, folder
        self.dataset, self.seed = dataset, seed
        self.sound_s, self._sounded_s = sound_s, -SOUND_INTERVAL_S
        self.validation: Validation | None = None
        self.training_log: TrainingLog | None = None  # on rank 0 alone
        self.history = on_rank_zero(fabric, self._open)

    def evaluate(self) -> LogLine:
        """Writes a contact sheet and sound; returns the distances, at first with the floor.

        Raises
        ------
        TrainingLogError
            The contact sheet cannot be written.
        """
        line = on_rank_zero(self.fabric, self._evaluate)
        self.history.append((self.training.step, line["swd"]))
        return line

    def write(self, line: LogLine) -> None:
        """Appends a line to the log.

        Raises
        ------
        TrainingLogError
            The log cannot be written.
        """
        on_rank_zero(self.fabric, lambda: self._opened().write(line))

    def close(self) -> None:
        """Closes the log."""
        if self.training_log is not None:
            self.training_log.close()

    def _sound_is_due(self) -> bool:
        """Beside each sheet, but not so often that it slows a fast GPU down."""
        now_s = time.monotonic()
        if not self.sound_s or now_s - self._sounded_s < SOUND_INTERVAL_S:
            return False
        self._sounded_s = now_s
        return True

    def _open(self) -> list[tuple[int, float]]:
        step = self.training.step
        self.training_log = TrainingLog(self.folder, step, open_tensorboard(self.folder, step))
        return list(self.training_log.history)

    def _opened(self) -> TrainingLog:
        assert self.training_log is not None, "the log is open on rank 0 alone"
        return self.training_log

    def _evaluate(self) -> LogLine:
        training = self.training
        if self.validation is None:
            latent_dim = latent_dim_of(training.ema)
            self.validation = Validation(self.dataset, latent_dim, self.seed, self.fabric.device)
        fake = self.validation.generate(training.ema)
        with explain_write_errors(self.folder):
            path = self.folder / f"sheet-{training.step:06d}.png"
            self.validation.draw_sheet(fake, training.ema, training.encoder, path)
            if training.step and self._sound_is_due():
                self.validation.write_sound(fake, self.sound_s, path.with_suffix(".mp3"))
        line = self.validation.measure(fake)
        first = self._opened().floor is None
        return line | {"swd_floor": self.validation.floor()} if first else line
