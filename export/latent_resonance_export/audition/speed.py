"""The cost of a generator: milliseconds on one thread, and megabytes."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from latent_resonance_export.audition.subject import Subject
from latent_resonance_export.pack.onnx_check import megabytes, open_session

WARM_UP, TIMES = 3, 25


def cost(subject: Subject) -> tuple[float, float]:
    """(milliseconds of a spectrogram by ONNX Runtime, megabytes of its file)."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "generator.onnx"
        subject.write_onnx(path)
        return milliseconds(path, subject.latent_dim), megabytes(path)


def milliseconds(path: Path, latent_dim: int) -> float:
    """Median processor time of one spectrogram on one thread.

    Processor time hardly depends on the load of the machine.
    """
    session, z = open_session(path), np.zeros((1, latent_dim), np.float32)
    times = []
    for _ in range(WARM_UP + TIMES):
        start_s = time.thread_time()
        session.run(None, {"z": z})
        times.append(1e3 * (time.thread_time() - start_s))
    return float(np.median(times[WARM_UP:]))
