"""The eye, per image: decoding a camera's MJPG, which USB 2 needs for large images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from latent_resonance.bench import synthetic_face
from latent_resonance.bench.context import Context
from latent_resonance.bench.measurement import Measurement
from latent_resonance.bench.timing import times_of
from latent_resonance.config.settings import Camera as CameraSettings
from latent_resonance.eye.camera.camera import is_compressed
from latent_resonance.eye.camera.image import Pixels, jpeg_of, resized, rgb_from_jpeg

SIZES = ((1280, 720), (640, 480))  # pixels
NOISE = 3.0  # of 255, standard deviation: a webcam's, which the JPEG has to describe


def measure(context: Context) -> Iterator[Measurement]:
    """Milliseconds of processor time to decode one image of each size."""
    for width, height in SIZES:
        milliseconds = 1e3 * decode_s(width, height, context.short_s)
        yield Measurement(f"eye.decode_cpu.{width}x{height}", milliseconds, "ms")


def camera_s(settings: CameraSettings, seconds: float) -> float:
    """Processor time to decode one image of a USB camera; 0 if it sends them raw."""
    width, height = settings.width, settings.height
    if not is_compressed(width, height, settings.images_per_s):
        return 0.0
    return decode_s(width, height, seconds)


def decode_s(width: int, height: int, seconds: float) -> float:
    """Median processor time to decode an image of a size, measured for some seconds."""
    data = jpeg_of(noisy_face(width, height))
    return times_of(lambda: rgb_from_jpeg(data), seconds).median_cpu_s


def noisy_face(width: int, height: int) -> Pixels:
    """The synthetic face as a webcam of this size would see it: (height, width, 3)."""
    face = resized(np.repeat(synthetic_face.face(0.5)[:, :, None], 3, axis=2), width, height)
    noise = np.random.default_rng(0).normal(0.0, NOISE, face.shape)
    noisy: Pixels = np.clip(face + noise, 0, 255).astype(np.uint8)
    return noisy
