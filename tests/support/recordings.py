"""Recordings as the workshop finds and reads them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tests.support.small_loops import RATE

from latent_resonance_export.dataset.recordings import ffmpeg
from latent_resonance_export.dataset.recordings.audio_reader import read_segment
from latent_resonance_export.dataset.recordings.probe import ProbeTask, probe
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.rejection import Rejection

needs_ffmpeg = pytest.mark.skipif(not ffmpeg.is_installed(), reason="needs the ffmpeg program")
SECONDS = 3.0


def opened(path: Path) -> Recording | Rejection:
    return probe(ProbeTask(path.name, os.fsencode(path), path.parent))


def recording(path: Path) -> Recording:
    result = opened(path)
    assert isinstance(result, Recording), result
    return result


def samples(path: Path, channel: str = "auto") -> np.ndarray:
    """The first SECONDS of a recording."""
    return read_segment(recording(path), 0, SECONDS, RATE, channel).audio
