"""Whether a loop can be heard to begin again, or to stutter. Pure.

Pictures are (n, n_mels, n_frames).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def seam(pictures: FloatArray) -> float:
    """The step from the last frame to the first over the median step between neighbours.

    The median over the clips. 1: the loop point is like any other frame boundary.
    """
    return float(np.median(relative_steps(pictures)[:, 0]))


def step_profile(pictures: FloatArray) -> FloatArray:
    """The median over the clips of the step *into* each frame, 1 = an ordinary one: (n_frames,).

    Flat if what happens does not depend on the number of the frame; a comb is a grain that
    the network prints on every picture.
    """
    return np.median(relative_steps(pictures), axis=0)


def relative_steps(pictures: FloatArray) -> FloatArray:
    """The step into each frame over the clip's median step: (n, n_frames).

    A step is the mean absolute difference of a frame and the one before. Where nothing else
    moves, a step counts as infinite and none as 1.
    """
    steps = np.stack([np.abs(p - np.roll(p, 1, axis=1)).mean(axis=0) for p in pictures])
    usual = np.median(steps[:, 1:], axis=1, keepdims=True)
    still = np.where(steps == 0, 1.0, np.inf)
    return np.where(usual > 0, steps / np.maximum(usual, 1e-12), still).astype(np.float32)
