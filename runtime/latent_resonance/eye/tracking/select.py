"""Selects the tracker: on x86 MediaPipe, if it can run; elsewhere the ONNX tracker (`light`).

Called once, when the eye starts or a clip is opened, and by the doctor. Reads the processor's flags
before importing MediaPipe, whose library would crash with SIGILL. In: `eye.tracker` of the
settings. Out: a tracker, and the reason for it.
"""

from __future__ import annotations

import ctypes
import os
import platform
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from latent_resonance.config.settings import Eye as EyeSettings
from latent_resonance.config.settings import TrackerName
from latent_resonance.eye.tracking.face_tracker import FaceTracker
from latent_resonance.eye.tracking.tracker import Landmarker, Tracker, TrackerError
from latent_resonance.linux.shared_libraries import GRAPHICS, missing

if TYPE_CHECKING:
    from latent_resonance.eye.tracking.onnx.detector import ImageNetwork

_AT_HWCAP = 16  # linux/auxvec.h
_HWCAP_ATOMICS = 1 << 8  # arm64's asm/hwcap.h
_CORES_FOR_TWO_THREADS = 4  # the voice needs one, the generator another


@dataclass(frozen=True, slots=True)
class Choice:
    """A tracker's name, `mediapipe` or `light`, and the reason for it."""

    name: TrackerName
    reason: str


def choose(requested: TrackerName, obstacle: str, *, has_litert: bool = False) -> Choice:
    """Resolve the setting `eye.tracker`, which may be `auto`.

    Parameters
    ----------
    obstacle
        Why MediaPipe cannot run here; empty if it can.
    has_litert
        Whether the ONNX tracker can run the landmark network on LiteRT, with less work.

    Raises
    ------
    TrackerError
        MediaPipe is requested and cannot run.
    """
    if requested == "light":
        return Choice("light", "eye.tracker requests it")
    if requested == "auto" and has_litert:
        return Choice("light", "it runs MediaPipe's network on LiteRT, with a fifth less work")
    if not obstacle:
        return Choice("mediapipe", "it is installed and this processor can run it")
    if requested == "mediapipe":
        raise TrackerError(f"MediaPipe cannot run here, {obstacle}; set eye.tracker: auto")
    return Choice("light", obstacle)


def mediapipe_obstacle(
    machine: str, capabilities: int, *, installed: bool, missing_packages: tuple[str, ...] = ()
) -> str:
    """Why MediaPipe cannot run; empty if it can.

    Its aarch64 library is built for ARMv8.1; a Cortex-A72 (Raspberry Pi 4), A53 (Pi 3, Zero 2) or
    A57 (Jetson Nano) is ARMv8.0.

    Parameters
    ----------
    machine, capabilities
        As returned by `platform.machine()` and getauxval(AT_HWCAP).
    installed
        Whether the Python package is installed.
    missing_packages
        The Debian packages of the libraries that it needs and that are missing.
    """
    if machine == "aarch64" and not capabilities & _HWCAP_ATOMICS:
        return "this processor has no ARMv8.1 atomics, which MediaPipe needs"
    if not installed:
        return "MediaPipe is not installed"
    if missing_packages:
        return f"MediaPipe's libraries are missing (sudo apt install {' '.join(missing_packages)})"
    return ""


def litert_is_faster(machine: str, *, installed: bool) -> bool:
    """Whether the landmark network runs on LiteRT; `machine` is as of `platform.machine()`."""
    return machine == "aarch64" and installed


def tracker_choice(settings: EyeSettings) -> Choice:
    """The tracker for this machine.

    Raises
    ------
    TrackerError
        MediaPipe is requested and cannot run.
    """
    if settings.tracker == "light":
        return choose("light", "")  # without probing MediaPipe's libraries
    capabilities = ctypes.CDLL(None).getauxval(_AT_HWCAP)
    installed = find_spec("mediapipe") is not None
    missing_packages = tuple(missing(GRAPHICS).values()) if installed else ()
    obstacle = mediapipe_obstacle(
        platform.machine(), capabilities, installed=installed, missing_packages=missing_packages
    )
    return choose(settings.tracker, obstacle, has_litert=_has_litert())


def open_tracker(models: Path, settings: EyeSettings) -> Tracker:
    """Open the tracker for this machine with the models in a folder.

    Raises
    ------
    TrackerError
        It cannot run, or a model is missing or damaged.
    """
    from latent_resonance.eye.tracking.onnx.blendshapes import blendshapes
    from latent_resonance.eye.tracking.onnx.detector import FaceDetector
    from latent_resonance.eye.tracking.onnx.session import FULL_RANGE, BlendshapeNetwork, Network

    landmarker = _open_landmarker(models, settings)
    network = Network(models, FULL_RANGE, threads_of(settings))
    detector = FaceDetector(network, settings.min_confidence, settings.max_faces)
    scores = partial(blendshapes, BlendshapeNetwork(models))
    return FaceTracker(detector.find, detector.confirms, landmarker, scores, settings.absence_s)


def threads_of(settings: EyeSettings, cores: int | None = None) -> int:
    """The threads of each face network; `cores` defaults to those that this process may use."""
    if settings.threads != "auto":
        return settings.threads
    cores = cores or len(os.sched_getaffinity(0))
    return 2 if cores >= _CORES_FOR_TWO_THREADS else 1


def _open_landmarker(models: Path, settings: EyeSettings) -> Landmarker:
    if tracker_choice(settings).name == "light":
        from latent_resonance.eye.tracking.onnx.landmarker import OnnxLandmarker

        return OnnxLandmarker(_open_mesh(models, threads_of(settings)), settings.min_confidence)
    from latent_resonance.eye.tracking.mediapipe_landmarker import MediaPipeLandmarker

    return MediaPipeLandmarker(models, settings.min_confidence)


def _open_mesh(models: Path, threads: int) -> ImageNetwork:
    """The landmark network, on the engine that runs it faster here."""
    if _has_litert():
        from latent_resonance.eye.tracking.litert import LiteRtMesh

        return LiteRtMesh(models, threads)
    from latent_resonance.eye.tracking.onnx.session import MESH, Network

    return Network(models, MESH, threads)


def _has_litert() -> bool:
    installed = find_spec("ai_edge_litert") is not None
    return litert_is_faster(platform.machine(), installed=installed)
