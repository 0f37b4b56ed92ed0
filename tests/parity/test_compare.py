"""The comparison of phase reconstructions measures correctly; its times are not tested."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from latent_resonance.audio.spectrogram import FloatArray, Geometry, stft_circular
from latent_resonance.bench.phase import convergence_db

pytest.importorskip("librosa")
torch = pytest.importorskip("torch")

from tests.bench.compare import main as compare  # noqa: E402  the path comes first
from tests.bench.phases.measures import Row, distance_db  # noqa: E402
from tests.bench.phases.methods import (  # noqa: E402
    append_first_frame,
    librosa_griffin_lim,
    methods,
    refine,
    torch_griffin_lim,
)
from tests.bench.phases.signals import signals  # noqa: E402
from tests.bench.phases.summary import cost, cost_ratio, measurements  # noqa: E402

GEOMETRY = Geometry(n_fft=1024, win_length=1024, hop_length=128, n_frames=96)


def noise() -> FloatArray:
    return np.random.default_rng(1).normal(0.0, 0.1, GEOMETRY.loop_length).astype(np.float32)


def row(method: str, signal: str, cpu_s: float, error_db: float = -20.0, turn: int = 0) -> Row:
    curve, setting = method.split()
    return Row(turn, signal, "test", "", curve, setting, error_db, 1.0, cpu_s, None)


@pytest.fixture(autouse=True)
def restore_threads() -> Iterator[None]:
    """The comparison limits PyTorch to one thread; other tests need them all."""
    n_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(n_threads)


def test_a_relative_error_of_a_ten_thousandth_is_minus_80_db() -> None:
    loop = noise()
    magnitude = np.abs(stft_circular(loop, GEOMETRY))
    assert convergence_db(1.0001 * loop, magnitude, GEOMETRY) == pytest.approx(-80.0, abs=0.1)
    assert distance_db(1.0001 * loop, magnitude, GEOMETRY) < 0.001


def test_half_the_level_is_6_db_by_either_measure() -> None:
    loop = noise()
    magnitude = np.abs(stft_circular(loop, GEOMETRY))
    assert convergence_db(0.5 * loop, magnitude, GEOMETRY) == pytest.approx(-6.02, abs=0.01)
    assert distance_db(0.5 * loop, magnitude, GEOMETRY) == pytest.approx(6.02, abs=0.1)


def test_torch_reconstructs_the_sound_from_its_own_phases() -> None:
    loop = np.pad(noise()[2048:-2048], 2048)  # torch's frames do not wrap around the loop
    spectrum = stft_circular(loop, GEOMETRY)
    angles = np.exp(1j * np.angle(append_first_frame(spectrum))).astype(np.complex64)
    magnitude = np.abs(spectrum)
    samples = refine(magnitude, torch.from_numpy(angles), GEOMETRY, iterations=0)
    np.testing.assert_allclose(samples[1024:-1024], loop[1024:-1024], atol=1e-5)


@pytest.mark.parametrize("method", [librosa_griffin_lim, torch_griffin_lim])
def test_more_iterations_of_a_method_converge_further(method: Callable[..., FloatArray]) -> None:
    magnitude = np.abs(stft_circular(noise(), GEOMETRY))
    errors_db = [
        convergence_db(method(magnitude, GEOMETRY, iterations=n), magnitude, GEOMETRY)
        for n in (2, 8, 32)
    ]
    assert errors_db[1] < errors_db[0] - 2.0
    assert errors_db[2] < errors_db[1] - 2.0


def test_librosa_and_torch_converge_equally_with_the_same_algorithm() -> None:
    magnitude = np.abs(stft_circular(noise(), GEOMETRY))
    peer = [
        method(magnitude, GEOMETRY, iterations=32)
        for method in (librosa_griffin_lim, torch_griffin_lim)
    ]
    errors_db = [convergence_db(samples, magnitude, GEOMETRY) for samples in peer]
    assert errors_db[0] == pytest.approx(errors_db[1], abs=1.0)


def test_every_signal_has_finite_magnitudes_and_every_name_is_unique() -> None:
    found = list(signals(GEOMETRY, None, modelled=True))
    assert len({signal.name for signal in found}) == len(found) == 11
    for signal in found:
        assert signal.magnitude.shape == (GEOMETRY.n_bins, GEOMETRY.n_frames)
        assert np.isfinite(signal.magnitude).all()
        assert signal.magnitude.max() > 0.0
    assert len({method.name for method in methods()}) == len(list(methods()))


def test_no_signal_reaches_above_the_highest_frequency_of_a_pack() -> None:
    above = np.arange(GEOMETRY.n_bins) * GEOMETRY.sample_rate > GEOMETRY.f_max_hz * GEOMETRY.n_fft
    for signal in signals(GEOMETRY, None, modelled=True):
        power = np.square(signal.magnitude, dtype=np.float64).sum(axis=1)
        assert power[above].sum() < 1e-6 * power.sum(), signal.name


def test_a_cost_ratio_is_taken_within_a_turn_and_not_between_medians() -> None:
    turns = [(1.0, 4.0), (10.0, 20.0), (0.1, 1.0)]  # the machine was ten times slower in one
    rows = [row("ours 7-7", "noise", own, turn=turn) for turn, (own, _) in enumerate(turns)]
    rows += [row("librosa 64", "noise", peer, turn=turn) for turn, (_, peer) in enumerate(turns)]
    assert cost(rows, "ours 7-7") == 1.0
    assert cost_ratio(rows, "ours 7-7", "librosa 64") == 0.25
    assert cost_ratio(rows, "ours 7-7", "librosa 32") is None


def test_targets_apply_to_quality_and_to_cost() -> None:
    rows = [row("ours 7-7", "noise", 1.0, -20.0), row("librosa 64", "noise", 5.0, -20.5)]
    with_target = {f["name"]: f for f in measurements(rows) if f["target"] is not None}
    assert with_target["ours 7-7, share of librosa 64"]["ok"] is True
    assert with_target["noise: ours 7-7 over librosa 64"] == {
        "name": "noise: ours 7-7 over librosa 64",
        "value": 0.5,
        "unit": "dB",
        "target": 0.0,
        "ok": False,
    }


@pytest.mark.slow
def test_a_short_comparison_writes_its_measurements_rows_and_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, plot = tmp_path / "rows.csv", tmp_path / "plot.png"
    assert compare(["--quick", "--json", "-", "--csv", str(table), "--plot", str(plot)]) == 0
    values = {
        measurement["name"]: measurement["value"]
        for measurement in json.loads(capsys.readouterr().out)
    }
    assert values["ours 7-7, violin"] < values["librosa 8, violin"] - 10.0
    assert values["ours 7-7, CPU"] > 0.0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["signal"] for row in rows} >= {"noise", "clicks", "speech, mel"}
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_missing_pack_is_one_message_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert compare(["--pack", "nowhere"]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("compare: nowhere")
    assert errors.count("\n") == 1


def test_zero_turns_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        compare(["--turns", "0"])
    assert ended.value.code == 2
    assert "'0' is not a count; use 1 or more" in capsys.readouterr().err
