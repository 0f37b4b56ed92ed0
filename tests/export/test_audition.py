"""The audition: what it writes, what it prints, what it refuses."""

from __future__ import annotations

import csv
import json
import os
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
from tests.conftest import write_pack
from tests.export.conftest import write_tones

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.pack import PackError
from latent_resonance_export.audition.metrics import KEYS, compare
from latent_resonance_export.audition.run import audition
from latent_resonance_export.audition.subject import (
    AuditionError,
    Subject,
    dataset_of,
    default_folder,
    open_subject,
    untrained,
)
from latent_resonance_export.dataset.dataset import (
    Clip,
    Dataset,
    DatasetError,
    open_dataset,
    write_dataset,
)
from latent_resonance_export.gan.checkpoint import CheckpointError
from latent_resonance_export.gan.models.registry import make_generator
from latent_resonance_export.gan.run import RunConfig, write_config

Workshop = Callable[..., CompletedProcess[str]]
WITHOUT_A_DATASET = {
    "swd",
    "swd_floor",
    "swd_untrained",
    "diversity_real",
    "memorisation",
    "voiced_real",
    "voiced_untrained",
    "flatness_real",
    "seam_real",
    "seam_untrained",
    "movement_real",
}


# A third of the sample rate and a quarter of the window take a fraction of the time.
RATE = 16_000
GEOMETRY = Geometry(sample_rate=RATE, n_fft=1024, win_length=1024, hop_length=128, f_max_hz=8000.0)


@pytest.fixture(scope="session")
def pack_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' pack, at a fraction of the work."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    return write_pack(folder, geometry=asdict(GEOMETRY))


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight looped tones of the pack's geometry, two of them held out."""
    return write_tones(tmp_path_factory.mktemp("datasets") / "tones", GEOMETRY)


@pytest.fixture(scope="session")
def dataset(dataset_folder: Path) -> Dataset:
    return open_dataset(dataset_folder)


@pytest.fixture
def tiny(pack_folder: Path) -> Subject:
    """A pack whose spectrograms are harmonic lines."""
    return open_subject(pack_folder)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, dataset_folder: Path) -> Path:
    """A run stopped at its first step."""
    folder = tmp_path_factory.mktemp("runs") / "tones"
    folder.mkdir()
    sha256 = open_dataset(dataset_folder).sha256
    write_config(RunConfig("loop", str(dataset_folder), sha256, GEOMETRY, {}), folder)
    torch.manual_seed(5)
    state = make_generator("loop", GEOMETRY).state_dict()
    torch.save({"step": 1, "average": state}, folder / "checkpoint.pt")
    return folder


