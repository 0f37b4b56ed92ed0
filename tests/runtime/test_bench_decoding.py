"""What the bench counts for decoding a camera's images."""

from __future__ import annotations

import numpy as np

from latent_resonance.bench.decoding import camera_s, decode_s, noisy_face
from latent_resonance.config.settings import Camera
from latent_resonance.eye.camera.image import jpeg_of, rgb_from_jpeg

VGA = Camera(width=640, height=480)


def test_a_larger_image_costs_more() -> None:
    assert decode_s(1280, 720, 0.1) > 1.5 * decode_s(640, 480, 0.1)


def test_only_what_usb_2_cannot_transfer_raw_is_decoded() -> None:
    assert camera_s(Camera(), 0.01) > 0.0
    assert camera_s(VGA, 0.01) == 0.0
    assert camera_s(Camera(images_per_s=10.0), 0.01) == 0.0
    assert camera_s(VGA.model_copy(update={"images_per_s": 60.0}), 0.01) > 0.0


def test_the_image_is_as_large_as_a_webcams() -> None:
    """A C920 sends 60 to 150 kB at 1280 × 720."""
    pixels = noisy_face(1280, 720)
    data = jpeg_of(pixels)
    assert 60e3 < len(data) < 250e3
    error = np.abs(rgb_from_jpeg(data).astype(float) - pixels)
    assert error.mean() < 5.0
