"""The log of a training run: log.jsonl, metric.png, and TensorBoard's files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from latent_resonance import LatentResonanceError

LogLine = dict[str, float]
LOG, CURVE, TENSORBOARD = "log.jsonl", "metric.png", "tensorboard"


class TrainingLogError(LatentResonanceError):
    """The run's folder cannot be written."""


class ScalarWriter(Protocol):
    """The part of TensorBoard's SummaryWriter that is used."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Adds one point to one curve."""

    def close(self) -> object:
        """Flushes and closes the files."""


class TrainingLog:
    """The log of a run up to a step; later lines belong to steps that were not saved: dropped.

    At step 0 nothing was saved, so that the log begins anew: the first evaluation is repeated.

    history : (step, swd) of every evaluation; floor : swd among real clips, None if not measured
    """

    def __init__(self, folder: Path, step: int, scalars: ScalarWriter | None = None) -> None:
        self.folder, self.scalars = folder, scalars
        lines = [line for line in read_log(folder) if step and line["step"] <= step]
        self.history = [(int(line["step"]), line["swd"]) for line in lines if "swd" in line]
        self.floor = next((line["swd_floor"] for line in lines if "swd_floor" in line), None)
        with explain_write_errors(folder):
            temporary = folder / "log.part"
            temporary.write_text("".join(map(as_text, lines)), encoding="utf-8")
            temporary.replace(folder / LOG)

    def write(self, line: LogLine) -> None:
        """Appends a line; one with a distance redraws the curve.

        Raises
        ------
        TrainingLogError
            The folder cannot be written.
        """
        with explain_write_errors(self.folder):
            with (self.folder / LOG).open("a", encoding="utf-8") as log:
                log.write(as_text(line))
            if self.scalars:
                for name in line.keys() - {"step"}:
                    self.scalars.add_scalar(name, line[name], int(line["step"]))
            self.floor = line.get("swd_floor", self.floor)
            if "swd" in line:
                self.history.append((int(line["step"]), line["swd"]))
                draw_curve(self.history, self.floor, self.folder / CURVE)

    def close(self) -> None:
        """Closes TensorBoard's files."""
        if self.scalars:
            self.scalars.close()


@contextmanager
def explain_write_errors(folder: Path) -> Iterator[None]:
    """Turns an OSError into a TrainingLogError that names the remedy."""
    try:
        yield
    except OSError as error:
        raise TrainingLogError(
            f"{folder} cannot be written ({error.strerror or error}): make room, then repeat the "
            "command to continue from the last checkpoint"
        ) from error


def as_text(line: LogLine) -> str:
    """One line of log.jsonl."""
    return json.dumps(line) + "\n"


def read_log(folder: Path) -> list[LogLine]:
    """The lines of a run's log; a line truncated by a crash is skipped."""
    path = folder / LOG
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return [line for line in lines if isinstance(line, dict) and "step" in line]


def open_tensorboard(folder: Path, step: int) -> ScalarWriter | None:
    """TensorBoard's writer for RUN/tensorboard, if it is installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow, if present, logs a lot
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / TENSORBOARD), purge_step=step + 1 if step else 0)


def draw_curve(history: list[tuple[int, float]], floor: float | None, path: Path) -> None:
    """Plots the distance over the steps, with the distance among real clips as a line."""
    figure = Figure(figsize=(8, 4.5))
    FigureCanvasAgg(figure)  # draws into memory, so no display is needed
    axes = figure.subplots()
    axes.plot(*zip(*history, strict=True), marker=".", label="generated")
    if floor is not None:
        axes.axhline(floor, linestyle="--", color="grey", label="among real clips")
    axes.set(xlabel="step", ylabel="sliced Wasserstein distance × 1000", yscale="log")
    axes.legend()
    axes.grid(visible=True, which="both", alpha=0.3)
    temporary = path.with_suffix(".part.png")
    figure.savefig(temporary, dpi=80)
    temporary.replace(path)
