"""The generator that is evaluated and exported: a moving average of the one being trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def update_ema(ema: nn.Module, network: nn.Module, step: int, halflife: float) -> None:
    """Exponential moving average with a half-life in steps, shorter early in training."""
    decay = 0.5 ** (1.0 / min(halflife, 1.0 + step * 0.05))
    slow = [*ema.parameters(), *running_statistics(ema)]
    fast = [*network.parameters(), *running_statistics(network)]
    for averaged, current in zip(slow, fast, strict=True):
        averaged.lerp_(current, 1.0 - decay)


def running_statistics(network: nn.Module) -> list[Tensor]:
    """The floating-point buffers, such as the running means of batch normalisation."""
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]
