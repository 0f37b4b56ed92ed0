"""What the workshop asks of a network, whoever made it."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Generator(Protocol):
    """A network of plain PyTorch operators, so that it exports to ONNX.

    It may have a method `silence(bands)`, which keeps mel bands, (n_mels,) of bool, silent for
    good: training calls it once, with the bands that no clip has. What was kept silent and is
    not among them has to be learnt again.
    """

    latent_dim: int

    def __call__(self, z: Tensor) -> Tensor:
        """(batch, latent_dim) -> (batch, 1, n_mels, n_frames) in [-1, 1]."""


class Judge(Protocol):
    """What tells real from generated; `NAMES` are those of its answers."""

    NAMES: tuple[str, ...]

    def __call__(self, x: Tensor, corners: Tensor) -> tuple[Tensor, ...]:
        """(batch, 1, n_mels, n_frames) -> logits (batch, any) for each name.

        corners : (n, 2) in 0..1, for whoever looks at patches
        """
