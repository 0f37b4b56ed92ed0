"""Code by name, weights by file: matching weights are loaded, no file executes code unasked."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from latent_resonance_export.gan.models.custom import ArchitectureError
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.foreign.external_generator import load_external, make_network

MODULE = """
import sys
from torch import nn

NUMBER = 7

def good():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh())

def greedy(size):
    return good()

def broken():
    raise ValueError("no such layer\\nand a second line")

def text():
    return "a network"
"""


@pytest.fixture(autouse=True)
def user_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a user's code, which is not on sys.path."""
    (tmp_path / "user_code.py").write_text(MODULE)
    (tmp_path / "script.py").write_text("import sys\nsys.exit(2)\n")
    (tmp_path / "wrong.py").write_text("import there_is_none\n")
    (tmp_path / "syntax.py").write_text("def (\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("user_code", "script", "wrong", "syntax"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def error_message(call: Callable[[], object]) -> str:
    with pytest.raises((ArchitectureError, ConversionError)) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("user_code", "should read package.module:factory"),
        ("user_code:", "should read package.module:factory"),
        ("nowhere:good", "ModuleNotFoundError: No module named 'nowhere'"),
        ("wrong:good", "No module named 'there_is_none'"),
        ("script:good", "SystemExit: 2"),
        ("syntax:good", "SyntaxError"),
        ("user_code:bad", "has no attribute 'bad'"),
        ("user_code:NUMBER", "is int: name a function"),
        ("user_code:text", "returned str, not a torch.nn.Module"),
        ("user_code:broken", "raised ValueError: no such layer"),
        ("user_code:greedy", "when called without arguments"),
    ],
)
def test_a_factory_without_a_network_is_refused_in_one_line(factory: str, reason: str) -> None:
    said = error_message(lambda: make_network(factory))
    assert reason in said
    assert factory in said


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(9)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh()).state_dict()


OTHER = nn.Linear(3, 3).state_dict()
PARALLEL = {f"module.{key}": value for key, value in weights().items()}


@pytest.mark.parametrize(
    "content",
    [
        weights(),
        PARALLEL,
        {"state_dict": weights()},
        {"step": 3, "discriminator": OTHER, "generator": PARALLEL},
        {"G": {k: v + 1 for k, v in weights().items()}, "D": OTHER, "g_ema": weights()},
    ],
    ids=["plain", "parallel", "nested", "beside others", "averaged"],
)
def test_matching_weights_are_found(content: dict[str, Any], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "model.pt")
    network, _ = load_external(tmp_path / "model.pt", "user_code:good")
    for key, value in weights().items():
        assert torch.equal(network.state_dict()[key], value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (OTHER, "does not fit the network of user_code:good"),
        ({"generator": {**weights(), "more": torch.zeros(1)}}, "more"),
        ({"step": 3}, "holds no state dict"),
        ([1, 2], "holds no state dict"),
    ],
)
def test_weights_of_another_network_are_refused(
    content: object, reason: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "model.pt")
    assert reason in error_message(lambda: load_external(tmp_path / "model.pt", "user_code:good"))


@pytest.mark.parametrize("content", [b"\0no tensors", b"PK\x03\x04 cut off", b"\x80\x04."])
def test_a_broken_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    for trust in (False, True):
        said = error_message(lambda: load_external(path, "user_code:good", trust=trust))  # noqa: B023
        assert said.startswith(str(path))
        assert "again" in said or "save" in said
        assert "torch.load" not in said, "PyTorch's advice is for another case"


@pytest.mark.parametrize(
    "prefix", ["_orig_mod.", "module.", "generator.", "netG.", "ema.", "module._orig_mod."]
)
def test_prefixes_of_wrappers_are_removed_and_named(prefix: str, tmp_path: Path) -> None:
    state = {f"{prefix}{key}": value for key, value in weights().items()}
    beside = {"n_averaged": torch.tensor(3), "discriminator.weight": torch.zeros(2)}
    torch.save(state | beside, tmp_path / "model.pt")
    network, said = load_external(tmp_path / "model.pt", "user_code:good")
    assert torch.equal(network.state_dict()["0.weight"], weights()["0.weight"])
    assert prefix in said


def test_weights_of_torchs_own_average_and_of_a_compiled_network_are_loaded(
    tmp_path: Path,
) -> None:
    network = make_network("user_code:good")
    network.load_state_dict(weights())
    averaged = torch.optim.swa_utils.AveragedModel(network)
    compiled = torch.compile(network, backend="eager")
    for state in (averaged.state_dict(), compiled.state_dict()):
        torch.save(state, tmp_path / "model.pt")
        loaded, _ = load_external(tmp_path / "model.pt", "user_code:good")
        assert torch.equal(loaded.state_dict()["0.weight"], weights()["0.weight"])


def as_safetensors(state: dict[str, torch.Tensor]) -> bytes:
    """The public layout, written here so that reading it is checked against another hand."""
    names = {torch.float32: "F32", torch.float16: "F16", torch.int64: "I64"}
    table, data = {"__metadata__": {"format": "pt"}}, b""
    for key, value in state.items():
        content = value.contiguous().numpy().tobytes()
        offsets = [len(data), len(data) + len(content)]
        shape = list(value.shape)
        table[key] = {"dtype": names[value.dtype], "shape": shape, "data_offsets": offsets}
        data += content
    header = json.dumps(table).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data


