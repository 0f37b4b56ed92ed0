"""Motion to sound as a visitor feels it: a mouth opens, and how long until it is heard.

The instrument is `perform` as it is: eye, socket, voice, output process, each a process of its
own. The camera is `fake_camera.py` in place of `rpicam-vid` and notes when it took each image;
the speaker is this machine's own, and `tape.py` keeps when each sample leaves it, by what its
driver says. Without a speaker a clock stands in for it, and takes as much latency as is asked of
one.
The pack is the subject's own with its picture exchanged (`probe.py`).

What is not in it: the light on the sensor and its readout, a camera's own buffers, and what a
driver or a sound server does not tell of itself.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.bench import fake_camera, synthetic_face
from latent_resonance.bench.context import Subject
from latent_resonance.bench.latency_pack import OPEN_HZ, write_probe
from latent_resonance.bench.measurement import Figure
from latent_resonance.bench.onsets import (
    PLATEAU_S,
    RATE,
    Heard,
    chord_levels,
    delays_s,
    high_levels,
    read_tape,
)
from latent_resonance.bench.processes import Engine, performing

AT_LEAST, MOST_S = 12, 240.0  # gestures, however long they take; seconds, for a tape is memory
SHARE = 90.0  # % of the gestures must be heard, or the times mean little
OWED_MS = {"filter": 80.0, "z": 250.0}  # from the image to the sample, at p95
LONGEST_S = fake_camera.HOLDS_S + fake_camera.RESTS_S[1]  # from one gesture to the next
STAGE = "latent_resonance.bench.taped_perform"
TAPE, SETTINGS = "tape", "settings.yaml"
SPEAKER = re.compile(r"^playing on (.*?)(?:, converted to (\d+) Hz)?$", re.MULTILINE)
STAGED: dict[str, Any] = {
    "camera": {
        "source": "rpicam",
        "width": synthetic_face.WIDTH,
        "height": synthetic_face.HEIGHT,
        "rotation": 0,
    },
    "controls": {
        # From the drawn face at rest (0) to agape (0.6).
        "band_pass": {"input": [0.1, 0.5]},
        "noise": {"output": [0.0, 0.0]},
        "clarity": {"output": [0.0, 0.0]},
    },
    # A new face is a new z at once: what is measured is the path, not the glide an artist chose.
    "latent": {"glide_s": 0.001, "jitter": 0.0},
}


class NotSeenError(LatentResonanceError):
    """The eye did not see the visitor, so that nothing can be said of its gestures."""


def figures(subject: Subject) -> Iterator[Figure]:
    """Milliseconds from an image to its sound, and how many gestures were heard at all."""
    with tempfile.TemporaryDirectory(prefix="latent-resonance-") as folder:
        place = Path(folder)
        prepare(subject, place)
        speaker, rate, underflows = play(place, subject.seconds)
        heard = read_tape((place / TAPE).read_bytes(), rate)
        delays = delays_of(heard, fake_camera.gestures_s(place))
    for what, ms in delays.items():
        yield from figures_of(what, ms)
    yield Figure("motion.gestures", len(delays["filter"]), "")
    yield Figure("motion.underflows", underflows, "")
    yield Figure("motion.heard_at", speaker, "")


def prepare(subject: Subject, place: Path) -> None:
    """Camera, pack and settings of the measurement.

    Raises
    ------
    PackError
        The subject's pack cannot be used.
    """
    camera = place / "rpicam-vid"
    words = [sys.executable, "-m", fake_camera.__name__, str(place)]
    camera.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    camera.chmod(0o700)
    content = subject.settings.model_dump(mode="json", exclude={"hours", "quiet"})
    own = STAGED | {"pack": str(write_probe(subject.pack, place / "probe"))}
    text = yaml.safe_dump(laid_over(content, own))
    (place / SETTINGS).write_text(text, encoding="utf-8")


def play(place: Path, seconds: float) -> tuple[str, int, int | None]:
    """Performs for a visitor; returns (which speaker played, its rate in Hz, underflows).

    Raises
    ------
    PerformanceFailedError
        It did not begin, or has ended.
    NotSeenError
        No face was seen.
    """
    path = {"PATH": f"{place}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    with performing(place, (STAGE, str(place / TAPE)), path) as engine:
        engine.await_sound()
        engine.await_eye()
        if not engine.heard.for_somebody:
            raise NotSeenError(f"the visitor was not seen: {_last_words(engine)}")
        (place / fake_camera.BEGIN).touch()
        lasts_s = max(min(seconds, MOST_S), AT_LEAST * LONGEST_S)
        engine.listen(lasts_s + PLATEAU_S[1])
        underflows = engine.underflows
    found = SPEAKER.findall(engine.errors.read_text(errors="replace"))
    name, rate = found[-1] if found else ("no speaker", "")
    return name, int(rate or RATE), underflows


def _last_words(engine: Engine) -> str:
    lines = engine.errors.read_text(errors="replace").splitlines()
    return next(
        (line for line in reversed(lines) if line.startswith("eye: ")), "no word of the eye"
    )


def delays_of(heard: Heard, gestures_s: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Milliseconds (n,) from each gesture to its filter and to its chord; NaN if not heard.

    Of gestures that had time to be heard, before the tape ended.
    """
    in_time_s = gestures_s[gestures_s < heard.ended_s - PLATEAU_S[1]]
    levels = {
        "filter": high_levels(heard.samples, heard.rate),
        "z": chord_levels(heard.samples, OPEN_HZ, heard.rate),
    }
    return {what: 1e3 * delays_s(level, heard, in_time_s) for what, level in levels.items()}


def figures_of(what: str, delays_ms: NDArray[np.float64]) -> Iterator[Figure]:
    """Percentiles of one of OWED_MS, and the share of gestures that were heard."""
    name, heard_ms = f"motion.{what}", delays_ms[np.isfinite(delays_ms)]
    p50, p95 = np.percentile(heard_ms, (50, 95)) if len(heard_ms) else (None, None)
    share = 100.0 * len(heard_ms) / len(delays_ms) if len(delays_ms) else 0.0
    remark = "" if len(heard_ms) else "none was heard"
    yield Figure(f"{name}.p50", p50, "ms", remark=remark)
    yield Figure(f"{name}.p95", p95, "ms", owed=OWED_MS[what], remark=remark)
    yield Figure(f"{name}.heard", share, "%", owed=SHARE, at_least=True)


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings, the second over the first."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(under, dict) and isinstance(value, dict)
        merged[key] = laid_over(under, value) if both else value
    return merged
