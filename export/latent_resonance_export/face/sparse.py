"""Expands TFLite's sparse tensors. Pure.

A sparse tensor stores values in the order of nested loops, one per level. A level visits every
index of its dimension (dense), or a list of them for each pass (sparse). Levels beyond the tensor's
own dimensions run inside blocks, which `blockMap` assigns to dimensions. The format is described
beside `SparsityParameters` in TensorFlow Lite's schema.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from latent_resonance_export.pack import ConversionError

Indices = NDArray[np.int64]


def densify(
    name: str, values: NDArray[Any], shape: tuple[int, ...], sparsity: schema.SparsityParametersT
) -> NDArray[Any]:
    """The dense tensor of stored values; those not stored are 0.

    Raises
    ------
    ConversionError
        The indices do not describe this shape and this number of values.
    """
    dense = np.zeros(shape, values.dtype)
    try:
        flat = np.ravel_multi_index(_positions(len(shape), sparsity), shape)  # checks the range
        np.put(dense, flat, _same_length(values, flat))
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise ConversionError(
            f"{name}: the indices of its {len(values)} sparse values do not fit its shape {shape}; "
            "the file is damaged, copy it again"
        ) from error
    return dense


def _positions(rank: int, sparsity: schema.SparsityParametersT) -> tuple[Indices, ...]:
    """The index of every stored value in each dimension."""
    order = [int(each) for each in sparsity.traversalOrder]
    levels = dict(zip(order, _levels(sparsity.dimMetadata), strict=True))
    position = [levels[dimension] for dimension in range(rank)]
    for block, dimension in enumerate(() if sparsity.blockMap is None else sparsity.blockMap):
        size = sparsity.dimMetadata[order.index(rank + block)].denseSize
        position[dimension] = position[dimension] * size + levels[rank + block]
    return tuple(position)


def _levels(metadata: list[schema.DimensionMetadataT]) -> list[Indices]:
    """The index of every stored value on each level, outermost first."""
    levels: list[Indices] = []
    passes = 1
    for each in metadata:
        if each.format == schema.DimensionType.DENSE:
            counts = np.full(passes, each.denseSize)
            indices = np.tile(np.arange(each.denseSize), passes)
        else:
            counts = np.diff(np.array(each.arraySegments.values, np.int64))
            indices = np.array(each.arrayIndices.values, np.int64)
        _same_length(indices, counts.repeat(counts))
        levels = [outer.repeat(counts) for outer in levels] + [indices]
        passes = len(indices)
    return levels


def _same_length(values: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    if len(values) != len(others):
        raise ValueError(f"{len(values)} values for {len(others)} places")
    return values
