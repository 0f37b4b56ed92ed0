"""How far what is generated is from clips that training has not seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.validation import Validation, spread

CPU = torch.device("cpu")


class Painter(nn.Module):
    """Draws what it was given, whatever z is, and remembers how many z."""

    def __init__(self, pictures: np.ndarray) -> None:
        super().__init__()
        self.pictures, self.shown = torch.from_numpy(pictures)[:, None], 0

    def forward(self, z: Tensor) -> Tensor:
        first, self.shown = self.shown, self.shown + len(z)
        return self.pictures.roll(-first, dims=0)[: len(z)]


@pytest.fixture
def validation(tiny: Dataset) -> Validation:
    return Validation(tiny, latent_dim=4, seed=0, device=CPU)


def test_it_compares_with_the_clips_that_were_held_out(
    validation: Validation, tiny: Dataset
) -> None:
    held_out = tiny.spectrograms(np.flatnonzero(tiny.held_out))
    assert len(held_out) == 8
    assert np.array_equal(validation.real, held_out)
    none = replace(tiny, held_out=np.zeros(40, bool))
    assert len(Validation(none, 4, 0, CPU).real) == 40


def test_clips_of_training_are_as_near_as_the_floor_and_wrong_ones_are_not(
    validation: Validation, tiny: Dataset
) -> None:
    real = tiny.spectrograms(spread(tiny.training, 8))
    measured = validation.measure(validation.generate(Painter(np.concatenate([real] * 3))))
    assert measured.keys() == {"swd", "spectrum_db", "onset_db"}
    assert measured["swd"] == validation.floor() > 0
    for wrong in (real + 0.3, np.zeros_like(real), real[:, ::-1].copy()):
        assert validation.measure(wrong)["swd"] > 1.2 * validation.floor()


def test_each_time_the_same_z_are_drawn(validation: Validation) -> None:
    class Echo(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return z.view(-1, 1, 2, 2)

    first, second = (validation.generate(Echo()) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == (18, 2, 2)
    assert len(np.unique(first)) == 18 * 4


def test_a_sheet_has_a_row_more_where_clips_are_re_created(
    validation: Validation, tiny: Dataset, tmp_path: Path
) -> None:
    class Coder(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(len(x), 4)

    painter = Painter(tiny.spectrograms(np.arange(18)))
    fake = validation.generate(painter)
    heights = []
    for name, encoder in (("plain", None), ("coded", Coder())):
        validation.draw_sheet(fake, painter, encoder, tmp_path / f"{name}.png")
        png = (tmp_path / f"{name}.png").read_bytes()
        heights.append(int.from_bytes(png[20:24], "big"))
    assert heights[1] / heights[0] == pytest.approx(5 / 4, rel=0.01)
    assert len(list(tmp_path.iterdir())) == 2


def test_spread_takes_the_first_the_last_and_what_lies_between() -> None:
    assert spread(np.arange(100, 110), 4).tolist() == [100, 103, 106, 109]
    assert spread(np.arange(3), 1).tolist() == [0]
