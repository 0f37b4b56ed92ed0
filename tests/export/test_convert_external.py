"""A generator that was trained elsewhere becomes a pack."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.config.settings import Inference
from latent_resonance.pack import open_pack, sha256_of
from latent_resonance.voice.synthesis.networks import load_networks
from latent_resonance_export.pack.convert import (
    ExternalGenerator,
    cache_folder,
    convert_external,
)
from latent_resonance_export.pack.foreign.adapter import AdapterOptions
from latent_resonance_export.pack.writer import ConvertOptions
from latent_resonance_export.regressor.model import Regressor, Trained

FACTORY = """
import torch
from torch import nn

class External(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(6, 8, 8), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 4), nn.Sigmoid()
        )

    def forward(self, z):
        return self.layers(z)
"""


def test_quick_trains_on_a_fraction_of_the_sounds_and_keeps_its_regressor_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "elsewhere", raising=False)
    network = __import__("elsewhere").External()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    totals, options = [], ConvertOptions(audition=False)

    def interrupt(stage: str, _: int, total: int) -> None:
        if stage == "sampling":
            totals.append(total)
            raise KeyboardInterrupt

    for quick in (False, True):
        path, adapter = tmp_path / "model.pt", AdapterOptions()
        external = ExternalGenerator(path, "elsewhere:External", adapter, quick=quick)
        with pytest.raises(KeyboardInterrupt):
            convert_external(external, tmp_path / "pack", options, progress=interrupt)
    full, brief = totals
    assert brief * 4 <= full
    folders = {cache_folder(tmp_path, replace(external, quick=q), Geometry()) for q in (0, 1)}
    assert len(folders) == 2


@pytest.mark.slow
def test_a_gan_from_elsewhere_becomes_a_pack_and_an_interruption_costs_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset_folder: Path
) -> None:
    (tmp_path / "elsewhere.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(1)
    network = __import__("elsewhere").External()
    for weight in network.parameters():
        weight.data *= 8.0  # a large value range, as after training
    torch.save({"generator": network.state_dict()}, tmp_path / "model.pt")
    external = ExternalGenerator(tmp_path / "model.pt", "elsewhere:External", AdapterOptions())
    output, seeds = tmp_path / "models" / "foreign", []

    def train(generator: torch.nn.Module, **options: object) -> Trained:
        seeds.append(options["seed"])
        assert generator(torch.zeros(2, 6)).shape == (2, 1, 512, 512)
        return Trained(Regressor(6), torch.randn(12, 6), {}, 0)

    def interrupt(stage: str, *_: int) -> None:
        if stage == "converting":
            raise KeyboardInterrupt

    convert = partial(
        convert_external,
        external,
        output,
        ConvertOptions(audition=False),
        dataset_folder,
        train=train,
    )
    with pytest.raises(KeyboardInterrupt):
        convert(progress=interrupt)
    assert not output.exists()
    result = convert()
    assert seeds == [0], "the regressor was trained twice"
    assert list(output.parent.iterdir()) == [output]
    assert result.manifest["latent_dim"] == 6
    assert result.manifest["training"]["value_range"] == "0 to 1"
    assert result.manifest["training"]["checkpoint_sha256"] == sha256_of(tmp_path / "model.pt")
    load_networks(open_pack(output), Inference())
