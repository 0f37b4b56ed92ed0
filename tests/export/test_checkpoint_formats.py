"""What artists have for checkpoints is loaded, or called what it is with one remedy."""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.foreign.external_generator import (
    load_external,
    load_weights,
    read_checkpoint,
)
from latent_resonance_export.pack.foreign.state_dicts import Inert, is_average, state_dicts
from latent_resonance_export.pack.foreign.weights_file import weights_file_in, weights_sha256

FACTORY = "collections:OrderedDict"  # of the errors alone


def generator() -> nn.Module:
    """A small network with buffers, as GANs have."""
    torch.manual_seed(9)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh())


class Trainer:
    """An object of the training program's own."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.rate = network, np.float64(3e-4)


class Wrapped(nn.Module):
    """A module of a training program, with a buffer that is no weight."""

    def __init__(self) -> None:
        super().__init__()
        self.net_g, self.disc = generator(), nn.Linear(2, 2)
        self.register_buffer("cache", torch.zeros(3), persistent=False)


def named(prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{key}": value for key, value in generator().state_dict().items()}


CONTENTS: dict[str, Callable[[], object]] = {
    "hyperparameters of argparse, numpy and pathlib": lambda: {
        "state_dict": named("generator."),
        "hyper_parameters": argparse.Namespace(rate=np.float32(0.1), data=Path("/data")),
        "losses": np.arange(3.0),
    },
    "a defaultdict": lambda: defaultdict(list, {"G": generator().state_dict()}),
    "a prefix of the artist's own": lambda: named("model.decoder."),
    "a wrapper in the middle": lambda: {
        key.replace(".", "._orig_mod.", 1): value for key, value in named("").items()
    },
    "a module with other networks": Wrapped,
    "an object that has the network": lambda: Trainer(generator()),
    "a list": lambda: [3, (named(""), {"epoch": 3})],
    "other numbers beside the weights": lambda: named("") | {"epoch": 3},
    "float64": lambda: {k: v.double() for k, v in named("").items()},
    "sparse": lambda: named("") | {"0.weight": named("")["0.weight"].to_sparse()},
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_weights_are_found_and_no_class_of_the_file_is_needed(kind: str, tmp_path: Path) -> None:
    torch.save(CONTENTS[kind](), tmp_path / "model.pt")
    network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh())
    content = read_checkpoint(tmp_path / "model.pt", trust=False)
    load_weights(network, content, tmp_path / "model.pt", FACTORY)
    for key, value in generator().state_dict().items():
        assert torch.equal(network.state_dict()[key], value), key


def test_averages_are_preferred_whatever_their_prefix(tmp_path: Path) -> None:
    plain = {key: torch.zeros_like(value) for key, value in named("").items()}
    content = {f"net_g.{key}": value for key, value in plain.items()} | named("net_g_ema.")
    network = generator()
    said = load_weights(network, content, tmp_path, FACTORY)
    assert torch.equal(network.state_dict()["0.weight"], named("")["0.weight"])
    assert "net_g_ema." in said


@pytest.mark.parametrize("name", ["params_ema", "G_ema", "modelEMA", "EMAModel", "ema", "swa.net"])
def test_averages_are_preferred_whatever_their_name(name: str, tmp_path: Path) -> None:
    first = {key: torch.zeros_like(value) for key, value in named("").items()}
    network = generator()
    said = load_weights(network, {"params": first, name: named("")}, tmp_path, FACTORY)
    assert torch.equal(network.state_dict()["0.weight"], named("")["0.weight"])
    assert said == name


def test_attributes_of_another_kind_in_a_damaged_network_are_passed_over() -> None:
    module = Inert()
    module.state = {"_parameters": {"w": torch.ones(2), 3: torch.ones(2)}, "_buffers": module}
    module.state |= {"_modules": 3, "_non_persistent_buffers_set": module}
    assert list(next(state_dicts(module))[1]) == ["w"]


@pytest.mark.parametrize("name", ["cinema", "schema", "demeaned", "generator", "EMAIL"])
def test_other_names_are_no_averages(name: str) -> None:
    assert not is_average(name)


def test_content_that_contains_itself_has_an_end() -> None:
    content: dict[str, object] = {"G": named("")}
    content["self"] = content
    content["all"] = [content, content]
    assert len(list(state_dicts(content))) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"0.weight": torch.full((6, 4), torch.nan)}, "1 of 7 weights hold NaN or infinity"),
        ({"0.weight": torch.zeros(9, 4)}, "0.weight is 9 × 4, the network has 6 × 4"),
        ({"0.weight": torch.zeros(6, 4, device="meta")}, "have no values"),
    ],
)
def test_weights_that_cannot_be_used_are_named_with_their_sizes(
    change: dict[str, torch.Tensor], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConversionError, match=reason):
        load_weights(generator(), named("") | change, tmp_path, FACTORY)


def zipped(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return content.getvalue()


def saved(state: object) -> bytes:
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


def tarred() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"))
    return content.getvalue()


FOREIGN = {
    "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "model.keras": (zipped("config.json", "model.weights.h5"), "Keras"),
    "flax_model.msgpack": (b"\x81\xa6params\x81\xa6kernel\xc7", "Flax"),
    "generator.onnx": (b"\x08\x0a\x12\x07pytorch\x1a\x03", "ONNX"),
    "weights.npz": (zipped("a.npy", "b.npy"), "NumPy"),
    "model.tflite": (b"\x1c\0\0\0TFL3" + bytes(99), "TensorFlow Lite"),
    "model.ckpt.index": (b"\0\1\2", "TensorFlow checkpoint"),
    "exported.pt2": (zipped("x/models/model.json"), "torch.export"),
    "weights.zip": (zipped("model.pt"), "unpack it"),
    "half.pt": (saved(named(""))[:-400], "download it again"),
    "zeros.pt": (bytes(2048), "zeros"),
    "old.pt": (tarred(), "--trust"),
    "plain.pkl": (b"\x80\x04}q\0.", "save"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_programs_and_broken_ones_are_called_what_they_are(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.py").write_text("import torch\nmake = lambda: torch.nn.Linear(2, 2)\n")
    monkeypatch.syspath_prepend(tmp_path)
    content, what = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConversionError) as caught:
        load_external(tmp_path / name, "own:make")
    said = str(caught.value)
    assert what in said
    assert "\n" not in said
    assert ": " in said, "a remedy"


def test_weights_in_several_files_are_read_by_their_index(tmp_path: Path) -> None:
    state = named("")
    halves = [dict(list(state.items())[:3]), dict(list(state.items())[3:])]
    names = [f"pytorch_model-0000{i}-of-00002.bin" for i in (1, 2)]
    for name, half in zip(names, halves, strict=True):
        torch.save(half, tmp_path / name)
    where = {key: name for name, half in zip(names, halves, strict=True) for key in half}
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    assert weights_file_in(tmp_path) == index
    network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh())
    load_weights(network, read_checkpoint(index, trust=False), index, FACTORY)
    assert torch.equal(network.state_dict()["0.weight"], state["0.weight"])
    before = weights_sha256(index)
    (tmp_path / names[1]).unlink()
    with pytest.raises(ConversionError, match=names[1]):
        weights_sha256(index)
    torch.save({}, tmp_path / names[1])
    assert weights_sha256(index) != before
    index.write_text(json.dumps({"weight_map": {"0.weight": "../../outside.bin"}}))
    with pytest.raises(ConversionError, match="outside its folder"):
        weights_sha256(index)


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ("_CHECKPOINT_METADATA", "Orbax"),
        ("saved_model.pb", "SavedModel"),
        (".metadata", "dcp_to_torch_save"),
        ("model_index.json", "name the folder"),
        ("snapshots/abc/model.safetensors", "name .*snapshots/abc"),
    ],
)
def test_folders_of_other_programs_are_called_what_they_are(
    inside: str, what: str, tmp_path: Path
) -> None:
    (tmp_path / inside).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / inside).touch()
    with pytest.raises(ConversionError, match=what):
        load_external(tmp_path, None)
