"""Make the sounds and the film of the README, so that they are always today's sound.

    uv run --all-packages python docs/media.py CLIP... [--output docs/media]

The clips show faces; several are played one after another, in the README's film face-yes,
face-sorry and head-male. The film shows the plot of the take, the features and the spectrogram, and
no image of the clips. It needs ffmpeg, and some two minutes.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from latent_resonance import Settings, render
from latent_resonance.pack import list_packs
from latent_resonance.render_plot import MARGIN, WIDTH

RATE = 30  # images/s of the film
AHEAD = 0.25  # brightness of what is not yet played
CURSOR = 235  # grey
SCALE_TO = 960  # width of the film, pixels
FFMPEG = ("ffmpeg", "-v", "error", "-y")
SOUND = ("-c:a", "aac", "-b:a", "160k", "-movflags", "+faststart")


def sound_of_pack(pack: str, target: Path, seconds: float | None = None) -> None:
    """Render the bundled score, half a minute, with a pack, in stereo: AAC in MP4."""
    with TemporaryDirectory() as folder:
        wav = Path(folder) / "take.wav"
        render(None, wav, Settings(pack=pack), seconds=seconds, channels=2)
        subprocess.run([*FFMPEG, "-i", wav, *SOUND, target], check=True)


def film_of_clips(clips: list[Path], pack: str, target: Path) -> None:
    """Render clips of faces with a pack: the film of the plot, and the plot beside it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        clip, wav, still = folder / "clip.mkv", folder / "take.wav", folder / "plot.png"
        join(clips, clip)
        report = render(clip, wav, Settings(pack=pack), plot=still, channels=2)
        with Image.open(still) as plot:
            write_film(np.asarray(plot.convert("RGB")), wav, report.seconds, target)
            plot.thumbnail((SCALE_TO, SCALE_TO))
            plot.save(target.with_suffix(".png"), optimize=True)


def join(clips: list[Path], target: Path) -> None:
    """Join clips into one of 640 × 480, without sound and without further loss."""
    inputs = [argument for clip in clips for argument in ("-i", clip)]
    fit = "scale=640:480:force_original_aspect_ratio=decrease,pad=640:480:-1:-1,setsar=1"
    parts = "".join(f"[{i}:v]{fit},fps={RATE}[v{i}];" for i in range(len(clips)))
    joined = "".join(f"[v{i}]" for i in range(len(clips))) + f"concat=n={len(clips)}"
    lossless = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
    subprocess.run(
        [*FFMPEG, *inputs, "-filter_complex", parts + joined, *lossless, target], check=True
    )


def write_film(plot: np.ndarray, wav: Path, seconds: float, target: Path) -> None:
    """Write a film in which a cursor moves through a plot (height, width, 3) with its sound."""
    height, width = plot.shape[:2]
    images = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{RATE}")
    coding = ("-c:v", "libx264", "-crf", "28", "-preset", "slow", "-pix_fmt", "yuv420p")
    scale = ("-vf", f"scale={SCALE_TO}:-2")
    command = [*FFMPEG, *images, "-i", "-", "-i", wav, *scale, *coding, *SOUND, target]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for image in images_of(plot, seconds):
            process.stdin.write(image.tobytes())
        process.stdin.close()
    if process.returncode:
        raise SystemExit(f"{target}: ffmpeg ended with {process.returncode}; see its message above")


def images_of(plot: np.ndarray, seconds: float) -> Iterator[np.ndarray]:
    """The images of a film: what is not yet played is dark, and a line shows the time."""
    left = MARGIN[0]
    dark = (plot * AHEAD).astype(np.uint8)
    n_images = round(seconds * RATE)
    for i in range(n_images):
        x = left + round(WIDTH * i / max(n_images - 1, 1))
        image = plot.copy()
        image[:, x : left + WIDTH] = dark[:, x : left + WIDTH]
        image[:, x : x + 2] = CURSOR
        yield image


def main() -> None:
    """Make all of them; the film plays the first pack."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("media"))
    arguments = parser.parse_args()
    arguments.output.mkdir(exist_ok=True)
    for pack in list_packs():
        sound_of_pack(pack, arguments.output / f"{pack}.mp4")
    film_of_clips(arguments.clips, Settings().pack, arguments.output / "film.mp4")


if __name__ == "__main__":
    main()
