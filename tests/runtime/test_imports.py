"""Which module may import which, checked in the source and in running interpreters."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
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
# Programs rather than parts of a package: they start the command line.
PROGRAMS = ("__main__.py", "bench/taped_perform.py")
# Runs first in a new interpreter: importing one of these raises ImportError.
WITHOUT_EXPORT = """
import importlib, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "librosa", "latent_resonance_export"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
"""


def imports_of(path: Path) -> Iterator[str]:
    """Names that a file imports, at any depth: modules, and `module.name` for each name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers_of(package: str) -> list[str]:
    """Files that import a package from outside."""
    return [
        str(path.relative_to(SOURCE))
        for path in FILES
        if any(name.partition(".")[0] == package for name in imports_of(path))
    ]


def part_of(path: Path) -> str:
    """The folder or module directly under `latent_resonance` that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def parts_imported_by(path: Path) -> set[str]:
    """The other parts that a file imports."""
    prefix = "latent_resonance."
    names = (name.removeprefix(prefix) for name in imports_of(path) if name.startswith(prefix))
    return {name.partition(".")[0] for name in names} & PARTS - {part_of(path)}


PARTS = {part_of(path) for path in FILES} - {"__init__", "__main__"}
IMPORTS = {
    str(path.relative_to(SOURCE)): parts_imported_by(path)
    for path in FILES
    if part_of(path) != "__init__"
}


def test_the_modules_are_found() -> None:
    for name in ("cli", "eye.camera", "voice.engine", "config.settings"):
        assert f"latent_resonance.{name}" in MODULES
    assert {"audio", "config", "linux", "eye", "voice", "monitor", "cli", "pack"} <= PARTS


def test_the_package_has_few_modules_outside_folders() -> None:
    assert len(list(SOURCE.glob("*.py"))) <= 7


@pytest.mark.parametrize(
    ("part", "allowed"),
    [
        ("linux", set()),
        ("audio", {"linux"}),
        ("config", {"linux"}),
        ("link", {"face_state", "linux"}),
        ("gallery", {"audio", "config", "face_state", "score"}),
        ("pack", {"audio", "config", "face_state"}),
    ],
)
def test_a_part_imports_only_parts_below_it(part: str, allowed: set[str]) -> None:
    importers = [name for name in IMPORTS if part_of(SOURCE / name) == part]
    assert importers
    for name in importers:
        assert IMPORTS[name] <= allowed, name


def test_audio_needs_nothing_of_linux_but_atomic_files() -> None:
    for path in FILES:
        if part_of(path) == "audio":
            names = [n for n in imports_of(path) if n.startswith("latent_resonance.linux")]
            assert all(n.startswith("latent_resonance.linux.atomic_file") for n in names), path


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [("eye", {"voice", "monitor"}), ("voice", {"eye", "monitor"}), ("monitor", {"eye"})],
)
def test_the_processes_do_not_import_each_other(part: str, forbidden: set[str]) -> None:
    importers = [name for name in IMPORTS if part_of(SOURCE / name) == part]
    assert len(importers) > 3
    for name in importers:
        assert IMPORTS[name].isdisjoint(forbidden), name


def test_only_programs_import_the_command_line() -> None:
    importers = {name for name, parts in IMPORTS.items() if "cli" in parts}
    assert importers <= set(PROGRAMS)


def test_parts_do_not_import_each_other_in_a_cycle() -> None:
    graph: dict[str, set[str]] = {part: set() for part in PARTS}
    for name, parts in IMPORTS.items():
        if name not in PROGRAMS:
            graph[part_of(SOURCE / name)] |= parts
    TopologicalSorter(graph).prepare()  # raises CycleError with the cycle


@pytest.mark.slow
def test_every_module_of_the_runtime_can_be_imported_without_export() -> None:
    program = WITHOUT_EXPORT + "for name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", program, *MODULES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["torch", "librosa", "latent_resonance_export"])
def test_the_blocker_of_the_test_above_works(name: str) -> None:
    program = WITHOUT_EXPORT + f"import {name}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "is blocked" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "importers"),
    [
        # Two: the camera's images, and the plot of what was played.
        ("cv2", ["eye/camera/opencv.py", "render_plot.py"]),
        ("mediapipe", ["eye/tracking/mediapipe_landmarker.py"]),
        # Two: the face models and the pack, in processes that share no code for them.
        ("onnxruntime", ["eye/tracking/onnx/session.py", "voice/synthesis/networks.py"]),
        ("ai_edge_litert", ["eye/tracking/litert.py"]),
        ("sounddevice", ["voice/output/portaudio_process.py"]),
    ],
)
def test_each_heavy_package_is_imported_in_one_place(package: str, importers: list[str]) -> None:
    assert importers_of(package) == importers


def test_no_module_of_the_voice_imports_cv2_directly_or_through_another() -> None:
    files = [path for path in FILES if path.is_relative_to(SOURCE / "voice")]
    assert len(files) > 3
    modules = {"cv2", "latent_resonance.render_plot", "latent_resonance.eye.camera.opencv"}
    for path in files:
        assert modules.isdisjoint(imports_of(path)), path


def test_the_voice_loads_no_module_that_handles_images() -> None:
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


@pytest.mark.slow
def test_the_monitor_loads_neither_camera_nor_audio_libraries() -> None:
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
def test_no_module_of_the_runtime_imports_export(package: str) -> None:
    assert importers_of(package) == []


def test_the_only_installed_cv2_is_the_headless_one() -> None:
    owners = [
        each.metadata["Name"]
        for each in distributions()
        if any(file.parts[0] == "cv2" for file in each.files or ())
    ]
    assert owners == ["opencv-python-headless"]
