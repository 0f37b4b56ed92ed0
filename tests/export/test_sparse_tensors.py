"""TFLite's sparse tensors: every storage of a dense tensor expands to that tensor."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
interpreter = pytest.importorskip("ai_edge_litert.interpreter")
sparse = pytest.importorskip("latent_resonance_export.face.sparse")

Dense = NDArray[np.float32]
SHAPE = (4, 1, 6)


def stored(
    dense: Dense, order: list[int], blocks: dict[int, int], compressed: list[bool]
) -> tuple[Dense, Any]:
    """The values and indices of a tensor.

    Parameters
    ----------
    order
        The level's dimension, outermost first; numbers beyond the tensor's are blocks.
    blocks
        Dimension to size of its blocks.
    compressed
        Whether a level lists the indices that are not empty.
    """
    outer = [size // blocks.get(i, 1) for i, size in enumerate(dense.shape)]
    sizes = [each for i, size in enumerate(outer) for each in (size, blocks.get(i, 1))]
    inside = [2 * i + 1 for i in (*blocks, *({*range(dense.ndim)} - {*blocks}))]  # these last: 1
    blocked = dense.reshape(sizes).transpose(*range(0, 2 * dense.ndim, 2), *inside)
    blocked = blocked.reshape(*outer, *blocks.values())
    nodes, levels = [blocked.transpose(order)], []
    for each in compressed:
        size = nodes[0].shape[0]
        kept = [[i for i in range(size) if not each or node[i].any()] for node in nodes]
        levels.append(level(size, kept) if each else schema.DimensionMetadataT(denseSize=size))
        nodes = [node[i] for node, indices in zip(nodes, kept, strict=True) for i in indices]
    sparsity = schema.SparsityParametersT(order, list(blocks), levels)
    return np.array(nodes, np.float32), sparsity


def level(size: int, kept: list[list[int]]) -> Any:
    segments, indices = schema.Int32VectorT(), schema.Uint8VectorT()
    segments.values = np.cumsum([0, *map(len, kept)], dtype=np.int32)
    indices.values = np.concatenate([[], *kept]).astype(np.uint8)
    return schema.DimensionMetadataT(
        format=schema.DimensionType.SPARSE_CSR,
        denseSize=size,
        arraySegmentsType=schema.SparseIndexVector.Int32Vector,
        arraySegments=segments,
        arrayIndicesType=schema.SparseIndexVector.Uint8Vector,
        arrayIndices=indices,
    )


def example(seed: int) -> Dense:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=SHAPE) * (rng.random(SHAPE) < 0.4)).astype(np.float32)


@given(st.data(), st.integers(0, 1000))
def test_every_order_and_storage_of_a_tensor_expands_to_it(data: st.DataObject, seed: int) -> None:
    dense = example(seed)
    blocks = data.draw(st.sampled_from([{}, {0: 2}, {2: 3}, {0: 2, 2: 2}, {2: 3, 0: 4}]))
    n_levels = dense.ndim + len(blocks)
    order = data.draw(st.permutations(range(n_levels)))
    compressed = data.draw(st.lists(st.booleans(), min_size=n_levels, max_size=n_levels))
    values, sparsity = stored(dense, order, blocks, compressed)
    assert np.array_equal(sparse.densify(values, SHAPE, sparsity), dense)


def litert(values: Dense, sparsity: Any) -> Dense:
    """What LiteRT's DENSIFY returns for a sparse constant."""
    import flatbuffers

    constant = schema.TensorT(shape=SHAPE, buffer=1, name="constant", sparsity=sparsity)
    result = schema.TensorT(shape=SHAPE, name="result")
    operator = schema.OperatorT(inputs=[0], outputs=[1])
    graph = schema.SubGraphT([constant, result], [], [1], [operator])
    code = schema.OperatorCodeT(schema.BuiltinOperator.DENSIFY)
    buffers = [schema.BufferT(), schema.BufferT(np.frombuffer(values.tobytes(), np.uint8))]
    model = schema.ModelT(version=3, operatorCodes=[code], subgraphs=[graph], buffers=buffers)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    plain = interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # XNNPACK needs an input
    runtime = interpreter.Interpreter(
        model_content=bytes(builder.Output()), experimental_op_resolver_type=plain
    )
    runtime.allocate_tensors()
    runtime.invoke()
    return runtime.get_tensor(1)


@pytest.mark.parametrize(
    ("order", "blocks", "compressed"),
    [
        ([0, 1, 2], {}, [False, False, True]),  # as MediaPipe's detector stores its weights
        ([2, 0, 1], {}, [True, True, False]),
        ([0, 1, 2, 3, 4], {0: 2, 2: 3}, [False, False, True, False, False]),
    ],
)
def test_litert_expands_the_same_storage_to_the_same_tensor(
    order: list[int], blocks: dict[int, int], compressed: list[bool]
) -> None:
    dense = example(1)
    values, sparsity = stored(dense, order, blocks, compressed)
    assert np.array_equal(litert(values, sparsity), dense)
    assert np.array_equal(sparse.densify(values, SHAPE, sparsity), dense)


@pytest.mark.parametrize(
    "damage",
    [
        lambda sparsity: sparsity.dimMetadata[2].arrayIndices.values.__setitem__(0, 6),
        lambda sparsity: sparsity.dimMetadata[2].arraySegments.values.__setitem__(1, 9),
        lambda sparsity: sparsity.dimMetadata[2].arraySegments.values.__setitem__(-1, 3),
        lambda sparsity: sparsity.dimMetadata[2].arraySegments.values.resize(3, refcheck=False),
        lambda sparsity: setattr(sparsity.dimMetadata[0], "denseSize", 2**31 - 1),
        lambda sparsity: setattr(sparsity.dimMetadata[0], "denseSize", 3),
        lambda sparsity: setattr(sparsity, "dimMetadata", sparsity.dimMetadata[:2]),
    ],
)
def test_indices_that_do_not_fit_the_tensor_are_refused(damage: Any) -> None:
    values, sparsity = stored(example(1), [0, 1, 2], {}, [False, False, True])
    damaged = copy.deepcopy(sparsity)
    damage(damaged)
    with pytest.raises(ValueError, match=r"\w"):
        sparse.densify(values, SHAPE, damaged)


def test_a_missing_or_a_surplus_value_is_refused() -> None:
    values, sparsity = stored(example(1), [0, 1, 2], {}, [False, False, True])
    for wrong in (values[:-1], np.append(values, np.float32(1))):
        with pytest.raises(ValueError, match="values for"):
            sparse.densify(wrong, SHAPE, sparsity)
