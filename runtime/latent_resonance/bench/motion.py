"""Latency from motion to sound: from a mouth that opens to the sound at the loudspeaker.

The instrument is an unchanged `perform`: eye, voice and output, each in its own process. The
camera is `fake_camera.py` in place of `rpicam-vid`, which logs when it took each image. The
loudspeaker is the machine's own; `tape.py` records when each sample leaves it according to its
driver. Without a loudspeaker a clock replaces it, with the latency that is requested of a device.
The pack is the context's own with its output replaced (`latency_pack.py`).

Not included: exposure and readout of a sensor, a camera's own buffers, and any latency that a
driver or a sound server does not report.
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
from latent_resonance.bench.context import Context
from latent_resonance.bench.latency_pack import OPEN_HZ, write_latency_pack
from latent_resonance.bench.measurement import Measurement
from latent_resonance.bench.onsets import (
    PLATEAU_S,
    SAMPLE_RATE,
    Recording,
    chord_levels,
    delays_s,
    high_levels,
    read_tape,
)
from latent_resonance.bench.processes import PerformProcess, running_perform

MIN_GESTURES, MAX_S = 12, 240.0  # however long they take; the tape is held in memory
MIN_DETECTED = 90.0  # % of the gestures whose onset is found; with fewer the times mean little
TARGET_MS = {"filter": 80.0, "z": 250.0}  # from the image to the sample, at p95
MAX_INTERVAL_S = fake_camera.OPEN_S + fake_camera.CLOSED_S[1]  # from one gesture to the next
PROGRAM = "latent_resonance.bench.taped_perform"
TAPE, SETTINGS = "tape", "settings.yaml"
SPEAKER = re.compile(r"^playing on (.*?)(?:, converted to (\d+) Hz)?$", re.MULTILINE)
OVERRIDES: dict[str, Any] = {
    "camera": {
        "source": "rpicam",
        "width": synthetic_face.WIDTH,
        "height": synthetic_face.HEIGHT,
        "rotation": 0,
    },
    "controls": {
        # From the closed mouth of the synthetic face (0) to the wide-open one (0.6), with a filter
        # that hides everything above 1 kHz until then, and that leaves the chords as they are.
        "band_pass": {
            "input": [0.1, 0.5],
            "output": [1000.0, 16_000.0],
            "closed_db": -60.0,
            "presence_db": 0.0,
            "bass_db": 0.0,
        },
        "noise": {"output": [0.0, 0.0]},
        "clarity": {"output": [0.0, 0.0]},
    },
    # A new face is a new z at once: this measures the signal path, not an artist's glide time.
    "latent": {"glide_s": 0.001, "jitter": 0.0},
    "loop": {"morph": "blend"},
}


class FaceNotDetectedError(LatentResonanceError):
    """The eye did not detect the synthetic face, so that its gestures cannot be measured."""


def measure(context: Context) -> Iterator[Measurement]:
    """Milliseconds from an image to its sound, and the share of gestures that were detected."""
    with tempfile.TemporaryDirectory(prefix="latent-resonance-") as name:
        folder = Path(name)
        prepare(context, folder)
        speaker, sample_rate, underflows = run_gestures(folder, context.seconds)
        recording = read_tape((folder / TAPE).read_bytes(), sample_rate)
        delays = delays_of(recording, fake_camera.gestures_s(folder))
    for onset, ms in delays.items():
        yield from delay_measurements(onset, ms)
    yield Measurement("motion.gestures", len(delays["filter"]), "")
    yield Measurement("motion.underflows", underflows, "")
    yield Measurement("motion.output", speaker, "")


def prepare(context: Context, folder: Path) -> None:
    """Write the camera program, the pack and the settings of the measurement.

    Raises
    ------
    PackError
        The context's pack cannot be used.
    """
    camera = folder / "rpicam-vid"
    command = [sys.executable, "-m", fake_camera.__name__, str(folder)]
    camera.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
    camera.chmod(0o700)
    content = context.settings.model_dump(mode="json", exclude={"hours", "quiet"})
    own = OVERRIDES | {"pack": str(write_latency_pack(context.pack, folder / "pack"))}
    text = yaml.safe_dump(deep_merge(content, own))
    (folder / SETTINGS).write_text(text, encoding="utf-8")


def run_gestures(folder: Path, seconds: float) -> tuple[str, int, int | None]:
    """Run `perform` with the fake camera; return (output device, its sample rate, underflows).

    Raises
    ------
    PerformFailedError
        `perform` did not start to play, or has ended.
    FaceNotDetectedError
        The eye found no face.
    """
    path = {"PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    with running_perform(folder, (PROGRAM, str(folder / TAPE)), path) as perform:
        perform.await_sound()
        perform.await_eye()
        if not perform.notifications.visitor_seen:
            raise FaceNotDetectedError(f"no face was detected: {_last_eye_line(perform)}")
        (folder / fake_camera.START_FILE).touch()
        duration_s = max(min(seconds, MAX_S), MIN_GESTURES * MAX_INTERVAL_S)
        perform.receive_for(duration_s + PLATEAU_S[1])
        underflows = perform.underflows
    found = SPEAKER.findall(perform.errors.read_text(errors="replace"))
    name, sample_rate = found[-1] if found else ("no speaker", "")
    return name, int(sample_rate or SAMPLE_RATE), underflows


def _last_eye_line(perform: PerformProcess) -> str:
    lines = perform.errors.read_text(errors="replace").splitlines()
    return next(
        (line for line in reversed(lines) if line.startswith("eye: ")), "the eye logged nothing"
    )


def delays_of(
    recording: Recording, gestures_s: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds (n,) from each gesture to the onsets of filter and chord; NaN if not found.

    Gestures too close to the end of the recording are left out.
    """
    in_time_s = gestures_s[gestures_s < recording.end_s - PLATEAU_S[1]]
    levels = {
        "filter": high_levels(recording.samples, recording.sample_rate),
        "z": chord_levels(recording.samples, OPEN_HZ, recording.sample_rate),
    }
    return {onset: 1e3 * delays_s(level, recording, in_time_s) for onset, level in levels.items()}


def delay_measurements(onset: str, delays_ms: NDArray[np.float64]) -> Iterator[Measurement]:
    """Percentiles of one of TARGET_MS, and the share of gestures that were detected."""
    name, found_ms = f"motion.{onset}", delays_ms[np.isfinite(delays_ms)]
    p50, p95 = np.percentile(found_ms, (50, 95)) if len(found_ms) else (None, None)
    share = 100.0 * len(found_ms) / len(delays_ms) if len(delays_ms) else 0.0
    remark = "" if len(found_ms) else "none was detected"
    yield Measurement(f"{name}.p50", p50, "ms", remark=remark)
    yield Measurement(f"{name}.p95", p95, "ms", target=TARGET_MS[onset], remark=remark)
    yield Measurement(f"{name}.detected", share, "%", target=MIN_DETECTED, at_least=True)


def deep_merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings `base`, with those of `overrides` replaced."""
    merged = dict(base)
    for key, value in overrides.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = deep_merge(below, value)
        else:
            merged[key] = value
    return merged
