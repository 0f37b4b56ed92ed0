"""What a new run begins with: the networks of another run, or the generator of a pack.

A pack holds what is played and no more, so a run that begins with one has its encoder and its
critics still to teach.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.pack import SHEET as PACK_SHEET
from latent_resonance.pack import open_pack
from latent_resonance_export.gan.checkpoint import CHECKPOINT, Training, inherit
from latent_resonance_export.gan.models.loop_vaegan import LoopGenerator
from latent_resonance_export.gan.models.registry import loop_generator
from latent_resonance_export.gan.run import RunError, read_sheet
from latent_resonance_export.pack.onnx_export import AGREEMENT, N_EXAMPLES, disagreement


def check_ancestor(folder: Path, architecture: str, geometry: Geometry) -> None:
    """Refuses what a run of this architecture and geometry cannot begin with.

    Raises
    ------
    RunError, PackError
        It is neither a run nor a pack, or its networks do not fit.
    """
    if (folder / PACK_SHEET).exists():
        pack = open_pack(folder)
        generator_of(pack.generator, pack.geometry)
        theirs = ("loop", pack.geometry)
    else:
        sheet = read_sheet(folder)
        theirs = (sheet.architecture, sheet.geometry)
    if theirs != (architecture, geometry):
        raise RunError(
            f"{folder} is of another architecture or geometry ({theirs[0]}): begin from a run or "
            "a pack like this one, or leave --begin-from out"
        )


def begin_with(training: Training, folder: Path, device: torch.device) -> None:
    """Gives the networks of a run, or the generator of a pack, to a training that is fresh.

    Raises
    ------
    CheckpointError, RunError, PackError
        It cannot be read, or is of other networks.
    """
    if not (folder / PACK_SHEET).exists():
        inherit(training, folder / CHECKPOINT, device)
        return
    pack = open_pack(folder)
    state = generator_of(pack.generator, pack.geometry).state_dict()
    for ours in (training.generator, training.average):
        ours.load_state_dict(state)


def generator_of(path: Path, geometry: Geometry) -> LoopGenerator:
    """The default network with the weights that lie in an ONNX file `convert` made of it.

    Raises
    ------
    RunError
        The file is of another network: what the two make of the same z decides.
    """
    constants = {
        constant.name: torch.from_numpy(numpy_helper.to_array(constant).copy())
        for constant in onnx.load(path).graph.initializer
    }
    generator = loop_generator(geometry).eval()
    try:
        generator.load_constants(constants)
        rng = torch.Generator().manual_seed(0)
        examples = torch.randn(N_EXAMPLES, generator.latent_dim, generator=rng)
        if disagreement(generator, path, examples) <= AGREEMENT:
            return generator
    except (KeyError, RuntimeError):  # the constants are of other names or shapes
        pass
    raise RunError(
        f"{path} is not of the architecture loop as it is here: begin from a run, or from a pack "
        "that this workshop's convert has written, or leave --begin-from out"
    )
