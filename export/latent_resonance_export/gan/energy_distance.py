"""Sliced energy distance of the patches of two batches: teaches level, grain and contrast.

The discriminators learn composition; a distance of distributions settles loudness, grain and
silence sooner than they can. As in generation by direct patch distribution matching (Elnekave &
Weiss 2022), patches of every level of a Laplacian pyramid, and whole frames, are projected on
random directions; but along each direction the distance is Székely's energy distance (2013)
instead of Wasserstein's: as a U-statistic over *clips* it is unbiased in small batches
(Bellemare et al. 2017), so it does not reward a loss of variety.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

PATCH = 7
PATCHES_PER_CLIP = 64
N_DIRECTIONS = 48
COARSEST = 16  # the pyramid ends at this many bands or frames
BLUR = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def energy_loss(real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """Mean distance over the pyramid's levels and the frames; both (batch, 1, n_mels, n_frames).

    Zero in expectation, with either sign, if both come from one distribution.
    """
    total, n_levels = real.new_zeros(()), 0
    for a, b in zip(pyramid(real), pyramid(fake), strict=True):
        corners = draw_corners(a.shape, rng).to(real.device)
        total = total + projected_distance(patches(a, corners), patches(b, corners), rng)
        n_levels += 1
    real_frames, fake_frames = (x[:, 0, :, ::8].transpose(1, 2) for x in (real, fake))
    return (total + projected_distance(real_frames, fake_frames, rng)) / (n_levels + 1)


def projected_distance(real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """Energy distance along random directions of (clips, patches, d), in deviations of `real`."""
    directions = torch.randn(real.shape[2], N_DIRECTIONS, generator=rng).to(real)
    directions = directions / directions.norm(dim=0)
    deviation = real.std() + 1e-4
    return energy_distance((real / deviation) @ directions, (fake / deviation) @ directions)


def energy_distance(x: Tensor, y: Tensor) -> Tensor:
    """2 E|x - y| - E|x - x'| - E|y - y'|, x and x' of different clips.

    x, y : (clips, patches, directions)
    """
    n, m = x.shape[:2]
    within_x, within_y = absolute_sum(x.flatten(0, 1)), absolute_sum(y.flatten(0, 1))
    across = absolute_sum(torch.cat([x, y]).flatten(0, 1)) - within_x - within_y
    # pairs within one clip carry no information on the distribution of clips
    own_x, own_y = (absolute_sum(z.transpose(0, 1)).sum(dim=0) for z in (x, y))
    between = n * m * (n * m - m)  # ordered pairs of patches of different clips
    distance = 2 * across / (n * m) ** 2 - 2 * (within_x - own_x + within_y - own_y) / between
    return distance.mean()


def absolute_sum(x: Tensor) -> Tensor:
    """Sum of |x_i - x_j| over i < j along the first axis: Gini's identity, with one sort."""
    n = x.shape[0]
    weight = 2 * torch.arange(1, n + 1, device=x.device, dtype=x.dtype) - n - 1
    result: Tensor = torch.tensordot(weight, x.sort(dim=0).values, dims=1)
    return result


def pyramid(x: Tensor) -> Iterator[Tensor]:
    """Laplacian pyramid of (batch, 1, n_mels, n_frames), circular in time, finest level first."""
    while min(x.shape[2:]) > COARSEST:
        smaller = halve(halve(x, 2, "replicate"), 3, "circular")
        yield x - double(double(smaller, 2, "replicate"), 3, "circular")
        x = smaller
    yield x


def halve(x: Tensor, axis: int, edges: str) -> Tensor:
    """Every other sample of x, blurred by (1, 4, 6, 4, 1) / 16 along an axis.

    Sums of slices: on a CPU, a convolution of one channel takes twenty times as long.
    """
    length = x.shape[axis]
    x = pad(x, axis, 2, edges)
    taps = (x.narrow(axis, k, length)[_every_other(axis)] for k in range(5))
    terms = (tap * weight for tap, weight in zip(taps, BLUR, strict=True))
    return sum(terms, start=torch.zeros(()))


def double(x: Tensor, axis: int, edges: str) -> Tensor:
    """The approximate inverse of `halve`: zeros between the samples, then the same blur."""
    length = x.shape[axis]
    x = pad(x, axis, 1, edges)
    before, here, after = (x.narrow(axis, k, length) for k in range(3))
    even = 2 * (BLUR[0] * (before + after) + BLUR[2] * here)
    odd = 2 * BLUR[1] * (here + after)
    return torch.stack([even, odd], dim=axis + 1).flatten(axis, axis + 1)


def pad(x: Tensor, axis: int, width: int, edges: str) -> Tensor:
    """`width` samples more at both ends of axis 2 or 3 of (batch, 1, n_mels, n_frames)."""
    widths = (0, 0, width, width) if axis == 2 else (width, width, 0, 0)
    return functional.pad(x, widths, edges)


def _every_other(axis: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(None, None, 2),)


def draw_corners(shape: torch.Size, rng: torch.Generator) -> Tensor:
    """Flat indices of random patches, circular in time: (clips, patches, PATCH ** 2)."""
    clips, _, n_mels, n_frames = shape
    size = (clips, PATCHES_PER_CLIP, 1, 1)
    top = torch.randint(n_mels - PATCH + 1, size, generator=rng)
    left = torch.randint(n_frames, size, generator=rng)
    rows = top + torch.arange(PATCH).view(-1, 1)
    columns = (left + torch.arange(PATCH)) % n_frames
    return (rows * n_frames + columns).flatten(2)


def patches(level: Tensor, corners: Tensor) -> Tensor:
    """(clips, 1, n_mels, n_frames) -> (clips, patches, PATCH ** 2)."""
    flat = level.flatten(1)
    return flat.gather(1, corners.flatten(1)).view(corners.shape)
