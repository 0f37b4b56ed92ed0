"""Blocks of one channel or of several: (n,) or (n_channels, n), time last.

Pure functions. The voice is mono or has several channels that are not correlated, so that their
sum has the sum of their powers.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray


def count_channels(block: FloatArray) -> int:
    """1 for (n,), n_channels for (n_channels, n)."""
    return 1 if block.ndim == 1 else len(block)


def mix(block: FloatArray) -> FloatArray:
    """The sum of the channels: (n,)."""
    if block.ndim == 1:
        return block
    summed: FloatArray = block.sum(axis=0)
    return summed


def with_history(history: FloatArray, block: FloatArray) -> FloatArray:
    """History (..., m) and block (..., n) joined in time: (..., m + n).

    The history is silence if it has another number of channels than the block.
    """
    if history.shape[:-1] != block.shape[:-1]:
        history = np.zeros((*block.shape[:-1], history.shape[-1]), np.float32)
    return np.concatenate([history, block], axis=-1)


def joined(blocks: list[FloatArray]) -> FloatArray:
    """Blocks (n,) or (2, n) as the channels of one, with the power of one channel together."""
    if len(blocks) == 1 and blocks[0].ndim == 1:
        return blocks[0]
    channels: FloatArray = np.vstack(blocks)
    channels *= np.float32(1.0 / np.sqrt(len(channels)))
    return channels


def spread_gains(n_sources: int, n_channels: int) -> FloatArray:
    """Gains with which channels play the sources in turn: (n_channels, n_sources).

    One source plays on every channel. Of several, each plays on the channel of its number; where
    there are fewer channels, the sources left over begin again at the first. The channels have the
    power of the sources together.
    """
    gains = np.zeros((n_channels, n_sources), np.float32)
    if n_sources == 1:
        gains[:] = 1.0 / np.sqrt(n_channels)
    else:
        gains[np.arange(n_sources) % n_channels, np.arange(n_sources)] = 1.0
    return gains


def spread(block: FloatArray, n_channels: int) -> FloatArray:
    """A block played by another number of channels: (n,) for one, else (n_channels, n)."""
    n_sources = count_channels(block)
    if n_sources == n_channels:
        return block
    channels: FloatArray = spread_gains(n_sources, n_channels) @ np.atleast_2d(block)
    return channels[0] if n_channels == 1 else channels
