"""How far what a generator makes is from clips that it has not seen: as a figure and as a sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.metrics import all_patches, distances, swd_of_patches
from latent_resonance_export.report.contact_sheet import contact_sheet

MOST_CLIPS = 128  # compared; the distance of few clips is larger, and so is its floor
AT_ONCE = 8  # z
SHOWN = 6  # in a row of a sheet


class Yardstick:
    """Compares by the same z and the same clips each time.

    The clips are held out of training, as many as there are up to MOST_CLIPS; where none is,
    training clips have to do.
    """

    def __init__(self, dataset: Dataset, latent_dim: int, seed: int, device: torch.device) -> None:
        held_out = np.flatnonzero(dataset.held_out)
        unseen = held_out if len(held_out) else dataset.training
        n = min(MOST_CLIPS, len(unseen), len(dataset.training))
        self.dataset, self.real = dataset, dataset.pictures(spread(unseen, n))
        self.patches = all_patches(self.real, seed)
        self.seed, self.device = seed, device
        n_drawn = max(n, 3 * SHOWN)
        rng = torch.Generator().manual_seed(seed)
        self.z = torch.randn(n_drawn, latent_dim, generator=rng)

    def floor(self) -> float:
        """The distance of as many training clips: what a perfect generator would have."""
        return self._swd(self.dataset.pictures(spread(self.dataset.training, len(self.real))))

    def measure(self, fake: NDArray[np.float32]) -> dict[str, float]:
        """Distances of pictures by `draw` from the real ones, by their names in the log."""
        fake = fake[: len(self.real)]
        return {"swd": self._swd(fake)} | distances(self.real, fake)

    @torch.no_grad()
    def draw(self, generator: nn.Module) -> NDArray[np.float32]:
        """What a generator makes of the z: (n, n_mels, n_frames)."""
        parts = (generator(z.to(self.device)) for z in self.z.split(AT_ONCE))
        return np.concatenate([part[:, 0].float().cpu().numpy() for part in parts])

    @torch.no_grad()
    def sheet(
        self, fake: NDArray[np.float32], generator: nn.Module, encoder: nn.Module | None, path: Path
    ) -> None:
        """A row of real clips, one of the same re-created where that is learnt, then new ones."""
        rows = [self.real[:SHOWN]]
        if encoder is not None:
            real = torch.from_numpy(rows[0])[:, None].to(self.device)
            again: Tensor = generator(encoder(real))
            rows.append(again[:, 0].float().cpu().numpy())
        beside = path.with_suffix(".part.png")
        contact_sheet(np.concatenate([*rows, fake[: 3 * SHOWN]]), beside, columns=SHOWN)
        beside.replace(path)

    def _swd(self, pictures: NDArray[np.float32]) -> float:
        patches = all_patches(pictures, self.seed + 1000)
        return round(swd_of_patches(self.patches, patches, self.seed), 2)


def spread(indices: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """So many of the indices, evenly from the first to the last."""
    return indices[np.linspace(0, len(indices) - 1, n).round().astype(int)]
