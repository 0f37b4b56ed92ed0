"""Augmentation: every clip changed, none spoilt, all differentiable."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latent_resonance_export.gan.augment import augment, dequantise, mask, roll, tilt

N_MELS, N_FRAMES = 24, 200
RANGE_DB = 80.0


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def clips() -> Tensor:
    return torch.rand(16, 1, N_MELS, N_FRAMES, generator=rng(9)) * 1.6 - 0.8


def test_bytes_become_numbers_within_a_step_and_silence_stays_silent() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).repeat(64, 1)
    torch.manual_seed(3)
    picture = dequantise(pixels)
    above = picture - (pixels / 128.0 - 1.0)
    assert picture.dtype == torch.float32
    assert above.min() >= -1e-6
    assert above.max() <= 1 / 128 + 1e-6
    assert above[:, 1:].std() > 0.2 / 128, "no dequantisation noise"
    assert (picture[:, 0] == -1.0).all()
    torch.manual_seed(3)
    assert torch.equal(picture, dequantise(pixels))


def test_a_rolled_loop_has_the_same_frames_in_the_same_circle(clips: Tensor) -> None:
    turns = []
    for before, after in zip(clips, roll(clips, rng()), strict=True):
        matches = [t for t in range(N_FRAMES) if torch.equal(before.roll(t, dims=-1), after)]
        assert len(matches) == 1
        turns += matches
    assert len(set(turns)) > 8, "the clips turn together"


def test_tilt_moves_levels_by_some_decibels_and_leaves_silence_alone(clips: Tensor) -> None:
    moved_db = (tilt(clips, rng()) - clips).abs() * RANGE_DB / 2
    assert 1.0 < moved_db.max() <= 4.0
    silence = torch.full_like(clips, -1.0)
    assert torch.equal(tilt(silence, rng()), silence)


def test_tilt_is_the_same_at_every_instant_of_a_clip(clips: Tensor) -> None:
    moved = tilt(clips, rng()) - clips
    assert moved.std(dim=-1).max() < 1e-5


def test_the_mask_silences_one_stretch_of_at_most_a_fifth(clips: Tensor) -> None:
    masked = mask(clips, rng())
    hidden = (masked == -1.0).all(dim=2).squeeze(1)  # (batch, n_frames)
    assert torch.equal(masked.transpose(1, 3)[~hidden], clips.transpose(1, 3)[~hidden])
    assert hidden.any()
    assert hidden.float().mean(dim=1).max() <= 0.2 + 1 / N_FRAMES
    edges = hidden[:, 1:] ^ hidden[:, :-1]
    assert edges.sum(dim=1).max() <= 2


def test_the_same_chance_makes_the_same_change(clips: Tensor) -> None:
    assert torch.equal(augment(clips, rng(1)), augment(clips, rng(1)))
    assert not torch.equal(augment(clips, rng(1)), augment(clips, rng(2)))


def test_gradients_pass_through_to_what_is_not_hidden(clips: Tensor) -> None:
    clips.requires_grad_(True)
    augment(clips, rng()).sum().backward()
    assert clips.grad.isfinite().all()
    assert (clips.grad != 0).float().mean() > 0.75
