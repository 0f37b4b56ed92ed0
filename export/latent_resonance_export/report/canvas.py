"""A dark canvas for spectrograms, laid out in pixels from the top left."""

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
SHADES = 20  # of each colour of text, from the background up: 4 * 20 + 176 = 256
TICKS_HZ = (100, 500, 1000, 2000, 4000, 8000)


class Canvas:
    """Pictures and words at places in pixels; `write` makes the PNG."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=BACKGROUND)
        self.agg = FigureCanvasAgg(self.figure)  # needs no screen

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """A frame for one picture or plot."""
        bottom = self.height - top - height
        place = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(place, facecolor=BACKGROUND)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(colors=DIM, labelsize=8, length=3, width=0.6)
        return axes

    def picture(
        self, pixels: FloatArray, left: float, top: float, width: float, height: float
    ) -> Axes:
        """A spectrogram (n_mels, n_frames) in [-1, 1], low frequencies below."""
        axes = self.axes(left, top, width, height)
        axes.imshow(pixels, origin="lower", aspect="auto", cmap="magma", vmin=-1, vmax=1)
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def words(
        self,
        text: str,
        x: float,
        y: float,
        *,
        size: float = 10,
        colour: str = INK,
        ha: str = "left",
    ) -> None:
        """Text whose middle line is at y pixels from the top; nothing in it is a formula."""
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
        """A PNG of few colours, which a model card can carry."""
        self.agg.draw()
        image = Image.fromarray(np.asarray(self.agg.buffer_rgba())[..., :3])
        image.quantize(palette=palette(), dither=Image.Dither.NONE).save(path, optimize=True)


def palette() -> Image.Image:
    """All that a canvas holds in 256 colours: the colour map, and the shades of the text."""
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
    """Frequencies at the left of a spectrogram."""
    centres = mel_frequencies(geometry)[1:-1]
    ticks = [hz for hz in TICKS_HZ if centres[0] < hz < centres[-1]]
    axes.set_yticks(np.interp(ticks, centres, np.arange(geometry.n_mels)))
    axes.set_yticklabels([f"{hz} Hz" if hz < 1000 else f"{hz // 1000} kHz" for hz in ticks])


def label_seconds(axes: Axes, geometry: Geometry) -> None:
    """Seconds below a spectrogram."""
    seconds = np.arange(int(geometry.loop_s) + 1)
    axes.set_xticks(seconds / geometry.hop_s, [f"{s} s" if s else "0" for s in seconds])
