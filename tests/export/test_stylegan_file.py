"""A StyleGAN file gives its averaged weights; the network is as published, and no code is run."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from scipy.signal import convolve2d, correlate2d
from tests.support.fuzz import damaged, fuzz, fuzzed
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.foreign.adapter import AdapterOptions, adapt
from latent_resonance_export.pack.foreign.external_generator import (
    has_own_truncation,
    load_external,
)
from latent_resonance_export.pack.foreign.inert_pickle import MAX_OPCODES, read_inert_pickle
from latent_resonance_export.pack.foreign.stylegan_file import tensors_in
from latent_resonance_export.pack.onnx_check import N_EXAMPLES
from latent_resonance_export.pack.onnx_export import write_network

SOURCE = "raise SystemExit('the source of the file was executed')\n"
FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def reconstruct(meta: dict[str, Any]) -> None:
    """What the pickles call; it never runs here."""
    raise AssertionError(meta)


@pytest.fixture(autouse=True)
def persistence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module whose name the pickles have, only while they are written."""
    module = ModuleType("torch_utils.persistence")
    module._reconstruct_persistent_obj = reconstruct  # type: ignore[attr-defined]
    monkeypatch.setattr(reconstruct, "__module__", "torch_utils.persistence")
    monkeypatch.setattr(reconstruct, "__qualname__", "_reconstruct_persistent_obj")
    monkeypatch.setitem(sys.modules, "torch_utils", ModuleType("torch_utils"))
    monkeypatch.setitem(sys.modules, "torch_utils.persistence", module)


class Persistent(nn.Module):
    """A module that is pickled as those of StyleGAN are: with its source, by one function."""

    def __init__(self, class_name: str, **attributes: Any) -> None:
        super().__init__()
        self.class_name = class_name
        for name, value in attributes.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        names = {"class_name": self.class_name, "module_src": SOURCE}
        return reconstruct, ({"type": "class", "version": 6, **names, "state": self.__dict__},)


def linear(n_in: int, n_out: int, rate: float = 1.0, activation: str = "linear") -> Persistent:
    weight, bias = torch.randn(n_out, n_in) / rate, torch.randn(n_out) / rate
    return Persistent(
        "FullyConnectedLayer",
        activation=activation,
        weight_gain=np.float64(rate / n_in**0.5),
        bias_gain=rate,
        weight=nn.Parameter(weight),
        bias=nn.Parameter(bias),
    )


def with_filter(module: Persistent, **buffers: Tensor) -> Persistent:
    module.register_buffer("resample_filter", torch.tensor(FILTER, dtype=torch.float32))
    for name, value in buffers.items():
        module.register_buffer(name, value)
    return module


def layer(n_in: int, n_out: int, side: int, clamp: float | None) -> Persistent:
    module = Persistent(
        "SynthesisLayer",
        conv_clamp=clamp,
        activation="lrelu",
        use_noise=True,
        affine=linear(6, n_in),
        weight=nn.Parameter(torch.randn(n_out, n_in, 3, 3)),
        noise_strength=nn.Parameter(torch.tensor(0.3)),
        bias=nn.Parameter(torch.randn(n_out)),
    )
    return with_filter(module, noise_const=torch.randn(side, side))


def to_image(n_in: int, n_channels: int, clamp: float | None) -> Persistent:
    return Persistent(
        "ToRGBLayer",
        conv_clamp=clamp,
        affine=linear(6, n_in),
        weight=nn.Parameter(torch.randn(n_channels, n_in, 1, 1)),
        bias=nn.Parameter(torch.randn(n_channels)),
    )


