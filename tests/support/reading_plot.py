"""Plots a reading: what the eye and the voice make of a film."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from tests.support.readings import CONTROLS, Reading

from latent_resonance.face_state import FEATURE_RANGES, FEATURES

PLOT_WIDTH, STRIP, MARGIN = 1100, 44, 170


def draw(reading: Reading, path: Path) -> None:
    """A plot of the features of each image and the controls of each hop."""
    ranges = {"rate": (1.0, 4.0), "openness": (0, 1), "noise": (0, 1), "clarity": (0, 1)}
    strips = [
        (name, reading.hops_s, reading.controls[:, i], ranges[name])
        for i, name in enumerate(CONTROLS)
    ]
    shown = reading.present
    strips += [
        (name, reading.times_s[shown], reading.feature(name)[shown], plot_range(name))
        for name in FEATURES
    ]
    canvas = np.full((STRIP * len(strips) + 30, MARGIN + PLOT_WIDTH + 20, 3), 16, np.uint8)
    end_s = float(reading.times_s[-1]) or 1.0
    for i, (name, times_s, values, (low, high)) in enumerate(strips):
        bottom = STRIP * (i + 1)
        label = f"{name} {low:g}..{high:g}"
        cv2.putText(canvas, label, (6, bottom - 14), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (205,) * 3, 1)
        cv2.line(canvas, (MARGIN, bottom), (MARGIN + PLOT_WIDTH, bottom), (60,) * 3, 1)
        x = MARGIN + times_s / end_s * PLOT_WIDTH
        y = bottom - np.clip((values - low) / (high - low), 0, 1) * (STRIP - 8)
        line = np.stack([x, y], axis=1).round().astype(np.int32)
        cv2.polylines(canvas, [line], isClosed=False, color=(110, 190, 250), thickness=1)
    for second in range(int(end_s) + 1):
        x = MARGIN + round(second / end_s * PLOT_WIDTH)
        cv2.putText(
            canvas,
            f"{second} s",
            (x, canvas.shape[0] - 8),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.38,
            (205,) * 3,
            1,
        )
    cv2.imwrite(str(path), canvas)


def plot_range(feature: str) -> tuple[float, float]:
    """The range of a feature in a plot: a head turns by less, and slower, than it may."""
    low, high = FEATURE_RANGES[feature]
    return max(low, -2.0), min(high, 2.0)
