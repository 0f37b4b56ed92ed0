"""The selection of the tracker, from the processor's flags and the installed packages."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.support import faces

from latent_resonance.config.settings import Eye, load_settings
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.tracking.face_tracker import FaceTracker
from latent_resonance.eye.tracking.litert import LiteRtMesh
from latent_resonance.eye.tracking.mediapipe_landmarker import MediaPipeLandmarker
from latent_resonance.eye.tracking.onnx.landmarker import OnnxLandmarker
from latent_resonance.eye.tracking.onnx.session import MESH, Network
from latent_resonance.eye.tracking.select import (
    choose,
    litert_is_faster,
    mediapipe_obstacle,
    open_tracker,
    tracker_choice,
)
from latent_resonance.eye.tracking.tracker import MODELS, Landmarker, TrackerError, checked_model
from latent_resonance.linux.shared_libraries import missing

CORTEX_A72, CORTEX_A76 = 0xFF, 0x1FF  # AT_HWCAP of a Raspberry Pi 4 and a Pi 5, their low bits


def test_a_processor_without_atomics_gets_the_onnx_tracker_with_a_reason() -> None:
    obstacle = mediapipe_obstacle("aarch64", CORTEX_A72, installed=True)
    choice = choose("auto", obstacle)
    assert choice.name == "light"
    assert "ARMv8.1 atomics" in choice.reason


@pytest.mark.parametrize(("machine", "flags"), [("aarch64", CORTEX_A76), ("x86_64", 0)])
def test_a_capable_processor_gets_mediapipe(machine: str, flags: int) -> None:
    obstacle = mediapipe_obstacle(machine, flags, installed=True)
    assert obstacle == ""
    assert choose("auto", obstacle).name == "mediapipe"


@pytest.mark.parametrize("flags", [CORTEX_A72, CORTEX_A76])
def test_on_arm_the_onnx_tracker_is_used_with_litert_unless_mediapipe_is_requested(
    flags: int,
) -> None:
    has_litert = litert_is_faster("aarch64", installed=True)
    obstacle = mediapipe_obstacle("aarch64", flags, installed=True)
    assert choose("auto", obstacle, has_litert=has_litert).name == "light"
    if not obstacle:
        assert choose("mediapipe", obstacle, has_litert=has_litert).name == "mediapipe"
    assert not litert_is_faster("aarch64", installed=False)
    assert not litert_is_faster("x86_64", installed=True)  # it takes as long there


def test_where_it_is_faster_the_onnx_tracker_runs_the_landmark_network_on_litert(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    landmarker = opened_landmarker(Eye())
    assert isinstance(landmarker, OnnxLandmarker)
    assert isinstance(landmarker._mesh, LiteRtMesh)
    assert capfd.readouterr().err == ""  # it logs to standard error by itself


def test_litert_and_onnx_runtime_find_the_same_landmarks() -> None:
    pytest.importorskip("ai_edge_litert")
    noise = np.random.default_rng(0).integers(0, 256, (MESH.side, MESH.side, 3), np.uint8)
    face = np.ascontiguousarray(faces.photograph()[100:356, 180:436])
    networks = LiteRtMesh(faces.MODELS), Network(faces.MODELS, MESH)
    for image in (noise, face):
        (points, presence), (others, other) = (network.run(image) for network in networks)
        assert points.shape == others.shape == (478, 3)
        assert np.abs(points - others).max() < 0.01  # pixels of the network's input
        assert float(presence) == pytest.approx(float(other), abs=0.001)


def test_without_mediapipe_the_onnx_tracker_is_used() -> None:
    obstacle = mediapipe_obstacle("x86_64", 0, installed=False)
    assert choose("auto", obstacle).name == "light"
    assert "not installed" in choose("auto", obstacle).reason


def test_without_a_library_of_mediapipe_the_onnx_tracker_is_used_and_names_it() -> None:
    lacking = missing({"libc.so.6": "libc6", "libnowhere.so.1": "libnowhere1"})
    assert lacking == {"libnowhere.so.1": "libnowhere1"}
    obstacle = mediapipe_obstacle(
        "x86_64", 0, installed=True, missing_packages=tuple(lacking.values())
    )
    choice = choose("auto", obstacle)
    assert choice.name == "light"
    assert "sudo apt install libnowhere1" in choice.reason


@pytest.mark.parametrize("obstacle", ["", "it is not installed"])
def test_the_onnx_tracker_is_used_on_request(obstacle: str) -> None:
    assert choose("light", obstacle).name == "light"


def test_requesting_mediapipe_where_it_cannot_run_is_a_one_line_error() -> None:
    obstacle = mediapipe_obstacle("aarch64", CORTEX_A72, installed=True)
    with pytest.raises(TrackerError, match=r"no ARMv8\.1 atomics.*set eye\.tracker: auto$"):
        choose("mediapipe", obstacle)


def test_the_settings_choose_the_tracker(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("eye: {tracker: light}")
    assert isinstance(opened_landmarker(load_settings(config).eye), OnnxLandmarker)


def opened_landmarker(settings: Eye) -> Landmarker:
    """The part in which the trackers differ."""
    tracker = open_tracker(faces.MODELS, settings)
    assert isinstance(tracker, FaceTracker)
    tracker.close()
    return tracker._landmarker


@pytest.mark.skipif(platform.machine() != "x86_64", reason="depends on the machine")
def test_on_this_machine_auto_is_mediapipe_and_opens_it() -> None:
    assert tracker_choice(Eye()).name == "mediapipe"
    assert isinstance(opened_landmarker(Eye()), MediaPipeLandmarker)


def test_the_onnx_tracker_imports_nothing_of_mediapipe() -> None:
    program = (
        "import sys; from pathlib import Path; from latent_resonance.config.settings import Eye;"
        "from latent_resonance.eye.tracking.select import open_tracker;"
        f"open_tracker(Path({str(faces.MODELS)!r}), Eye(tracker='light'));"
        "print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "onnxruntime" in loaded
    assert {"mediapipe", "matplotlib", "ai_edge_litert", "sounddevice"}.isdisjoint(loaded)


@pytest.mark.parametrize("tracker", ["light", "mediapipe"])
@pytest.mark.parametrize("fault", ["missing", "truncated", "other"])
def test_a_wrong_face_model_is_a_one_line_error(tmp_path: Path, tracker: str, fault: str) -> None:
    for name in MODELS:
        data = (faces.MODELS / name).read_bytes()
        kept = {"truncated": data[: len(data) // 2], "other": data[::-1]}
        if fault != "missing":
            (tmp_path / name).write_bytes(kept[fault])
    with pytest.raises(TrackerError, match=r"^the face model .* check it out again$") as caught:
        open_tracker(tmp_path, Eye(tracker=tracker))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_the_bundled_face_models_have_the_right_checksum(name: str) -> None:
    assert len(checked_model(faces.MODELS / name)) > 100_000


@pytest.mark.parametrize("tracker", ["light", "mediapipe"])
def test_either_tracker_finds_the_face_in_a_photograph(tracker: str) -> None:
    opened = open_tracker(faces.MODELS, Eye(tracker=tracker))
    try:
        face = opened.find(Image(faces.photograph(), 0))
    finally:
        opened.close()
    assert face is not None
    nose = face.landmarks[4, :2]
    assert np.linalg.norm(nose - (300, 195)) < 40  # pixels, read off the photograph
    assert np.allclose(face.rotation @ face.rotation.T, np.eye(3), atol=1e-5)
