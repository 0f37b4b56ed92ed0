"""Makes a generator that was trained elsewhere keep a pack's contract.

The rule, for whatever picture it draws, (batch, channels, height, width):

channels  one is taken as it is; of two the first, for the other is phase (GANSynth's way);
          three are averaged, for they are a grey picture saved in colour; of more the first.
          Another one is chosen by number.
height    mel bands, the first row the lowest, unless it is upside down.
width     time.
values    decibels, evenly from the lowest to the highest that the network can draw: 0..1,
          -1..1, 0..255 or -range_db..0 if they fit, else what 64 pictures reach, or as told.
size      linear interpolation (triangles that widen where it shrinks) to n_mels × n_frames,
          round the loop in time.
loop      if its end does not meet its beginning, the last eighth is cross-faded into the first.

All of it is two matrix products, a factor and a sum, so it exports with the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.onnx_export import closes

SMALLEST_SIDE = 16  # rows and columns; a picture with fewer is a waveform or a list of numbers
FADE = 1 / 8  # of the width
N_LOOKS = 64  # pictures that are drawn to find the range
NAMES = ("latent_dim", "z_dim", "nz", "dim_latent", "latent_size")  # how others call latent_dim
Range = tuple[float, float]


@dataclass(frozen=True)
class Reading:
    """How to read a foreign picture; None is found out."""

    latent_dim: int | None = None
    channel: int | None = None
    upside_down: bool = False
    value_range: Range | None = None


class Adapted(nn.Module):
    """z (batch, latent_dim) -> (batch, 1, n_mels, n_frames) in [-1, 1], through another network.

    Parameters
    ----------
    tail : what follows latent_dim in the shape that the network takes, () or (1, 1)
    rows : (n_mels, height), None to leave them as they are
    columns : (width, n_frames), None to leave them as they are
    cross_faded : whether the columns close the loop by a cross-fade
    """

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
        """See the class."""
        picture = one_channel(drawn(self.network, z, self.tail), self.channel)
        level = (picture * self.scale + self.shift).clamp(-1.0, 1.0)
        if self.rows is not None:
            level = self.rows @ level
        if self.columns is not None:
            level = level @ self.columns
        return level.clamp(-1.0, 1.0).unsqueeze(1)  # rounding may lead a hair beyond


def drawn(network: nn.Module, z: Tensor, tail: tuple[int, ...]) -> Tensor:
    """What a network makes of z (batch, latent_dim); of several results the first."""
    result = network(z.reshape(*z.shape, *tail))
    return result[0] if isinstance(result, tuple | list) else result


def one_channel(picture: Tensor, channel: int | None) -> Tensor:
    """(batch, [channels,] height, width) -> (batch, height, width), by the module's rule."""
    if picture.ndim == 3:
        return picture
    if channel is None and picture.shape[1] == 3:
        return picture.mean(dim=1)
    return picture[:, channel or 0]


def adapt(network: nn.Module, geometry: Geometry, reading: Reading) -> Adapted:
    """Finds out what a network takes and draws, and wraps it.

    Raises
    ------
    ConversionError
        It draws no picture, takes more than z, or leaves it to chance what it draws.
    """
    network = network.float().cpu().eval().requires_grad_(requires_grad=False)
    latent_dim = reading.latent_dim or latent_dim_of(network)
    rng = torch.Generator().manual_seed(1)
    z = torch.randn(N_LOOKS, latent_dim, generator=rng)
    tail = tail_of(network, z[:2])
    with torch.inference_mode():
        check_drawn(*(drawn(network, z[:8], tail) for _ in range(2)), reading.channel)
        drawings = (drawn(network, part, tail) for part in z.split(8))
        levels = torch.cat([one_channel(d, reading.channel) for d in drawings]).numpy()
    value_range = reading.value_range or range_of(levels, geometry.range_db)
    rows = rows_of(levels.shape[1], geometry.n_mels, upside_down=reading.upside_down)
    fade = not closes(levels[:, None] / (np.ptp(levels) / 2))
    columns = columns_of(levels.shape[2], geometry.n_frames, fade=fade)
    wrapped = (network, latent_dim, tail, reading.channel, value_range, rows, columns)
    return Adapted(*wrapped, cross_faded=fade).eval().requires_grad_(requires_grad=False)


def rows_of(height: int, n_mels: int, *, upside_down: bool) -> NDArray[np.float32] | None:
    """Turns rows into mel bands from the left: (n_mels, height); None if they are that."""
    if height == n_mels and not upside_down:
        return None
    rows = interpolation(height, n_mels)
    return np.ascontiguousarray(rows[:, ::-1]) if upside_down else rows


