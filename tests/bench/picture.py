"""Share of the live spectrogram's upper half that is lit, of clips of real faces.

Each clip is rendered, and its columns go through the link and a real monitor to the page in
Chromium. A pixel is lit if its luminance is at least 0.5 % of white. The upper half of the page is
1.7 to 8 kHz; the share is of the pixels that the clip's sound takes up.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as pytest does for the tests

from tests.support.picture_page import (  # noqa: E402
    PicturePage,
    Spectrograms,
    lit_share,
    picture_page,
    spectrograms_of,
)

from latent_resonance.pack import open_pack  # noqa: E402

TARGET, DARK = 0.05, 0.0005
EXAMPLES = """\
examples:
  python tests/bench/picture.py CLIP.mkv ...
  python tests/bench/picture.py --pack models/voices --screenshots FOLDER CLIP.mkv ...

exit codes: 0 all targets are met, 1 a target is missed
"""


class Result(NamedTuple):
    """Lit shares of one clip."""

    clip: str
    sound: float  # with the generated bands left out
    both: float
    silent: float  # the same clip, muted

    @property
    def met(self) -> bool:
        """Whether the page is lit by the clip and dark in silence."""
        return self.both >= TARGET and self.silent <= DARK


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    options = options_of(arguments)
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    results = list(measure(options.clips, options.pack, options.screenshots))
    print(table(results))
    return 0 if all(result.met for result in results) else 1


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--pack", type=Path, default=ROOT / "models" / "cello")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER", help="write the pages here")
    return parser.parse_args(arguments)


def measure(clips: Sequence[Path], pack: Path, screenshots: Path | None) -> Iterator[Result]:
    """The result of each clip."""
    geometry = open_pack(pack).geometry
    with (
        tempfile.TemporaryDirectory() as folder,
        picture_page(Path(folder), geometry) as page,
    ):
        for clip in clips:
            both = spectrograms_of(clip, pack)
            dark = np.zeros_like(both.sound)
            yield Result(
                clip.stem,
                share_of(page, Spectrograms(both.sound, dark)),
                share_of(page, both, screenshots and screenshots / f"{clip.stem}.png"),
                share_of(page, Spectrograms(dark, dark)),
            )


def share_of(page: PicturePage, spectrograms: Spectrograms, path: Path | None = None) -> float:
    """Lit share of the page that shows the columns, which is also written to a path."""
    screenshot = page.show(spectrograms)
    if path:
        Image.fromarray(screenshot).save(path)
    return lit_share(screenshot, len(spectrograms.sound) / page.columns_per_s)


def table(results: Sequence[Result]) -> str:
    """The results in Markdown."""
    rows = [
        "| clip | sound alone | with the generated bands | silence | target |",
        "|" + "---|" * 5,
    ]
    for result in results:
        shares = " | ".join(f"{share:.2%}" for share in result[1:])
        mark = "ok" if result.met else "**MISSED**"
        rows.append(f"| {result.clip} | {shares} | ≥ {TARGET:.0%}, dark: {mark} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
