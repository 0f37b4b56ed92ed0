"""Warm start: a new run begins with the networks of another run, or with a pack's generator.

A pack holds only the networks that the gallery plays, so the encoder and the discriminator of a
run that begins with one start from random weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.pack import MANIFEST, Pack, open_pack
from latent_resonance_export.gan.checkpoint import CHECKPOINT, Training, load_networks
from latent_resonance_export.gan.models.loop_vaegan import LoopGenerator
from latent_resonance_export.gan.models.registry import WIDTH_FACTORS, loop_generator
from latent_resonance_export.gan.run import RunError, read_config
from latent_resonance_export.pack.onnx_check import N_EXAMPLES, TOLERANCE, max_difference


def check_warm_start(folder: Path, architecture: str, geometry: Geometry) -> None:
    """Refuses a run or pack that a run of this architecture and geometry cannot begin with.

    Raises
    ------
    RunError, PackError
        The folder is neither a run nor a pack, or its networks do not fit.
    """
    if (folder / MANIFEST).exists():
        pack = open_pack(folder)
        load_loop_generator(pack.generator, pack.geometry, architecture_in(pack))
        found = (architecture_in(pack), pack.geometry)
    else:
        config = read_config(folder)
        found = (config.architecture, config.geometry)
    if found != (architecture, geometry):
        raise RunError(
            f"{folder} has another architecture or geometry ({found[0]}): begin from a run or "
            "a pack like this one, or leave out --begin-from"
        )


def load_warm_start(training: Training, folder: Path, device: torch.device) -> None:
    """Loads the networks of a run, or the generator of a pack, into a new training.

    Raises
    ------
    CheckpointError, RunError, PackError
        It cannot be read, or holds other networks.
    """
    if not (folder / MANIFEST).exists():
        load_networks(training, folder / CHECKPOINT, device)
        return
    pack = open_pack(folder)
    begun = load_loop_generator(pack.generator, pack.geometry, architecture_in(pack))
    state = begun.state_dict()
    for generator in (training.generator, training.ema):
        generator.load_state_dict(state)


def architecture_in(pack: Pack) -> str:
    """The architecture that a pack's manifest names, if it is of the default kind, else loop."""
    training = pack.metadata.get("training")
    named = training.get("architecture") if isinstance(training, dict) else None
    return named if named in WIDTH_FACTORS else "loop"


def load_loop_generator(
    path: Path, geometry: Geometry, architecture: str = "loop"
) -> LoopGenerator:
    """The default generator with the weights of the ONNX file that `convert` made from it.

    Raises
    ------
    RunError
        The file holds another network: both must generate the same from the same z.
    """
    constants = constants_of(onnx.load(path).graph)
    generator = loop_generator(geometry, architecture).eval()
    try:
        generator.load_constants(constants)
        rng = torch.Generator().manual_seed(0)
        examples = torch.randn(N_EXAMPLES, generator.latent_dim, generator=rng)
        if max_difference(generator, path, examples) <= TOLERANCE:
            return generator
    except (KeyError, RuntimeError):  # the constants have other names or shapes
        pass
    raise RunError(
        f"{path} is not of this version's architecture loop: begin from a run, or from a pack "
        "that this workshop's convert wrote, or leave out --begin-from"
    )


def constants_of(graph: onnx.GraphProto) -> dict[str, torch.Tensor]:
    """The constants of a network in float32, under the names that its nodes know them by."""
    names = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "Cast"}
    return {
        names.get(constant.name, constant.name): torch.from_numpy(
            numpy_helper.to_array(constant).astype(np.float32)
        )
        for constant in graph.initializer
    }
