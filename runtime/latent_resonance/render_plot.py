"""The picture of a take: the spectrogram of what was played, the movement under it.

Never of who played: it is drawn from samples and features, and nothing else comes here.
Drawn with OpenCV, which the runtime has anyway; the voice does not import this module.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import FloatArray, Geometry, hz_to_mel
from latent_resonance.audio.streaming_mel import StreamingMel
from latent_resonance.audio.wav import written_beside
from latent_resonance.face_state import FEATURES, FeatureVector

WIDTH, HEIGHT = 1280, 480  # of the spectrogram, pixels
RANGE_DB = 90.0
STRIP = 44  # height of one feature's strip
MARGIN = (90, 20, 20, 40)  # left, right, top, bottom
INK = (205, 205, 205)
DIM = (90, 90, 90)
BACKGROUND = 16
TICKS_HZ = (100, 250, 500, 1000, 2000, 4000, 8000, 16000)
Colour = tuple[int, int, int]  # blue, green, red
STRIPS = (
    ("mouth open", "mouth_open", 1.0, (80, 170, 250)),
    ("turning", "yaw_velocity", 3.0, (200, 160, 90)),
    ("brow", "brow_tension", 1.0, (110, 90, 240)),
    ("stillness", "stillness", 1.0, (140, 210, 130)),
)


class TakePicture:
    """Gathers a mel column and the features of each hop, and draws them at the end."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.heard = StreamingMel(geometry, RANGE_DB)
        self.columns: list[NDArray[np.uint8]] = []
        self.features: list[FeatureVector] = []

    def add(self, samples: FloatArray, features: FeatureVector) -> None:
        """One hop of samples and the features that made them."""
        self.columns.append(self.heard.column(samples))
        self.features.append(features)

    def write(self, path: Path) -> None:
        """Draws the PNG; it appears whole or not at all."""
        done, png = cv2.imencode(".png", self._draw())
        if not done:
            raise RuntimeError("OpenCV could not encode the picture")
        with written_beside(path) as beside:
            beside.write_bytes(png.tobytes())

    def _draw(self) -> np.ndarray:
        left, right, top, bottom = MARGIN
        strips = len(STRIPS) * (STRIP + 8)
        shape = (top + HEIGHT + 34 + strips + bottom, left + WIDTH + right, 3)
        canvas = np.full(shape, BACKGROUND, np.uint8)
        canvas[top : top + HEIGHT, left : left + WIDTH] = self._spectrogram()
        self._frequency_axis(canvas)
        self._time_axis(canvas)
        for i, strip in enumerate(STRIPS):
            self._strip(canvas, top + HEIGHT + 34 + i * (STRIP + 8), *strip)
        return canvas

    def _spectrogram(self) -> np.ndarray:
        half_window = self.geometry.n_fft // 2 // self.geometry.hop_length
        held = self.columns[-1:] * min(half_window, len(self.columns))
        picture = np.flipud(np.stack(self.columns[half_window:] + held, axis=1))
        shrinks = picture.shape[1] > WIDTH
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=method)
        return cv2.applyColorMap(resized, cv2.COLORMAP_MAGMA)

    def _frequency_axis(self, canvas: np.ndarray) -> None:
        left, _, top, _ = MARGIN
        low, high = hz_to_mel(self.geometry.f_min_hz), hz_to_mel(self.geometry.f_max_hz)
        for tick in TICKS_HZ:
            share = float((hz_to_mel(tick) - low) / (high - low))
            y = round(top + HEIGHT * (1 - share))
            label = f"{tick} Hz" if tick < 1000 else f"{tick // 1000} kHz"
            cv2.line(canvas, (left - 6, y), (left, y), INK)
            _write(canvas, label, (10, y + 4))

    def _time_axis(self, canvas: np.ndarray) -> None:
        left, _, top, _ = MARGIN
        seconds = len(self.columns) * self.geometry.hop_s
        step = next((s for s in (1, 2, 5, 10, 30, 60, 300, 1800) if seconds / s <= 16), 7200)
        for tick in np.arange(0, seconds, step):
            x = round(left + WIDTH * tick / seconds)
            cv2.line(canvas, (x, top + HEIGHT), (x, top + HEIGHT + 6), INK)
            _write(canvas, f"{tick:g} s", (x + 3, top + HEIGHT + 18))

    def _strip(
        self, canvas: np.ndarray, top: int, label: str, feature: str, full: float, colour: Colour
    ) -> None:
        left = MARGIN[0]
        values = np.abs([f[FEATURES.index(feature)] for f in self.features]) / full
        at = np.interp(np.linspace(0, 1, WIDTH), np.linspace(0, 1, len(values)), values)
        heights = top + STRIP - np.clip(at, 0, 1) * STRIP
        outline = np.stack([left + np.arange(WIDTH), np.rint(heights)], axis=1)
        floor = [[left + WIDTH - 1, top + STRIP], [left, top + STRIP]]
        cv2.fillPoly(canvas, [np.concatenate([outline, floor]).astype(np.int32)], colour)
        cv2.line(canvas, (left, top + STRIP), (left + WIDTH, top + STRIP), DIM)
        _write(canvas, label, (10, top + STRIP - 6))


def _write(canvas: np.ndarray, text: str, place: tuple[int, int]) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, INK, 1, cv2.LINE_AA)
