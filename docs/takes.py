"""Draw takes of two versions side by side: one row a take, one column a folder.

    uv run --all-packages python docs/takes.py FOLDER FOLDER [--titles A B] [--output PNG]

The folders hold WAV files of the same names, as `latent-resonance render CLIP -o NAME.wav` writes
them with either version. Frequencies are mel, up to 8 kHz; brightness is 70 dB.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from latent_resonance.audio.spectrogram import hz_to_mel
from latent_resonance.linux.atomic_file import atomic_path

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

WINDOW, HOP = 4096, 256  # samples
LOUDEST_DB, RANGE_DB = -20.0, 70.0
LOWEST_HZ, HIGHEST_HZ = 40.0, 8000.0
TICKS_HZ = (100, 250, 500, 1000, 2000, 4000, 8000)
DARK, LIGHT = "#101010", "#cccccc"


def levels_db(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Level of each bin of samples (n,): (n_bins, n_frames), 0 dB for a sine of full scale."""
    padded = np.pad(samples, WINDOW // 2)
    hann = np.hanning(WINDOW + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    magnitude = np.abs(np.fft.rfft(frames * hann, axis=1)).T / (hann.sum() / 2.0)
    levels: NDArray[np.float64] = 20.0 * np.log10(magnitude + 1e-6)
    return levels


def mono(wav: Path) -> tuple[int, NDArray[np.float64]]:
    """Sample rate, and samples (n,) in [-1, 1]: the mean of the channels."""
    rate, samples = wavfile.read(wav)
    scale = np.iinfo(samples.dtype).max if samples.dtype.kind == "i" else 1.0
    return rate, np.asarray(samples, np.float64).reshape(len(samples), -1).mean(axis=1) / scale


def draw_take(axes: Axes, wav: Path, title: str) -> None:
    """Draw one take."""
    rate, samples = mono(wav)
    hz = np.fft.rfftfreq(WINDOW, 1.0 / rate)
    shown = (hz > LOWEST_HZ / 2) & (hz < HIGHEST_HZ * 1.1)
    levels = levels_db(samples)[shown]
    time_s = np.arange(levels.shape[1]) * HOP / rate
    limits = {"vmin": LOUDEST_DB - RANGE_DB, "vmax": LOUDEST_DB}
    axes.pcolormesh(time_s, hz_to_mel(hz[shown]), levels, cmap="magma", shading="auto", **limits)
    axes.set_title(title, color=LIGHT, fontsize=9)
    axes.tick_params(colors=LIGHT, labelsize=8)


def draw(folders: list[Path], titles: list[str], target: Path) -> None:
    """Draw every take of the first folder beside the one of the same name in the second."""
    names = sorted(path.name for path in folders[0].glob("*.wav"))
    size = (11, 2.75 * len(names))
    figure, grid = plt.subplots(
        len(names), 2, figsize=size, sharey=True, squeeze=False, facecolor=DARK
    )
    for row, name in zip(grid, names, strict=True):
        for axes, folder, title in zip(row, folders, titles, strict=True):
            draw_take(axes, folder / name, f"{Path(name).stem}, {title}")
    grid[0, 0].set_ylim(hz_to_mel(np.array([LOWEST_HZ, HIGHEST_HZ])))
    labels = [f"{hz} Hz" if hz < 1000 else f"{hz // 1000} kHz" for hz in TICKS_HZ]
    grid[0, 0].set_yticks(hz_to_mel(np.array(TICKS_HZ, float)), labels)
    figure.supxlabel("s", color=LIGHT, fontsize=9)
    figure.tight_layout()
    with atomic_path(target) as beside:
        figure.savefig(beside, format="png", dpi=68)


def main() -> None:
    """Draw the takes of both folders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folders", nargs=2, type=Path, metavar="FOLDER")
    parser.add_argument("--titles", nargs=2, default=["before", "now"], metavar=("A", "B"))
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("faces.png"))
    options = parser.parse_args()
    for folder in options.folders:
        if not any(folder.glob("*.wav")):
            parser.error(f"{folder} holds no WAV file; render some takes into it")
    draw(options.folders, options.titles, options.output)


if __name__ == "__main__":
    main()
