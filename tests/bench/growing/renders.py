"""Renders of films of all lengths, each in a process of its own: its time and its memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from tests.support import faces

from latent_resonance import LatentResonanceError

# Linux counts what a process was before exec as its own (getrusage(2)): a large parent would show.
SMALL_PARENT = """
import json, resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=sys.stderr, check=True)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""
SECONDS = (15, 30, 60, 120)
HOUR = 3600
IMAGES_PER_S = 30


@dataclass(frozen=True)
class Take:
    """What a render took.

    Attributes
    ----------
    cpu_s : seconds of processor time, all threads
    resident_mib : the most memory that it had at any time
    """

    cpu_s: float
    resident_mib: float


@cache
def take_of(seconds: float) -> Take:
    """Renders a film of so many seconds.

    Raises
    ------
    LatentResonanceError
        It could not be rendered.
    """
    with TemporaryDirectory() as folder:
        film, sound = Path(folder) / "film.mp4", Path(folder) / "take.wav"
        write_film(film, round(seconds * IMAGES_PER_S))
        command = [sys.executable, "-m", "latent_resonance", "render", str(film), "-o", str(sound)]
        done = subprocess.run(
            [sys.executable, "-c", SMALL_PARENT, *command],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise LatentResonanceError(f"a film of {seconds:g} s could not be rendered: {done.stderr}")
    return Take(*json.loads(done.stdout))


def write_film(path: Path, n_images: int) -> None:
    """Writes a film of a face that speaks: its mouth opens and closes, never twice the same way."""
    mouths = [cv2.cvtColor(faces.mouth_opened(by), cv2.COLOR_RGB2BGR) for by in OPENINGS]
    film = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*"mp4v"), IMAGES_PER_S, (faces.WIDTH, faces.HEIGHT)
    )
    for i in range(n_images):
        open_by = 0.5 + 0.5 * np.sin(0.9 * i) * np.sin(0.07 * i)
        film.write(mouths[round(open_by * (len(mouths) - 1))])
    film.release()


OPENINGS = np.linspace(0.0, 0.25, 8)  # of the face's width
