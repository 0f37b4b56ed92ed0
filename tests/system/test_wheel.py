"""The wheel plays on its own: built here, unpacked elsewhere, run in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.io import wavfile

from latent_resonance.eye.tracking.tracker import MODELS

ROOT = Path(__file__).parents[2]
SCORE = "time_s,presence,mouth_open\n0,1,0.2\n1,1,0.9\n2,1,0.4\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The runtime's wheel, built from its source distribution as `uv build` does."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), "-t"]
    subprocess.run([*build, "sdist"], cwd=ROOT / "runtime", check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "-xf", archive.name], cwd=folder, check=True)
    source = folder / archive.name.removesuffix(".tar.gz")
    subprocess.run([*build, "wheel"], cwd=source, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def site(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pip would unpack into site-packages."""
    folder = tmp_path_factory.mktemp("site")
    wheel.extractall(folder)
    return folder


def run(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program in a folder; the dependencies are those of this environment."""
    environment = {key: value for key, value in os.environ.items() if "LATENT" not in key}
    return subprocess.run(
        [sys.executable, "-m", "latent_resonance", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_the_wheel_has_the_packs_the_models_and_their_licences(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert len(names) == len(set(names))
    inside = {name.removeprefix("latent_resonance/models/") for name in names}
    packs = {f"{name}/pack.yaml" for name in ("cello", "metal", "voices")}
    assert inside >= {*MODELS, "THIRD_PARTY_NOTICES.md", *packs}
    (licence,) = (name for name in names if name.endswith("dist-info/licenses/LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()


@pytest.mark.slow
def test_its_metadata_has_a_page_and_no_requirement_for_a_second_opencv(
    wheel: zipfile.ZipFile,
) -> None:
    (path,) = (name for name in wheel.namelist() if name.endswith("dist-info/METADATA"))
    metadata = message_from_bytes(wheel.read(path))
    assert "latent-resonance render" in metadata.get_payload()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert not any("mediapipe" in each for each in metadata.get_all("Requires-Dist"))


@pytest.mark.slow
def test_the_installed_program_renders_with_its_own_pack(site: Path, tmp_path: Path) -> None:
    (tmp_path / "score.csv").write_text(SCORE)
    done = run(site, tmp_path, "render", "score.csv", "-o", "a.wav", "--pack", "voices")
    assert done.returncode == 0, done.stderr
    rate, sound = wavfile.read(tmp_path / "a.wav")
    assert rate == 48_000
    assert np.abs(sound).max() > 1000  # of 32767


@pytest.mark.slow
def test_a_damaged_face_model_is_found_and_reinstalled_by_pip(site: Path, tmp_path: Path) -> None:
    path = site / "latent_resonance/models/face_landmarks.onnx"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        done = run(site, tmp_path, "doctor")
    finally:
        path.write_bytes(content)
    (line,) = (each for each in done.stdout.splitlines() if each.startswith("fail  face model"))
    assert str(path) in line
    remedy = done.stdout.splitlines()[done.stdout.splitlines().index(line) + 1]
    assert "pip install --force-reinstall latent-resonance" in remedy


@pytest.mark.realtime
def test_the_installed_program_performs(site: Path, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"pack": "cello", "eye": {"tracker": "light"}}))
    done = run(
        site, tmp_path, "perform", "--config", "a.yaml", "--seconds", "2", "--record", "p.wav"
    )
    assert done.returncode == 0, done.stderr
    rate, sound = wavfile.read(tmp_path / "p.wav")
    assert len(sound) > rate
    assert np.abs(sound).max() > 0
