"""Time and memory of `render` for videos of several lengths, each in its own process."""

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

# ru_maxrss includes the process before exec (getrusage(2)), which is a copy of a large parent.
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
class RenderCost:
    """The cost of a render.

    Attributes
    ----------
    cpu_s : seconds of processor time, all threads
    resident_mib : peak resident memory
    """

    cpu_s: float
    resident_mib: float


@cache
def render_cost(seconds: float) -> RenderCost:
    """Render a video of so many seconds.

    Raises
    ------
    LatentResonanceError
        It could not be rendered.
    """
    with TemporaryDirectory() as folder:
        video, sound = Path(folder) / "film.mp4", Path(folder) / "take.wav"
        write_video(video, round(seconds * IMAGES_PER_S))
        command = [sys.executable, "-m", "latent_resonance", "render", str(video), "-o", str(sound)]
        done = subprocess.run(
            [sys.executable, "-c", SMALL_PARENT, *command],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise LatentResonanceError(f"a video of {seconds:g} s cannot be rendered: {done.stderr}")
    return RenderCost(*json.loads(done.stdout))


def write_video(path: Path, n_images: int) -> None:
    """Write a video of a face whose mouth opens and closes irregularly."""
    mouths = [cv2.cvtColor(faces.mouth_opened(by), cv2.COLOR_RGB2BGR) for by in OPENINGS]
    video = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*"mp4v"), IMAGES_PER_S, (faces.WIDTH, faces.HEIGHT)
    )
    for i in range(n_images):
        open_by = 0.5 + 0.5 * np.sin(0.9 * i) * np.sin(0.07 * i)
        video.write(mouths[round(open_by * (len(mouths) - 1))])
    video.release()


OPENINGS = np.linspace(0.0, 0.25, 8)  # of the face's width
