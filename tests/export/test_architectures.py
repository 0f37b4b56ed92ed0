"""The generators that can be trained by name, and those that artists bring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.gan.models.circular_layers import (
    double,
    halve,
    n_doublings,
    pad_by_one,
)
from latent_resonance_export.gan.models.dcgan import (
    DcganDiscriminator,
    DcganGenerator,
    Doubling,
    Halving,
)
from latent_resonance_export.gan.models.registry import (
    ARCHITECTURES,
    ArchitectureError,
    architecture_of,
    make_generator,
)
from latent_resonance_export.gan.models.stylegan2 import (
    ModulatedConv,
    StyleDiscriminator,
    StyleGenerator,
)

TINY = Geometry(n_mels=64, n_frames=64)
FLAT = Geometry(n_mels=32, n_frames=128)
TALL = Geometry(n_mels=128, n_frames=32)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed))


@pytest.fixture(scope="module", autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("geometry", [TINY, FLAT, TALL], ids=["square", "flat", "tall"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_fits_a_geometry_of_powers_of_two(name: str, geometry: Geometry) -> None:
    torch.manual_seed(0)
    architecture = architecture_of(name)
    generator = make_generator(name, geometry).eval()
    pictures = generator(randn(4, generator.latent_dim))
    assert pictures.shape == (4, 1, geometry.n_mels, geometry.n_frames)
    assert pictures.abs().max() <= 1.0
    assert pictures.std() > 0.01
    discriminator = architecture.discriminator(geometry)
    said = discriminator(pictures, torch.rand(2, 2, generator=rng()))
    assert len(said) == len(discriminator.NAMES)
    assert all(logits.shape[0] == 4 and logits.isfinite().all() for logits in said)
    if architecture.encoder:
        assert architecture.encoder(geometry)(pictures).shape == (4, generator.latent_dim)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_keeps_the_contract_of_a_pack_at_full_size(name: str) -> None:
    generator = make_generator(name, Geometry()).eval()
    assert generator.latent_dim == 128
    assert generator(randn(1, 128)).shape == (1, 1, 512, 512)
    assert sum(p.numel() for p in generator.parameters()) * 4 < 30e6, "over 30 MB as ONNX"


def narrow(name: str) -> nn.Module:
    torch.manual_seed(1)
    make = {"dcgan": DcganGenerator, "stylegan2": StyleGenerator}[name]
    generator = make(64, 64, 16, 32)
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    generator(randn(64, 16))  # what batch normalisation counts is known after one batch
    return generator.eval()


@pytest.mark.parametrize("name", ["dcgan", "stylegan2"])
def test_the_picture_is_a_loop_bounded_and_its_own(name: str) -> None:
    generator, z = narrow(name), randn(16, 16)
    pictures = generator(z)
    assert torch.equal(pictures, generator(z)), "it draws by chance"
    torch.testing.assert_close(generator(z[2:3]), pictures[2:3], atol=1e-5, rtol=0)
    torch.testing.assert_close(generator(9.0 * z), pictures, atol=1e-4, rtol=0)
    assert generator(1e4 * z).abs().max() <= 1.0
    assert torch.pdist(pictures.flatten(1)).min() > 0.1
    change = (pictures - pictures.roll(-1, dims=-1)).abs().mean(dim=(0, 1, 2))
    assert change[-1] <= 1.5 * change[:-1].max()


def test_noise_is_fresh_in_training_and_fixed_afterwards() -> None:
    generator, z = narrow("stylegan2"), randn(2, 16)
    for layer in (*generator.first, *generator.second):
        layer.strength.fill_(0.5)
    still = generator(z)
    generator.train()
    torch.manual_seed(0)
    first, second = generator(z), generator(z)
    torch.manual_seed(0)
    assert torch.equal(generator(z), first)
    assert not torch.equal(first, second)
    assert torch.equal(generator.eval()(z), still)


def test_demodulated_convolution_is_that_of_the_paper() -> None:
    torch.manual_seed(2)
    conv, x, style = ModulatedConv(3, 5), randn(2, 3, 8, 8), randn(2, 256, seed=1)
    ours = conv(x, style)
    for i in range(2):
        weight = conv.weight * conv.scale * conv.style(style)[i].view(1, 3, 1, 1)
        weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
        theirs = nn.functional.conv2d(pad_by_one(x[i : i + 1]), weight)
        torch.testing.assert_close(ours[i : i + 1], theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("turn", [1, 5, 15])
def test_every_layer_follows_a_turn_of_the_loop(turn: int) -> None:
    torch.manual_seed(3)
    x, style = randn(2, 3, 8, 32), randn(2, 256)
    conv = ModulatedConv(3, 4)
    for layer, factor in (
        (Doubling(3, 4), 2),
        (double, 2),
        (pad_by_one, None),
        (lambda y: conv(y, style), 1),
    ):
        if factor:
            turned = layer(x.roll(turn, dims=-1))
            torch.testing.assert_close(turned, layer(x).roll(factor * turn, dims=-1))
    for layer in (Halving(3, 4), halve):
        turned = layer(x.roll(2 * turn, dims=-1))
        torch.testing.assert_close(turned, layer(x).roll(turn, dims=-1))


@pytest.mark.parametrize(
    "discriminator", [DcganDiscriminator(64, 64, 32), StyleDiscriminator(64, 64, 32)]
)
def test_a_critic_follows_the_turn_of_a_loop_by_eighths(discriminator: nn.Module) -> None:
    x, nowhere = randn(4, 1, 64, 64), torch.zeros(0, 2)
    (still,), (turned,) = discriminator(x, nowhere), discriminator(x.roll(16, dims=-1), nowhere)
    assert still.shape == (4, 8)
    assert still.std() > 0
    torch.testing.assert_close(turned, still.roll(2, dims=-1), atol=1e-5, rtol=1e-3)


def test_doubling_and_halving_keep_what_is_constant() -> None:
    flat = torch.ones(1, 2, 8, 16)
    torch.testing.assert_close(double(flat), torch.ones(1, 2, 16, 32))
    torch.testing.assert_close(halve(flat), torch.ones(1, 2, 4, 8))
    assert [n_doublings(*sides) for sides in ((512, 512), (64, 512), (32, 64))] == [6, 3, 2]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ArchitectureError, match="'biggan': choose from loop, dcgan, stylegan2"):
        make_generator("biggan", TINY)


@pytest.mark.parametrize(
    ("name", "side"), [("n_mels", 500), ("n_frames", 16), ("n_frames", 0), ("n_mels", 8192)]
)
def test_a_side_that_eight_cannot_be_doubled_to_is_refused(name: str, side: int) -> None:
    rule = rf"{name} is {side}, .* power of two from 32 to 4096"
    with pytest.raises(ArchitectureError, match=rule):
        make_generator("loop", replace(TINY, **{name: side}))


OWN = """
import torch
from torch import nn

