"""What may import what: the walls of the house, checked on the source and on the running thing."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

import latent_resonance

SOURCE = Path(latent_resonance.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
MODULES = [
    ".".join(("latent_resonance", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for path in FILES
]
# Runs first in a fresh interpreter: whoever asks for one of these gets an error.
WITHOUT_THE_WORKSHOP = """
import importlib, sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "librosa", "latent_resonance_export"}:
            raise ImportError(f"{name} is not in the gallery")
sys.meta_path.insert(0, Wall())
"""


def imports_of(path: Path) -> Iterator[str]:
    """The name of every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers_of(package: str) -> list[str]:
    return [
        str(path.relative_to(SOURCE))
        for path in FILES
        if any(name.partition(".")[0] == package for name in imports_of(path))
    ]


def test_there_are_modules_to_look_at() -> None:
    for name in ("cli", "eye.camera", "voice.generator", "settings"):
        assert f"latent_resonance.{name}" in MODULES


def test_every_module_of_the_runtime_can_be_imported_without_the_workshop() -> None:
    program = WITHOUT_THE_WORKSHOP + "for name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", program, *MODULES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["torch", "librosa", "latent_resonance_export"])
def test_the_wall_in_front_of_the_workshop_stands(name: str) -> None:
    program = WITHOUT_THE_WORKSHOP + f"import {name}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "is not in the gallery" in done.stderr


@pytest.mark.parametrize(
    ("package", "doors"),
    [
        # Two: one for the images of a camera, one that draws the spectrogram of what was played.
        ("cv2", ["eye/camera/camera.py", "render_plot.py"]),
        ("mediapipe", ["eye/tracking/mediapipe_tracker.py"]),
        # Two: one for the pack, one for the face; the processes of voice and eye share nothing.
        ("onnxruntime", ["eye/tracking/onnx/session.py", "voice/synthesis/networks.py"]),
        ("sounddevice", ["voice/output/portaudio_process.py"]),
    ],
)
def test_each_heavy_package_comes_in_by_its_own_doors(package: str, doors: list[str]) -> None:
    assert importers_of(package) == doors


def test_no_line_of_the_voice_imports_a_door_of_cv2() -> None:
    files = [path for path in FILES if path.is_relative_to(SOURCE / "voice")]
    assert len(files) > 3
    doors = {"cv2", "latent_resonance.render_plot", "latent_resonance.eye.camera.camera"}
    for path in files:
        assert doors.isdisjoint(imports_of(path)), path


def test_the_voice_as_a_whole_loads_nothing_that_holds_an_image() -> None:
    voice = [name for name in MODULES if name.startswith("latent_resonance.voice.")]
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    program += "print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program, *voice], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert set(voice) <= loaded
    assert {"cv2", "mediapipe", "latent_resonance.render_plot"}.isdisjoint(loaded)
    assert not [name for name in loaded if name.startswith("latent_resonance.eye.")]


def test_the_monitor_as_a_whole_can_neither_see_nor_sound() -> None:
    program = "import sys\nimport latent_resonance.monitor.app\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "latent_resonance.monitor.http" in loaded
    assert {"cv2", "mediapipe", "onnxruntime", "sounddevice"}.isdisjoint(loaded)
    sides = ("latent_resonance.eye", "latent_resonance.voice")
    assert not [name for name in loaded if name.startswith(sides)]


@pytest.mark.parametrize("package", ["torch", "librosa", "latent_resonance_export"])
def test_no_line_of_the_runtime_imports_the_workshop(package: str) -> None:
    assert importers_of(package) == []


@pytest.mark.parametrize(("half", "other"), [("eye", "voice"), ("voice", "eye")])
def test_the_eye_and_the_voice_do_not_import_each_other(half: str, other: str) -> None:
    files = [path for path in FILES if path.is_relative_to(SOURCE / half)]
    assert len(files) > 3
    for path in files:
        names = list(imports_of(path))
        assert not [n for n in names if n.startswith(f"latent_resonance.{other}.")], path


def test_one_cv2_is_installed_and_it_is_the_headless_one() -> None:
    owners = [
        each.metadata["Name"]
        for each in distributions()
        if any(file.parts[0] == "cv2" for file in each.files or ())
    ]
    assert owners == ["opencv-python-headless"]