def generator(n_channels: int = 1, clamp: float | None = None, top: int = 16) -> Persistent:
    """A generator in the public layout, 4 × 4 up to `top`, with few channels."""
    torch.manual_seed(3)
    synthesis, below = Persistent("SynthesisNetwork", img_resolution=top), 5
    for side in (4 << k for k in range(top.bit_length() - 2)):
        width = 5 if side == 4 else 4 if side == 8 else 2
        block = with_filter(Persistent("SynthesisBlock", architecture="skip"))
        if side == 4:
            block.const = nn.Parameter(torch.randn(width, 4, 4))
        else:
            block.conv0 = layer(below, width, side, clamp)
        block.conv1 = layer(width, width, side, clamp)
        block.torgb = to_image(width, n_channels, clamp)
        synthesis.add_module(f"b{side}", block)
        below = width
    mapping = Persistent("MappingNetwork", z_dim=7, c_dim=0, in_size=np.asarray([top, top]))
    mapping.fc0, mapping.fc1 = (linear(n, 6, 0.01, "lrelu") for n in (7, 6))
    mapping.register_buffer("w_avg", torch.randn(6))
    return Persistent("Generator", c_dim=0, synthesis=synthesis, mapping=mapping)


def written(path: Path, network: object, protocol: int = 4, **more: object) -> Path:
    snapshot = {"training_set_kwargs": {"path": "x.zip"}, "D": None, "G_ema": network, **more}
    path.write_bytes(pickle.dumps(snapshot, protocol=protocol))
    return path


def array(value: Tensor) -> np.ndarray:
    return value.detach().double().numpy()


def dense(module: Any, x: np.ndarray, rate: float = 1.0) -> np.ndarray:
    return array(module.weight) * rate / x.shape[0] ** 0.5 @ x + array(module.bias) * rate


def zeros_between(x: np.ndarray) -> np.ndarray:
    wide = np.zeros((2 * x.shape[0], 2 * x.shape[1]))
    wide[::2, ::2] = x
    return wide


def published(network: Any, z: np.ndarray, psi: float = 1.0) -> np.ndarray:
    """The equations of the papers, one z at a time: weights are modulated, zeros are inserted."""
    w = z / np.sqrt(np.mean(z**2) + 1e-8)
    for name in ("fc0", "fc1"):
        w = leaky(dense(getattr(network.mapping, name), w, 0.01))
    mean = array(network.mapping.w_avg)
    w = mean + psi * (w - mean)
    x = image = None
    for name, block in network.synthesis.named_children():
        if name == "b4":
            x = array(block.const)
        else:
            x = convolved(block.conv0, x, w, doubles=True)
            image = np.stack([4 * convolve2d(zeros_between(i), FILTER)[1:-2, 1:-2] for i in image])
        x = convolved(block.conv1, x, w)
        scale = dense(block.torgb.affine, w) / x.shape[0] ** 0.5
        kernel = array(block.torgb.weight)[:, :, 0, 0] * scale
        new = np.einsum("oi,ihw->ohw", kernel, x) + array(block.torgb.bias)[:, None, None]
        new = clamped(new, block.torgb.conv_clamp)
        image = new if image is None else image + new
    return image


