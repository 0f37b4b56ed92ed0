"""Plots embedded in a page: a loop as a small PNG, a histogram as SVG. Pure."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from html import escape

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 160  # of a thumbnail, in pixels
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 480, 220, 40, 34, 22  # of a histogram, in SVG units


def thumbnail(pixels: NDArray[np.uint8]) -> str:
    """A PNG of pixels (n_mels, n_frames), low frequencies at the bottom, as a data URL."""
    image = Image.fromarray(np.ascontiguousarray(pixels[::-1]))
    image = image.resize((SIDE, SIDE), Image.Resampling.BOX).convert("L").convert("P")
    image.putpalette(_palette())
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


@lru_cache(maxsize=1)
def _palette() -> bytes:
    colours = mpl.colormaps["magma"](np.arange(256))[:, :3]
    return (colours * 255).round().astype(np.uint8).tobytes()


@dataclass(frozen=True)
class Histogram:
    """Counts of clips per value, kept stacked on rejected, and the limit between them."""

    title: str
    unit: str
    low: float
    high: float
    step: float
    limit: float
    limit_name: str

    def svg(self, kept: list[float], rejected: list[float]) -> str:
        """An HTML figure; values outside the range count in the outer bars."""
        edges = np.arange(self.low, self.high + self.step / 2, self.step)
        inner = (edges[0] + 1e-9, edges[-1] - 1e-9)
        counts = [np.histogram(np.clip(v, *inner), edges)[0] for v in (kept, rejected)]
        most = max(int((counts[0] + counts[1]).max()), 1)
        parts = [self._bars(counts, most), self._axis(most), self._limit()]
        caption = f"{self.title}: {len(kept)} loops kept, {len(rejected)} rejected"
        box = f"0 0 {WIDTH} {HEIGHT}"
        return (
            f'<figure><svg viewBox="{box}" role="img" aria-label="{escape(caption)}">'
            + "".join(parts)
            + f"</svg><figcaption>{escape(caption)}</figcaption></figure>"
        )

    def _x(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - 12)

    def _bars(self, counts: list[NDArray[np.intp]], most: int) -> str:
        bars, room = [], HEIGHT - BOTTOM - TOP
        width = self._x(self.low + self.step) - self._x(self.low) - 1
        for i, (kept, rejected) in enumerate(zip(*counts, strict=True)):
            x, y = self._x(self.low + i * self.step), float(HEIGHT - BOTTOM)
            for count, kind in ((kept, "kept"), (rejected, "rejected")):
                if count:
                    height = max(count / most * room, 1.0)
                    y -= height
                    bars.append(
                        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" '
                        f'width="{width:.1f}" height="{height:.1f}"/>'
                    )
        return "".join(bars)

    def _axis(self, most: int) -> str:
        y = HEIGHT - BOTTOM + 15
        values = np.linspace(self.low, self.high, 5)
        marks = [
            f'<text x="{self._x(v):.1f}" y="{y}" text-anchor="middle">{v:g}</text>' for v in values
        ]
        middle = (LEFT + WIDTH) / 2
        marks.append(
            f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">'
            f"{escape(f'{self.title}, {self.unit}')}</text>"
        )
        marks.append(f'<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{most:,}</text>')
        return "".join(marks)

    def _limit(self) -> str:
        x = self._x(self.limit)
        side = "end" if x > WIDTH / 2 else "start"
        near = x - 5 if side == "end" else x + 5
        return (
            f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text class="mark" x="{near:.1f}" y="{TOP - 8}" text-anchor="{side}">'
            f"{escape(f'{self.limit_name} {self.limit:g}')}</text>"
        )
