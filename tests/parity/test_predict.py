"""The prediction for boards that were not measured: its arithmetic, not its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.bench.counted.boards import A72, A76, BOARDS, PI_4, PI_5, Board
from tests.bench.counted.predict import (
    FOLLOWING,
    PART,
    WHOLE,
    Count,
    Machine,
    best_case_s,
    by_scores_s,
    estimates,
    fastest_s,
    load,
    main,
    quality_for,
    worst_case_s,
)

from latent_resonance.config.presets import QUALITIES

PLAIN = Count(4e6, 0.0)  # four million instructions, none of them arithmetic
ARITHMETIC = Count(4e6, 4e6)
PIECES = (*(f"hop, {quality}" for quality in QUALITIES), *WHOLE, *PART, FOLLOWING, "features")
HERE = Machine(dict.fromkeys(PIECES, 1e-5), seven_zip=3000.0, linpack=40.0)


def test_the_best_case_is_bound_by_the_dispatch_width() -> None:
    assert best_case_s(PLAIN, PI_5) == pytest.approx(4e6 / 4 / 2.4e9)
    assert best_case_s(PLAIN, PI_4) == pytest.approx(4e6 / 3 / 1.8e9)


def test_pure_arithmetic_is_bound_by_the_rate_of_linpack() -> None:
    assert best_case_s(ARITHMETIC, PI_5) == pytest.approx(4e6 * 4 / 16.07e9)
    assert worst_case_s(ARITHMETIC, PI_5) >= best_case_s(ARITHMETIC, PI_5)


def test_the_best_case_is_faster_than_the_worst_case() -> None:
    for board in BOARDS:
        assert 0.0 < best_case_s(PLAIN, board) < worst_case_s(PLAIN, board)


def test_no_core_executes_more_per_cycle_than_it_can_dispatch() -> None:
    for core in (A72, A76):
        assert core.slow_ipc < core.width
        assert core.vectors < core.width


def test_a_network_scales_like_linpack_and_a_hop_like_7_zip() -> None:
    half = replace(PI_5, linpack=20.0, seven_zip=1000.0)
    assert by_scores_s("spectrogram", HERE, half) == pytest.approx(2e-5)
    assert by_scores_s("hop, high", HERE, half) == pytest.approx(3e-5)


def test_a_board_with_half_the_clock_takes_twice_as_long_by_every_estimate() -> None:
    slow_board = PI_5.at("slow", 1.2)
    counts = {"spectrogram": ARITHMETIC, "hop, high": PLAIN}
    for piece in counts:
        for fast_s, slow_s in zip(
            estimates(PI_5, counts, HERE), estimates(slow_board, counts, HERE), strict=True
        ):
            assert slow_s(piece) == pytest.approx(2 * fast_s(piece))


def test_a_load_is_the_time_of_a_piece_times_its_rate() -> None:
    piece_s = {"hop, high": 1e-3, "spectrogram": 2e-3, FOLLOWING: 3e-3, "features": 1e-3}
    piece_s |= {"generator, part": 0.7e-3, "regressor": 0.1e-3}
    shares = load("high", piece_s.__getitem__)
    assert shares.synthesis == pytest.approx(1e-3 * 93.75)
    assert shares.generation == pytest.approx(0.8e-3 * 10)
    assert shares.eye == pytest.approx(4e-3 * 30)
    assert load("high", piece_s.__getitem__, WHOLE).generation == pytest.approx(2e-3 * 10)


@pytest.mark.parametrize("estimate_s", [best_case_s, worst_case_s])
def test_light_work_runs_at_high_quality_and_heavy_work_at_low(
    estimate_s: Callable[[Count, Board], float],
) -> None:
    assert quality_for(PI_4, lambda _: estimate_s(Count(1e4, 1e3), PI_4)) == "high"
    assert quality_for(PI_4, lambda _: estimate_s(Count(1e9, 1e8), PI_4)) == "low"


def test_the_fastest_of_several_rounds_counts(tmp_path: Path) -> None:
    times = tmp_path / "times.csv"
    times.write_text("piece,microseconds\nspectrogram,30\npiece,microseconds\nspectrogram,20\n")
    assert fastest_s(times) == {"spectrogram": pytest.approx(2e-5)}


def test_a_piece_that_was_counted_on_one_core_only_has_an_empty_cell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f'"{piece}",2000000,1000000\n' for piece in PIECES)
    header = "piece,instructions,calculating\n"
    (tmp_path / "cortex-a72.csv").write_text(header + rows)
    (tmp_path / "cortex-a76.csv").write_text(header + rows + '"following, mediapipe",1000000,0\n')
    times = tmp_path / "times.csv"
    times.write_text("piece,microseconds\n" + "".join(f'"{p}",10\n' for p in (*PIECES, "product")))
    counts = [str(tmp_path / f"{core.cpu}.csv") for core in (A72, A76)]
    main([*counts, "--times", str(times), "--seven-zip", "3000"])
    output = capsys.readouterr().out
    assert "| following, mediapipe |  | 1 | 0 % |\n" in output
    assert "| spectrogram | 2 | 2 | 50 % |\n" in output
    assert all(f"| {board.name}, " in output for board in BOARDS)
