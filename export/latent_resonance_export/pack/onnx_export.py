"""Exports a PyTorch network to ONNX."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import Tensor, nn

from latent_resonance_export.gan.models.loop_vaegan import MARGIN, LoopGenerator
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.onnx_check import PLACES, check_network, check_parts

MIN_HALF = 16_384  # numbers; smaller weights stay float32
OPSET = 18  # supported by every ONNX Runtime since 1.14


def export(
    network: nn.Module,
    example: Tensor,
    names: tuple[str, str],
    path: Path,
    places: Tensor | None = None,
) -> None:
    """Writes a network to one file, with a dynamic batch size and folded constants.

    Parameters
    ----------
    example : input of shape (2 or more, width)
    names : of the input and the output
    places : the network's second argument for a whole loop. It becomes an optional input, so that
        a runtime that does not know of it generates whole loops.

    Raises
    ------
    ConversionError
        PyTorch cannot express the network in ONNX.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # else it warns about torchvision
    batch = torch.export.Dim("batch", min=1, max=64)
    arguments, shapes = [(names[0], example)], [{0: batch}]
    if places is not None:
        arguments.append((PLACES, places))
        shapes.append({0: torch.export.Dim("places", min=2 * MARGIN + 1, max=len(places))})
    try:
        program = torch.onnx.export(
            network.eval(),
            tuple(value for _, value in arguments),
            input_names=[name for name, _ in arguments],
            output_names=[names[1]],
            dynamic_shapes=tuple(shapes),
            dynamo=True,
            opset_version=OPSET,
            optimize=True,  # folds constants
            verbose=False,
        )
        assert program is not None  # dynamo=True returns a program
        ClearMetadataAndDocStringPass()(program.model)  # source paths of this machine
        program.save(path, external_data=False)
    except Exception as error:  # the exporter passes on whatever a network's own code raises
        raise ConversionError(
            f"{path.name}: PyTorch cannot export this network ({root_cause(error)}); use plain "
            "operators whose shapes depend on the batch size"
        ) from error
    if places is not None:
        _make_optional(path, PLACES, places)


def _make_optional(path: Path, name: str, default: Tensor) -> None:
    """Gives an input of a network a default, as an initialiser of the same name."""
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(default.numpy(), name))
    onnx.save(model, path)


def root_cause(error: BaseException) -> str:
    """The first line of the innermost error in a chain of causes."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__


def write_generator(generator: nn.Module, z: Tensor, path: Path) -> float:
    """Exports a generator; returns the largest difference between PyTorch and ONNX Runtime.

    The default architecture is written so that it can generate a part of a loop, and with its
    weights in float16: half the size, and 0.01 dB of difference.

    z : (N_EXAMPLES, latent_dim), what both generate of

    Raises
    ------
    ConversionError
        It cannot be exported, or one of its outputs differs by more than allowed.
    """
    names = ("z", "spectrogram")
    if not isinstance(generator, LoopGenerator):
        return write_network(generator, z, names, path)
    rounded = rounded_to_half(generator)
    export(rounded, z[:2], names, path, places=generator.whole_loop())
    store_weights_as_half(path)
    largest = check_network(rounded, z, path)
    check_parts(path, z[:1], steps=len(generator.whole_loop()) - 2 * MARGIN)
    return largest


def write_network(
    network: nn.Module, examples: Tensor, names: tuple[str, str], path: Path
) -> float:
    """Exports a network and returns the largest difference between PyTorch and ONNX Runtime.

    examples : (N_EXAMPLES, width)

    Raises
    ------
    ConversionError
        It cannot be exported for every batch size, or they differ by more than TOLERANCE.
    """
    export(network, examples[:2], names, path)
    return check_network(network, examples, path)


def store_weights_as_half(path: Path) -> None:
    """Stores the large weights of a network as float16, each with a cast that is folded at load."""
    model = onnx.load(path)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if not is_stored_as_half(torch.from_numpy(values.copy())):
            continue
        half, full = f"{weight.name}.half", weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(onnx.helper.make_node("Cast", [half], [full], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)


def is_stored_as_half(weight: Tensor) -> bool:
    """Whether a weight is large enough to be worth it, and matters little enough in float16."""
    return weight.dtype == torch.float32 and weight.ndim > 1 and weight.numel() >= MIN_HALF


def rounded_to_half(network: nn.Module) -> nn.Module:
    """A copy of a network with the weights that the file of `store_weights_as_half` has."""
    rounded = copy.deepcopy(network)
    with torch.no_grad():
        for weight in filter(is_stored_as_half, rounded.parameters()):
            weight.copy_(weight.half().float())
    return rounded
