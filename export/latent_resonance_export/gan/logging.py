"""What a run tells while it is trained: log.jsonl, metric.png, and TensorBoard's files."""

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

Line = dict[str, float]
LOG, CURVE, BOARD = "log.jsonl", "metric.png", "tensorboard"


class JournalError(LatentResonanceError):
    """The run's folder cannot be written."""


class Board(Protocol):
    """The part of TensorBoard's SummaryWriter that is used."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """One point of one curve."""

    def close(self) -> object:
        """Writes what is still held."""


class Journal:
    """The log of a run up to a step; lines of later steps, which were not saved, are dropped."""

    def __init__(self, folder: Path, step: int, board: Board | None = None) -> None:
        self.folder, self.board = folder, board
        lines = [line for line in read_log(folder) if line["step"] <= step]
        self.history = [(int(line["step"]), line["swd"]) for line in lines if "swd" in line]
        self.floor = next((line["swd_floor"] for line in lines if "swd_floor" in line), None)
        with writing(folder):
            beside = folder / "log.part"
            beside.write_text("".join(map(as_text, lines)), encoding="utf-8")
            beside.replace(folder / LOG)

    def write(self, line: Line) -> None:
        """Adds a line; one with a distance draws the curve anew.

        Raises
        ------
        JournalError
            The folder cannot be written.
        """
        with writing(self.folder):
            with (self.folder / LOG).open("a", encoding="utf-8") as log:
                log.write(as_text(line))
            if self.board:
                for name in line.keys() - {"step"}:
                    self.board.add_scalar(name, line[name], int(line["step"]))
            self.floor = line.get("swd_floor", self.floor)
            if "swd" in line:
                self.history.append((int(line["step"]), line["swd"]))
                draw_curve(self.history, self.floor, self.folder / CURVE)

    def close(self) -> None:
        """Lets TensorBoard write what it still holds."""
        if self.board:
            self.board.close()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Says what to do where a file of the run cannot be written."""
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"{folder} cannot be written ({error.strerror or error}): make room, then the same "
            "command goes on from the last checkpoint"
        ) from error


def as_text(line: Line) -> str:
    """One line of the log."""
    return json.dumps(line) + "\n"


def read_log(folder: Path) -> list[Line]:
    """The lines of a run's log; one that was torn when the machine stopped is left out."""
    path = folder / LOG
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return [line for line in lines if isinstance(line, dict) and "step" in line]


def open_board(folder: Path, step: int) -> Board | None:
    """TensorBoard's writer of RUN/tensorboard, if it is installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow, if present, has much to say
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / BOARD), purge_step=step + 1)


def draw_curve(history: list[tuple[int, float]], floor: float | None, path: Path) -> None:
    """The distance over the steps, and what real clips have among themselves."""
    figure = Figure(figsize=(8, 4.5))
    FigureCanvasAgg(figure)  # draws into memory, on machines without a screen too
    axes = figure.subplots()
    axes.plot(*zip(*history, strict=True), marker=".", label="generated")
    if floor is not None:
        axes.axhline(floor, linestyle="--", color="grey", label="real clips among themselves")
    axes.set(xlabel="step", ylabel="sliced Wasserstein distance × 1000", yscale="log")
    axes.legend()
    axes.grid(visible=True, which="both", alpha=0.3)
    beside = path.with_suffix(".part.png")
    figure.savefig(beside, dpi=80)
    beside.replace(path)
