"""Code by name and weights by file: what fits is loaded, and no file runs code unasked."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from latent_resonance.config.settings import Inference
from latent_resonance.pack import open_pack, sha256_of
from latent_resonance.voice.synthesis.networks import open_networks
from latent_resonance_export.gan.models.custom import ArchitectureError
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.adapter import Reading
from latent_resonance_export.pack.convert import Outside, Wishes, convert_outside
from latent_resonance_export.pack.external_generator import load_outside, make_network
from latent_resonance_export.regressor.model import Regressor, Trained

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
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with somebody's code, on nobody's path."""
    (tmp_path / "studio.py").write_text(MODULE)
    (tmp_path / "script.py").write_text("import sys\nsys.exit(2)\n")
    (tmp_path / "wrong.py").write_text("import there_is_none\n")
    (tmp_path / "syntax.py").write_text("def (\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("studio", "script", "wrong", "syntax"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises((ArchitectureError, ConversionError)) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("studio", "should read package.module:factory"),
        ("studio:", "should read package.module:factory"),
        ("nowhere:good", "ModuleNotFoundError: No module named 'nowhere'"),
        ("wrong:good", "No module named 'there_is_none'"),
        ("script:good", "SystemExit: 2"),
        ("syntax:good", "SyntaxError"),
        ("studio:bad", "has no attribute 'bad'"),
        ("studio:NUMBER", "is int: name a function"),
        ("studio:text", "returned str, not a torch.nn.Module"),
        ("studio:broken", "raised ValueError: no such layer"),
        ("studio:greedy", "without being told anything"),
    ],
)
def test_a_factory_that_makes_no_network_is_refused_in_one_line(factory: str, reason: str) -> None:
    said = refusal(lambda: make_network(factory))
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
def test_the_weights_that_fit_are_found(content: dict[str, Any], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "model.pt")
    network = load_outside(tmp_path / "model.pt", "studio:good")
    for key, value in weights().items():
        assert torch.equal(network.state_dict()[key], value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (OTHER, "does not fit the network of studio:good"),
        ({"generator": {**weights(), "more": torch.zeros(1)}}, "more"),
        ({"step": 3}, "holds no state dict"),
        ([1, 2], "holds no state dict"),
    ],
)
def test_weights_of_another_network_are_refused(
    content: object, reason: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "model.pt")
    assert reason in refusal(lambda: load_outside(tmp_path / "model.pt", "studio:good"))


@pytest.mark.parametrize("content", [b"", b"no tensors", b"PK\x03\x04 cut off", b"\x80\x04."])
def test_a_broken_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    for trust in (False, True):
        said = refusal(lambda: load_outside(path, "studio:good", trust=trust))  # noqa: B023
        assert f"{path} cannot be read" in said


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    said = refusal(lambda: load_outside(tmp_path / "none.pt", "studio:good"))
    assert said.startswith(f"there is no {tmp_path}/none.pt:")


class Hostile:
    """Touches a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.canary,)


@pytest.mark.parametrize("writer", ["torch", "torch, as it once was", "pickle"])
def test_a_hostile_file_runs_nothing_and_trust_is_named(writer: str, tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "model.pt"
    content = {**weights(), "extra": Hostile(canary)}
    if writer == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "torch")
    said = refusal(lambda: load_outside(path, "studio:good"))
    assert not canary.exists(), "the file ran code"
    assert "runs code when it is opened" in said
    assert "--trust" in said
    refusal(lambda: load_outside(path, "studio:good", trust=True))
    assert canary.exists(), "the file was harmless, so the test shows nothing"


def test_a_whole_pickled_network_is_loaded_only_with_trust(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh())
    network.load_state_dict(weights())
    torch.save({"G": network}, path)
    assert "torch.nn" in refusal(lambda: load_outside(path, "studio:good"))
    loaded = load_outside(path, "studio:good", trust=True)
    assert torch.equal(loaded.state_dict()["0.weight"], weights()["0.weight"])


def test_code_of_the_working_folder_hides_nothing_that_is_installed(studio: Path) -> None:
    (studio / "yaml.py").write_text("raise RuntimeError('hidden')")
    assert "not a torch.nn.Module" in refusal(lambda: make_network("yaml:YAMLObject"))


FACTORY = """
import torch
from torch import nn

class Foreign(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(6, 8, 8), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 4), nn.Sigmoid()
        )

    def forward(self, z):
        return self.layers(z)
"""


@pytest.mark.slow
def test_a_gan_from_elsewhere_becomes_a_pack_and_an_interruption_costs_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset_folder: Path
) -> None:
    (tmp_path / "elsewhere.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(1)
    network = __import__("elsewhere").Foreign()
    for weight in network.parameters():
        weight.data *= 8.0  # from black to white, as if it had learnt to
    torch.save({"generator": network.state_dict()}, tmp_path / "model.pt")
    outside = Outside(tmp_path / "model.pt", "elsewhere:Foreign", Reading())
    output, lessons = tmp_path / "models" / "foreign", []

    def teach(generator: torch.nn.Module, **options: object) -> Trained:
        lessons.append(options["seed"])
        assert generator(torch.zeros(2, 6)).shape == (2, 1, 512, 512)
        return Trained(Regressor(6), torch.randn(12, 6), {}, 0)

    def interrupt(stage: str, *_: int) -> None:
        if stage == "converting":
            raise KeyboardInterrupt

    convert = partial(
        convert_outside, outside, output, Wishes(audition=False), dataset_folder, teach=teach
    )
    with pytest.raises(KeyboardInterrupt):
        convert(progress=interrupt)
    assert not output.exists()
    converted = convert()
    assert lessons == [0], "the regressor was trained twice"
    assert list(output.parent.iterdir()) == [output]
    assert converted.sheet["latent_dim"] == 6
    assert converted.sheet["training"]["value_range"] == "0 to 1"
    assert converted.sheet["training"]["checkpoint_sha256"] == sha256_of(tmp_path / "model.pt")
    open_networks(open_pack(output), Inference())
