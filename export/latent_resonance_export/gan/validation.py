"""Compares the generator with held-out clips: as distances, as a contact sheet, as sound."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latent_resonance_export.audition.invert import (
    columns_to_audio,
    fade_ends,
    match_levels,
    real_columns,
)
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.metrics import all_patches, distances, swd_of_patches
from latent_resonance_export.report.contact_sheet import contact_sheet

MAX_CLIPS = 128  # compared; with fewer clips both the distance and its floor are larger
BATCH = 8  # z
COLUMNS = 6  # of a contact sheet


class Validation:
    """Compares with the same z and the same clips each time.

    The clips are held out of training, at most MAX_CLIPS; training clips if none is held out.

    real : (n, n_mels, n_frames) in [-1, 1]; z : (at least n, latent_dim)
    """

    def __init__(self, dataset: Dataset, latent_dim: int, seed: int, device: torch.device) -> None:
        held_out = np.flatnonzero(dataset.held_out)
        unseen = held_out if len(held_out) else dataset.training
        n = min(MAX_CLIPS, len(unseen), len(dataset.training))
        self.dataset, self.real = dataset, dataset.spectrograms(spread(unseen, n))
        self.patches = all_patches(self.real, seed)
        self.seed, self.device = seed, device
        n_z = max(n, 3 * COLUMNS)
        rng = torch.Generator().manual_seed(seed)
        self.z = torch.randn(n_z, latent_dim, generator=rng)

    def floor(self) -> float:
        """The distance of as many training clips: what a perfect generator would reach."""
        return self._swd(self.dataset.spectrograms(spread(self.dataset.training, len(self.real))))

    def measure(self, fake: NDArray[np.float32]) -> dict[str, float]:
        """Distances of generated spectrograms from the real ones, by their names in the log."""
        fake = fake[: len(self.real)]
        return {"swd": self._swd(fake)} | distances(self.real, fake)

    @torch.no_grad()
    def generate(self, generator: nn.Module) -> NDArray[np.float32]:
        """The spectrograms of the z: (n, n_mels, n_frames)."""
        parts = (generator(z.to(self.device)) for z in torch.split(self.z, BATCH))
        return np.concatenate([part[:, 0].float().cpu().numpy() for part in parts])

    @torch.no_grad()
    def draw_sheet(
        self, fake: NDArray[np.float32], generator: nn.Module, encoder: nn.Module | None, path: Path
    ) -> None:
        """A row of real clips, with an encoder a row of their reconstructions, then generated."""
        rows = [self.real[:COLUMNS]]
        if encoder is not None:
            real = torch.from_numpy(rows[0])[:, None].to(self.device)
            reconstructed: Tensor = generator(encoder(real))
            rows.append(reconstructed[:, 0].float().cpu().numpy())
        temporary = path.with_suffix(".part.png")
        contact_sheet(np.concatenate([*rows, fake[: 3 * COLUMNS]]), temporary, columns=COLUMNS)
        temporary.replace(path)

    def write_sound(self, fake: NDArray[np.float32], seconds: float, path: Path) -> None:
        """Generated loops one after the other, with crossfades, as MP3."""
        geometry = self.dataset.geometry
        hops = columns_to_audio(real_columns(cycle(fake), geometry), geometry, self.seed)
        n_hops = round(seconds / geometry.hop_s)
        (audio,) = match_levels([np.concatenate(list(islice(hops, n_hops)))])
        temporary = path.with_suffix(".part.mp3")
        soundfile.write(temporary, fade_ends(audio, geometry.sample_rate), geometry.sample_rate)
        temporary.replace(path)

    def _swd(self, spectrograms: NDArray[np.float32]) -> float:
        patches = all_patches(spectrograms, self.seed + 1000)
        return round(swd_of_patches(self.patches, patches, self.seed), 2)


def spread(indices: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Picks n of the indices, evenly spaced from the first to the last."""
    return np.take(indices, np.linspace(0, len(indices) - 1, n).round().astype(int))
