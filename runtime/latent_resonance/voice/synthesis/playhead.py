"""The playhead: goes round the loop at a rate, and passes rests quickly.

Runs on the synthesis thread. Where a loop has a rest is a matter of chance. One that comes while a
visitor opens their mouth answers them with silence, and the instrument seems to be broken.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray, Geometry

QUIET = np.float32(10.0 ** (-22.0 / 10.0))  # power, relative to the loudest frame; less is a rest


class Playhead:
    """The position in a loop of n_frames, in frames.

    Parameters
    ----------
    longest_rest_s : seconds in which any rest is passed
    rest_power : of a frame, below which it is a rest; by default relative to the loudest frame
    """

    def __init__(
        self, geometry: Geometry, longest_rest_s: float, rest_power: float | None = None
    ) -> None:
        self.n_frames = geometry.n_frames
        self.rest_power = rest_power
        self.longest_rest = int(longest_rest_s / geometry.hop_s)  # hops
        self.reset()

    def reset(self) -> None:
        """Return to the start of the loop."""
        self.position = 0.0
        self.rate = 1.0  # frames, of the last hop
        self.rested = 0  # hops of the present rest, this one included

    def advance(self, rate: float, power: FloatArray) -> None:
        """Move by `rate` frames, or by more within a rest.

        power : (n_frames,) of the loop as it sounds now
        """
        self.rate = rate
        self.position = (self.position + self._step(rate, power)) % self.n_frames

    def _step(self, rate: float, power: FloatArray) -> float:
        frame = int(self.position)
        threshold = QUIET * power.max() if self.rest_power is None else self.rest_power
        if power[frame] >= threshold or power[(frame + 1) % self.n_frames] >= threshold:
            self.rested = 0
            return rate
        loud = np.roll(power, -frame) >= threshold
        if not loud.any():
            return rate
        rest = float(np.argmax(loud)) + frame - self.position
        self.rested += 1
        hops_left = max(self.longest_rest - self.rested, 1)
        return max(rate, rest / hops_left)
