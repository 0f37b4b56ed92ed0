"""Adapts a generator that was trained elsewhere to the contract of a pack.

The rules, for an output of (batch, channels, height, width):

channels  the first, unless another is chosen by number. Of two, the second is usually phase
          (GANSynth). Three are averaged: a grey spectrogram saved as RGB.
height    mel bands, the first row the lowest, unless `upside_down`.
width     time.
values    linear in decibels over the network's value range: 0..1, -1..1, 0..255 or
          -range_db..0 if its values fit, else the range of 64 samples, or as given.
size      linear interpolation (with wider triangles when it shrinks) to n_mels × n_frames,
          circular in time.
loop      if the end does not meet the beginning, the last eighth is cross-faded into it.

All of this is two matrix products, a factor and an offset, so it is exported with the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.onnx_check import loop_closes
from latent_resonance_export.progress import ProgressCallback, counted, no_progress

MIN_SIDE = 16  # rows and columns; an output with fewer is a waveform or a list of numbers
FADE = 1 / 8  # of the width
CLOSED = 0.5  # of the limit for a seam: loops of other z, which are checked later, differ a little
BATCH = 8  # generated at a time
N_SAMPLES = 64  # spectrograms from which the value range is estimated
LATENT_DIM_NAMES = ("latent_dim", "z_dim", "nz", "dim_latent", "latent_size")
Range = tuple[float, float]


@dataclass(frozen=True)
class AdapterOptions:
    """How to interpret the output of a network; None is detected."""

    latent_dim: int | None = None
    channel: int | None = None
    upside_down: bool = False
    value_range: Range | None = None


class AdaptedGenerator(nn.Module):
    """z (batch, latent_dim) -> (batch, 1, n_mels, n_frames) in [-1, 1], through another network.

    Parameters
    ----------
    tail : trailing axes of the z that the network takes after latent_dim, () or (1, 1)
    rows : (n_mels, height), None for no change
    columns : (width, n_frames), None for no change
    cross_faded : whether `columns` closes the loop with a cross-fade
    """

    rows: Tensor | None
    columns: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        latent_dim: int,
        tail: tuple[int, ...],
        channel: int | None,
        value_range: Range,
        rows: NDArray[np.float32] | None,
        columns: NDArray[np.float32] | None,
        *,
        cross_faded: bool,
    ) -> None:
        super().__init__()
        self.network, self.latent_dim, self.tail, self.channel = network, latent_dim, tail, channel
        self.value_range, self.cross_faded = value_range, cross_faded
        low, high = value_range
        self.scale, self.shift = 2.0 / (high - low), -(high + low) / (high - low)
        self.register_buffer("rows", None if rows is None else torch.from_numpy(rows))
        self.register_buffer("columns", None if columns is None else torch.from_numpy(columns))

    def forward(self, z: Tensor) -> Tensor:
        """(batch, latent_dim) -> (batch, 1, n_mels, n_frames) in [-1, 1]."""
        spectrogram = select_channel(generate(self.network, z, self.tail), self.channel)
        level = (spectrogram * self.scale + self.shift).clamp(-1.0, 1.0)
        if self.rows is not None:
            level = self.rows @ level
        if self.columns is not None:
            level = level @ self.columns
        return level.clamp(-1.0, 1.0).unsqueeze(1)  # rounding may exceed the range slightly


def generate(network: nn.Module, z: Tensor, tail: tuple[int, ...]) -> Tensor:
    """The output of a network for z (batch, latent_dim); the first if there are several."""
    result = network(z.reshape(*z.shape, *tail))
    output: Tensor = result[0] if isinstance(result, tuple | list) else result
    return output


def select_channel(spectrogram: Tensor, channel: int | None) -> Tensor:
    """(batch, [channels,] height, width) -> (batch, height, width), by the module's rules."""
    if spectrogram.ndim == 3:
        return spectrogram
    if channel is None and spectrogram.shape[1] == 3:
        return spectrogram.mean(dim=1)
    return spectrogram[:, channel or 0]


