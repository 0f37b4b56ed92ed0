"""Measure this machine: every performance target, and the best quality that it can play.

Runs in the process of `latent-resonance bench`; a `perform` that is measured runs in processes of
its own. A family of measurements is a module with `measure(context)`:

    phase.py       cost and quality of phase reconstruction along its trade-off curve
    networks.py    generator and regressor, by threads and precision
    eye.py         decoding (decoding.py), tracker and features, per image
    voice.py       each stage of the instrument, per hop; latency; a spectrogram to sound
    processes.py   `perform` unchanged: start, memory, share of a core, underflows
    motion.py      from a mouth that opens to the sound at the loudspeaker
    quality.py     the best quality that this machine has headroom for

yardsticks.py times what a user would write instead: the ratio of both is what has a target, since
absolute times depend on the machine and the day. context.py holds what is measured, measurement.py
one result; timing.py takes the time, synthetic_face.py draws a face, table.py prints the results.
For motion.py, fake_camera.py is the camera, latency_pack.py the pack (onnx_file.py writes it),
taped_perform.py and tape.py record the output of `perform`, and onsets.py finds the onsets. A
family imports what it needs only when it is measured.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latent_resonance.bench.context import Context
    from latent_resonance.bench.measurement import Measurement

FAMILIES = {
    "phase": "by look-ahead-iterations-momentum; convergence on a generated and a real spectrogram",
    "networks": "one pass through each network of the pack, and file sizes",
    "eye": "one image through tracker and features",
    "voice": "one hop through each stage, latency, and a whole spectrogram to sound",
    "processes": "`perform` unchanged: start, memory, share of a core, underflows",
    "motion": "a mouth opens: ms from its image to the filter's onset, and to that of a new z",
    "quality": "what this machine can play; a headroom of 1 or more is enough",
}


def measure_family(family: str, context: Context) -> Iterator[Measurement]:
    """Measure one of FAMILIES.

    Raises
    ------
    LatentResonanceError
        It cannot be measured here; the message says why.
    """
    module = importlib.import_module(f"latent_resonance.bench.{family}")
    yield from module.measure(context)
