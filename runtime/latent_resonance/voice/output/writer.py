"""Write blocks to the ring: routed, resampled to the device's rate, faded in when a device starts.

Runs on the synthesis thread, except what the main thread calls when a device or its settings
change. A lock, held for a hop's work, keeps frames of two devices apart.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from latent_resonance.audio.channels import spread
from latent_resonance.audio.fades import fade_out_gains
from latent_resonance.audio.resample import Resampler
from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.config.output import Output
from latent_resonance.voice.output.ring import Ring, wait_for_space
from latent_resonance.voice.output.routing import router_for, shortage

FADE_IN_S = 0.1


class Feed:
    """Turns blocks of the voice into those of one device; fades in from silence."""

    def __init__(
        self, geometry: Geometry, output: Output, sample_rate: int, n_channels: int
    ) -> None:
        self.sample_rate, self.n_channels = sample_rate, n_channels
        self.router = router_for(output, n_channels, geometry.sample_rate)
        same = sample_rate == geometry.sample_rate
        self.resampler = None if same else Resampler(geometry.sample_rate, sample_rate)
        self.fade_in_gains = fade_out_gains(geometry, FADE_IN_S)

    def process(self, block: FloatArray) -> FloatArray:
        """(n,) or (n_voice, n) at the pack's rate to (n,) or (n_channels, n) at the device's."""
        if self.fade_in_gains:
            block = block * (1.0 - self.fade_in_gains.pop(0))
        if self.router is not None:
            block = self.router.process(block)
        else:
            block = spread(block, self.n_channels)
        return self.resampler.process(block) if self.resampler else block


class RingWriter:
    """Write blocks at the pack's sample rate to a ring at the device's.

    Parameters
    ----------
    buffer_s : seconds that the ring holds; at least two hops
    output : settings; which channel plays what
    """

    def __init__(
        self,
        geometry: Geometry,
        buffer_s: float,
        output: Output | None = None,
        log: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.geometry, self.buffer_s, self.log = geometry, buffer_s, log
        self.output = output or Output()
        self.lock = threading.Lock()
        self.feed = Feed(geometry, self.output, geometry.sample_rate, n_channels=1)
        self.ring = Ring(self._capacity(geometry.sample_rate))
        self.shortage: str | None = None  # what was logged last

    @property
    def n_channels(self) -> int:
        """Channels of the device; 1 until there is one."""
        return self.feed.n_channels

    def start_device(self, sample_rate: int, n_channels: int) -> None:
        """Switch to a new device, with an empty ring, and fade in (main thread)."""
        feed = Feed(self.geometry, self.output, sample_rate, n_channels)
        with self.lock:
            self.feed = feed
            self.ring.capacity = self._capacity(sample_rate)
            self.ring.restart(n_channels)
        self._log_shortage()

    def set_buffer(self, buffer_s: float) -> None:
        """Change the duration that the ring holds."""
        self.buffer_s = buffer_s
        self.ring.capacity = self._capacity(self.feed.sample_rate)

    def set_output(self, output: Output) -> None:
        """Change which channel plays what, and fade in (main thread)."""
        self.output = output
        feed = Feed(self.geometry, output, self.feed.sample_rate, self.feed.n_channels)
        with self.lock:
            self.feed = feed

    def wait(self, stop: threading.Event) -> bool:
        """Sleep until there is space for a hop; return False if `stop` is set first.

        Synthesise the hop after this call, so that it follows the latest features.
        """
        rate = self.feed.sample_rate
        # After resampling, a block may be one sample longer than the ratio gives.
        longest = self.geometry.hop_length * rate // self.geometry.sample_rate + 1
        return wait_for_space(self.ring, longest, rate, stop.is_set)

    def write(self, block: FloatArray) -> None:
        """Write one hop, (n,) or (n_voice, n), for which `wait` has found space."""
        with self.lock:
            self.ring.push(self.feed.process(block))

    def _capacity(self, sample_rate: int) -> int:
        hop_s = self.geometry.hop_s
        return round(max(self.buffer_s, 2 * hop_s) * sample_rate) + 2

    def _log_shortage(self) -> None:
        before, self.shortage = self.shortage, shortage(self.output, self.n_channels)
        if self.shortage not in (None, before):
            self.log(str(self.shortage))