def adapt(
    network: nn.Module,
    geometry: Geometry,
    options: AdapterOptions,
    progress: ProgressCallback = no_progress,
) -> AdaptedGenerator:
    """Detects the input and output formats of a network and wraps it.

    Raises
    ------
    ConversionError
        Its output is no spectrogram or is random, or its input is more than z.
    """
    network = network.float().cpu().eval().requires_grad_(requires_grad=False)
    latent_dim = options.latent_dim or latent_dim_of(network)
    rng = torch.Generator().manual_seed(1)
    z = torch.randn(N_SAMPLES, latent_dim, generator=rng)
    tail = z_tail_of(network, z[:2])
    with torch.inference_mode():
        first, second = (generate(network, z[:BATCH], tail) for _ in range(2))
        check_output(first, second, options.channel)
        parts = counted(torch.split(z, BATCH), "adapting", N_SAMPLES // BATCH, progress)
        outputs = (generate(network, part, tail) for part in parts)
        levels = torch.cat([select_channel(o, options.channel) for o in outputs]).numpy()
    value_range = options.value_range or value_range_of(levels, geometry.range_db)
    rows = row_matrix(levels.shape[1], geometry.n_mels, upside_down=options.upside_down)
    fade = not loop_closes(levels[:, None] / (np.ptp(levels) / 2), CLOSED)
    columns = column_matrix(levels.shape[2], geometry.n_frames, fade=fade)
    adapted = AdaptedGenerator(
        network,
        latent_dim,
        tail,
        options.channel,
        value_range,
        rows,
        columns,
        cross_faded=fade,
    )
    return adapted.eval().requires_grad_(requires_grad=False)


def row_matrix(height: int, n_mels: int, *, upside_down: bool) -> NDArray[np.float32] | None:
    """Maps rows to mel bands, multiplied from the left: (n_mels, height); None if not needed."""
    if height == n_mels and not upside_down:
        return None
    rows = interpolation(height, n_mels)
    return np.ascontiguousarray(rows[:, ::-1]) if upside_down else rows


def column_matrix(width: int, n_frames: int, *, fade: bool) -> NDArray[np.float32] | None:
    """Maps columns to frames, multiplied from the right: (width, n_frames); None if not needed."""
    if fade:
        length = round(width * FADE)
        shorter = interpolation(width - length, n_frames, circular=True)
        return np.ascontiguousarray((shorter @ cross_fade(width, length)).T)
    if width == n_frames:
        return None
    return np.ascontiguousarray(interpolation(width, n_frames, circular=True).T)


def latent_dim_of(network: nn.Module) -> int:
    """The length of z, from an attribute in LATENT_DIM_NAMES, else from the first layer.

    Raises
    ------
    ConversionError
        Neither exists.
    """
    for name in LATENT_DIM_NAMES:
        if isinstance(value := getattr(network, name, None), int):
            return value
    for module in network.modules():
        if isinstance(module, nn.Linear):
            return module.in_features
        if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
            return module.in_channels
    raise ConversionError("the length of the network's z is unknown: set --latent-dim")


def z_tail_of(network: nn.Module, z: Tensor) -> tuple[int, ...]:
    """Whether the network takes z as (batch, latent_dim) or as (batch, latent_dim, 1, 1).

    Raises
    ------
    ConversionError
        It takes neither.
    """
    reasons = []
    tails: tuple[tuple[int, ...], ...] = ((), (1, 1))
    for tail in tails:
        try:
            with torch.inference_mode():
                result = generate(network, z, tail)
        except Exception as error:  # noqa: BLE001  # a network's own code may raise anything
            reasons.append(str(error).strip().partition("\n")[0] or type(error).__name__)
            continue
        if isinstance(result, Tensor):
            return tail
        reasons.append(f"it returns {type(result).__name__}")
    raise ConversionError(
        f"the network takes no z of {z.shape[1]} numbers ({reasons[0][:160]}): set --latent-dim, "
        "or wrap it so that it takes z alone and returns spectrograms"
    )


def check_output(spectrograms: Tensor, again: Tensor, channel: int | None) -> None:
    """Requires (batch, [channels,] height, width), finite and equal to `again`.

    Raises
    ------
    ConversionError
    """
    shape = tuple(spectrograms.shape[1:])
    size = " × ".join(map(str, shape)) or "a number"
    if len(shape) not in {2, 3} or min(shape[-2:]) < MIN_SIDE:
        raise ConversionError(
            f"the network returns {size}, which is no spectrogram: it must be [channels ×] height "
            f"× width of {MIN_SIDE} or more; a network that returns waveforms cannot be played"
        )
    if channel is not None and (len(shape) == 2 or channel >= shape[0]):
        raise ConversionError(f"the network returns {size}: there is no channel {channel}")
    if not spectrograms.isfinite().all():
        raise ConversionError("the network returns NaN or infinity: check that the weights fit")
    if not torch.allclose(spectrograms, again, atol=1e-5 * float(spectrograms.abs().max())):
        raise ConversionError(
            "the network returns different spectrograms for the same z: switch its noise off"
        )


def value_range_of(levels: NDArray[np.float32], range_db: float) -> Range:
    """The values for silence and for full level, by the module's rules, of levels of any shape.

    Raises
    ------
    ConversionError
        All values are equal.
    """
    low, high = float(levels.min()), float(levels.max())
    if high - low < 1e-6:
        raise ConversionError(f"the network returns nothing but {low:g}; is it trained?")
    known = ((0.0, 1.0), (0.0, 255.0)) if low >= 0.0 else ((-1.0, 1.0), (-range_db, 0.0))
    for floor, ceiling in known:
        margin = 1e-3 * (ceiling - floor)
        fits = floor - margin <= low and high <= ceiling + margin
        if fits and high - low > 0.1 * (ceiling - floor):  # else it was meant for another range
            return floor, ceiling
    return low, high


def interpolation(n_from: int, n_to: int, *, circular: bool = False) -> NDArray[np.float32]:
    """Linear interpolation between cell centres as a matrix with rows of sum 1: (n_to, n_from).

    For downsampling the triangle is as wide as the step, so that every input has a weight.
    """
    step = n_from / n_to
    centres = (np.arange(n_to)[:, None] + 0.5) * step - 0.5
    if not circular:
        centres = np.clip(centres, 0, n_from - 1)
    distance = np.abs(centres - np.arange(n_from))
    if circular:
        distance = np.minimum(distance, n_from - distance)
    weights = np.maximum(1.0 - distance / max(step, 1.0), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights, np.float32)


def cross_fade(width: int, fade: int) -> NDArray[np.float32]:
    """A matrix that cross-fades the last `fade` columns into the first: (width - fade, width)."""
    matrix = np.eye(width - fade, width, dtype=np.float32)
    rising = ((np.arange(fade) + 0.5) / fade).astype(np.float32)
    matrix[np.arange(fade), np.arange(fade)] = rising
    matrix[np.arange(fade), width - fade + np.arange(fade)] = 1.0 - rising
    return matrix