@pytest.mark.parametrize("name", ["model.safetensors", "renamed.pt"])
def test_safetensors_are_read_by_their_content(name: str, tmp_path: Path) -> None:
    state = {f"generator.{key}": value for key, value in weights().items()}
    (tmp_path / name).write_bytes(as_safetensors(state))
    network, said = load_external(tmp_path / name, "user_code:good")
    for key, value in weights().items():
        assert torch.equal(network.state_dict()[key], value)
    assert "generator." in said


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": "F8_E4M3"}, "F8_E4M3"),
        ({"shape": [9, 9]}, "does not fit"),
        ({"shape": [-1, -24]}, "invalid shape"),
        ({"data_offsets": [10**12, 10**12 + 96]}, "does not fit"),
        ({"data_offsets": "all"}, "broken"),
    ],
)
def test_broken_safetensors_are_refused(
    change: dict[str, object], reason: str, tmp_path: Path
) -> None:
    content = as_safetensors(weights())
    length = int.from_bytes(content[:8], "little")
    table = json.loads(content[8 : 8 + length])
    table["0.weight"] |= change
    header = json.dumps(table).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
    said = error_message(lambda: load_external(path, "user_code:good"))
    assert "broken .safetensors" in said
    assert reason in said


def test_a_local_hugging_face_folder_gives_its_only_weights(tmp_path: Path) -> None:
    folder = tmp_path / "repo"
    folder.mkdir()
    assert "no file of weights" in error_message(lambda: load_external(folder, "user_code:good"))
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(as_safetensors(weights()))
    torch.save({}, folder / "pytorch_model.bin")
    network, _ = load_external(folder, "user_code:good")
    assert torch.equal(network.state_dict()["0.bias"], weights()["0.bias"])
    (folder / "other.safetensors").write_bytes(as_safetensors(weights()))
    assert "several files" in error_message(lambda: load_external(folder, "user_code:good"))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html><head>", "a web page"),
        (b"\n<html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b"", "an empty file"),
        (b"Access denied", "text"),
    ],
)
def test_what_only_has_the_name_of_a_checkpoint_is_called_what_it_is(
    content: bytes, what: str, tmp_path: Path
) -> None:
    (tmp_path / "page.pt").write_bytes(content)
    said = error_message(lambda: load_external(tmp_path / "page.pt", "user_code:good"))
    assert f"no checkpoint of PyTorch but {what}" in said
    assert "torch.load" not in said
    assert said.count(": ") == 1, "one remedy"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    said = error_message(lambda: load_external(tmp_path / "none.pt", "user_code:good"))
    assert said.startswith(f"there is no {tmp_path}/none.pt:")


class Hostile:
    """Touches a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.canary,)


class Copying:
    """Copies a file when it is unpickled."""

    def __init__(self, *paths: Path) -> None:
        self.paths = paths

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return shutil.copy, tuple(map(str, self.paths))


def test_a_hostile_object_in_a_file_is_read_as_data(tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.pt"
    (tmp_path / "source").touch()
    hostile = Copying(tmp_path / "source", canary)
    torch.save({"hyper_parameters": hostile, "G": weights()}, path)
    network, _ = load_external(path, "user_code:good")
    assert torch.equal(network.state_dict()["0.weight"], weights()["0.weight"])
    assert not canary.exists(), "the file ran code"
    load_external(path, "user_code:good", trust=True)
    assert canary.exists(), "the file is harmless, so the test proves nothing"


@pytest.mark.parametrize("writer", ["torch", "torch, as it once was", "pickle"])
def test_a_hostile_file_executes_nothing_and_the_error_names_trust(
    writer: str, tmp_path: Path
) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.pt"
    content = {**weights(), "extra": Hostile(canary)}
    if writer == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "torch")
    said = error_message(lambda: load_external(path, "user_code:good"))
    assert not canary.exists(), "the file ran code"
    assert "executes code when it is opened" in said
    assert "--trust" in said
    with suppress(ConversionError):  # a plain pickle is no checkpoint
        load_external(path, "user_code:good", trust=True)
    assert canary.exists(), "the file is harmless, so the test proves nothing"


@pytest.mark.parametrize("trust", [False, True])
def test_a_network_that_was_saved_whole_gives_its_weights(trust: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh())
    network.load_state_dict(weights())
    torch.save({"G": network, "epoch": 3}, path)
    loaded, _ = load_external(path, "user_code:good", trust=trust)
    assert torch.equal(loaded.state_dict()["0.weight"], weights()["0.weight"])


def test_a_network_that_was_saved_whole_in_the_old_format_needs_trust(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh())
    torch.save({"G": network}, path, _use_new_zipfile_serialization=False)
    assert "torch.nn" in error_message(lambda: load_external(path, "user_code:good"))
    load_external(path, "user_code:good", trust=True)


def test_installed_modules_take_precedence_over_the_working_folder(user_code: Path) -> None:
    (user_code / "yaml.py").write_text("raise RuntimeError('hidden')")
    assert "not a torch.nn.Module" in error_message(lambda: make_network("yaml:YAMLObject"))
