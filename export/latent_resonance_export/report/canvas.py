"""A dark canvas for spectrograms and text, in pixel coordinates from the top left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from latent_resonance.audio.spectrogram import Geometry, mel_frequencies

FloatArray = NDArray[np.float32]
DPI = 100
BACKGROUND, INK, DIM = "#0d0c11", "#e6e1da", "#8d8792"
REAL, GENERATED = "#7fb7c9", "#f0a35e"
SHADES = 20  # per text colour, from the background up: 4 * 20 + 176 = 256
TICKS_HZ = (100, 500, 1000, 2000, 4000, 8000)


class Canvas:
    """Spectrograms and text at pixel positions; `write` saves a PNG."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=BACKGROUND)
        self.agg = FigureCanvasAgg(self.figure)  # needs no display

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes for one spectrogram or plot."""
        bottom = self.height - top - height
        span = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(span, facecolor=BACKGROUND)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(colors=DIM, labelsize=8, length=3, width=0.6)
        return axes

    def spectrogram(
        self, pixels: FloatArray, left: float, top: float, width: float, height: float
    ) -> Axes:
        """Draws a spectrogram (n_mels, n_frames) in [-1, 1], low frequencies at the bottom."""
        axes = self.axes(left, top, width, height)
        axes.imshow(pixels, origin="lower", aspect="auto", cmap="magma", vmin=-1, vmax=1)
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def text(
        self,
        text: str,
        x: float,
        y: float,
        *,
        size: float = 10,
        colour: str = INK,
        ha: str = "left",
    ) -> None:
        """Draws text centred vertically at y; it is not parsed as a formula."""
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            text,
            fontsize=size,
            color=colour,
            ha=ha,
            va="center_baseline",
            parse_math=False,
        )

    def write(self, path: Path) -> None:
        """Saves a PNG with a palette of 256 colours, small enough for a model card."""
        self.agg.draw()  # type: ignore[no-untyped-call]  # matplotlib has no types here
        pixels = np.asarray(self.agg.buffer_rgba())  # type: ignore[no-untyped-call]  # as above
        image = Image.fromarray(pixels[..., :3])
        image.quantize(palette=palette(), dither=Image.Dither.NONE).save(path, optimize=True)


def palette() -> Image.Image:
    """256 colours: the colour map, and the shades of the text."""
    text = [
        np.linspace(to_rgb(BACKGROUND), to_rgb(colour), SHADES)
        for colour in (INK, DIM, REAL, GENERATED)
    ]
    rest = 256 - len(text) * SHADES
    colours = np.concatenate([*text, colormaps["magma"](np.linspace(0, 1, rest))[:, :3]])
    image = Image.new("P", (1, 1))
    image.putpalette((255 * colours).round().astype(np.uint8).tobytes())
    return image


def label_hertz(axes: Axes, geometry: Geometry) -> None:
    """Labels the y axis of a spectrogram with frequencies."""
    centres = mel_frequencies(geometry)[1:-1]
    ticks = [hz for hz in TICKS_HZ if centres[0] < hz < centres[-1]]
    axes.set_yticks(np.interp(ticks, centres, np.arange(geometry.n_mels)))
    axes.set_yticklabels([f"{hz} Hz" if hz < 1000 else f"{hz // 1000} kHz" for hz in ticks])


def label_seconds(axes: Axes, geometry: Geometry) -> None:
    """Labels the x axis of a spectrogram with seconds."""
    seconds = np.arange(int(geometry.loop_s) + 1)
    axes.set_xticks(seconds / geometry.hop_s, [f"{s} s" if s else "0" for s in seconds])
