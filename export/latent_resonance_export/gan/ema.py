"""The generator that is kept: a moving average of the one that learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int, halflife: float) -> None:
    """Exponential moving average, quicker at the beginning."""
    decay = 0.5 ** (1.0 / min(halflife, 1.0 + step * 0.05))
    slow = [*average.parameters(), *statistics(average)]
    fast = [*network.parameters(), *statistics(network)]
    for ours, theirs in zip(slow, fast, strict=True):
        ours.lerp_(theirs, 1.0 - decay)


def statistics(network: nn.Module) -> list[Tensor]:
    """What a network counts rather than learns, such as the means of a batch normalisation."""
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]