def convolved(module: Any, x: np.ndarray, w: np.ndarray, *, doubles: bool = False) -> np.ndarray:
    kernel = array(module.weight) * dense(module.affine, w)[None, :, None, None]
    kernel /= np.sqrt((kernel**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    outputs = []
    for one in kernel:
        if doubles:
            y = sum(convolve2d(zeros_between(a), k) for a, k in zip(x, one, strict=True))
            y = 4 * convolve2d(y, FILTER)[2:-3, 2:-3]
        else:
            y = sum(correlate2d(a, k, "same") for a, k in zip(x, one, strict=True))
        outputs.append(y)
    y = np.stack(outputs) + array(module.noise_const) * array(module.noise_strength)
    return clamped(leaky(y + array(module.bias)[:, None, None]), module.conv_clamp)


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x) * np.sqrt(2)


def clamped(x: np.ndarray, clamp: float | None) -> np.ndarray:
    return x if clamp is None else np.clip(x, -clamp, clamp)


@pytest.mark.parametrize("psi", [1.0, 0.6])
@pytest.mark.parametrize(("n_channels", "clamp"), [(1, None), (3, 1.5)])
def test_the_network_computes_what_the_papers_say(
    n_channels: int, clamp: float | None, psi: float, tmp_path: Path
) -> None:
    network = generator(n_channels, clamp)
    path = written(tmp_path / "snapshot.pkl", network)
    loaded, said = load_external(path, None, truncation=psi)
    z = torch.randn(3, 7, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        images = loaded(z).numpy()
    assert images.shape == (3, n_channels, 16, 16)
    expected = np.stack([published(network, array(one), psi) for one in z])
    np.testing.assert_allclose(images, expected, atol=2e-5 * np.abs(expected).max())
    assert said == "G_ema"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickle_is_read(protocol: int, tmp_path: Path) -> None:
    path = written(tmp_path / "snapshot.pkl", generator(), protocol)
    loaded, _ = load_external(path, None)
    const = loaded.get_parameter("synthesis.b4.const")
    assert torch.equal(const, generator().get_parameter("synthesis.b4.const"))


@pytest.mark.slow
def test_the_networks_of_onnx_and_pytorch_agree_on_64_z_through_the_geometry(
    tmp_path: Path,
) -> None:
    loaded, _ = load_external(written(tmp_path / "x.pkl", generator(3)), None)
    geometry = Geometry(n_mels=32, n_frames=32)
    adapted = adapt(loaded, geometry, AdapterOptions())
    assert adapted.latent_dim == 7
    z = torch.randn(N_EXAMPLES, 7, generator=torch.Generator().manual_seed(5))
    assert adapted(z[:2]).shape == (2, 1, 32, 32)
    assert write_network(adapted, z, ("z", "spectrogram"), tmp_path / "g.onnx") < 1e-4


def test_the_source_of_the_classes_is_kept_and_not_executed(tmp_path: Path) -> None:
    content = read_inert_pickle(written(tmp_path / "x.pkl", generator()))
    assert content["G_ema"].source == SOURCE
    assert content["G_ema"].kind == "Generator"


def refusal(path: Path) -> str:
    with pytest.raises(ConversionError) as caught:
        load_external(path, None)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def alias_free() -> Persistent:
    synthesis = Persistent("SynthesisNetwork", input=Persistent("SynthesisInput"))
    return Persistent("Generator", c_dim=0, synthesis=synthesis)


def changed(change: Callable[[Any], object]) -> Persistent:
    network = generator()
    change(network)
    return network


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (alias_free, "StyleGAN3's alias-free layers"),
        (lambda: changed(lambda g: setattr(g, "c_dim", 10)), "c_dim = 10"),
        (
            lambda: changed(lambda g: setattr(g.synthesis.b8, "architecture", "resnet")),
            "architecture = 'resnet'",
        ),
        (lambda: changed(lambda g: delattr(g.synthesis, "b8")), "levels of [4, 16]"),
        (lambda: changed(lambda g: delattr(g.mapping, "w_avg")), "mapping.w_avg"),
        (lambda: changed(lambda g: setattr(g.synthesis, "b12", linear(1, 1))), "b12"),
        (
            lambda: changed(lambda g: setattr(g.mapping.fc1, "weight", nn.Parameter(Z))),
            "mapping.fc1.weight",
        ),
        (lambda: None, "without StyleGAN's G_ema"),
        (lambda: {"weight": torch.zeros(3)}, "without StyleGAN's G_ema"),
    ],
)
def test_another_layout_is_refused_by_name(
    make: Callable[[], object], reason: str, tmp_path: Path
) -> None:
    assert reason in refusal(written(tmp_path / "x.pkl", make()))


Z = torch.zeros(9, 9)


