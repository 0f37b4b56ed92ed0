"""The prediction for boards that nobody has measured: its arithmetic, not its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.bench.counted.boards import A72, A76, BOARDS, PI_4, PI_5, Board
from tests.bench.counted.predict import (
    FOLLOWING,
    Count,
    Here,
    at_best_s,
    at_worst_s,
    by_scores_s,
    load,
    main,
    quality_for,
    quickest_s,
    ways,
)

from latent_resonance.config.presets import QUALITIES

PLAIN = Count(4e6, 0.0)  # four million instructions, of which none calculates
DENSE = Count(4e6, 4e6)
PIECES = (*(f"hop, {quality}" for quality in QUALITIES), "dream", FOLLOWING, "features")
HERE = Here(dict.fromkeys(PIECES, 1e-5), seven_zip=3000.0, linpack=40.0)


def test_at_best_a_core_is_bound_by_what_it_can_dispatch() -> None:
    assert at_best_s(PLAIN, PI_5) == pytest.approx(4e6 / 4 / 2.4e9)
    assert at_best_s(PLAIN, PI_4) == pytest.approx(4e6 / 3 / 1.8e9)


def test_what_calculates_all_the_time_is_bound_by_linpacks_rate() -> None:
    assert at_best_s(DENSE, PI_5) == pytest.approx(4e6 * 4 / 16.07e9)
    assert at_worst_s(DENSE, PI_5) >= at_best_s(DENSE, PI_5)


def test_no_board_is_slower_at_best_than_at_worst() -> None:
    for board in BOARDS:
        assert 0.0 < at_best_s(PLAIN, board) < at_worst_s(PLAIN, board)


def test_no_core_does_more_in_a_cycle_than_it_can_dispatch() -> None:
    for core in (A72, A76):
        assert core.slow < core.width
        assert core.vectors < core.width


def test_a_network_is_compared_by_linpack_and_a_hop_by_7_zip() -> None:
    half = replace(PI_5, linpack=20.0, seven_zip=1000.0)
    assert by_scores_s("dream", HERE, half) == pytest.approx(2e-5)
    assert by_scores_s("hop, high", HERE, half) == pytest.approx(3e-5)


def test_a_board_with_half_the_clock_takes_twice_as_long_either_way() -> None:
    slow = PI_5.at("slow", 1.2)
    counts = {"dream": DENSE, "hop, high": PLAIN}
    for piece in counts:
        for fast_s, slow_s in zip(ways(PI_5, counts, HERE), ways(slow, counts, HERE), strict=True):
            assert slow_s(piece) == pytest.approx(2 * fast_s(piece))


def test_a_share_is_what_a_piece_takes_times_how_often_it_is_done() -> None:
    shares = load("high", {"hop, high": 1e-3, "dream": 2e-3, FOLLOWING: 3e-3, "features": 1e-3}.get)
    assert shares.synthesis == pytest.approx(1e-3 * 93.75)
    assert shares.generation == pytest.approx(2e-3 * 10)
    assert shares.eye == pytest.approx(4e-3 * 30)


@pytest.mark.parametrize("way_s", [at_best_s, at_worst_s])
def test_slight_work_is_played_at_high_and_heavy_work_at_low(
    way_s: Callable[[Count, Board], float],
) -> None:
    assert quality_for(PI_4, lambda _: way_s(Count(1e4, 1e3), PI_4)) == "high"
    assert quality_for(PI_4, lambda _: way_s(Count(1e9, 1e8), PI_4)) == "low"


def test_of_several_rounds_the_quickest_counts(tmp_path: Path) -> None:
    times = tmp_path / "times.csv"
    times.write_text("piece,microseconds\ndream,30\npiece,microseconds\ndream,20\n")
    assert quickest_s(times) == {"dream": pytest.approx(2e-5)}


def test_a_piece_that_only_one_core_does_has_an_empty_cell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f'"{piece}",2000000,1000000\n' for piece in PIECES)
    head = "piece,instructions,calculating\n"
    (tmp_path / "cortex-a72.csv").write_text(head + rows)
    (tmp_path / "cortex-a76.csv").write_text(head + rows + '"following, mediapipe",1000000,0\n')
    times = tmp_path / "times.csv"
    times.write_text("piece,microseconds\n" + "".join(f'"{p}",10\n' for p in (*PIECES, "product")))
    counts = [str(tmp_path / f"{core.cpu}.csv") for core in (A72, A76)]
    main([*counts, "--times", str(times), "--seven-zip", "3000"])
    said = capsys.readouterr().out
    assert "| following, mediapipe |  | 1 | 0 % |\n" in said
    assert "| dream | 2 | 2 | 50 % |\n" in said
    assert all(f"| {board.name}, " in said for board in BOARDS)
