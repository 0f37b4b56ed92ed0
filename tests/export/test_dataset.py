"""A dataset: spectrograms in, pixels, a table and a sidecar on disk, batches out."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import yaml

from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
from latent_resonance_export.dataset.dataset import (
    Clip,
    Dataset,
    DatasetError,
    open_dataset,
    quantise,
    read_clips,
    write_clips,
    write_dataset,
)

SMALL = Geometry(n_fft=1024, win_length=1024, hop_length=256, n_mels=64, n_frames=32)


CLIPS = [
    Clip("a.wav", 0.0, "CC0-1.0", "Ada", held_out=False, level_db=-20.5, flatness_db=-18.25),
    Clip('näme, "with"\nall.wav', 12.345678, "", "", held_out=False),
    Clip("b/c.flac", 3.5, "CC-BY-4.0", "Bo, Cy & Dé", held_out=True),
]


def spectrograms(n: int = 3) -> list[np.ndarray]:
    """Spectrograms of tones."""
    turn = np.arange(SMALL.loop_length) * 2 * np.pi / SMALL.loop_length
    loops = [0.2 * np.sin(100 * (i + 1) * turn).astype(np.float32) for i in range(n)]
    return [loop_to_spectrogram(loop, SMALL) for loop in loops]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three tones in a small geometry, the last held out."""
    write_dataset(spectrograms(), CLIPS, tmp_path / "tones", SMALL, about={"sounds": "sines"})
    return tmp_path / "tones"


