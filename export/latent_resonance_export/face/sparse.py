"""Expands TFLite's sparse tensors. Pure.

A sparse tensor stores values in the order of nested loops, one per level. A level visits every
index of its dimension (dense), or a list of them for each pass (sparse). Levels beyond the tensor's
own dimensions run inside blocks, which `blockMap` assigns to dimensions. The format is described
beside `SparsityParameters` in TensorFlow Lite's schema.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def densify(
    values: NDArray[Any], shape: tuple[int, ...], sparsity: schema.SparsityParametersT
) -> NDArray[Any]:
    """The dense tensor of this shape of the stored values (n,); those not stored are 0.

    Raises
    ------
    ValueError
        The indices do not describe this shape and this number of values.
    """
    dense = np.zeros(shape, values.dtype)
    flat = np.ravel_multi_index(_positions(shape, sparsity), shape)  # checks the range
    if len(flat) != len(values):
        raise ValueError(f"{len(values)} values for {len(flat)} indices")
    dense.flat[flat] = values
    return dense


def _positions(shape: tuple[int, ...], sparsity: schema.SparsityParametersT) -> tuple[Indices, ...]:
    """The index of every stored value in each dimension."""
    rank = len(shape)
    order = [int(each) for each in sparsity.traversalOrder]
    levels = dict(zip(order, _levels(sparsity.dimMetadata, prod(shape)), strict=True))
    position = [levels[dimension] for dimension in range(rank)]
    for block, dimension in enumerate(() if sparsity.blockMap is None else sparsity.blockMap):
        size = sparsity.dimMetadata[order.index(rank + block)].denseSize
        position[dimension] = position[dimension] * size + levels[rank + block]
    return tuple(position)


def _levels(metadata: list[schema.DimensionMetadataT], most: int) -> list[Indices]:
    """The index of every stored value on each level, outermost first; `most` values at most."""
    levels: list[Indices] = []
    passes = 1
    for each in metadata:
        counts, indices = _level(each, passes, most)
        if len(counts) != passes or counts.sum() != len(indices):
            raise ValueError(f"{len(indices)} indices in {len(counts)} lists for {passes} passes")
        levels = [outer.repeat(counts) for outer in levels] + [indices]
        passes = len(indices)
    return levels


def _level(metadata: schema.DimensionMetadataT, passes: int, most: int) -> tuple[Indices, Indices]:
    """How many indices each pass visits, and the indices."""
    if metadata.format == schema.DimensionType.SPARSE_CSR:
        segments = np.array(metadata.arraySegments.values, np.int64)
        return np.diff(segments), np.array(metadata.arrayIndices.values, np.int64)
    size = int(metadata.denseSize)
    if not 0 < passes * size <= most:  # before memory is taken for them
        raise ValueError(f"{passes} × {size} values in a tensor of {most}")
    return np.full(passes, size), np.tile(np.arange(size), passes)
