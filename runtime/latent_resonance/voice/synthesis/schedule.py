"""When to generate a spectrogram: at regular intervals, and at once when the target z leaps.

Pure; on the generate thread, and on the virtual clock of a rendering. With regular intervals
alone, a gesture would wait for half an interval on average.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.voice.synthesis.latent import Target

LEAP = 0.35  # RMS over z, in standard deviations; a slow face moves less within an interval
SOONEST_S = 0.03  # after the last spectrogram: the generator needs time for one


class GenerationSchedule:
    """Decides when the next spectrogram is due."""

    def __init__(self) -> None:
        self.target: Target | None = None  # of the last spectrogram
        self.compared: Target | None = None  # with it, last
        self.last_s = float("-inf")
        self.next_s = float("-inf")

    def due(self, target: Target, now_s: float, interval_s: float) -> bool:
        """Whether to generate a spectrogram now; if so, the caller does.

        Parameters
        ----------
        target : where z is to move now
        interval_s : seconds between two spectrograms of a face that moves slowly
        """
        leapt = now_s - self.last_s >= SOONEST_S and self._leapt(target)
        if now_s < self.next_s and not leapt:
            return False
        self.target = target
        in_step = not leapt and now_s - self.next_s < interval_s  # regular intervals do not drift
        self.next_s = (self.next_s if in_step else now_s) + interval_s
        self.last_s = now_s
        return True

    def _leapt(self, target: Target) -> bool:
        if self.target is None or target is self.compared:
            return False
        self.compared = target
        if target.z.shape != self.target.z.shape:  # another pack
            return True
        return float(np.sqrt(np.mean(np.square(target.z - self.target.z)))) > LEAP
