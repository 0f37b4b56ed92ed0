"""The writer's side of the ring: at the device's rate, and softly when a device begins.

Lives on the synthesis thread, but for `begin`, which the main thread calls.
"""

from __future__ import annotations

import threading

from latent_resonance.audio.resample import Resampler
from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.voice.output.ring import Ring, wait_for_space
from latent_resonance.voice.synthesis.crossfade import falling

FADE_IN_S = 0.1


class RingWriter:
    """Blocks at the pack's rate into a ring at the device's.

    Parameters
    ----------
    buffer_s : seconds that the ring holds, if two hops are not more
    """

    def __init__(self, geometry: Geometry, buffer_s: float) -> None:
        self.geometry, self.buffer_s = geometry, buffer_s
        self.ring = Ring(self._capacity(geometry.sample_rate))
        self.target: tuple[int, int] = (0, geometry.sample_rate)  # device's turn, rate
        self.taken = self.target
        self.resampler: Resampler | None = None
        self.fade = falling(geometry, FADE_IN_S)

    def begin(self, sample_rate: int) -> None:
        """A device begins: from now on at its rate, and from silence (main thread)."""
        self.ring.capacity = self._capacity(sample_rate)
        self.target = (self.target[0] + 1, sample_rate)

    def deepen(self, buffer_s: float) -> None:
        """Holds more, or less, from now on."""
        self.buffer_s = buffer_s
        self.ring.capacity = self._capacity(self.target[1])

    def wait(self, stop: threading.Event) -> bool:
        """Sleeps until there is space for a hop; False if told to stop before.

        Whoever waits first and plays then, plays what the face does now.
        """
        rate = self.target[1]
        # With another rate, a block may become a sample more than its share.
        longest = self.geometry.hop_length * rate // self.geometry.sample_rate + 1
        return wait_for_space(self.ring, longest, rate, stop.is_set)

    def put(self, block: FloatArray) -> None:
        """Passes on a hop, for which there is space."""
        if self.taken != self.target:
            self._take()
        if self.fade:
            block = block * (1.0 - self.fade.pop(0))
        self.ring.push(self.resampler.process(block) if self.resampler else block)

    def _capacity(self, sample_rate: int) -> int:
        hop_s = self.geometry.hop_s
        return round(max(self.buffer_s, 2 * hop_s) * sample_rate) + 2

    def _take(self) -> None:
        self.taken = self.target
        rate = self.taken[1]
        same = rate == self.geometry.sample_rate
        self.resampler = None if same else Resampler(self.geometry.sample_rate, rate)
        self.fade = falling(self.geometry, FADE_IN_S)
