"""The networks: shapes, ranges, and circular time everywhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latent_resonance_export.gan.models.loop_vaegan import (
    SEED_FRAMES,
    CircularConv,
    Encoder,
    LoopDiscriminator,
    LoopGenerator,
    LoopTrunk,
    batch_deviation,
    circular_pad,
    crop,
    smooth_double,
    unit_norm,
)

N_MELS, N_FRAMES, LATENT_DIM = 40, 512, 16
FRAMES_PER_SEED = N_FRAMES // SEED_FRAMES


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed))


@pytest.fixture(scope="module", autouse=True)
def without_gradients() -> object:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def generator() -> LoopGenerator:
    torch.manual_seed(0)
    return LoopGenerator(LATENT_DIM, N_MELS, widths=(48,) * 7, n_style=32).eval()


def test_the_default_generator_keeps_the_contract_of_a_pack() -> None:
    torch.manual_seed(0)
    generator = LoopGenerator().eval()
    assert generator.latent_dim == 128
    assert generator(randn(1, 128)).shape == (1, 1, 512, 512)
    assert sum(p.numel() for p in generator.parameters()) * 4 < 30e6, "over 30 MB as ONNX"


def test_pictures_stay_within_one_even_for_absurd_z(generator: LoopGenerator) -> None:
    for z in (randn(4, LATENT_DIM), randn(4, LATENT_DIM) * 1e4, torch.zeros(4, LATENT_DIM)):
        pictures = generator(z)
        assert pictures.shape == (4, 1, N_MELS, N_FRAMES)
        assert pictures.isfinite().all()
        assert pictures.abs().max() <= 1.0


def test_a_silenced_band_stays_silent_for_every_z_and_whatever_is_learnt() -> None:
    generator = LoopGenerator(LATENT_DIM, N_MELS, widths=(48,) * 7, n_style=32)
    z = randn(4, LATENT_DIM)
    before = generator(z)
    bands = torch.zeros(N_MELS, dtype=torch.bool)
    bands[[0, 5, N_MELS - 1]] = True
    generator.silence(bands)
    assert torch.equal(generator(z)[:, :, ~bands], before[:, :, ~bands])
    optimiser = torch.optim.Adam(generator.parameters(), 0.01)
    for _ in range(5):
        optimiser.zero_grad()
        with torch.enable_grad():
            quiet = -generator(z).sum()
        quiet.backward()
        optimiser.step()
    louder = generator(z)
    assert (louder[:, :, bands] == -1.0).all()
    assert louder[:, :, ~bands].mean() > before[:, :, ~bands].mean() + 0.1


def test_a_band_that_was_silent_for_other_clips_is_learnt_again() -> None:
    generator = LoopGenerator(LATENT_DIM, N_MELS, widths=(48,) * 7, n_style=32)
    z = randn(4, LATENT_DIM)
    bands = torch.zeros(N_MELS, dtype=torch.bool)
    bands[[3, 20]] = True
    generator.silence(bands)
    before = generator(z)
    generator.silence(bands & (torch.arange(N_MELS) > 10))
    optimiser = torch.optim.Adam(generator.parameters(), 1e-3)
    assert torch.equal(generator(z)[:, :, ~bands], before[:, :, ~bands])
    assert -0.99 < generator(z)[:, :, 3].mean() < -0.9
    for _ in range(3):
        optimiser.zero_grad()
        with torch.enable_grad():
            quiet = -generator(z)[:, :, 3].sum()
        quiet.backward()
        optimiser.step()
    assert generator(z)[:, :, 3].std() > 1e-3
    assert -0.9 < generator(z)[:, :, 3].mean() < 0.9
    assert (generator(z)[:, :, 20] == -1.0).all()


def test_the_last_frame_meets_the_first(generator: LoopGenerator) -> None:
    pictures = generator(randn(16, LATENT_DIM))
    change = (pictures - pictures.roll(-1, dims=-1)).abs().mean(dim=(0, 1, 2))
    assert change[-1] > 0.0
    assert change[-1] <= 1.3 * change[:-1].max()


def test_turning_the_seed_turns_the_whole_picture(generator: LoopGenerator) -> None:
    style = generator.mapping(unit_norm(randn(2, LATENT_DIM)))
    x = randn(2, 48, SEED_FRAMES)
    still, turned = x, x.roll(1, dims=-1)
    for level, (first, second) in enumerate(zip(generator.first, generator.second, strict=True)):
        if level:
            still, turned = (y.repeat_interleave(2, dim=-1) for y in (still, turned))
        still, turned = (second(first(y, style), style) for y in (still, turned))
    assert still.std() > 0.1
    torch.testing.assert_close(turned, still.roll(FRAMES_PER_SEED, dims=-1), atol=1e-4, rtol=0)


def test_another_z_is_another_picture(generator: LoopGenerator) -> None:
    pictures = generator(randn(6, LATENT_DIM)).flatten(1)
    apart = torch.pdist(pictures) / pictures.shape[1] ** 0.5
    assert apart.min() > 0.01


def test_the_length_of_z_means_nothing(generator: LoopGenerator) -> None:
    z = randn(3, LATENT_DIM)
    torch.testing.assert_close(generator(z), generator(7.0 * z), atol=1e-4, rtol=0)


def test_the_pictures_of_a_batch_do_not_depend_on_each_other(generator: LoopGenerator) -> None:
    z = randn(5, LATENT_DIM)
    torch.testing.assert_close(generator(z)[2:3], generator(z[2:3]), atol=1e-5, rtol=0)


def test_padding_takes_from_the_other_end() -> None:
    x = torch.arange(5.0).view(1, 1, 5)
    assert circular_pad(x, 2, 1).flatten().tolist() == [3, 4, 0, 1, 2, 3, 4, 0]
    assert circular_pad(x, 0, 0).flatten().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("turn", [1, 7, 31])
def test_a_convolution_and_a_doubling_follow_any_turn(turn: int) -> None:
    torch.manual_seed(1)
    conv, x = CircularConv(6, 9), randn(2, 6, 32)
    turned = x.roll(turn, dims=-1)
    torch.testing.assert_close(conv(turned), conv(x).roll(turn, dims=-1))
    torch.testing.assert_close(smooth_double(turned), smooth_double(x).roll(2 * turn, dims=-1))


def test_doubling_keeps_the_mean_and_what_is_constant() -> None:
    x = randn(2, 3, 16)
    torch.testing.assert_close(smooth_double(x).mean(dim=-1), x.mean(dim=-1))
    torch.testing.assert_close(smooth_double(torch.ones(1, 2, 4)), torch.ones(1, 2, 8))


def test_the_trunk_turns_with_the_loop() -> None:
    torch.manual_seed(2)
    trunk, x = LoopTrunk(N_MELS, (24,) * 6), randn(2, 1, N_MELS, N_FRAMES)
    seen = trunk(x)
    assert seen.shape == (2, 24, SEED_FRAMES)
    turned = trunk(x.roll(FRAMES_PER_SEED, dims=-1))
    torch.testing.assert_close(turned, seen.roll(1, dims=-1), atol=1e-5, rtol=0)


def test_unit_norm_gives_unit_mean_square_and_survives_zero() -> None:
    torch.testing.assert_close(unit_norm(randn(4, 32)).square().mean(dim=1), torch.ones(4))
    assert not unit_norm(torch.zeros(1, 32)).any()


def test_codes_have_the_length_of_a_normal_z_and_tell_pictures_apart() -> None:
    torch.manual_seed(3)
    encoder = Encoder(LATENT_DIM, N_MELS, widths=(24,) * 6)
    z = encoder(randn(4, 1, N_MELS, N_FRAMES))
    assert z.shape == (4, LATENT_DIM)
    torch.testing.assert_close(z.square().mean(dim=1), torch.ones(4), atol=1e-3, rtol=0)
    assert torch.pdist(z).min() > 0.1


def test_both_critics_answer_each_clip() -> None:
    torch.manual_seed(4)
    discriminator = LoopDiscriminator(n_mels=200)
    loop, texture = discriminator(randn(4, 1, 200, N_FRAMES), torch.rand(3, 2, generator=rng()))
    assert loop.shape == (4, SEED_FRAMES)
    assert texture.shape[0] == 4
    assert texture.shape[1] % 3 == 0
    assert loop.std() > 0
    assert texture.std() > 0


def test_the_critic_sees_that_a_batch_is_all_alike() -> None:
    x = randn(8, 5, SEED_FRAMES)
    varied, alike = batch_deviation(x), batch_deviation(x[:1].expand(8, -1, -1))
    assert varied.shape == (8, 1, SEED_FRAMES)
    assert varied.min() > 0.5
    assert alike.max() < 1e-3


def test_a_patch_lies_within_the_picture_at_every_corner() -> None:
    x = torch.arange(20.0 * 30).view(1, 1, 20, 30)
    for corner, top, left in (((0.0, 0.0), 0, 0), ((1.0, 1.0), 12, 24), ((0.5, 0.25), 6, 6)):
        patch = crop(x, torch.tensor(corner), (8, 6))
        torch.testing.assert_close(patch, x[:, :, top : top + 8, left : left + 6])
