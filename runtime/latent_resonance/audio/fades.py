"""Fades and smoothed gains: pure functions over blocks of samples."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray, Geometry


def fade_out_gains(geometry: Geometry, seconds: float) -> list[FloatArray]:
    """Gains from 1 to 0 along a raised cosine: (hop_length,) for each hop."""
    hops = max(1, -(-int(seconds * geometry.sample_rate) // geometry.hop_length))
    angle = np.linspace(0.0, np.pi / 2, hops * geometry.hop_length, dtype=np.float32)
    return list((np.cos(angle) ** 2).reshape(hops, geometry.hop_length))


def approach(value: float, target: float, dt_s: float, time_constant_s: float) -> float:
    """One step of exponential smoothing, the same at any step length."""
    return target + (value - target) * math.exp(-dt_s / max(time_constant_s, 1e-6))


def apply_ramp(block: FloatArray, start: float, end: float) -> FloatArray:
    """The block (..., n) with a gain that moves linearly from `start` to `end`; unchanged at 1."""
    if start == end == 1.0:
        return block
    gain = _steps(block.shape[-1]) * np.float32(end - start)
    gain += np.float32(start)
    return block * gain


@lru_cache(maxsize=8)
def _steps(n: int) -> FloatArray:
    """From 1 / n to 1: (n,)."""
    steps: FloatArray = np.arange(1, n + 1, dtype=np.float32) / np.float32(n)
    steps.flags.writeable = False
    return steps
