"""Brightness of a spectrogram on a screen: the sound, and dimly behind it what is generated.

Pure. Shared by the live spectrogram (the monitor sends both tables to its page) and the plot of a
render. The band-pass attenuates generated bands while the mouth is closed; as it opens, a band
that was dim becomes bright.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RANGE_DB = 80.0  # of levels: 0 is this far below full scale, 255 is full scale
BRIGHTEST_DB = -20.7  # re full scale; levels above it are as bright
EXPONENT = 0.6  # below 1, so that weak bands are visible
DIM = 0.55  # brightness of a generated band, relative to the same level in the sound

Levels = NDArray[np.uint8]


def _table() -> Levels:
    level_db = np.linspace(-RANGE_DB, 0.0, 256)
    share = np.clip((level_db + RANGE_DB) / (BRIGHTEST_DB + RANGE_DB), 0.0, 1.0)
    table: Levels = np.rint(255.0 * share**EXPONENT).astype(np.uint8)
    return table


SOUND = _table()  # brightness (0..255) of each level in the sound: (256,)
GENERATED = np.rint(DIM * SOUND).astype(np.uint8)  # the same of generated bands: (256,)


def brightness(sound: Levels, generated: Levels) -> Levels:
    """Brightness of levels of the sound and of generated bands, all of the same shape."""
    brighter: Levels = np.maximum(SOUND[sound], GENERATED[generated])
    return brighter
