"""Collects the nodes and weights of an ONNX graph that computes a TFLite graph.

A tensor of four dimensions (batch, height, width, channels) is laid out channels first, any other
as in TFLite. In: a `TfliteGraph`, then one call per node. Out: nodes and initializers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from latent_resonance_export.face.tflite import Operator, Shape, TfliteGraph
from latent_resonance_export.pack import ConversionError

NCHW, NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
_ACTIVATIONS = {0: None, 1: "Relu"}  # TFLite's ActivationFunctionType


class GraphBuilder:
    """Collects nodes and weights."""

    def __init__(self, graph: TfliteGraph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.signs: dict[int, int] = {}  # -1 for a tensor whose negative is kept in its place

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def add_activated(
        self, kind: str, inputs: list[str], operator: Operator, **attributes: Any
    ) -> None:
        """The node of an operator, then its fused activation, which ONNX Runtime fuses again."""
        activation = operator.options.fusedActivationFunction
        require(activation in _ACTIVATIONS, f"fused activation {activation}")
        function, output = _ACTIVATIONS[activation], tensor_name(operator.output)
        if function is None:
            self.add(kind, inputs, output, **attributes)
        else:
            self.add(function, [self.add(kind, inputs, f"{output}.linear", **attributes)], output)

    def weights(self, name: str, values: NDArray[np.float32]) -> str:
        """Stores weights of any shape as float16, as Google does; returns their name as float32.

        ONNX Runtime folds the cast on loading.
        """
        if name not in self.initializers:
            stored = np.ascontiguousarray(values, np.float16)
            require(np.array_equal(stored, values), f"weight {name} in float32")
            self.initializers[name] = numpy_helper.from_array(stored, name)
            self.add("Cast", [name], f"{name}.wide", to=TensorProto.FLOAT)
        return f"{name}.wide"

    def sign(self, tensor: int) -> int:
        """-1 for a tensor whose negative is kept in its place, else 1."""
        return self.signs.get(tensor, 1)

    def choose_sign(self, operator: Operator) -> int:
        """The sign of the result of an operator that can give either: -1 for PReLU."""
        sign = self.signs[operator.output] = -1 if self._feeds_prelu(operator.output) else 1
        return sign

    def _feeds_prelu(self, tensor: int) -> bool:
        """Whether a tensor goes to PReLUs alone, directly or through sums."""
        users = [each for each in self.graph.operators if tensor in each.inputs]
        return bool(users) and all(
            each.kind == "PRELU" or (each.kind == "ADD" and self._feeds_prelu(each.output))
            for each in users
        )

    def plain(self, tensor: int) -> str:
        """The name of a tensor itself, even if its negative is kept."""
        return tensor_name(tensor) if self.sign(tensor) > 0 else self._opposite(tensor)

    def negated(self, tensor: int) -> str:
        """The name of a tensor's negative."""
        return tensor_name(tensor) if self.sign(tensor) < 0 else self._opposite(tensor)

    def _opposite(self, tensor: int) -> str:
        """By a depthwise convolution: Neg does not support the channel-blocked layout."""
        channels = self.graph.shapes[tensor][-1]
        minus = self.weights(f"minus{channels}", -np.ones((channels, 1, 1, 1), np.float32))
        name = f"{tensor_name(tensor)}.opposite"
        return self.add("Conv", [tensor_name(tensor), minus], name, group=channels)

    def operands(self, operator: Operator) -> list[str]:
        """The inputs of an operator that broadcasts.

        A constant gets as many dimensions as the result before it is laid out: both formats align
        the last dimensions, and the layout changes which these are.
        """
        rank = len(self.graph.shapes[operator.output])
        return [self._operand(each, rank) for each in operator.inputs]

    def _operand(self, tensor: int, rank: int) -> str:
        if tensor not in self.graph.constants:
            return tensor_name(tensor)
        values = self.graph.constants[tensor]
        values = values.reshape((1,) * (rank - values.ndim) + values.shape)
        return self.weights(f"w{tensor}", values.transpose(layout(rank)))

    def one(self) -> str:
        """The constant 1."""
        self.initializers["one"] = numpy_helper.from_array(np.ones(1, np.float32), "one")
        return "one"

    def integers(self, name: str, values: Iterable[int]) -> str:
        """Stores integers: a shape, axes, limits."""
        self.initializers[name] = numpy_helper.from_array(np.array([*values], np.int64), name)
        return name

    def reshape(self, source: str, rank: int, shape: Shape, output: str) -> None:
        """Reshapes a tensor of `rank` dimensions in TFLite's order of the values."""
        if rank == len(NCHW):
            source = self.add("Transpose", [source], f"{output}.nhwc", perm=NHWC)
        inputs = [source, self.integers(f"{output}.shape", shape)]
        if len(shape) == len(NCHW):
            reshaped = self.add("Reshape", inputs, f"{output}.reshaped")
            self.add("Transpose", [reshaped], output, perm=NCHW)
        else:
            self.add("Reshape", inputs, output)


def layout(rank: int) -> tuple[int, ...]:
    """Which of TFLite's dimensions each dimension of the ONNX tensor is."""
    return NCHW if rank == len(NCHW) else tuple(range(rank))


def tensor_name(tensor: int) -> str:
    """The name of a TFLite tensor in the ONNX graph."""
    return f"t{tensor}"


def require(allowed: bool, what: str) -> None:
    """Refuses what is not supported."""
    if not allowed:
        raise unsupported(what)


def unsupported(what: str) -> ConversionError:
    """The error for an operator, or an option of one, that is not supported."""
    return ConversionError(f"TFLite's {what} is not supported: add it to onnx_operators.py")
