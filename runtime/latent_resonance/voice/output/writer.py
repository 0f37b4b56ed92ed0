"""Write blocks to the ring: resampled to the device's rate, faded in when a device starts.

Runs on the synthesis thread, except `start_device`, which the main thread calls.
"""

from __future__ import annotations

import threading

from latent_resonance.audio.fades import fade_out_gains
from latent_resonance.audio.resample import Resampler
from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.voice.output.ring import Ring, wait_for_space

FADE_IN_S = 0.1


class RingWriter:
    """Write blocks at the pack's sample rate to a ring at the device's.

    Parameters
    ----------
    buffer_s : seconds that the ring holds; at least two hops
    """

    def __init__(self, geometry: Geometry, buffer_s: float) -> None:
        self.geometry, self.buffer_s = geometry, buffer_s
        self.ring = Ring(self._capacity(geometry.sample_rate))
        self.requested: tuple[int, int] = (0, geometry.sample_rate)  # device count, Hz
        self.active = self.requested
        self.resampler: Resampler | None = None
        self.fade_in_gains = fade_out_gains(geometry, FADE_IN_S)

    def start_device(self, sample_rate: int) -> None:
        """Switch to a new device's rate, and fade in from silence (main thread)."""
        self.ring.capacity = self._capacity(sample_rate)
        self.requested = (self.requested[0] + 1, sample_rate)

    def set_buffer(self, buffer_s: float) -> None:
        """Change the duration that the ring holds."""
        self.buffer_s = buffer_s
        self.ring.capacity = self._capacity(self.requested[1])

    def wait(self, stop: threading.Event) -> bool:
        """Sleep until there is space for a hop; return False if `stop` is set first.

        Synthesise the hop after this call, so that it follows the latest features.
        """
        rate = self.requested[1]
        # After resampling, a block may be one sample longer than the ratio gives.
        longest = self.geometry.hop_length * rate // self.geometry.sample_rate + 1
        return wait_for_space(self.ring, longest, rate, stop.is_set)

    def write(self, block: FloatArray) -> None:
        """Write one hop, for which `wait` has found space."""
        if self.active != self.requested:
            self._apply_request()
        if self.fade_in_gains:
            block = block * (1.0 - self.fade_in_gains.pop(0))
        self.ring.push(self.resampler.process(block) if self.resampler else block)

    def _capacity(self, sample_rate: int) -> int:
        hop_s = self.geometry.hop_s
        return round(max(self.buffer_s, 2 * hop_s) * sample_rate) + 2

    def _apply_request(self) -> None:
        self.active = self.requested
        rate = self.active[1]
        same = rate == self.geometry.sample_rate
        self.resampler = None if same else Resampler(self.geometry.sample_rate, rate)
        self.fade_in_gains = fade_out_gains(self.geometry, FADE_IN_S)
