"""The scripts that make the bundled packs: what they compute is what they render."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
from latent_resonance_export.gan.models.registry import architecture_of

FOLDER = Path(__file__).parents[2] / "docs" / "training"
LATENT_DIM = 128


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The modules of docs/training by name, imported as the commands import them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import cello
    import mel_lines
    import metal
    import network

    return {"cello": cello, "mel_lines": mel_lines, "metal": metal, "network": network}


@pytest.mark.slow
def test_a_cello_loop_sounds_as_its_spectrogram_was_computed(
    scripts: dict[str, ModuleType],
) -> None:
    cello = scripts["cello"]
    z = torch.from_numpy(np.random.default_rng((7, 1)).normal(size=LATENT_DIM)).float()
    computed = cello.SYNTHESISER.spectrogram(z)[0, 0].numpy()
    *_, rendered = cello.spectrograms(2)
    assert np.abs(computed - rendered).mean() < 0.17  # 7 dB: vibrato, grain, bow
    shuffled = cello.SYNTHESISER.spectrogram(z.flip(0))[0, 0].numpy()
    assert np.abs(shuffled - rendered).mean() > 0.3


def test_a_computed_sinusoid_is_the_spectrogram_of_a_rendered_one(
    scripts: dict[str, ModuleType],
) -> None:
    mel_lines = scripts["mel_lines"]
    geometry = Geometry()
    hz = round(440.0 * geometry.loop_length / geometry.sample_rate) / geometry.loop_s
    time_s = np.arange(geometry.loop_length) / geometry.sample_rate
    rendered = loop_to_spectrogram(np.sin(2 * np.pi * hz * time_s).astype(np.float32), geometry)
    frames = torch.ones(1, geometry.n_frames)
    db = 10 * torch.log10(mel_lines.lines(hz * frames, frames) + 1e-12)
    computed = (db / 40 + 1).clamp(-1, 1).numpy()
    within = rendered > -0.5  # within 60 dB
    assert np.abs(computed - rendered)[within].max() < 0.05  # 2 dB


@pytest.mark.parametrize("name", ["cello", "metal"])
def test_no_loop_of_random_z_rests_or_whistles(scripts: dict[str, ModuleType], name: str) -> None:
    z = torch.randn(6, LATENT_DIM, generator=torch.Generator().manual_seed(1))
    made = scripts[name].SYNTHESISER.spectrograms(z)[:, 0]
    level_db = 10 * torch.log10((10 ** (4 * made)).sum(1))  # (z, frames)
    assert (level_db.amax(1, keepdim=True) - level_db).max() < 30
    assert made[:, -60:].max() < made.amax() - 1  # 40 dB


@pytest.mark.parametrize("name", ["cello", "metal"])
def test_the_first_weights_let_every_control_move_the_loop_and_nothing_else(
    scripts: dict[str, ModuleType], name: str
) -> None:
    synthesiser = scripts[name].SYNTHESISER
    torch.manual_seed(0)
    generator = architecture_of("loop").generator(Geometry())
    with torch.no_grad():
        scripts["network"].begin_with_controls(generator, synthesiser)
        z = torch.randn(2, LATENT_DIM)
        for control in synthesiser.controls:
            numbers = synthesiser.numbers_of(control)
            assert movement(generator, changed(z, slice(numbers.start + 1, numbers.stop))) > 0.01
        still = z.clone()
        for control in synthesiser.controls:
            numbers = synthesiser.numbers_of(control)
            still[:, numbers.start + 1 : numbers.stop] = 0.0
        made = generator(still)
        assert (made - made.mean(-1, keepdim=True)).abs().max() < 1e-4


def changed(z: torch.Tensor, numbers: slice) -> torch.Tensor:
    """Twice the same z, the second time with some numbers reversed."""
    reversed_z = z.clone()
    reversed_z[:, numbers] *= -1
    return torch.cat([z, reversed_z])


def movement(generator: torch.nn.Module, z: torch.Tensor) -> float:
    """How far the halves of a batch differ in what changes over the loop."""
    made = generator(z)
    moving = made - made.mean(-1, keepdim=True)
    first, second = moving.chunk(2)
    return float((first - second).abs().mean())
