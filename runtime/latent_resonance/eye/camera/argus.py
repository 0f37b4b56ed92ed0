"""A Jetson's CSI camera, through a pipe from GStreamer with NVIDIA's source.

The sensor's raw images are processed by Argus, which `nvarguscamerasrc` asks; `nvvidconv` scales
and converts them. PyPI's OpenCV has no GStreamer.
"""

from __future__ import annotations

import shutil
from fractions import Fraction
from functools import partial

from latent_resonance.config.settings import Camera as CameraSettings
from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.pipe_camera import PipeCamera, PipeProgram

PROGRAM = "gst-launch-1.0"
ROW_MULTIPLE = 8  # bytes, so that GStreamer pads neither luma nor chroma rows
PACKAGE = "sudo apt install gstreamer1.0-tools nvidia-l4t-gstreamer"
CHECK = (
    "check its cable, that `systemctl status nvargus-daemon` is active, and that the unit may "
    "reach it (docs/install.md, Camera)"
)


def open_argus(settings: CameraSettings) -> PipeCamera:
    """Open the first CSI camera.

    Raises
    ------
    CameraError
        If GStreamer is not installed or cannot run.
    """
    width, height = settings.width // ROW_MULTIPLE * ROW_MULTIPLE, settings.height & ~1
    if shutil.which(PROGRAM) is None:
        raise CameraError(f"{PROGRAM} is not installed; {PACKAGE}")
    command = partial(_command, width, height, settings.images_per_s)
    return PipeCamera(PipeProgram(command, False, ROW_MULTIPLE, CHECK, PACKAGE), width, height)


def _command(width: int, height: int, images_per_s: float, pipe: int) -> list[str]:
    """The source prints messages on standard output, so the images have a pipe of their own."""
    rate = Fraction(images_per_s).limit_denominator(1001)
    sensor = f"video/x-raw(memory:NVMM),framerate={rate.numerator}/{rate.denominator}"
    image = f"video/x-raw,format=I420,width={width},height={height}"
    source = ["nvarguscamerasrc", "sensor-id=0", "!", sensor]
    sink = ["fdsink", f"fd={pipe}", "sync=false"]
    return [PROGRAM, "-q", *source, "!", "nvvidconv", "!", image, "!", *sink]
