"""A TorchScript archive gives its network as data; none of its program runs in this process."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.gan.models.loop_vaegan import LoopGenerator
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.foreign.adapter import AdapterOptions, adapt
from latent_resonance_export.pack.foreign.external_generator import load_external
from latent_resonance_export.pack.foreign.torchscript_file import FILES, NAMESPACES, is_torchscript
from latent_resonance_export.pack.foreign.torchscript_ops import TENSOR_OPS
from latent_resonance_export.pack.onnx_check import N_EXAMPLES
from latent_resonance_export.pack.onnx_export import write_network

warnings.filterwarnings("ignore", message=".*torch.jit")


class Upsampling(nn.Module):
    """Branches, shapes, batch normalisation and transposed convolutions, as public GANs have."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 4 * 16)
        self.norm = nn.BatchNorm2d(4)
        self.up = nn.ConvTranspose2d(4, 4, 4, 2, 1, bias=False)
        self.last = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z).view(z.shape[0], 4, 4, 4)
        if x.shape[1] == 4:
            x = functional.leaky_relu(self.up(self.norm(x)), 0.2)
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        return torch.tanh(self.last(x))


def saved(path: Path, network: nn.Module, *, traced: bool = False) -> Path:
    torch.manual_seed(3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    network.eval()
    made = torch.jit.trace(network, torch.randn(2, 6)) if traced else torch.jit.script(network)
    made.save(str(path))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("traced", [False, True])
def test_an_archive_becomes_a_network_that_agrees_with_it_and_with_onnx(
    traced: bool, tmp_path: Path
) -> None:
    network = Upsampling()
    path = saved(tmp_path / "network.pt", network, traced=traced)
    loaded, weights = load_external(path, None)
    assert weights == "TorchScript"
    z = torch.randn(5, 6)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(z), network(z))
    adapted = adapt(loaded, Geometry(n_mels=32, n_frames=32), AdapterOptions())
    assert adapted.latent_dim == 6
    z = torch.randn(N_EXAMPLES, 6)
    assert write_network(adapted, z, ("z", "spectrogram"), tmp_path / "g.onnx") < 1e-4


@pytest.mark.slow
def test_this_projects_own_generator_is_read_as_a_trace(tmp_path: Path) -> None:
    network = LoopGenerator(latent_dim=6, n_mels=32, widths=(8, 8, 8, 8), n_style=8)
    loaded, _ = load_external(saved(tmp_path / "loop.pt", network, traced=True), None)
    z = torch.randn(2, 6)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(z), network(z))


class Writes(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        torch.save(z, "canary")
        return z


class Maps(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z + torch.from_file("canary", True, 4)


class Draws(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z + torch.randn_like(z)


@pytest.mark.parametrize(("network", "name"), [(Writes(), "save"), (Maps(), "from_file")])
def test_an_operator_that_reaches_files_is_refused_before_the_archive_is_opened(
    network: nn.Module, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hostile.pt"
    torch.jit.script(network).save(str(path))
    with pytest.raises(ConversionError, match=f"was not opened.*{name}.*--factory"):
        load_external(path, None)
    assert not (tmp_path / "canary").exists()


@pytest.mark.slow
def test_an_operator_that_is_no_arithmetic_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    torch.jit.script(Draws()).save(str(path))
    with pytest.raises(ConversionError, match=r"aten::randn_like.*--factory"):
        load_external(path, None)


def test_an_archive_needs_no_factory_and_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path / "network.pt", nn.Tanh())
    with pytest.raises(ConversionError, match="leave out --factory"):
        load_external(path, "torch.nn:Tanh")


def rewritten(source: Path, target: Path, old: str, new: str) -> Path:
    """The archive with other program text."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as copy:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith(".py"):
                content = content.decode().replace(old, new).encode()
            copy.writestr(name, content)
    return target


@pytest.mark.parametrize(
    "hidden",
    [
        "torch.from_file",
        "(torch.\\\n  from_file)",
        "ops.quantized.linear",
        "x.save",
        "__setstate__",
    ],
)
def test_no_way_of_writing_hides_an_operator(hidden: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "network.pt", nn.Tanh())
    other = rewritten(path, tmp_path / "other.pt", "torch.tanh", hidden)
    with pytest.raises(ConversionError, match="was not opened"):
        load_external(other, None)


@pytest.mark.slow
def test_a_broken_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("network/code/__torch__.py", "no program (")
    with pytest.raises(ConversionError, match="cannot be read as TorchScript") as caught:
        load_external(path, None)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_torch_save_is_no_program(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "weights.pt")
    assert not is_torchscript(tmp_path / "weights.pt")
    assert is_torchscript(saved(tmp_path / "network.pt", nn.Tanh()))


def test_only_two_operators_take_the_name_of_a_file() -> None:
    schemas = [each for each in torch._C._jit_get_all_schemas() if is_known_space(each.name)]
    named = {s.name.partition("::")[2] for s in schemas for a in s.arguments if "file" in a.name}
    assert named == FILES
    assert not FILES & TENSOR_OPS


def is_known_space(name: str) -> bool:
    return name.partition("::")[0] in NAMESPACES