class Call:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", ["system", "eval", "touch", "getattr", "load"])
def test_a_file_that_calls_something_is_refused_and_calls_nothing(
    name: str, protocol: int, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    calls = {
        "system": Call(os.system, f"touch {canary}"),
        "eval": Call(eval, f"open({str(canary)!r}, 'w')"),
        "touch": Call(Path.touch, canary),
        "getattr": Call(getattr, canary, "touch"),
        "load": Call(torch.load, str(canary)),
    }
    path = written(tmp_path / "x.pkl", generator(), protocol, extra=calls[name])
    assert "executes code" in refusal(path)
    assert not canary.exists()


def test_a_storage_that_calls_something_is_refused_and_calls_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    inner = pickle.dumps(Call(os.system, f"touch {canary}"))
    assert "executes code" in refusal(written(tmp_path / "x.pkl", with_stored_mean(inner)))
    assert not canary.exists()


def with_stored_mean(content: bytes, size: tuple[Any, ...] = (6,)) -> Persistent:
    """A generator whose mean w is pickled as a storage of these bytes."""
    storage, stride = Call(torch.storage._load_from_bytes, content), (1,) * len(size)
    mean = Call(torch._utils._rebuild_tensor_v2, storage, 0, size, stride, False, {})
    return changed(lambda g: g.mapping._buffers.update(w_avg=mean))


@pytest.mark.parametrize("size", [(10**15,), (10**6, 10**6), (-1,), ("six",), (7,)])
def test_a_tensor_larger_than_its_bytes_is_refused(size: tuple[Any, ...], tmp_path: Path) -> None:
    blob = io.BytesIO()
    torch.save(torch.zeros(6).storage(), blob, _use_new_zipfile_serialization=False)
    refusal(written(tmp_path / "x.pkl", with_stored_mean(blob.getvalue(), size)))


NESTED = b"\x80\x04)" + b"\x85" * 200_000 + b"N\x86."  # ((((...),),),), None)
KEYED = b"\x80\x04})" + b"\x85" * 200_000 + b"Ns."  # {((((...),),),): None}


@pytest.mark.parametrize(
    "content",
    [
        NESTED,
        KEYED,
        b"\x80\x04" + b"N0" * MAX_OPCODES + b"N.",
        b"\x80\x04Nr" + struct.pack("<I", 0xFFFF_FFFF) + b".",  # a memo of 32 GiB
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",  # bytes beyond the end
        b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
        b"\x80\x04\x82\x01.",  # an extension
        b"\x80\x04Pfile\n.",
        b"\x80\x04(ios\nsystem\n.",
        b"\x80\x04.",
    ],
    ids=lambda content: content[:12].hex(),
)
def test_a_hostile_or_broken_pickle_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    assert "not opened" in refusal(path)


def test_modules_that_contain_themselves_are_visited_once(tmp_path: Path) -> None:
    network = generator()
    path = written(tmp_path / "x.pkl", network)
    content = read_inert_pickle(path)["G_ema"]
    content.state["_modules"]["again"] = content
    assert len(dict(tensors_in(content))) == len(network.state_dict())


def test_only_a_stylegan_file_truncates_w_itself(tmp_path: Path) -> None:
    path = written(tmp_path / "x.pkl", generator())
    assert has_own_truncation(path, None)
    assert not has_own_truncation(path, "package.module:function")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "model.pt")
    assert not has_own_truncation(tmp_path / "model.pt", None)


def test_a_file_of_weights_alone_needs_its_code(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "model.pt")
    assert "--factory" in refusal(tmp_path / "model.pt")


@fuzzed
def test_a_file_of_any_bytes_is_read_or_refused_in_words(tmp_path: Path) -> None:
    path = written(tmp_path / "x.pkl", generator())
    whole = path.read_bytes()
    names = {bytes(name, "ascii") for name in ("_modules", "_parameters", "_buffers", "state")}
    assert all(name in whole for name in names)
    swapped = st.tuples(st.sampled_from(sorted(names)), st.sampled_from(sorted(names)))

    def check(content: bytes) -> None:
        path.write_bytes(content)
        try:
            load_external(path, None)
        except ConversionError as error:
            assert "\n" not in str(error)  # noqa: PT017  one of two valid outcomes

    fuzz(check, damaged(whole) | swapped.map(lambda pair: whole.replace(*pair)))
