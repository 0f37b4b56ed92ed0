"""The sound moves to the side to which the head turns, if the settings ask for it.

Runs on the synthesis thread, before the loudness cap. Odd channels are left, even ones right, as a
visitor sees them who faces the speakers.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.fades import approach
from latent_resonance.audio.spectrogram import FloatArray

FULL_YAW_RAD = 0.6  # at which the sound is on one side alone
SMOOTHING_S = 0.2


class Panning:
    """Equal-power panning between odd and even channels."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.reset()

    def reset(self) -> None:
        """Return to the middle."""
        self.position = 0.0  # -1 is left, 1 right

    def process(self, block: FloatArray, yaw_rad: float) -> FloatArray:
        """Pan a block (n_channels, n); one of a single channel (n,) is unchanged.

        Parameters
        ----------
        yaw_rad : positive when the visitor turns to their own left
        """
        if block.ndim == 1:
            return block
        n_channels, n = block.shape[0], block.shape[1]
        start = pan_gains(self.position, n_channels)
        target = min(max(-yaw_rad / FULL_YAW_RAD, -1.0), 1.0)
        self.position = approach(self.position, target, n / self.sample_rate, SMOOTHING_S)
        change = pan_gains(self.position, n_channels) - start
        steps: FloatArray = np.arange(1, n + 1).astype(np.float32) / np.float32(n)
        return block * (start[:, None] + change[:, None] * steps)


def pan_gains(position: float, n_channels: int) -> FloatArray:
    """Gains (n_channels,) from -1, left, to 1, right: 1 in the middle, and always the same power.

    The last of an odd number of channels has no partner and stays in the middle.
    """
    angle = np.pi / 4 * (1.0 + position)
    gains = np.sqrt(2.0) * np.where(np.arange(n_channels) % 2, np.sin(angle), np.cos(angle))
    if n_channels % 2:
        gains[-1] = 1.0
    rounded: FloatArray = gains.astype(np.float32)
    return rounded