def silence(folder: Path, geometry: Geometry, *, held_out: bool) -> Path:
    """A dataset of three silent clips, of which the last may be held out."""
    shape = (geometry.n_mels, geometry.n_frames)
    clips = [Clip(f"{i}", 0.0, "CC0-1.0", "", held_out=held_out and i == 2) for i in range(3)]
    write_dataset([np.full(shape, -1, np.float32)] * 3, clips, folder, geometry, about={})
    return folder


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.mark.slow
def test_a_pack_is_auditioned_and_stdout_holds_json_alone(
    workshop: Workshop, pack_folder: Path, dataset_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "audition"
    arguments = ("--dataset", dataset_folder, "-o", folder, "--seconds", 6, "--loops", 3, "--json")
    done = workshop("audition", pack_folder, *arguments)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert tuple(figures) == KEYS
    missing = {key for key, value in figures.items() if value is None}
    assert missing == {"steps"}
    assert figures["clips"] == 2  # as many as are held out
    assert json.loads((folder / "figures.json").read_text()) == figures
    assert sorted(path.name for path in folder.iterdir()) == [
        "figures.json",
        "generated.wav",
        "index.html",
        "interpolations.png",
        "neighbours.png",
        "real.wav",
        "sheet.png",
        "steps.png",
        "truncation.csv",
    ]
    rows = list(csv.DictReader((folder / "truncation.csv").open()))
    calm, wild = (float(rows[i]["diversity"]) for i in (0, -1))
    assert calm < wild  # faces sound alike, and less alike
    assert all(float(row["swd"]) > 0 for row in rows)
    for name in ("real", "generated"):
        with wave.open(str(folder / f"{name}.wav")) as sound:
            assert sound.getnframes() == 6 * RATE
            samples = np.frombuffer(sound.readframes(6 * RATE), "<i2") / 32768
        assert 0.02 < np.sqrt(np.mean(np.square(samples))) <= 0.101
    text = (folder / "index.html").read_text()
    assert text.count("data:image/png;base64,") == 4
    assert str(tmp_path) not in text
    assert str(dataset_folder) not in text


@pytest.mark.slow
def test_a_pack_without_its_dataset_is_auditioned_alone_and_missing_figures_are_explained(
    workshop: Workshop, pack_folder: Path, tmp_path: Path
) -> None:
    before = sorted(pack_folder.iterdir())
    done = workshop(
        "audition", pack_folder, "--clips", 3, "--loops", 3, "--seconds", 2, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "no dataset at datasets/tiny: name it by --dataset" in done.stderr
    assert "needs the dataset" in done.stdout
    assert "auditions/tiny/index.html" in done.stdout
    table = done.stdout.partition("truncation  diversity")[2].splitlines()[1:7]
    assert [line.split()[0] for line in table] == ["0.25", "0.5", "0.75", "1", "1.25", "1.5"]
    folder = tmp_path / "auditions" / "tiny"
    figures = json.loads((folder / "figures.json").read_text())
    missing = {key for key, value in figures.items() if value is None}
    assert missing == WITHOUT_A_DATASET | {"steps"}
    assert (folder / "generated.wav").stat().st_size > 2 * 2 * RATE
    assert not (folder / "real.wav").exists()
    assert not (folder / "neighbours.png").exists()
    assert sorted(pack_folder.iterdir()) == before


@pytest.mark.slow
def test_a_run_is_auditioned_in_pytorch_and_its_cost_measured_as_onnx(
    run_folder: Path,
) -> None:
    subject = open_subject(run_folder)
    dataset = dataset_of(subject, None)  # the run knows where it lies
    assert dataset is not None
    figures = compare(subject, dataset, clips=2, loops=2).figures
    assert figures["steps"] == 1
    assert figures["top_bands_faces"] is None  # the run has no regressor yet
    assert figures["generator_mb"] == pytest.approx(27.1, abs=3)
    assert figures["generator_ms"] > 0
    # a network that was never trained is as far away as one that was never trained
    assert figures["swd"] == pytest.approx(figures["swd_untrained"], rel=0.5)
    assert figures["swd_floor"] < figures["swd"] / 2


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures(tiny: Subject, dataset: Dataset) -> None:
    one, again = (compare(tiny, dataset, clips=2, loops=2, seed=3).figures for _ in range(2))
    assert one | {"generator_ms": None} == again | {"generator_ms": None}
    other = compare(tiny, dataset, clips=2, loops=2, seed=4).figures
    assert other["swd"] != one["swd"]


@pytest.mark.slow
def test_real_clips_are_at_the_floor_and_copies_are_detected(
    tiny: Subject, dataset: Dataset
) -> None:
    """A generator that plays back the dataset: good in every figure but one."""

    def playing(indices: np.ndarray) -> Subject:
        pictures = dataset.spectrograms(indices)
        turned = np.stack([np.roll(p, 100, axis=1) for p in pictures])
        return replace(tiny, generate=lambda z: turned[: len(z)])

    parrot = compare(playing(dataset.training[:2]), dataset, clips=2, loops=2).figures
    assert parrot["memorisation"] < 0.05
    honest = compare(playing(np.flatnonzero(dataset.held_out)), dataset, clips=2, loops=2).figures
    assert honest["memorisation"] == pytest.approx(1.0, abs=1e-3)
    assert honest["swd"] < honest["swd_floor"]
    assert honest["diversity"] == pytest.approx(honest["diversity_real"], rel=0.05)
    assert honest["voiced"] == pytest.approx(honest["voiced_real"], abs=0.05)


def test_nan_is_refused_before_anything_is_written(tiny: Subject, tmp_path: Path) -> None:
    broken = replace(tiny, generate=lambda z: np.full((len(z), 512, 512), np.nan, np.float32))
    with pytest.raises(AuditionError, match="tiny generates NaN or infinity: continue"):
        audition(broken, None, tmp_path / "audition", clips=2, loops=2, seconds=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_silent_generator_is_measured_and_its_figures_say_why_they_are_missing(
    tiny: Subject,
) -> None:
    silent = replace(tiny, generate=lambda z: np.full((len(z), 512, 512), -1, np.float32))
    measurements = compare(silent, None, clips=2, loops=2)
    assert measurements.figures["voiced"] is None
    assert measurements.why_missing["voiced"] == "nothing sounds"
    assert measurements.figures["seam"] == 1.0


def test_the_untrained_network_is_always_the_same_and_leaves_the_global_rng_alone(
    run_folder: Path,
) -> None:
    subject = open_subject(run_folder)
    z = subject.draw_z(2, 0)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one = untrained(subject).generate(z)
    assert torch.rand(1) == expected
    assert np.array_equal(one, untrained(subject).generate(z))
    assert not np.array_equal(one, subject.generate(z))


@pytest.mark.slow
def test_code_that_a_pack_names_is_never_run(
    make_pack: Callable[..., Path], dataset: Dataset, tmp_path: Path
) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nmake = None\n")
    training = {"architecture": "trap:make", "steps": 9}
    subject = open_subject(make_pack(geometry=asdict(GEOMETRY), training=training))
    with working_in(tmp_path):
        measurements = compare(subject, dataset, clips=2, loops=2)
    assert measurements.figures["swd_untrained"] is None
    assert measurements.figures["swd"] > 0
    assert measurements.figures["steps"] == 9
    assert "trap:make is not run" in measurements.why_missing["swd_untrained"]
    assert not (tmp_path / "sprung").exists()


def test_random_z_do_not_depend_on_how_many_are_drawn(tiny: Subject) -> None:
    assert np.array_equal(tiny.draw_z(3, 8), tiny.draw_z(5, 8)[:3])
    assert not np.array_equal(tiny.draw_z(3, 8), tiny.draw_z(3, 9))


def test_a_run_keeps_its_audition_and_a_pack_stays_as_it_is(
    run_folder: Path, tiny: Subject
) -> None:
    assert default_folder(open_subject(run_folder)) == run_folder / "audition"
    assert default_folder(tiny) == Path("auditions/tiny")


def test_a_pack_finds_its_dataset_by_its_name(
    tiny: Subject, dataset_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "tiny").symlink_to(dataset_folder)
    with working_in(tmp_path):
        found = dataset_of(tiny, None)
    assert found is not None
    assert found.sha256 == open_dataset(dataset_folder).sha256


@pytest.mark.parametrize(
    ("name", "rule"),
    [("none", "no pack"), (".", "neither a pack"), ("file", "no pack")],
)
def test_what_is_neither_pack_nor_run_is_named_in_a_line(
    name: str, rule: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a letter")
    with pytest.raises((AuditionError, PackError), match=rule) as error:
        open_subject(tmp_path / name)
    assert "\n" not in str(error.value)


def test_the_error_for_a_missing_checkpoint_names_what_writes_it(tmp_path: Path) -> None:
    write_config(RunConfig("loop", "nowhere", "0" * 64, Geometry(), {}), tmp_path)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt: train-gan writes it"):
        open_subject(tmp_path)


def test_a_dataset_of_another_geometry_is_refused_with_what_differs(
    tiny: Subject, tmp_path: Path
) -> None:
    other = replace(GEOMETRY, n_mels=128, hop_length=256)
    folder = silence(tmp_path / "other", other, held_out=True)
    with pytest.raises(AuditionError, match="hop_length 256, not 128; n_mels 128, not 512"):
        dataset_of(tiny, folder)


def test_a_dataset_that_was_not_trained_on_is_refused(run_folder: Path, tmp_path: Path) -> None:
    folder = silence(tmp_path / "other", GEOMETRY, held_out=True)
    with pytest.raises(AuditionError, match="not the dataset that tones was trained on"):
        dataset_of(open_subject(run_folder), folder)


def test_a_dataset_that_holds_nothing_out_cannot_be_compared_with(
    tiny: Subject, tmp_path: Path
) -> None:
    folder = silence(tmp_path / "other", GEOMETRY, held_out=False)
    with pytest.raises(AuditionError, match="holds no clip out of training"):
        dataset_of(tiny, folder)
    with pytest.raises(DatasetError, match="is not a dataset"):
        dataset_of(tiny, tmp_path / "none")


def test_a_wrong_command_is_reported_in_one_line(workshop: Workshop, tmp_path: Path) -> None:
    done = workshop("audition", tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "neither a pack" in done.stderr
