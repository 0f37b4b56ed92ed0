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
GEOMETRY = Geometry()


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The modules of docs/training by name, imported as the commands import them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import cello
    import mel_lines
    import metal
    import network

    return {"cello": cello, "mel_lines": mel_lines, "metal": metal, "network": network}


def test_a_note_is_measured_as_it_was_made(scripts: dict[str, ModuleType]) -> None:
    cello, rng = scripts["cello"], np.random.default_rng(1)
    time_s = np.arange(GEOMETRY.loop_length) / GEOMETRY.sample_rate
    amplitudes = np.array([0.5, 0.3, 0.02, 0.1])
    tone = sum(a * np.sin(2 * np.pi * 440 * i * time_s) for i, a in enumerate(amplitudes, 1))
    noise = 0.01 * rng.normal(size=len(time_s))
    partials, between = cello.measure(440.0, tone + noise)
    power = np.square(amplitudes)
    assert partials[:4].numpy() == pytest.approx(power / power.sum(), rel=0.03)
    of_noise = loop_to_spectrogram((noise / power.sum() ** 0.5).astype(np.float32), GEOMETRY)
    noise_db = np.median((of_noise - 1) * 40, axis=1)[150:400]
    assert (10 * between.log10())[150:400].numpy() == pytest.approx(noise_db, abs=2.0)


@pytest.mark.slow
def test_a_computed_note_sounds_as_fluidsynth_plays_it(scripts: dict[str, ModuleType]) -> None:
    cello, frames = scripts["cello"], torch.ones(1, GEOMETRY.n_frames)
    timbre = cello.measured()
    steady = [
        scripts["mel_lines"].lines(hz.unsqueeze(1) * frames, partials.unsqueeze(1) * frames)[:, 0]
        for hz, partials in zip(cello.PARTIALS_HZ, timbre.partials, strict=True)
    ]
    computed = 10 * (torch.stack(steady) + timbre.between).log10().clamp(min=-8).numpy()
    for k, sound in enumerate(cello.render()):
        level = np.sqrt(2 * np.square(sound).mean())
        pixels = loop_to_spectrogram((sound / level).astype(np.float32), GEOMETRY)
        played = np.median(40 * (pixels - 1), axis=1)
        errors = np.abs(computed - played)[:, played > -60].mean(axis=1)
        assert errors[k] < 7  # dB; the upper notes have vibrato
        assert errors.argmin() == k


def test_a_computed_sinusoid_is_the_spectrogram_of_a_rendered_one(
    scripts: dict[str, ModuleType],
) -> None:
    mel_lines = scripts["mel_lines"]
    hz = round(440.0 * GEOMETRY.loop_length / GEOMETRY.sample_rate) / GEOMETRY.loop_s
    time_s = np.arange(GEOMETRY.loop_length) / GEOMETRY.sample_rate
    rendered = loop_to_spectrogram(np.sin(2 * np.pi * hz * time_s).astype(np.float32), GEOMETRY)
    frames = torch.ones(1, GEOMETRY.n_frames)
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
    generator = architecture_of("loop").generator(GEOMETRY)
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
