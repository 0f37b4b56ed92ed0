"""Measures this machine: every figure that the instrument owes, and what quality it can play.

Runs in the process of `latent-resonance bench`; the performance that it watches is a real one, in
processes of its own. A family of figures is a module with `figures(subject)`:

    phase.py       what phase reconstruction costs and brings, along its whole curve
    networks.py    generator and regressor, by threads and precision
    eye.py         tracker and features, an image
    voice.py       each stage of the instrument, a hop; latency; a whole picture to sound
    processes.py   `perform` as it is: start, memory, share of a core, underflows
    motion.py      a mouth opens, and when that is heard at the speaker
    quality.py     which quality this machine is fit for

subject.py is what is measured, figure.py what a figure is; timing.py takes the time, drawn_face.py
draws a face that is nobody's, table.py shows the figures. For motion.py, visitor.py is the camera,
probe.py the pack (onnx_file.py writes it), stage.py and tape.py the performance and what is heard
of it, and onsets.py says when. Only what a family needs is imported, and only when it is measured.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latent_resonance.bench.context import Subject
    from latent_resonance.bench.measurement import Figure

FAMILIES = {
    "phase": "by look-ahead-iterations-momentum; spectral convergence of a picture and of a sound",
    "networks": "a pass through each network of the pack, and their files",
    "eye": "an image through tracker and features",
    "voice": "a hop through each stage, latency, and a whole picture to sound",
    "processes": "a performance as it is: start, memory, share of a core, underflows",
    "motion": "a mouth opens: ms from its image until the filter is heard, and a new z",
    "quality": "what this machine is fit for; from a room of 1 on it has time for it",
}


def figures_of(family: str, subject: Subject) -> Iterator[Figure]:
    """Measures one of FAMILIES.

    Raises
    ------
    LatentResonanceError
        It cannot be measured here; the message says why.
    """
    module = importlib.import_module(f"latent_resonance.bench.{family}")
    yield from module.figures(subject)
