"""`train-regressor` as a person runs it: the files it leaves, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.face_state import FEATURES, FaceState
from latent_resonance.linux.atomic_file import OutputFileError
from latent_resonance.score import RATE_HZ, ScoreError, write_score
from latent_resonance_export.dataset.dataset import Clip, write_dataset
from latent_resonance_export.gan.checkpoint import CheckpointError
from latent_resonance_export.gan.models.registry import make_generator
from latent_resonance_export.gan.run import RunConfig, RunError, write_config
from latent_resonance_export.regressor.examples import ExamplesError
from latent_resonance_export.regressor.model import (
    Regressor,
    Trained,
    load_regressor,
    save_regressor,
)
from latent_resonance_export.regressor.run_folder import REPORT, train_run
from latent_resonance_export.regressor.surrogate import fit_surrogate
from latent_resonance_export.regressor.synthetic_motion import compose_movement

RUN_GEOMETRY = Geometry(
    sample_rate=16_000, n_fft=1024, win_length=1024, hop_length=256, n_mels=32, n_frames=64
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "tones"
    rng = np.random.default_rng(0)
    pictures = [rng.uniform(-1, 1, (32, 64)).astype(np.float32) for _ in range(3)]
    clips = [Clip(f"tone {i}", 0.0, "CC0-1.0", "the tests", held_out=i == 2) for i in range(3)]
    write_dataset(pictures, clips, folder, RUN_GEOMETRY, about={"sounds": "noise"})
    return folder


@pytest.fixture
def run(tmp_path: Path, dataset: Path) -> Iterator[Path]:
    """A run of the default architecture that was hardly trained, with a name to be careful with."""
    folder = tmp_path / "<b>mine & yours</b>".replace("/", "")
    folder.mkdir()
    torch.manual_seed(0)
    generator = make_generator("loop", RUN_GEOMETRY)
    torch.save({"step": 5, "average": generator.state_dict()}, folder / "checkpoint.pt")
    sidecar = (dataset / "dataset.yaml").read_text()
    sha256 = re.search(r"sha256: (\w+)", sidecar)[1]
    write_config(RunConfig("loop", str(dataset), sha256, RUN_GEOMETRY, {}), folder)
    before = sorted(path.name for path in folder.iterdir())
    yield folder
    left = {path.name for path in folder.iterdir()} - set(before)
    assert left in (set(), {"regressor.pt", *REPORT})  # all of it or nothing, no part left behind


Workshop = Callable[..., object]


class TestTheCommand:
    @pytest.mark.slow
    def test_it_writes_the_regressor_and_a_page_that_needs_nothing_else(
        self, run: Path, tmp_path: Path, workshop: Workshop
    ) -> None:
        z = [1.0, -1.0] * 64
        (tmp_path / "p.yaml").write_text(f"- face: {{mouth_open: 0.9}}\n  sound: {{z: {z}}}\n")
        track = compose_movement(20, 5)
        states = (FaceState(i, int(i * 1e9 / RATE_HZ), True, row) for i, row in enumerate(track))
        write_score(tmp_path / "score.csv", states)
        arguments = ("--movement", tmp_path / "score.csv", "--examples", tmp_path / "p.yaml")
        done = workshop("train-regressor", run, *arguments, "--listen", 64, "--steps", 12)
        assert done.returncode == 0, done.stderr
        assert "example of line 1" in done.stdout
        trained = load_regressor(run)
        assert trained.step == 5
        assert len(trained.anchors) == 13
        figures = json.loads((run / "regressor.json").read_text())
        assert figures["generator_step"] == 5
        assert figures["scores"] == ["score.csv"]
        assert set(figures["correlation"]) == set(FEATURES)
        assert all(
            set(row) == {"centroid", "flatness", "loudness", "pitch"}
            for row in figures["correlation"].values()
        )
        assert figures["coverage"] == trained.report["coverage_of_z"]
        html = (run / "regressor.html").read_text()
        assert "&lt;b&gt;mine &amp; yours&lt;b&gt;" in html
        assert "<b>" not in html
        assert not re.search(r"(src|href)=\"(?!data:)", html)
        assert html.count("data:image/png;base64,") == 1

    @pytest.mark.parametrize("option", [("--listen", "3"), ("--steps", "0"), ("--seed", "-1")])
    def test_a_wrong_option_is_a_usage_error(
        self, run: Path, option: tuple[str, str], workshop: Workshop
    ) -> None:
        assert workshop("train-regressor", run, *option).returncode == 2

    def test_a_folder_that_is_no_run_is_one_line(self, tmp_path: Path, workshop: Workshop) -> None:
        done = workshop("train-regressor", tmp_path)
        assert done.returncode == 1
        assert re.fullmatch(r"latent-resonance-export: .* is not a run .*\n", done.stderr)


class TestBadInput:
    def test_a_run_without_a_checkpoint(self, run: Path) -> None:
        (run / "checkpoint.pt").rename(run.parent / "elsewhere.pt")
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt: train-gan writes it"):
            train_run(run)

    def test_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(RunError, match="is not a run"):
            train_run(tmp_path / "gone")

    def test_movement_that_is_no_score(self, run: Path, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("time_s,nose\n0,1\n1,1\n")
        with pytest.raises(ScoreError, match="unknown column 'nose'"):
            train_run(run, (tmp_path / "a.csv",))
        (tmp_path / "a.csv").write_text("")
        with pytest.raises(ScoreError, match="at least two rows"):
            train_run(run, (tmp_path / "a.csv",))

    @pytest.mark.parametrize(
        ("pair", "message"),
        [
            ("- face: {nose: 1}\n  sound: {clip: 0}", "line 1: unknown feature 'nose'"),
            ("- face: {}\n  sound: {z: [1, 2]}", "takes 128"),
            ("- face: {mouth_open: .inf}\n  sound: {clip: 0}", "line 1: mouth_open"),
            ("- face: {}\n  sound: {clip: 3}", "line 1: clip: 3 should be at most 2"),
        ],
    )
    def test_examples_that_break_a_rule(
        self, run: Path, tmp_path: Path, pair: str, message: str
    ) -> None:
        (tmp_path / "p.yaml").write_text(pair)
        with pytest.raises(ExamplesError, match=message):
            train_run(run, examples=tmp_path / "p.yaml")

    @pytest.mark.slow
    def test_a_disk_that_is_full_leaves_the_older_regressor(
        self, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "latent_resonance_export.regressor.train.fit_surrogate",
            lambda samples, seed, _steps: fit_surrogate(samples, seed, 20),
        )
        older = Trained(Regressor(128), torch.zeros(1, 128), {"coverage_of_z": 0.5}, 5)
        save_regressor(older, run)
        (run / REPORT[0]).mkdir()  # cannot be written over
        with pytest.raises(OutputFileError, match="is not a regular file"):
            train_run(run, n_samples=64, steps=1)
        assert load_regressor(run).report == {"coverage_of_z": 0.5}
        (run / REPORT[0]).rmdir()
        (run / "regressor.pt").unlink()
