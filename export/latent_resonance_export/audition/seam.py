"""Whether the loop point, or a regular grain, is audible. Pure.

Spectrograms are (n, n_mels, n_frames).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def seam(spectrograms: FloatArray) -> float:
    """The step from the last frame to the first over the median step between neighbours.

    The median over the clips. 1: the loop point is like any other frame boundary.
    """
    return float(np.median(relative_steps(spectrograms)[:, 0]))


def movement(spectrograms: FloatArray) -> float:
    """Mean absolute difference from frame to frame, median over the clips: 0 for stripes."""
    steps = [float(np.abs(p - np.roll(p, 1, axis=1)).mean()) for p in spectrograms]
    return float(np.median(steps))


def step_profile(spectrograms: FloatArray) -> FloatArray:
    """The median over the clips of the step *into* each frame, 1 = typical: (n_frames,).

    Flat if no frame is special; a comb is a grain that the network adds to every spectrogram.
    """
    profile: FloatArray = np.median(relative_steps(spectrograms), axis=0)
    return profile


def relative_steps(spectrograms: FloatArray) -> FloatArray:
    """The step into each frame over the clip's median step: (n, n_frames).

    A step is the mean absolute difference from the previous frame. In a clip whose median step is
    zero, any step counts as infinite and no step as 1.
    """
    steps = np.stack([np.abs(p - np.roll(p, 1, axis=1)).mean(axis=0) for p in spectrograms])
    usual = np.median(steps[:, 1:], axis=1, keepdims=True)
    constant = np.where(steps == 0, 1.0, np.inf)
    return np.where(usual > 0, steps / np.maximum(usual, 1e-12), constant).astype(np.float32)
