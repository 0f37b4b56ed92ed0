"""The names that `latent_resonance` exports, and the examples that use them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

import latent_resonance

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SCORE = "time_s,presence,mouth_open\n0,1,0\n0.5,1,0.8\n1,1,0.8\n"
STANDARD = {"__future__", "collections", "dataclasses", "pathlib", "sys"}


def run(*arguments: object, folder: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = run("-c", "import sys, latent_resonance; print(*sys.modules)").split()
    assert "latent_resonance" in loaded
    assert [name for name in loaded if name.startswith("latent_resonance.")] == []
    assert {"numpy", "scipy", "onnxruntime", "pydantic", "yaml", "cv2"}.isdisjoint(loaded)


def test_every_public_name_can_be_imported_and_is_listed() -> None:
    for name in latent_resonance.__all__:
        assert getattr(latent_resonance, name).__name__ == name
        assert name in dir(latent_resonance)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        latent_resonance.nothing  # noqa: B018  the access is the test


def test_every_public_name_is_on_the_page_of_the_api() -> None:
    page = (EXAMPLES.parent / "api" / "index.md").read_text()
    shown = {line.rpartition(".")[2] for line in page.splitlines() if line.startswith("::: ")}
    assert set(latent_resonance.__all__) - {"Settings"} <= shown
    assert "latent-resonance settings" in page  # has every key


def test_render_is_the_function_whatever_is_imported() -> None:
    program = "import latent_resonance.rendering; print(callable(latent_resonance.render))"
    assert run("-c", program) == "True\n"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_uses_only_the_public_api(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= 40
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= STANDARD | {"numpy"}
        elif isinstance(node, ast.ImportFrom) and node.module == "latent_resonance":
            assert {alias.name for alias in node.names} <= set(latent_resonance.__all__)
        elif isinstance(node, ast.ImportFrom):
            assert str(node.module).partition(".")[0] in STANDARD | {"scipy"}


def test_a_wav_goes_through_mel_and_back(tmp_path: Path) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 48_000)
    wavfile.write(tmp_path / "in.wav", 48_000, (tone * 32767).astype(np.int16))
    run(EXAMPLES / "wav_through_mel.py", tmp_path / "in.wav", tmp_path / "out.wav")
    rate, sound = wavfile.read(tmp_path / "out.wav")
    assert (rate, len(sound)) == (48_000, 24_000)
    spectrum = np.abs(np.fft.rfft(sound[6000:18_000]))
    assert np.argmax(spectrum) * 4 == pytest.approx(440, abs=8)


@pytest.mark.slow
def test_a_z_gives_sound(tmp_path: Path, pack_folder: Path) -> None:
    run(EXAMPLES / "z_to_sound.py", pack_folder, tmp_path / "out.wav", 3)
    rate, sound = wavfile.read(tmp_path / "out.wav")
    assert (rate, len(sound)) == (48_000, 512 * 512)
    assert np.abs(sound).max() == pytest.approx(0.5)


@pytest.mark.slow
def test_a_score_gives_an_array(tmp_path: Path, pack_folder: Path) -> None:
    (tmp_path / "score.csv").write_text(SCORE)
    run(EXAMPLES / "score_to_array.py", tmp_path / "score.csv", pack_folder, tmp_path / "out.npy")
    samples = np.load(tmp_path / "out.npy")
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(48_000, abs=512)
    assert 0.01 < np.abs(samples).max() <= 1.0


def cells_of(notebook: Path) -> list[str]:
    """The source of each cell of code."""
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom_and_makes_three_sounds(tmp_path: Path) -> None:
    notebook = EXAMPLES / "latent_resonance.ipynb"
    (tmp_path / "notebook.py").write_text("\n\n".join(cells_of(notebook)))
    run("notebook.py", folder=tmp_path)
    for name in ("score.wav", "walk.wav", "mapping.wav"):
        rate, sound = wavfile.read(tmp_path / name)
        assert len(sound) / rate == pytest.approx(2.0, abs=0.2)
        assert np.abs(sound).max() == pytest.approx(0.5)
    assert np.sqrt(np.mean(sound**2)) > 0.02  # not a single click


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads((EXAMPLES / "latent_resonance.ipynb").read_text())["cells"]
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in cells)
