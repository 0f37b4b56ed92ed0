"""A dataset: loops in, pixels and a sidecar on disk, batches out."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import yaml

from latent_resonance.spectrogram import Geometry, spectrogram_of_loop
from latent_resonance_export.dataset import (
    PEAK_DB,
    Dataset,
    DatasetError,
    normalise_peak,
    open_dataset,
    write_dataset,
)

SMALL = Geometry(n_fft=1024, win_length=1024, hop_length=256, n_mels=64, n_frames=32)


def tone(geometry: Geometry, cycles: int, level: float = 0.2) -> np.ndarray:
    turn = np.arange(geometry.loop_length) * 2 * np.pi / geometry.loop_length
    return (level * np.sin(cycles * turn)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three tones in a small geometry."""
    tones = [tone(SMALL, cycles) for cycles in (100, 200, 300)]
    write_dataset(tones, 3, tmp_path / "tones", SMALL, about={"sounds": "sines"}, seed=2)
    return tmp_path / "tones"


def refusal(folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        open_dataset(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "write it anew" in message
    assert "\n" not in message
    return message


def test_geometry_origin_and_pictures_survive_the_disk(folder: Path) -> None:
    opened = open_dataset(folder)
    assert opened.geometry == SMALL
    assert opened.about == {"sounds": "sines"}
    rng = np.random.default_rng(2)
    for pixels, cycles in zip(opened.pixels, (100, 200, 300), strict=True):
        loop = normalise_peak(tone(SMALL, cycles), SMALL, rng.uniform(*PEAK_DB))
        restored = (pixels + 0.5) / 128.0 - 1.0
        assert np.abs(restored - spectrogram_of_loop(loop, SMALL)).max() <= 0.5 / 128 + 1e-6


def test_it_is_mapped_into_memory_and_cannot_be_written_to(folder: Path) -> None:
    pixels = open_dataset(folder).pixels
    assert isinstance(pixels, np.memmap)
    assert not pixels.flags.writeable


def test_only_the_finished_folder_is_left(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert sorted(p.name for p in folder.iterdir()) == ["dataset.yaml", "spectrograms.npy"]


@pytest.mark.parametrize("n_loops", [1, 3])
def test_with_too_few_or_too_many_loops_nothing_appears(tmp_path: Path, n_loops: int) -> None:
    loops = [tone(SMALL, 100)] * n_loops
    with pytest.raises(ValueError, match=r"shorter|longer"):
        write_dataset(loops, 2, tmp_path / "tones", SMALL, about={})
    assert not (tmp_path / "tones").exists()


def test_every_clip_peaks_between_the_levels_that_are_stated(folder: Path) -> None:
    for pixels in open_dataset(folder).pixels:
        peak_db = (pixels.max() + 0.5 - 256) / 256 * SMALL.range_db
        assert PEAK_DB[0] - 0.2 <= peak_db <= PEAK_DB[1] + 0.2


def test_loud_and_quiet_takes_of_one_sound_become_the_same_picture() -> None:
    loud, quiet = (normalise_peak(tone(SMALL, 90, level), SMALL, -6.0) for level in (0.9, 1e-4))
    np.testing.assert_allclose(loud, quiet, atol=1e-5)


def test_silence_stays_silence() -> None:
    assert not normalise_peak(np.zeros(SMALL.loop_length, np.float32), SMALL, 0.0).any()


def test_batches_are_dequantised_within_a_step_and_repeat_by_seed(dataset: Dataset) -> None:
    batch = dataset.batch(6, np.random.default_rng(4))
    assert batch.shape == (6, 1, dataset.geometry.n_mels, dataset.geometry.n_frames)
    assert batch.dtype == np.float32
    assert np.abs(batch).max() <= 1.0
    chosen = np.sort(np.random.default_rng(4).integers(len(dataset.pixels), size=6))
    floor = dataset.pixels[chosen][:, None] / 128.0 - 1.0
    above = batch - floor
    assert above.min() >= -1e-6
    assert above.max() <= 1 / 128 + 1e-6
    assert above.std() > 0.2 / 128, "no dequantisation noise"
    np.testing.assert_array_equal(batch, dataset.batch(6, np.random.default_rng(4)))


def test_a_missing_folder_or_file_is_named(folder: Path, tmp_path: Path) -> None:
    refusal(tmp_path / "nowhere")
    for name in ("dataset.yaml", "spectrograms.npy"):
        broken = copytree(folder, tmp_path / f"without-{name}")
        (broken / name).unlink()
        assert name in refusal(broken)


@pytest.mark.parametrize("text", ["", "[]", "geometry: {", "about: {}", "geometry: {colour: 1}\n"])
def test_a_broken_sidecar_is_refused(folder: Path, text: str) -> None:
    (folder / "dataset.yaml").write_text(text)
    refusal(folder)


def test_broken_pixels_are_refused(folder: Path) -> None:
    path = folder / "spectrograms.npy"
    whole = path.read_bytes()
    for content in (b"", b"not numpy", whole[: len(whole) // 2]):
        path.write_bytes(content)
        refusal(folder)


def test_pickled_pixels_are_refused_without_being_run(folder: Path) -> None:
    np.save(folder / "spectrograms.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "Python objects" in refusal(folder)


def test_pixels_of_another_geometry_are_refused_with_both_shapes(folder: Path) -> None:
    sidecar = yaml.safe_load((folder / "dataset.yaml").read_text())
    sidecar["geometry"]["n_mels"] = 65
    (folder / "dataset.yaml").write_text(yaml.safe_dump(sidecar))
    said = refusal(folder)
    assert "3 × 64 × 32 uint8" in said
    assert "n_clips × 65 × 32" in said
