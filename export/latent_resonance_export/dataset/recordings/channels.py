"""Chooses how the channels of a recording become one. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AUTO, MEAN = "auto", "mean"
CANCELLING = 0.25  # the mean's power, relative to that of the mean of independent channels


class ChannelStatistics:
    """Accumulates the covariance of the channels, block by block."""

    def __init__(self, channels: int) -> None:
        self._n = 0
        self._sum = np.zeros(channels)
        self._products = np.zeros((channels, channels))

    def add(self, block: NDArray[np.float32]) -> None:
        """Adds (frames, channels) samples."""
        samples = block.astype(np.float64)
        self._n += len(samples)
        self._sum += samples.sum(axis=0)
        self._products += samples.T @ samples

    def covariance(self) -> NDArray[np.float64]:
        """(channels, channels); without the means, because DC is no sound."""
        mean = self._sum / max(self._n, 1)
        covariance: NDArray[np.float64] = self._products / max(self._n, 1) - np.outer(mean, mean)
        return covariance


def fixed_weights(channel: str, channels: int) -> NDArray[np.float32]:
    """The weight of each channel, (channels,), for --channel mean, or a number from 1."""
    if channel in {AUTO, MEAN} or channels == 1:
        return np.full(channels, 1 / channels, np.float32)
    return _only(int(channel) - 1, channels)


def chosen_weights(covariance: NDArray[np.float64]) -> tuple[NDArray[np.float32], str]:
    """The weight of each channel, (channels,), for --channel auto, and what to note about them.

    covariance : (channels, channels), as `ChannelStatistics` measures it

    The mean, unless the channels cancel: if its power is less than a quarter of that of the mean
    of as many independent channels, the loudest one is taken.
    """
    channels = len(covariance)
    mean_power = float(covariance.mean())
    independent_power = float(np.trace(covariance)) / channels**2
    if mean_power >= CANCELLING * independent_power:
        return fixed_weights(MEAN, channels), ""
    loudest = int(np.diag(covariance).argmax())
    return _only(loudest, channels), f"channels cancel: channel {loudest + 1} is used"


def _only(index: int, channels: int) -> NDArray[np.float32]:
    weights = np.zeros(channels, np.float32)
    weights[index] = 1.0
    return weights