def columns_of(width: int, n_frames: int, *, fade: bool) -> NDArray[np.float32] | None:
    """Turns columns into frames of a loop from the right: (width, n_frames); None if they are."""
    if fade:
        length = round(width * FADE)
        shorter = interpolation(width - length, n_frames, circular=True)
        return np.ascontiguousarray((shorter @ cross_fade(width, length)).T)
    if width == n_frames:
        return None
    return np.ascontiguousarray(interpolation(width, n_frames, circular=True).T)


def latent_dim_of(network: nn.Module) -> int:
    """The length of z, from an attribute by one of NAMES, else from the first layer.

    Raises
    ------
    ConversionError
        Neither tells.
    """
    for name in NAMES:
        if isinstance(value := getattr(network, name, None), int):
            return value
    for module in network.modules():
        if isinstance(module, nn.Linear):
            return module.in_features
        if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
            return module.in_channels
    raise ConversionError("the network does not tell the length of its z: name --latent-dim")


def tail_of(network: nn.Module, z: Tensor) -> tuple[int, ...]:
    """Whether the network takes z as (batch, latent_dim) or as (batch, latent_dim, 1, 1).

    Raises
    ------
    ConversionError
        Neither.
    """
    reasons = []
    for tail in ((), (1, 1)):
        try:
            with torch.inference_mode():
                result = drawn(network, z, tail)
        except Exception as error:  # noqa: BLE001  # somebody else's network may raise anything
            reasons.append(str(error).strip().partition("\n")[0] or type(error).__name__)
            continue
        if isinstance(result, Tensor):
            return tail
        reasons.append(f"it returns {type(result).__name__}")
    raise ConversionError(
        f"the network takes no z of {z.shape[1]} numbers ({reasons[0][:160]}): name --latent-dim, "
        "or wrap it so that it takes z alone and returns pictures"
    )


def check_drawn(pictures: Tensor, again: Tensor, channel: int | None) -> None:
    """Refuses what is no (batch, [channels,] height, width), or is another one `again`.

    Raises
    ------
    ConversionError
    """
    shape = tuple(pictures.shape[1:])
    size = " × ".join(map(str, shape)) or "a number"
    if len(shape) not in {2, 3} or min(shape[-2:]) < SMALLEST_SIDE:
        raise ConversionError(
            f"the network draws {size}, which is no spectrogram: it must be [channels ×] height × "
            f"width of {SMALLEST_SIDE} or more; one that makes waveforms cannot be played"
        )
    if channel is not None and (len(shape) == 2 or channel >= shape[0]):
        raise ConversionError(f"the network draws {size}: there is no channel {channel}")
    if not pictures.isfinite().all():
        raise ConversionError("the network draws NaN or infinity; is it another checkpoint's?")
    if not torch.allclose(pictures, again, atol=1e-5 * float(pictures.abs().max())):
        raise ConversionError(
            "the network draws another picture each time for the same z: switch its noise off"
        )


def range_of(levels: NDArray[np.float32], range_db: float) -> Range:
    """What means silence and what means full level, by the module's rule.

    Raises
    ------
    ConversionError
        All pictures are of one value.
    """
    low, high = float(levels.min()), float(levels.max())
    if high - low < 1e-6:
        raise ConversionError(f"the network draws nothing but {low:g}; is it trained?")
    known = ((0.0, 1.0), (0.0, 255.0)) if low >= 0.0 else ((-1.0, 1.0), (-range_db, 0.0))
    for floor, ceiling in known:
        hair = 1e-3 * (ceiling - floor)
        # a network that uses less than a tenth of a range means another
        if floor - hair <= low and high <= ceiling + hair and high - low > 0.1 * (ceiling - floor):
            return floor, ceiling
    return low, high


def interpolation(n_from: int, n_to: int, *, circular: bool = False) -> NDArray[np.float32]:
    """Linear interpolation between cell centres as a matrix, its rows summing to 1: (n_to, n_from).

    Where it shrinks, the triangle is as wide as the step, so that no row is passed over.
    """
    step = n_from / n_to
    centres = (np.arange(n_to)[:, None] + 0.5) * step - 0.5
    if not circular:
        centres = np.clip(centres, 0, n_from - 1)
    distance = np.abs(centres - np.arange(n_from))
    if circular:
        distance = np.minimum(distance, n_from - distance)
    weights = np.maximum(1.0 - distance / max(step, 1.0), 0.0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def cross_fade(width: int, fade: int) -> NDArray[np.float32]:
    """Lets the last `fade` columns die away over the first: (width - fade, width)."""
    matrix = np.eye(width - fade, width, dtype=np.float32)
    rising = ((np.arange(fade) + 0.5) / fade).astype(np.float32)
    matrix[np.arange(fade), np.arange(fade)] = rising
    matrix[np.arange(fade), width - fade + np.arange(fade)] = 1.0 - rising
    return matrix
