"""The Raspberry Pi's CSI cameras, through a pipe from `rpicam-vid`.

OpenCV cannot open them on a current Pi, and picamera2 does not install in a virtual environment.
"""

from __future__ import annotations

import shutil
from functools import partial

from latent_resonance.config.settings import Camera as CameraSettings
from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.pipe_camera import PipeCamera, PipeProgram

PROGRAMS = ("rpicam-vid", "libcamera-vid")  # the current name, and the one before 2024
ROW_MULTIPLE = 64  # bytes; the image processor pads rows
PACKAGE = "sudo apt install rpicam-apps-lite"
CHECK = "check that `rpicam-hello` finds it and that no other program is using it"


def open_rpicam(settings: CameraSettings) -> PipeCamera:
    """Open the camera.

    Raises
    ------
    CameraError
        If the program is not installed or cannot run.
    """
    # 4:2:0 chroma covers two rows and two columns, so both sizes are even.
    width, height = settings.width & ~1, settings.height & ~1
    name = next((name for name in PROGRAMS if shutil.which(name)), None)
    if name is None:
        raise CameraError(f"rpicam-vid is not installed; {PACKAGE}")
    command = partial(_command, name, width, height, settings.images_per_s)
    return PipeCamera(PipeProgram(command, True, ROW_MULTIPLE, CHECK, PACKAGE), width, height)


def _command(name: str, width: int, height: int, images_per_s: float, _pipe: int) -> list[str]:
    size = ["--width", str(width), "--height", str(height)]
    rate = ["--framerate", f"{images_per_s:g}", "--timeout", "0"]
    return [name, "--codec", "yuv420", *size, *rate, "--nopreview", "--flush", "--output", "-"]
