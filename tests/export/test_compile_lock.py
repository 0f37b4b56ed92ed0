"""Two auditions at once compile one after the other."""

from __future__ import annotations

import fcntl
from pathlib import Path

import numpy as np
import pytest

from latent_resonance_export.audition import tonality
from latent_resonance_export.audition.compile_lock import compiling_alone, lock_file


def is_free(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_the_first_measurement_of_a_process_holds_the_lock_and_the_second_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tonality.compile_librosa.cache_clear()
    measured: list[bool] = []

    def measure(audio: np.ndarray, _rate: int) -> tuple[np.ndarray, np.ndarray]:
        measured.append(is_free(lock_file()))
        return np.zeros(0, bool), audio

    monkeypatch.setattr(tonality, "_measure", measure)
    for _ in range(2):
        tonality.measure_tonality(np.zeros(9, np.float32), 22_050)
    tonality.compile_librosa.cache_clear()
    assert measured == [False, True, True], "compiled under the lock, then measured twice"


def test_an_error_releases_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "numba.lock"
    with pytest.raises(KeyError), compiling_alone(path):
        raise KeyError
    assert is_free(path)


def test_a_folder_that_cannot_be_written_needs_no_lock(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with compiling_alone(tmp_path / "file" / "numba.lock"):
        pass
