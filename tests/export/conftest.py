"""What the workshop's tests share: a tiny dataset and the command line as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latent_resonance.spectrogram import Geometry
from latent_resonance_export.dataset import Dataset, open_dataset, write_dataset

N_CLIPS = 8


def looped_tones(n: int, geometry: Geometry) -> list[np.ndarray]:
    """Harmonic tones, each a whole number of periods long, so that they close on themselves."""
    turn = np.arange(geometry.loop_length) * 2 * np.pi / geometry.loop_length
    swell = 0.6 + 0.4 * np.cos(turn)
    tones = []
    for i in range(n):
        cycles = 600 + 137 * i
        partials = [np.sin(cycles * k * turn) / k**1.2 for k in range(1, 9)]
        tones.append((0.3 * swell * sum(partials)).astype(np.float32))
    return tones


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight looped tones in the default geometry, written by the workshop itself."""
    folder = tmp_path_factory.mktemp("datasets") / "tones"
    geometry = Geometry()
    tones = looped_tones(N_CLIPS, geometry)
    write_dataset(tones, N_CLIPS, folder, geometry, about={"sounds": "sums of sines"}, seed=1)
    return folder


@pytest.fixture(scope="session")
def dataset(dataset_folder: Path) -> Dataset:
    return open_dataset(dataset_folder)


@pytest.fixture(scope="session")
def workshop() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command of the workshop; none may ever show a traceback."""

    def run(
        *arguments: object, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "latent_resonance_export", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
            cwd=cwd,
            env=os.environ | environment,
        )
        assert "Traceback" not in done.stderr
        return done

    return run
