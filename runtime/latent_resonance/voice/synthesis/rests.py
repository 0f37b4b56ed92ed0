"""The rests of a loop, and what bridges those that are too long.

Pure. The playhead passes a long rest within `loop.longest_rest_s`. Even so long a gap is audible
where soft notes surround it, and while z moves, a rest of the newest loop takes from the notes of
the loop before. What is passed is therefore no silence but a cross-fade, over the rest, from the
last frame before it to the first one after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import FloatArray

REST_DB = -24.0  # relative to the pack's level; frames below it are a rest


def rest_power(level_db: float) -> float:
    """The power below which a frame of a pack of this level is a rest."""
    return float(10.0 ** ((level_db + REST_DB) / 10.0))


def bridge_rests(amplitude: FloatArray, is_rest: NDArray[np.bool_], longest: float) -> bool:
    """Bridge the rests of more than `longest` frames, in place; a silent loop stays silent.

    Returns whether there was one.

    Parameters
    ----------
    amplitude : (n, n_mels), of a loop or of a part of one that neither starts nor ends in a rest
    is_rest : (n,)
    """
    sounding, rests = np.flatnonzero(~is_rest), np.flatnonzero(is_rest)
    if len(sounding) == 0 or len(rests) == 0:
        return False
    following = np.searchsorted(sounding, rests)
    before, after = sounding[following - 1], sounding[following % len(sounding)]
    length = (after - before - 1) % len(is_rest)
    share = ((rests - before) % len(is_rest) / (length + 1)).astype(np.float32)[:, None]
    long = length > longest
    if not long.any():
        return False
    bridge = amplitude[before] * (1 - share) + amplitude[after] * share
    amplitude[rests[long]] = bridge[long]
    return True
