"""The plot of a render: its spectrogram as on the wall, and the features below it.

Drawn from samples, generated columns and features only, never from images. It uses OpenCV, which
the runtime needs anyway; the voice does not import this module.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from latent_resonance.audio.brightness import RANGE_DB, Levels, brightness
from latent_resonance.audio.generated_mel import GeneratedColumn, generated_levels
from latent_resonance.audio.spectrogram import FloatArray, Geometry, hz_to_mel
from latent_resonance.audio.streaming_mel import StreamingMel
from latent_resonance.face_state import FEATURES, FeatureVector
from latent_resonance.linux.atomic_file import atomic_path

WIDTH, HEIGHT = 1280, 480  # of the spectrogram, image pixels
STRIP = 44  # height of one feature's strip
MARGIN = (90, 20, 20, 40)  # left, right, top, bottom
FOREGROUND = (205, 205, 205)
BASELINE = (90, 90, 90)
BACKGROUND = 16
TICKS_HZ = (100, 250, 500, 1000, 2000, 4000, 8000, 16000)
Colour = tuple[int, int, int]  # blue, green, red
STRIPS = (
    ("mouth open", "mouth_open", 1.0, (80, 170, 250)),
    ("turning", "yaw_velocity", 3.0, (200, 160, 90)),
    ("brow", "brow_tension", 1.0, (110, 90, 240)),
    ("stillness", "stillness", 1.0, (140, 210, 130)),
)


class RenderPlot:
    """Collects the levels and the features of each hop, and plots them.

    Parameters
    ----------
    max_hz : top of the frequency axis, if the geometry reaches it
    """

    def __init__(self, geometry: Geometry, max_hz: float) -> None:
        self.geometry = replace(geometry, f_max_hz=min(max_hz, geometry.f_max_hz))
        self.mel = StreamingMel(self.geometry, RANGE_DB)
        self.sound: list[Levels] = []
        self.generated: list[Levels] = []
        self.features: list[FeatureVector] = []

    def add(self, samples: FloatArray, features: FeatureVector, generated: GeneratedColumn) -> None:
        """Add one hop of samples, and the features and the column that it was rendered from."""
        self.sound.append(self.mel.column(samples))
        self.generated.append(generated_levels(generated, self.geometry, RANGE_DB))
        self.features.append(features)

    def write(self, path: Path) -> None:
        """Write the PNG atomically."""
        encoded, png = cv2.imencode(".png", self._draw())
        if not encoded:
            raise RuntimeError("OpenCV cannot encode the plot")
        with atomic_path(path) as temporary:
            temporary.write_bytes(png.tobytes())

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
        repeated = self.sound[-1:] * min(half_window, len(self.sound))
        sound = np.stack(self.sound[half_window:] + repeated, axis=1)
        image = np.flipud(brightness(sound, np.stack(self.generated, axis=1)))
        shrinks = image.shape[1] > WIDTH
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = cv2.resize(image, (WIDTH, HEIGHT), interpolation=method)
        return cv2.applyColorMap(resized, cv2.COLORMAP_MAGMA)

    def _frequency_axis(self, canvas: np.ndarray) -> None:
        left, _, top, _ = MARGIN
        low, high = hz_to_mel(self.geometry.f_min_hz), hz_to_mel(self.geometry.f_max_hz)
        for tick in (hz for hz in TICKS_HZ if hz <= self.geometry.f_max_hz):
            share = float((hz_to_mel(tick) - low) / (high - low))
            y = round(top + HEIGHT * (1 - share))
            label = f"{tick} Hz" if tick < 1000 else f"{tick // 1000} kHz"
            cv2.line(canvas, (left - 6, y), (left, y), FOREGROUND)
            _write(canvas, label, (10, y + 4))

    def _time_axis(self, canvas: np.ndarray) -> None:
        left, _, top, _ = MARGIN
        seconds = len(self.sound) * self.geometry.hop_s
        step = next((s for s in (1, 2, 5, 10, 30, 60, 300, 1800) if seconds / s <= 16), 7200)
        for tick in np.arange(0, seconds, step):
            x = round(left + WIDTH * tick / seconds)
            cv2.line(canvas, (x, top + HEIGHT), (x, top + HEIGHT + 6), FOREGROUND)
            _write(canvas, f"{tick:g} s", (x + 3, top + HEIGHT + 18))

    def _strip(
        self, canvas: np.ndarray, top: int, label: str, feature: str, full: float, colour: Colour
    ) -> None:
        left = MARGIN[0]
        values = np.abs([f[FEATURES.index(feature)] for f in self.features]) / full
        resampled = np.interp(np.linspace(0, 1, WIDTH), np.linspace(0, 1, len(values)), values)
        heights = top + STRIP - np.clip(resampled, 0, 1) * STRIP
        outline = np.stack([left + np.arange(WIDTH), np.rint(heights)], axis=1)
        floor = [[left + WIDTH - 1, top + STRIP], [left, top + STRIP]]
        cv2.fillPoly(canvas, [np.concatenate([outline, floor]).astype(np.int32)], colour)
        cv2.line(canvas, (left, top + STRIP), (left + WIDTH, top + STRIP), BASELINE)
        _write(canvas, label, (10, top + STRIP - 6))


def _write(canvas: np.ndarray, text: str, place: tuple[int, int]) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, FOREGROUND, 1, cv2.LINE_AA)
