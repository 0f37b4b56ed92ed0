"""The z of examples' sounds, clips or recordings, by projection onto a generator."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.gan.models.loop_vaegan import LoopGenerator
from latent_resonance_export.regressor.examples import ExamplesError, read_examples
from latent_resonance_export.regressor.projection import project, spectrograms_of
from latent_resonance_export.regressor.surrogate import random_z, sample_generator

GEOMETRY = Geometry(
    sample_rate=16_000,
    n_fft=1024,
    win_length=1024,
    hop_length=160,
    n_mels=48,
    n_frames=64,
    f_min_hz=50.0,
    f_max_hz=7000.0,
)


def tiny_generator() -> LoopGenerator:
    """Untrained, with spectrograms of some contrast."""
    torch.manual_seed(1)
    generator = LoopGenerator(latent_dim=12, n_mels=48, widths=(24, 24, 24, 24), n_style=24)
    for layer in generator.to_mel:
        torch.nn.init.normal_(layer.weight, std=1.0 / layer.in_channels**0.5)
    return generator.eval().requires_grad_(False)


@pytest.mark.slow
def test_a_generated_spectrogram_is_found_again_after_a_roll() -> None:
    generator = tiny_generator()
    samples = sample_generator(
        generator, random_z(200, 12, torch.Generator().manual_seed(2)), GEOMETRY
    )
    z = random_z(1, 12, torch.Generator().manual_seed(77))
    spectrogram = torch.roll(generator(z)[0, 0], 11, dims=1)
    found, error = project(spectrogram, generator, samples)
    nearest = (generator(samples.z)[:, 0] - spectrogram).abs().mean(dim=(1, 2)).min()
    assert error < 0.25 * float(nearest)
    assert (generator(found[None])[0, 0] - generator(z)[0, 0]).abs().mean() < 0.03


def test_a_recording_is_read_from_its_given_second(tmp_path: Path) -> None:
    rate = 22_050
    time_s = np.arange(2 * rate) / rate
    pitch_hz = np.where(time_s < 1, 500, 3000)
    soundfile.write(tmp_path / "a.wav", 0.3 * np.sin(2 * np.pi * pitch_hz * time_s), rate)
    text = (
        "- face: {}\n  sound: {file: a.wav}\n"
        "- face: {mouth_open: 1}\n  sound: {file: a.wav, from_s: 1.2}\n"
    )
    (tmp_path / "p.yaml").write_text(text)
    pairs = read_examples(tmp_path / "p.yaml", 16)
    low, high = spectrograms_of(pairs, tmp_path / "p.yaml", GEOMETRY, None)
    assert low is not None
    assert high is not None
    assert low.shape == (GEOMETRY.n_mels, GEOMETRY.n_frames)
    assert low.mean(axis=1).argmax() + 8 < high.mean(axis=1).argmax()


def test_all_unusable_sounds_are_named_by_line(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", np.ones(200) * 0.1, 16_000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(32_000), 16_000)
    (tmp_path / "text.wav").write_text("no sound")
    sounds = ("file: short.wav", "file: silent.wav", "file: text.wav", "clip: 3")
    text = "".join(f"- face: {{}}\n  sound: {{{sound}}}\n" for sound in sounds)
    (tmp_path / "p.yaml").write_text(text)
    pairs = read_examples(tmp_path / "p.yaml", 16)
    with pytest.raises(ExamplesError, match="4 mistakes") as caught:
        spectrograms_of(pairs, tmp_path / "p.yaml", GEOMETRY, None)
    message = str(caught.value)
    assert re.search(r"line 1: .*short\.wav has 0\.01 s", message)
    assert re.search(r"line 3: .*silent\.wav is silent", message)
    assert re.search(r"line 5: .*text\.wav", message)
    assert re.search(r"line 7: a clip needs its dataset; name it by --dataset", message)
