"""How often the boards of galleries could generate a spectrogram in the time they have for it.

Predicted, not measured: the boards' seconds for the default generator follow from instruction
counts and published scores (docs/benchmarks.md, "Raspberry Pi and Jetson: a prediction"), and are
scaled by a generator's multiplications.
"""

from __future__ import annotations

import logging

import torch
from torch import nn

MAX_GENERATION = 0.7  # of a core, as in `bench quality`
DEFAULT_FLOP = 1_202_000_000  # of a spectrogram of 512 × 512 by the architecture loop
DEFAULT_S = {"pi4": 0.141, "pi5": 0.051}  # for that, on one core
SPECTROGRAMS_PER_S = {"pi4": 4.0, "pi5": 10.0}  # at the quality that the board plays: low, high

logging.getLogger("torch.utils.flop_counter").setLevel(logging.ERROR)  # else it misses triton


def flop_of(generator: nn.Module, latent_dim: int) -> int:
    """Floating point operations of one spectrogram's products and convolutions."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        generator(torch.zeros(1, latent_dim))
    return int(counter.get_total_flops())


def room(generator: nn.Module, latent_dim: int) -> dict[str, float]:
    """How many times its generation fits on each board, at the board's quality; 1 just fits."""
    share = flop_of(generator, latent_dim) / DEFAULT_FLOP
    return {
        f"room_{board}": round(MAX_GENERATION / (seconds * share * SPECTROGRAMS_PER_S[board]), 2)
        for board, seconds in DEFAULT_S.items()
    }
