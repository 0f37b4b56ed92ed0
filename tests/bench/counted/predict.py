"""Predicts how much of a gallery's boards the instrument will take, from counts and from times.

    python -m tests.bench.counted.predict COUNTS… --times TIMES --seven-zip RATING

COUNTS are files of pieces.py, each named after its core; TIMES is one of several rounds; RATING is
what `7z b -mmt1` says of this machine. Two ways that share nothing but the pieces: instructions by
what a core does in a cycle, at best and at worst; and the time that this machine takes by how much
faster than a board it is in programs whose speed there is published. Pure but for files that are
read. No board was measured.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from tests.bench.counted.boards import BOARDS, Board
from tests.bench.counted.pieces import MATRIX

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.bench.quality import Load, best_quality
from latent_resonance.config.presets import QUALITIES, apply_quality
from latent_resonance.config.settings import Settings

FOLLOWING = "following, light"
SEEN = (FOLLOWING, "features")  # what an image with a face costs
NETWORKS = ("dream", FOLLOWING)  # what is mostly products of matrices


class Count(NamedTuple):
    """Instructions of a piece done once; `calculating` is part of `all`."""

    all: float
    calculating: float


class Here(NamedTuple):
    """This machine: processor time of each piece in seconds, and its scores as a board's."""

    piece_s: Mapping[str, float]
    seven_zip: float
    linpack: float


Seconds = Callable[[str], float]  # of one core, for a piece done once


def at_best_s(count: Count, board: Board) -> float:
    """Seconds if nothing is ever waited for but a place to calculate."""
    core = board.core
    return max(count.all / core.width, count.calculating / core.vectors) / hertz(board)


def at_worst_s(count: Count, board: Board) -> float:
    """Seconds if as much is waited for as in a program that waits a lot."""
    core = board.core
    return max(count.all / core.slow, count.calculating / core.vectors) / hertz(board)


def hertz(board: Board) -> float:
    """Cycles a second."""
    return 1e9 * board.clock_ghz


def by_scores_s(piece: str, here: Here, board: Board) -> float:
    """Seconds if the piece is slower there by as much as Linpack, or 7-Zip, is.

    Networks are compared by Linpack, since both are products of matrices, all else by 7-Zip.
    """
    if piece in NETWORKS:
        return here.piece_s[piece] * here.linpack / board.linpack
    return here.piece_s[piece] * here.seven_zip / board.seven_zip


def load(quality: str, seconds: Seconds) -> Load:
    """Shares of a core that the three busy threads take at a quality."""
    settings = Settings.model_validate(apply_quality({"quality": quality}))
    return Load(
        synthesis=seconds(f"hop, {quality}") / Geometry().hop_s,
        generation=seconds("dream") * settings.inference.spectrograms_per_s,
        eye=sum(map(seconds, SEEN)) * settings.camera.images_per_s,
    )


def ways(board: Board, counts: Mapping[str, Count], here: Here) -> tuple[Seconds, ...]:
    """Seconds at best, by scores, at worst."""
    return (
        lambda piece: at_best_s(counts[piece], board),
        lambda piece: by_scores_s(piece, here, board),
        lambda piece: at_worst_s(counts[piece], board),
    )


def quality_for(board: Board, seconds: Seconds) -> str:
    """The best quality that the board has room for, by the rule of `latent-resonance bench`."""
    return best_quality({quality: load(quality, seconds).headroom(board.cores) for quality in QUALITIES})


def counts_table(counts: Mapping[str, Mapping[str, Count]]) -> Iterator[str]:
    """Millions of instructions a piece, a column a core."""
    yield f"| millions of instructions | {' | '.join(counts)} | of which calculating |"
    yield "|---|" + "---|" * (len(counts) + 1)
    for piece in dict.fromkeys(chain(*counts.values())):
        of_cores = [core.get(piece) for core in counts.values()]
        cells = " | ".join(f"{count.all / 1e6:.3g}" if count else "" for count in of_cores)
        count = next(filter(None, of_cores))
        yield f"| {piece} | {cells} | {100 * count.calculating / count.all:.0f} % |"


def loads_table(counts: Mapping[str, Mapping[str, Count]], here: Here) -> Iterator[str]:
    """Shares of a core at high, the quality to choose, and the room that low has."""
    yield (
        "| **predicted**: at best · by scores · at worst | synthesis, % of a core at high | dreams "
        "| eye | quality | room at low |"
    )
    yield "|---|---|---|---|---|---|"
    for board in BOARDS:
        three = ways(board, counts[board.core.cpu], here)
        parts = zip(*(astuple(load("high", seconds)) for seconds in three), strict=True)
        cells = " | ".join(" · ".join(f"{100 * share:.0f}" for share in part) for part in parts)
        answers = " · ".join(quality_for(board, seconds) for seconds in three)
        headrooms = " · ".join(f"{load('low', seconds).headroom(board.cores):.1f}" for seconds in three)
        yield f"| {board.name}, {board.clock_ghz:g} GHz | {cells} | {answers} | {headrooms} |"


def counts_of(file: Path) -> dict[str, Count]:
    """The pieces of a file of counts."""
    with file.open(newline="") as lines:
        return {
            row["piece"]: Count(float(row["instructions"]), float(row["calculating"]))
            for row in csv.DictReader(lines)
        }


def quickest_s(file: Path) -> dict[str, float]:
    """The pieces of a file of times: of several rounds the one that was disturbed the least."""
    quickest: dict[str, float] = {}
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["piece"] != "piece":  # the head of another round
                piece_s = 1e-6 * float(row["microseconds"])
                quickest[row["piece"]] = min(piece_s, quickest.get(row["piece"], piece_s))
    return quickest


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads, predicts and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("counts", type=Path, nargs="+", metavar="COUNTS")
    parser.add_argument("--times", type=Path, required=True)
    parser.add_argument("--seven-zip", type=float, required=True, metavar="RATING")
    options = parser.parse_args(arguments)
    counts = {file.stem: counts_of(file) for file in options.counts}
    piece_s = quickest_s(options.times)
    here = Here(piece_s, options.seven_zip, 2e-9 * MATRIX**3 / piece_s["product"])
    scores = f"7-Zip {here.seven_zip:.0f}, product of matrices {here.linpack:.1f} Gflop/s"
    print(*counts_table(counts), "", *loads_table(counts, here), "", f"Here: {scores}.", sep="\n")


if __name__ == "__main__":
    main()
