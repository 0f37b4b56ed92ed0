"""Chooses how the channels of a recording become one. Pure."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

AUTO, MEAN = "auto", "mean"
LOUD = 0.1  # of the loudest channel's power
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

    The mean, unless the channels cancel: then the loudest one is taken.
    """
    channels = len(covariance)
    if not _cancels(covariance):
        return fixed_weights(MEAN, channels), ""
    loudest = int(np.diag(covariance).argmax())
    return _only(loudest, channels), f"channels cancel: channel {loudest + 1} is used"


def _cancels(covariance: NDArray[np.float64]) -> bool:
    """Whether the mean of all channels loses what is in them, or that of two of the louder ones.

    It does if its power is less than a quarter of that of the mean of independent channels.
    """
    power = np.diag(covariance)
    (louder,) = np.nonzero(power >= LOUD * power.max())
    pairs = [covariance[np.ix_(pair, pair)] for pair in combinations(louder, 2)]
    return any(
        part.mean() < CANCELLING * np.trace(part) / len(part) ** 2 for part in (covariance, *pairs)
    )


def _only(index: int, channels: int) -> NDArray[np.float32]:
    weights = np.zeros(channels, np.float32)
    weights[index] = 1.0
    return weights
