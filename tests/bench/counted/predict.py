"""Predicts the load of the instrument on boards, from instruction counts and from times.

    python -m tests.bench.counted.predict COUNTS… --times TIMES --seven-zip RATING

COUNTS are files of pieces.py, each named after its core; TIMES is one with several rounds; RATING
is that of `7z b -mmt1` on this machine. Two independent methods: instructions over instructions per
cycle, best and worst case; and times on this machine, scaled by published scores of the board. Pure
except for reading files. No board was measured.
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
IMAGE_PIECES = (FOLLOWING, "features")  # that an image with a face needs
WHOLE, PART = ("spectrogram",), ("generator, part", "regressor")  # loops, as z leaps or moves
NETWORKS = (*WHOLE, *PART, FOLLOWING)  # which are mostly matrix products


class Count(NamedTuple):
    """Instructions of one execution of a piece; `all` includes the arithmetic ones."""

    all: float
    arithmetic: float


class Machine(NamedTuple):
    """This machine: seconds of processor time of each piece, and scores as of a board."""

    piece_s: Mapping[str, float]
    seven_zip: float
    linpack: float


Seconds = Callable[[str], float]  # of one core, for one execution of a piece


def best_case_s(count: Count, board: Board) -> float:
    """Seconds without any stalls."""
    core = board.core
    return max(count.all / core.width, count.arithmetic / core.vectors) / clock_hz(board)


def worst_case_s(count: Count, board: Board) -> float:
    """Seconds with as many stalls as in a slow program."""
    core = board.core
    return max(count.all / core.slow_ipc, count.arithmetic / core.vectors) / clock_hz(board)


def clock_hz(board: Board) -> float:
    """Cycles per second."""
    return 1e9 * board.clock_ghz


def by_scores_s(piece: str, machine: Machine, board: Board) -> float:
    """Seconds if the piece scales like Linpack or 7-Zip.

    Networks scale like Linpack, since both are mostly matrix products; all else like 7-Zip.
    """
    if piece in NETWORKS:
        return machine.piece_s[piece] * machine.linpack / board.linpack
    return machine.piece_s[piece] * machine.seven_zip / board.seven_zip


def load(quality: str, seconds: Seconds, generated: Sequence[str] = PART) -> Load:
    """The load of the three busy threads at a quality, generating parts of loops or the whole."""
    settings = Settings.model_validate(apply_quality({"quality": quality}))
    return Load(
        synthesis=seconds(f"hop, {quality}") / Geometry().hop_s,
        generation=sum(map(seconds, generated)) * settings.inference.spectrograms_per_s,
        eye=sum(map(seconds, IMAGE_PIECES)) * settings.camera.images_per_s,
    )


def estimates(board: Board, counts: Mapping[str, Count], machine: Machine) -> tuple[Seconds, ...]:
    """Seconds in the best case, by scores, in the worst case."""
    return (
        lambda piece: best_case_s(counts[piece], board),
        lambda piece: by_scores_s(piece, machine, board),
        lambda piece: worst_case_s(counts[piece], board),
    )


def quality_for(board: Board, seconds: Seconds) -> str:
    """The best quality with enough headroom, by the rule of `bench quality`: of whole loops."""
    return best_quality(
        {quality: load(quality, seconds, WHOLE).headroom(board.cores) for quality in QUALITIES}
    )


def counts_table(counts: Mapping[str, Mapping[str, Count]]) -> Iterator[str]:
    """Millions of instructions, a row per piece and a column per core."""
    yield f"| millions of instructions | {' | '.join(counts)} | arithmetic |"
    yield "|---|" + "---|" * (len(counts) + 1)
    for piece in dict.fromkeys(chain(*counts.values())):
        of_cores = [core.get(piece) for core in counts.values()]
        cells = " | ".join(f"{count.all / 1e6:.3g}" if count else "" for count in of_cores)
        count = next(filter(None, of_cores))
        yield f"| {piece} | {cells} | {100 * count.arithmetic / count.all:.0f} % |"


def loads_table(counts: Mapping[str, Mapping[str, Count]], machine: Machine) -> Iterator[str]:
    """Loads at high, the quality that `bench quality` would choose, and the headroom at each."""
    qualities = list(reversed(QUALITIES))
    yield (
        "| **predicted**: best case · by scores · worst case | synthesis, % of a core at high "
        f"| generation | eye | quality | headroom at {' | '.join(qualities)} |"
    )
    yield "|---|---|---|---|---|" + "---|" * len(qualities)
    for board in BOARDS:
        three = estimates(board, counts[board.core.cpu], machine)
        parts = zip(*(astuple(load("high", seconds)) for seconds in three), strict=True)
        loads = [" · ".join(f"{100 * share:.0f}" for share in part) for part in parts]
        answers = " · ".join(quality_for(board, seconds) for seconds in three)
        headrooms = [
            " · ".join(f"{load(quality, seconds).headroom(board.cores):.2g}" for seconds in three)
            for quality in qualities
        ]
        cells = " | ".join((*loads, answers, *headrooms))
        yield f"| {board.name}, {board.clock_ghz:g} GHz | {cells} |"


def counts_of(file: Path) -> dict[str, Count]:
    """The pieces of a file of counts."""
    with file.open(newline="") as lines:
        return {
            row["piece"]: Count(float(row["instructions"]), float(row["calculating"]))
            for row in csv.DictReader(lines)
        }


def fastest_s(file: Path) -> dict[str, float]:
    """The pieces of a file of times: the shortest of several rounds."""
    fastest: dict[str, float] = {}
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row["piece"] != "piece":  # the header of another round
                piece_s = 1e-6 * float(row["microseconds"])
                fastest[row["piece"]] = min(piece_s, fastest.get(row["piece"], piece_s))
    return fastest


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, predict and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("counts", type=Path, nargs="+", metavar="COUNTS")
    parser.add_argument("--times", type=Path, required=True)
    parser.add_argument("--seven-zip", type=float, required=True, metavar="RATING")
    options = parser.parse_args(arguments)
    counts = {file.stem: counts_of(file) for file in options.counts}
    piece_s = fastest_s(options.times)
    machine = Machine(piece_s, options.seven_zip, 2e-9 * MATRIX**3 / piece_s["product"])
    scores = f"7-Zip {machine.seven_zip:.0f}, product of matrices {machine.linpack:.1f} Gflop/s"
    tables = (*counts_table(counts), "", *loads_table(counts, machine))
    print(*tables, "", f"This machine: {scores}.", sep="\n")


if __name__ == "__main__":
    main()
