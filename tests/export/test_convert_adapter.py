"""A generator trained elsewhere is adapted to the contract of a pack by documented rules."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.foreign.adapter import (
    AdaptedGenerator,
    AdapterOptions,
    adapt,
    cross_fade,
    interpolation,
)
from latent_resonance_export.pack.onnx_check import check_spectrograms, loop_closes

GEOMETRY = Geometry(n_mels=64, n_frames=96)
Z = torch.randn(4, 8, generator=torch.Generator().manual_seed(3))


class FunctionNetwork(nn.Module):
    """Returns the output of a function of z (batch, 8)."""

    def __init__(self, draw: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.z_dim = 8
        self.draw = draw

    def forward(self, z: Tensor) -> object:
        return self.draw(z)


def waves(height: int, width: int, channels: int = 1) -> Callable[[Tensor], Tensor]:
    """Loops in [-1, 1], brighter below: (batch, channels, height, width)."""
    y = torch.linspace(1.0, -1.0, height)[:, None]
    turn = torch.arange(width) * 2 * torch.pi / width

    def draw(z: Tensor) -> Tensor:
        spectrogram = torch.tanh(3 * y + torch.sin(turn + z[:, :1, None]) * z[:, 1:2, None])
        return torch.stack([spectrogram * (1 - 0.4 * c) for c in range(channels)], dim=1)

    return draw


def played(draw: Callable[[Tensor], object], **reading: object) -> np.ndarray:
    """(4, n_mels, n_frames) of Z."""
    spectrograms = adapt(FunctionNetwork(draw), GEOMETRY, AdapterOptions(**reading))(Z).numpy()
    check_spectrograms(spectrograms, (len(Z), 1, GEOMETRY.n_mels, GEOMETRY.n_frames))
    return spectrograms[:, 0]


def test_a_loop_that_just_closes_is_cross_faded_since_other_z_may_not_close() -> None:
    waving = waves(64, 96)

    def draw(z: Tensor) -> Tensor:
        seam = torch.zeros(96)
        seam[-1] = 0.066
        return waving(z) * 0.8 + seam

    assert loop_closes(draw(Z).numpy()), "this one closes"
    assert not loop_closes(draw(Z).numpy(), 0.5), "but by less than half"
    adapted = adapt(FunctionNetwork(draw), GEOMETRY, AdapterOptions())
    assert adapted.cross_faded
    assert loop_closes(adapted(Z).numpy(), 0.5)


@pytest.mark.parametrize("size", [(64, 96), (32, 48), (128, 256), (80, 33), (16, 16)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_size_and_channel_count_is_converted_to_the_geometry(
    size: tuple[int, int], channels: int
) -> None:
    spectrograms = played(waves(*size, channels))
    assert spectrograms[:, :8].mean() > 0.4 > -0.4 > spectrograms[:, -8:].mean(), (
        "low bands come first"
    )


def test_a_spectrogram_of_the_right_size_is_unchanged() -> None:
    np.testing.assert_allclose(played(waves(64, 96)), waves(64, 96)(Z)[:, 0], atol=1e-6)


def test_a_smaller_spectrogram_keeps_its_shape_when_enlarged() -> None:
    small, large = played(waves(32, 48)), played(waves(64, 96))
    assert np.abs(small - large).max() < 0.1


def test_the_first_of_two_channels_is_used_and_three_are_averaged() -> None:
    one = waves(64, 96)(Z)[:, 0].numpy()
    np.testing.assert_allclose(played(waves(64, 96, 2)), one, atol=1e-6)
    np.testing.assert_allclose(
        played(waves(64, 96, 3), value_range=(-1.0, 1.0)), one * 0.6, atol=1e-6
    )
    np.testing.assert_allclose(
        played(waves(64, 96, 3), channel=1, value_range=(-1.0, 1.0)), one * 0.6, atol=1e-6
    )


def test_an_output_without_a_channel_axis_is_accepted() -> None:
    draw = waves(64, 96)
    np.testing.assert_allclose(played(lambda z: draw(z)[:, 0]), draw(Z)[:, 0], atol=1e-6)


def test_the_first_of_several_outputs_is_used() -> None:
    draw = waves(64, 96)
    np.testing.assert_allclose(played(lambda z: (draw(z), z)), draw(Z)[:, 0], atol=1e-6)


def test_an_upside_down_spectrogram_is_flipped() -> None:
    draw = waves(64, 96)
    turned = played(lambda z: draw(z).flip(2), upside_down=True)
    np.testing.assert_allclose(turned, draw(Z)[:, 0], atol=1e-6)


def test_a_network_of_transposed_convolutions_gets_z_with_two_more_axes() -> None:
    torch.manual_seed(2)
    layers = (nn.ConvTranspose2d(8, 4, 16), nn.ReLU(), nn.ConvTranspose2d(4, 1, 4, 4), nn.Tanh())
    adapted = adapt(nn.Sequential(*layers), GEOMETRY, AdapterOptions())
    assert adapted.latent_dim == 8
    assert adapted(Z).shape == (4, 1, 64, 96)


@pytest.mark.parametrize(
    ("scale", "shift", "found"),
    [
        (1.0, 0.0, (-1.0, 1.0)),
        (0.5, 0.5, (0.0, 1.0)),
        (127.5, 127.5, (0.0, 255.0)),
        (40.0, -40.0, (-80.0, 0.0)),
    ],
)
def test_common_value_ranges_are_recognised(
    scale: float, shift: float, found: tuple[float, float]
) -> None:
    draw = waves(64, 96)
    adapted = adapt(FunctionNetwork(lambda z: draw(z) * scale + shift), GEOMETRY, AdapterOptions())
    assert adapted.value_range == found
    np.testing.assert_allclose(adapted(Z)[:, 0], draw(Z)[:, 0], atol=1e-5)


def test_another_range_is_measured_and_a_given_range_is_used() -> None:
    draw = waves(64, 96)
    measured = adapt(
        FunctionNetwork(lambda z: draw(z) * 3 + 10), GEOMETRY, AdapterOptions()
    ).value_range
    np.testing.assert_allclose(measured, (7.0, 13.0), atol=0.1)
    spectrograms = played(lambda z: draw(z) * 3 + 10, value_range=(10.0, 13.0))
    np.testing.assert_allclose(spectrograms, np.clip(draw(Z)[:, 0] * 2 - 1, -1, 1), atol=1e-5)


def test_a_loop_that_does_not_close_is_cross_faded() -> None:
    ramp = torch.linspace(-0.9, 0.9, 80)

    def draw(z: Tensor) -> Tensor:
        return (0.1 * torch.tanh(z[:, :1, None, None]) + ramp).expand(-1, 1, 64, -1)

    adapted = adapt(FunctionNetwork(draw), GEOMETRY, AdapterOptions())
    assert adapted.cross_faded
    assert not loop_closes(draw(Z).numpy())
    assert loop_closes(adapted(Z).numpy())
    assert not adapt(FunctionNetwork(waves(64, 80)), GEOMETRY, AdapterOptions()).cross_faded


def test_a_cross_fade_continues_from_the_end_and_keeps_the_rest() -> None:
    x = np.arange(40.0)
    faded = cross_fade(40, 8) @ x
    assert faded[0] == pytest.approx(32.0, abs=2.1), "the first frame follows frame 31"
    np.testing.assert_array_equal(faded[8:], x[8:32])


@pytest.mark.parametrize("sizes", [(7, 21), (21, 7), (512, 512), (513, 512), (100, 33)])
@pytest.mark.parametrize("circular", [False, True])
def test_interpolation_uses_every_row_and_keeps_a_constant(
    sizes: tuple[int, int], circular: bool
) -> None:
    matrix = interpolation(*sizes, circular=circular)
    assert matrix.shape == sizes[::-1]
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)
    assert (matrix.sum(axis=0) > 0).all(), "a row has no weight"
    if circular:
        turned = np.roll(matrix, (sizes[1], sizes[0]), axis=(0, 1))
        np.testing.assert_array_equal(turned, matrix)


def test_circular_interpolation_wraps_around() -> None:
    x = np.sin(np.arange(48) * 2 * np.pi / 48)
    y = interpolation(48, 96, circular=True) @ x
    expected = np.sin((np.arange(96) - 0.5) * 2 * np.pi / 96)
    np.testing.assert_allclose(y, expected, atol=5e-3)


def error_message(draw: Callable[[Tensor], object], **reading: object) -> str:
    with pytest.raises(ConversionError) as caught:
        adapt(FunctionNetwork(draw), GEOMETRY, AdapterOptions(**reading))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (lambda z: torch.zeros(len(z), 16_384), "returns 16384, which is no spectrogram"),
        (lambda z: torch.zeros(len(z), 1, 16_384), "waveforms cannot be played"),
        (lambda z: torch.zeros(len(z), 1, 2, 64, 64), "returns 1 × 2 × 64 × 64"),
        (lambda z: torch.zeros(len(z)), "returns a number"),
        (lambda z: torch.zeros(len(z), 1, 64, 64), "nothing but 0"),
        (lambda z: torch.full((len(z), 1, 64, 64), torch.nan), "NaN"),
        (lambda z: torch.rand(len(z), 1, 64, 64), "different spectrograms for the same z"),
        (lambda _: "text", "it returns str"),
        (lambda z: z @ torch.zeros(5, 5), "takes no z of 8 numbers"),
        (waves(64, 96), "there is no channel 4"),
    ],
)
def test_an_output_that_cannot_be_played_is_refused_with_the_reason(
    draw: Callable[[Tensor], object], reason: str
) -> None:
    channel = 4 if "channel" in reason else None
    assert reason in error_message(draw, channel=channel)


def test_an_unknown_length_of_z_requires_the_option() -> None:
    network = FunctionNetwork(waves(64, 96))
    del network.z_dim
    with pytest.raises(ConversionError, match="--latent-dim"):
        adapt(network, GEOMETRY, AdapterOptions())
    assert adapt(network, GEOMETRY, AdapterOptions(latent_dim=8)).latent_dim == 8


def test_an_adapted_generator_is_frozen() -> None:
    adapted = adapt(
        nn.Sequential(nn.Linear(8, 4096), nn.Unflatten(1, (1, 64, 64))), GEOMETRY, AdapterOptions()
    )
    assert isinstance(adapted, AdaptedGenerator)
    assert not adapted.training
    assert not any(p.requires_grad for p in adapted.parameters())
