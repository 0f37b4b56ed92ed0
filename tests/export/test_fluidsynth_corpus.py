"""The corpus is composed here and rendered by the real FluidSynth."""

from __future__ import annotations

import shutil
from pathlib import Path

import mido
import numpy as np
import pytest

from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
from latent_resonance_export.cli.compose import SOUNDFONT
from latent_resonance_export.dataset.fluidsynth_corpus import (
    Note,
    Phrase,
    SynthesisError,
    compose_phrase,
    render_corpus,
    write_midi,
)
from latent_resonance_export.dataset.loops import close_loop

N_CLIPS = 6
GEOMETRY = Geometry()
needs_fluidsynth = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not Path(SOUNDFONT).is_file(),
    reason="apt install fluidsynth fluid-soundfont-gm",
)


def rendered(work: Path, **options: int) -> np.ndarray:
    """(N_CLIPS, loop_length) samples."""
    return np.array(list(render_corpus(N_CLIPS, Path(SOUNDFONT), work, GEOMETRY, **options)))


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return rendered(tmp_path_factory.mktemp("work"), seed=3)


@needs_fluidsynth
def test_every_loop_contains_a_harmonic_sound(loops: np.ndarray) -> None:
    assert loops.shape == (N_CLIPS, GEOMETRY.loop_length)
    assert np.isfinite(loops).all()
    rms_db = 20 * np.log10(np.sqrt(np.square(loops).mean(axis=1)))
    assert (rms_db > -50).all()
    for loop in loops:
        spectrogram = loop_to_spectrogram(loop / np.abs(loop).max(), GEOMETRY)
        spectrum = spectrogram.mean(axis=1)
        assert np.quantile(spectrum, 0.99) - np.median(spectrum) > 0.2, "no partials stand out"


@needs_fluidsynth
def test_the_end_of_a_loop_continues_at_its_beginning(loops: np.ndarray) -> None:
    for loop in loops:
        steps = np.abs(np.diff(loop))
        around = np.concatenate([loop[-2000:], loop[:2000]])
        loudest_step = np.abs(np.diff(around)).max()
        assert abs(loop[0] - loop[-1]) <= loudest_step
        assert abs(loop[0] - loop[-1]) <= np.quantile(steps, 0.9999)


@needs_fluidsynth
def test_the_spectrogram_has_no_seam_where_the_loop_closes(loops: np.ndarray) -> None:
    for loop in loops:
        spectrogram = loop_to_spectrogram(loop / np.abs(loop).max(), GEOMETRY)
        change = np.abs(np.diff(spectrogram, axis=1, append=spectrogram[:, :1])).mean(axis=0)
        assert change[-1] <= change[:-1].max()


@needs_fluidsynth
def test_no_two_loops_are_alike(loops: np.ndarray) -> None:
    for i in range(N_CLIPS):
        for j in range(i):
            assert np.abs(np.corrcoef(loops[i], loops[j])[0, 1]) < 0.9


@pytest.mark.slow
@needs_fluidsynth
def test_the_same_seed_gives_the_same_samples_and_another_seed_others(
    loops: np.ndarray, tmp_path: Path
) -> None:
    assert rendered(tmp_path, seed=3).tobytes() == loops.tobytes()
    assert not np.allclose(rendered(tmp_path, seed=4), loops)


@needs_fluidsynth
def test_another_program_is_another_instrument(loops: np.ndarray, tmp_path: Path) -> None:
    assert not np.allclose(rendered(tmp_path, seed=3, program=73), loops)


def error_message(soundfont: Path, work: Path) -> str:
    with pytest.raises(SynthesisError) as caught:
        next(render_corpus(1, soundfont, work, GEOMETRY))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_fluidsynth_the_debian_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt install fluidsynth" in error_message(Path(SOUNDFONT), tmp_path)


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="apt install fluidsynth")
def test_without_a_soundfont_its_path_and_the_debian_package_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.sf2"
    message = error_message(missing, tmp_path)
    assert str(missing) in message
    assert "apt install fluid-soundfont-gm" in message


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="apt install fluidsynth")
@pytest.mark.parametrize("content", [b"", b"no sound", b"RIFF\0\0\0\0sfbk"])
def test_an_invalid_soundfont_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.sf2"
    bad.write_bytes(content)
    assert str(bad) in error_message(bad, tmp_path)


def test_close_loop_continues_from_the_last_sample_and_keeps_the_level() -> None:
    rng = np.random.default_rng(0)
    drift = np.linspace(0.0, 1.0, 1200)  # a ramp jumps unless it is closed
    closed = close_loop(drift, 1000)
    assert abs(closed[0] - closed[-1]) < 2e-3
    noise = close_loop(rng.standard_normal(48_000), 40_000)
    assert np.square(noise[:8000]).mean() == pytest.approx(1.0, abs=0.06)
    np.testing.assert_array_equal(closed[200:], drift[200:1000])


def test_every_phrase_stays_within_the_cellos_range_and_its_loop() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        phrase = compose_phrase(rng, GEOMETRY.loop_s)
        assert phrase.notes
        for note in phrase.notes:
            assert 36 <= note.pitch <= 91
            assert 0.0 <= note.start_s < GEOMETRY.loop_s
            assert 1 <= note.velocity <= 127


def test_bend_and_expression_close_with_the_loop() -> None:
    rng = np.random.default_rng(6)
    loop_s = GEOMETRY.loop_s
    for _ in range(50):
        phrase = compose_phrase(rng, loop_s)
        assert 0 <= phrase.expression(0.0, loop_s) <= 127
        assert abs(phrase.expression(loop_s - 1e-6, loop_s) - phrase.expression(0.0, loop_s)) <= 1
        assert phrase.slide[0] + phrase.vibrato[0] <= 2.5


def test_no_pitch_is_struck_while_it_sounds_and_all_notes_end(tmp_path: Path) -> None:
    loop_s = GEOMETRY.loop_s
    notes = [Note(0.0, 2.0, 60, 90), Note(1.0, loop_s, 60, 90), Note(3.0, 2.4, 64, 90)]
    still = ((1.0, 0.0, 1), (0.0, 25, 0.0))
    phrases = [Phrase([note], *still) for note in notes] + [Phrase(notes[::2], *still)]
    begins = write_midi(phrases, tmp_path / "phrases.mid", 42, loop_s)
    assert np.all(np.diff(begins) > loop_s)
    sounding: set[int] = set()
    struck = 0
    for message in mido.MidiFile(tmp_path / "phrases.mid").tracks[0]:
        if message.type == "note_on":
            assert message.note not in sounding
            sounding.add(message.note)
            struck += 1
        elif message.type == "note_off":
            sounding.discard(message.note)
    assert struck >= len(phrases)
    assert not sounding