class Own(nn.Module):
    def __init__(self, geometry, gain=1.0):
        super().__init__()
        self.latent_dim, self.gain = 5, gain
        self.shape = (1, geometry.n_mels, geometry.n_frames)
        self.layer = nn.Linear(5, geometry.n_mels * geometry.n_frames)

    def forward(self, z):
        return torch.tanh(self.layer(z)).unflatten(1, self.shape) * self.gain

def good(geometry): return Own(geometry)
def loud(geometry): return Own(geometry, gain=3.0)
def broken(geometry): raise KeyError("no weights here")
def leaves(geometry): raise SystemExit(3)
def nothing(geometry): return None
def without_arguments(): return Own(None)

def small(geometry):
    network = Own(geometry)
    network.shape = (geometry.n_mels, geometry.n_frames)
    return network

def nan(geometry):
    network = Own(geometry)
    network.layer.bias.data[7] = float("nan")
    return network

def dimensionless(geometry):
    network = Own(geometry)
    del network.latent_dim
    return network

def fails(geometry):
    network = Own(geometry)
    network.latent_dim = 6
    return network

class Still(nn.Module):
    latent_dim = 4

still = lambda geometry: Still()
number = 7
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], nn.Module]]:
    """Makes what a function of an artist's module in the working folder makes."""
    (tmp_path / "studio_of_an_artist.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # undone afterwards, unlike what is tested
    yield lambda name: make_generator(f"studio_of_an_artist:{name}", TINY)
    import sys

    del sys.modules["studio_of_an_artist"]


def test_an_artist_brings_a_generator_from_the_working_folder(
    own: Callable[[str], nn.Module],
) -> None:
    generator = own("good")
    assert generator(randn(3, 5)).shape == (3, 1, 64, 64)
    assert generator.training
    architecture = architecture_of("studio_of_an_artist:good")
    assert architecture.encoder is None
    assert architecture.hyperparameters.warm_up == 0
    assert architecture.discriminator(TINY).NAMES == ("loop", "texture")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("loud", "outside [-1, 1]: end it with a tanh"),
        ("nan", "values up to nan, outside [-1, 1]"),
        ("small", "generates (2, 64, 64) for two z where this dataset needs (2, 1, 64, 64)"),
        ("broken", "raised KeyError: 'no weights here'"),
        ("leaves", "raised SystemExit: 3"),
        ("nothing", "returned NoneType: return a torch.nn.Module"),
        ("without_arguments", "it is called with the geometry alone"),
        ("dimensionless", "has no latent_dim: set it"),
        ("fails", "generating raised RuntimeError"),
        ("still", "has no parameters to train"),
        ("number", "is int: name a function"),
        ("absent", "run the command in the folder that contains its package"),
    ],
)
def test_what_is_no_generator_is_refused_in_one_line(
    own: Callable[[str], nn.Module], name: str, said: str
) -> None:
    own("good")
    with pytest.raises(ArchitectureError) as caught:
        own(name)
    assert said in str(caught.value)
    assert f"studio_of_an_artist:{name}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [":", "a:", ":b", "no.such.package:f", "sys:nothing"])
def test_what_cannot_be_imported_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(ArchitectureError, match=r"should read package|cannot be imported") as said:
        make_generator(name, TINY)
    assert "\n" not in str(said.value)
