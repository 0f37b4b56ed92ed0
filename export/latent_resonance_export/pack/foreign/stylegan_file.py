"""Takes the generator out of a file that StyleGAN2-ADA's or StyleGAN3's programs wrote.

Such a `.pkl` holds networks as pickled objects together with the source of their classes. The
weights of `G_ema` are read (`inert_pickle.py`) and the source is not executed; the network is
`gan/models/stylegan2_image.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latent_resonance_export.gan.models.stylegan2_image import ImageGenerator, ImageShape
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.foreign.inert_pickle import (
    InertPickleError,
    Record,
    StoredTensor,
    read_inert_pickle,
)

PICKLE = b"\x80"
SIDES = [4 << level for level in range(9)]  # 4 to 1024
DEFAULTS = {"activation": "lrelu", "architecture": "skip", "use_noise": True, "c_dim": 0}


def is_pickle(path: Path) -> bool:
    """Whether a file begins as a pickle does."""
    with path.open("rb") as file:
        return file.read(1) == PICKLE


def load_stylegan(path: Path, truncation: float = 1.0) -> ImageGenerator:
    """The generator of a StyleGAN file, its weights averaged over the training.

    Raises
    ------
    ConversionError
        The file would execute code, is no such file, or its layout is not known.
    """
    record = generator_in(read_inert_pickle(path), path)
    check_layout(record, path)
    stored = dict(tensors_in(record))
    try:
        check_sizes(stored, path.stat().st_size)
        network = ImageGenerator(shape_of(record, stored, truncation))
        check_names(set(network.state_dict()), set(stored))
        network.load_state_dict({name: value.tensor() for name, value in stored.items()})
    except InertPickleError as error:
        raise InertPickleError(f"{path} was not read: {error}") from error
    except (RuntimeError, KeyError, IndexError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ConversionError(f"{path}: the layout of its G_ema is unknown ({reason})") from error
    return network


def generator_in(content: object, path: Path) -> Record:
    """The averaged generator of what was unpickled.

    Raises
    ------
    ConversionError
        There is none.
    """
    found = content.get("G_ema") if isinstance(content, dict) else None
    if isinstance(found, Record) and found.source:
        return found
    raise ConversionError(
        f"{path} is a pickle without StyleGAN's G_ema: name the code of its network with --factory "
        "(files of the TensorFlow versions are converted with legacy.py of StyleGAN3 first)"
    )


def check_layout(record: Record, path: Path) -> None:
    """Refuses networks that are known to be others.

    Raises
    ------
    ConversionError
    """
    synthesis = child(record, "synthesis")
    if synthesis is not None and child(synthesis, "input") is not None:
        raise ConversionError(
            f"{path} holds StyleGAN3's alias-free layers, which are not supported: train with "
            "--cfg=stylegan2, or name the network's code with --factory"
        )
    for name, expected in DEFAULTS.items():
        other = {repr(v) for v in attributes(record, name) if v not in {expected, "linear"}}
        if other:
            raise ConversionError(
                f"{path}: the network has {name} = {', '.join(sorted(other))}, and only "
                f"{expected!r} is supported: name its code with --factory"
            )


def check_sizes(stored: dict[str, StoredTensor], n_bytes: int) -> None:
    """Refuses tensors that together need more than the file has.

    Raises
    ------
    ValueError
    """
    numbers = sum(math.prod(value.size) for value in stored.values())
    if 2 * numbers > n_bytes:  # two bytes each, or four
        raise ValueError(f"its tensors have {numbers} numbers, the file {n_bytes} bytes")


def check_names(expected: set[str], found: set[str]) -> None:
    """Refuses weights of other names before they are read.

    Raises
    ------
    ValueError
    """
    for names, what in ((expected - found, "lacks"), (found - expected, "has, unexpectedly,")):
        if names:
            raise ValueError(f"it {what} {', '.join(sorted(names)[:3])}")


def shape_of(record: Record, weights: dict[str, StoredTensor], truncation: float) -> ImageShape:
    """The shape of the network whose weights these are.

    Raises
    ------
    ValueError, KeyError
        They are of another.
    """
    n_mapping = sum(name.startswith("mapping.fc") and name.endswith("weight") for name in weights)
    sides = [side for side in SIDES if f"synthesis.b{side}.torgb.weight" in weights]
    if sides != SIDES[: len(sides)] or len(sides) < 3:
        raise ValueError(f"it has levels of {sides}")
    clamps = set(attributes(record, "conv_clamp"))
    rates = {float(rate) for rate in attributes(child(record, "mapping"), "bias_gain")}
    if len(clamps) > 1 or len(rates) != 1:
        raise ValueError(f"its layers have clamps {clamps} and rates {rates}")
    return ImageShape(
        latent_dim=weights["mapping.fc0.weight"].size[1],
        n_style=weights["mapping.w_avg"].size[0],
        n_mapping=n_mapping,
        widths={side: weights[f"synthesis.b{side}.conv1.weight"].size[0] for side in sides},
        n_channels=weights["synthesis.b4.torgb.weight"].size[0],
        mapping_rate=rates.pop(),
        clamp=clamps.pop() if clamps else None,
        truncation=truncation,
    )


def child(record: Record, name: str) -> Record | None:
    """A module within a module."""
    found = part(record, "_modules").get(name)
    return found if isinstance(found, Record) else None


def part(record: Record, name: str) -> dict[str, Any]:
    """One of the dicts that torch.nn.Module keeps; empty if it is none."""
    found = record.state.get(name)
    return found if isinstance(found, dict) else {}


def modules_in(record: Record | None) -> Iterator[tuple[str, Record]]:
    """(prefix of names, module) of a module and all within it, each once."""
    waiting, seen = [("", record)], set()
    while waiting:
        prefix, module = waiting.pop()
        if isinstance(module, Record) and id(module) not in seen:
            seen.add(id(module))
            yield prefix, module
            waiting += [(f"{prefix}{name}.", m) for name, m in part(module, "_modules").items()]


def tensors_in(record: Record) -> Iterator[tuple[str, StoredTensor]]:
    """(name, tensor) of all parameters and buffers."""
    for prefix, module in modules_in(record):
        for name, value in (part(module, "_parameters") | part(module, "_buffers")).items():
            if isinstance(value, StoredTensor):
                yield f"{prefix}{name}", value


def attributes(record: Record | None, name: str) -> Iterator[Any]:
    """The values that an attribute has in a module and all within it; numbers and text only."""
    for _, module in modules_in(record):
        value = module.state.get(name, ())
        if value is None or isinstance(value, int | float | str):
            yield value
