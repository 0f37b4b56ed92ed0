"""Images of cameras and clips, and the operations of OpenCV on their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.camera.opencv import cv2

MAX_SIDE = 1280  # pixels; a visitor's face is large enough in an image of this size
_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One image of a camera or clip.

    Attributes
    ----------
    pixels
        Shape (height, width, 3), uint8, RGB, the longer side at most `MAX_SIDE`.
    time_ns
        CLOCK_MONOTONIC in nanoseconds; for a clip read offline, the clip's own time from 0.
    """

    pixels: Pixels
    time_ns: int


def rgb_from_bgr(bgr: cv2.typing.MatLike) -> Pixels:
    """BGR pixels, OpenCV's channel order, to RGB, downscaled to `MAX_SIDE`."""
    return downscaled(cast("Pixels", cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)))


def rgb_from_i420(planes: Pixels, width: int) -> Pixels:
    """Planar YUV 4:2:0, shape (height × 3/2, stride), to RGB without the row padding."""
    padded = cast("Pixels", cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420))
    return downscaled(np.ascontiguousarray(padded[:, :width]))


def rgb_from_jpeg(data: bytes) -> Pixels:
    """A JPEG as OpenCV decodes the images of a camera: BGR first."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return rgb_from_bgr(bgr)


def jpeg_of(pixels: Pixels) -> bytes:
    """An RGB image as the JPEG that a camera would send."""
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422]
    return cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), sampling)[1].tobytes()


def downscaled(pixels: Pixels, side: int = MAX_SIDE) -> Pixels:
    """The image, downscaled if its longer side exceeds `side` pixels."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cast("Pixels", cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """The image at another size."""
    return cast("Pixels", cv2.resize(pixels, (width, height)))


def squared(pixels: Pixels, aspect: float) -> Pixels:
    """The image with square pixels, stretched in the direction in which they are longer."""
    height, width = pixels.shape[:2]
    if aspect > 1:
        return resized(pixels, round(width * aspect), height)
    return pixels if aspect == 1 else resized(pixels, width, round(height / aspect))


def rotated(image: Image, degrees: int) -> Image:
    """The image rotated clockwise by 90, 180 or 270 degrees."""
    return Image(cast("Pixels", cv2.rotate(image.pixels, _ROTATIONS[degrees])), image.time_ns)


def warped(pixels: Pixels, matrix: NDArray[np.float64], side: int, *, repeat_edge: bool) -> Pixels:
    """An affine warp to a square of `side` pixels, with bilinear interpolation.

    Source positions are rounded to 1/32 pixel, as in MediaPipe. Landmarks then differ from
    MediaPipe's by 0.001 % of the distance between the eyes; with the exact positions of
    `cv2.warpAffine` they differ by 0.05 %.

    Parameters
    ----------
    matrix
        Shape (2, 3): from pixels of the result to pixels of the source.
    repeat_edge
        Repeat the edge pixels outside the source; otherwise it is black there.
    """
    steps = np.arange(side, dtype=np.float32)
    x_axis, y_axis, origin = matrix.T.astype(np.float32)[..., None]  # each (2, 1): x and y
    x, y = (x_axis * steps)[:, None] + (y_axis * steps + origin)[..., None]
    border = cv2.BORDER_REPLICATE if repeat_edge else cv2.BORDER_CONSTANT
    integers, fractions = cv2.convertMaps(x, y, cv2.CV_16SC2)
    result = cv2.remap(pixels, integers, fractions, cv2.INTER_LINEAR, borderMode=border)
    return cast("Pixels", result)


def with_margins(pixels: Pixels, above: int, below: int, before: int, behind: int) -> Pixels:
    """A copy of the image with its edge pixels repeated, so many times on each side."""
    margins = above, below, before, behind
    return cast("Pixels", cv2.copyMakeBorder(pixels, *margins, cv2.BORDER_REPLICATE))
