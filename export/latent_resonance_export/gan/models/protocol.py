"""What training expects of a generator and of a discriminator."""

from __future__ import annotations

from typing import ClassVar, Protocol, cast

from torch import Tensor, nn


class Generator(Protocol):
    """A torch.nn.Module of plain PyTorch operators, so that it exports to ONNX.

    It may have a method `silence(bands)` that silences mel bands, (n_mels,) of bool, for good:
    training calls it once, with the bands that no clip uses. Bands that were silenced before and
    are not among them must become trainable again.
    """

    latent_dim: int

    def __call__(self, z: Tensor) -> Tensor:
        """(batch, latent_dim) -> (batch, 1, n_mels, n_frames) in [-1, 1]."""


class Discriminator(nn.Module):
    """Tells real spectrograms from generated ones; `NAMES` are those of its outputs in the log."""

    NAMES: ClassVar[tuple[str, ...]]

    def forward(self, x: Tensor, corners: Tensor) -> tuple[Tensor, ...]:
        """(batch, 1, n_mels, n_frames) -> logits (batch, any) for each name.

        corners : (n, 2) in 0..1, positions of patches, for a discriminator of patches
        """
        raise NotImplementedError


def latent_dim_of(generator: nn.Module) -> int:
    """The number of dimensions of a generator's z."""
    return cast("Generator", generator).latent_dim