def error_message(folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        open_dataset(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "create it again" in message
    assert "\n" not in message
    return message


def test_geometry_description_and_spectrograms_are_restored(folder: Path) -> None:
    opened = open_dataset(folder)
    assert opened.geometry == SMALL
    assert opened.about == {"sounds": "sines"}
    restored = opened.spectrograms(np.arange(3))
    assert np.abs(restored - spectrograms()).max() <= 1 / 256 + 1e-6
    np.testing.assert_array_equal(restored[1:2], opened.spectrograms(np.array([1])))


def test_the_source_of_every_clip_is_restored(folder: Path) -> None:
    assert read_clips(folder / "clips.csv") == CLIPS


def test_a_table_without_measures_is_accepted(tmp_path: Path) -> None:
    write_clips(CLIPS[:1], tmp_path / "clips.csv")
    lines = (tmp_path / "clips.csv").read_text().splitlines()
    (tmp_path / "clips.csv").write_text("\n".join(",".join(x.split(",")[:5]) for x in lines))
    (clip,) = read_clips(tmp_path / "clips.csv")
    assert (clip.source, clip.level_db, clip.flatness_db) == ("a.wav", None, None)


def test_held_out_clips_are_never_in_a_batch(folder: Path) -> None:
    opened = open_dataset(folder)
    assert opened.training.tolist() == [0, 1]
    batch = opened.batch(200, np.random.default_rng(3))[:, 0]
    seen = {i for one in batch for i in range(3) if np.array_equal(opened.pixels[i], one)}
    assert seen == {0, 1}


def test_a_band_is_silent_if_it_is_silent_in_every_training_clip(tmp_path: Path) -> None:
    some = [np.full((64, 32), -1.0, np.float32) for _ in CLIPS]
    some[0][3, 7] = some[1][60, 31] = -0.5
    some[2][10] = 0.5  # held out
    write_dataset(iter(some), CLIPS, tmp_path / "bands", SMALL, about={})
    assert np.flatnonzero(~open_dataset(tmp_path / "bands").silent_bands).tolist() == [3, 60]


def test_the_hash_depends_on_the_clips_only(folder: Path, tmp_path: Path) -> None:
    write_dataset(
        spectrograms(), CLIPS, tmp_path / "again", SMALL, about={"sounds": "another text"}
    )
    assert open_dataset(tmp_path / "again").sha256 == open_dataset(folder).sha256
    write_dataset(spectrograms()[::-1], CLIPS, tmp_path / "other", SMALL, about={})
    assert open_dataset(tmp_path / "other").sha256 != open_dataset(folder).sha256


def test_a_thousand_clips_of_the_default_geometry_take_less_than_300_megabytes() -> None:
    geometry = Geometry()
    spectrogram = np.zeros((geometry.n_mels, geometry.n_frames), np.float32)
    assert 1000 * quantise(spectrogram).nbytes < 300e6


def test_quantisation_covers_the_range_and_clips() -> None:
    ends = quantise(np.array([-2.0, -1.0, 0.0, 0.999, 1.0, 2.0], np.float32))
    assert ends.tolist() == [0, 0, 128, 255, 255, 255]


def test_pixels_are_memory_mapped_and_read_only(folder: Path) -> None:
    pixels = open_dataset(folder).pixels
    assert isinstance(pixels, np.memmap)
    assert not pixels.flags.writeable


def test_no_temporary_folder_is_left(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert sorted(p.name for p in folder.iterdir()) == [
        "clips.csv",
        "dataset.yaml",
        "spectrograms.npy",
    ]


@pytest.mark.parametrize("n", [1, 4])
def test_with_too_few_or_too_many_spectrograms_nothing_is_written(tmp_path: Path, n: int) -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        write_dataset(spectrograms(n), CLIPS, tmp_path / "tones", SMALL, about={})
    assert not (tmp_path / "tones").exists()


def test_a_spectrogram_of_another_shape_is_refused(tmp_path: Path) -> None:
    wrong = [*spectrograms(2), np.zeros((64, 31), np.float32)]
    with pytest.raises(ValueError, match=r"\(64, 31\)"):
        write_dataset(wrong, CLIPS, tmp_path / "tones", SMALL, about={})
    assert not (tmp_path / "tones").exists()


def test_batches_are_the_stored_pixels_and_reproducible(dataset: Dataset) -> None:
    batch = dataset.batch(6, np.random.default_rng(4))
    assert batch.shape == (6, 1, dataset.geometry.n_mels, dataset.geometry.n_frames)
    assert batch.dtype == np.uint8
    chosen = np.sort(np.random.default_rng(4).integers(len(dataset.training), size=6))
    np.testing.assert_array_equal(batch[:, 0], dataset.pixels[chosen])
    np.testing.assert_array_equal(batch, dataset.batch(6, np.random.default_rng(4)))


def test_a_missing_folder_or_file_is_named(folder: Path, tmp_path: Path) -> None:
    error_message(tmp_path / "nowhere")
    for name in ("dataset.yaml", "spectrograms.npy", "clips.csv"):
        broken = copytree(folder, tmp_path / f"without-{name}")
        (broken / name).unlink()
        assert name in error_message(broken)


def test_a_dataset_without_training_clips_is_refused(tmp_path: Path) -> None:
    held_out = [Clip("a.wav", 0.0, "", "", held_out=True)]
    write_dataset(spectrograms(1), held_out, tmp_path / "tones", SMALL, about={})
    assert "no training clips" in error_message(tmp_path / "tones")


@pytest.mark.parametrize("table", ["", "source\na.wav\n", "\0", "a,b\n" + "x" * 200_000 + ",\n"])
def test_a_broken_table_of_clips_is_refused(folder: Path, table: str) -> None:
    (folder / "clips.csv").write_text(table)
    error_message(folder)


@pytest.mark.parametrize("text", ["", "[]", "geometry: {", "about: {}", "geometry: {colour: 1}\n"])
def test_a_broken_sidecar_is_refused(folder: Path, text: str) -> None:
    (folder / "dataset.yaml").write_text(text)
    error_message(folder)


def test_broken_pixels_are_refused(folder: Path) -> None:
    path = folder / "spectrograms.npy"
    whole = path.read_bytes()
    for content in (b"", b"not numpy", whole[: len(whole) // 2]):
        path.write_bytes(content)
        error_message(folder)


def test_pickled_pixels_are_refused_and_not_executed(folder: Path) -> None:
    np.save(folder / "spectrograms.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "Python objects" in error_message(folder)


def test_pixels_of_another_geometry_are_refused_with_both_shapes(folder: Path) -> None:
    sidecar = yaml.safe_load((folder / "dataset.yaml").read_text())
    sidecar["geometry"]["n_mels"] = 65
    (folder / "dataset.yaml").write_text(yaml.safe_dump(sidecar))
    message = error_message(folder)
    assert "3 × 64 × 32 uint8" in message
    assert "3 × 65 × 32 uint8" in message
