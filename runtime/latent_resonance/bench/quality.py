"""The best quality that this machine can play, from the load of each.

*Headroom* is the factor by which the load could grow before the machine is too slow; 1 or more is
enough. All loads are processor time, so that other programs on the machine do not count.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from latent_resonance.bench.context import Context
from latent_resonance.bench.decoding import camera_s
from latent_resonance.bench.eye import images_of, run_tracker, tracker_of
from latent_resonance.bench.measurement import Measurement
from latent_resonance.bench.timing import times_of
from latent_resonance.bench.voice import WARM_UP, hop_player, spectrogram_generation
from latent_resonance.config.output import most_voice_channels
from latent_resonance.config.presets import (
    QUALITIES,
    QUALITY_FILE,
    apply_quality,
    quality_record,
    state_folder,
)
from latent_resonance.config.settings import Eye, Settings
from latent_resonance.eye.camera.image import Image, resized
from latent_resonance.eye.sandbox import IsolationError
from latent_resonance.eye.tracking.select import threads_of
from latent_resonance.eye.tracking.tracker import TrackerError
from latent_resonance.linux.atomic_file import OutputFileError, atomic_path
from latent_resonance.voice.load_shedding import LOW_LOAD
from latent_resonance.voice.synthesis.synthesiser import Synthesiser

# Shares of a core above which a thread sometimes misses its deadline. The synthesis stays below
# the supervisor's low load, so that `perform` does not start by shedding load.
MAX_SYNTHESIS, MAX_GENERATION, MAX_EYE = LOW_LOAD, 0.7, 0.7
MAX_TOTAL = 0.6  # of all cores: the rest is for the system and for thermal throttling
# Of the processor time of an image, the share of the busier of two threads: measured on x86-64 with
# the ONNX tracker, 16 of 22 ms.
BUSIER_OF_TWO = 0.74
ANSWER = "quality.answer"
TURNS = 3


@dataclass(frozen=True)
class Load:
    """Load of each busy thread, in shares of a core."""

    synthesis: float
    generation: float
    eye: float

    def headroom(self, cores: int) -> float:
        """The factor by which the load could grow before a thread misses its deadlines.

        With four cores or more the eye has two threads (`eye.threads: auto`).
        """
        busiest = BUSIER_OF_TWO if threads_of(Eye(), cores) > 1 else 1.0
        total = self.synthesis + self.generation + self.eye
        return min(
            MAX_SYNTHESIS / self.synthesis,
            MAX_GENERATION / self.generation,
            MAX_EYE / max(busiest * self.eye, 1e-9),
            MAX_TOTAL * cores / total,
        )


def measure(context: Context) -> Iterator[Measurement]:
    """Load and headroom of each quality, and the best one with enough headroom.

    The median of TURNS measurements, one after the other: a busy second does not decide.
    """
    turns = [_loads(context) for _ in range(TURNS)]
    headrooms: dict[str, float] = {}
    for quality in QUALITIES:
        load = median_load([turn[quality] for turn in turns])
        headrooms[quality] = load.headroom(os.cpu_count() or 1)
        name = f"quality.{quality}"
        for part, share in (("voice", load.synthesis + load.generation), ("eye", load.eye)):
            yield Measurement(f"{name}.{part}", 100 * share, "% of a core")
        yield Measurement(f"{name}.headroom", headrooms[quality], "×")
    yield Measurement(ANSWER, best_quality(headrooms), "")


def median_load(loads: list[Load]) -> Load:
    """The median of each part."""
    parts = zip(*map(astuple, loads), strict=True)
    return Load(*map(statistics.median, parts))


def _loads(context: Context) -> dict[str, Load]:
    """One measurement of the load of each quality."""
    track_s: dict[int, float] = {}  # by the width of the image
    loads: dict[str, Load] = {}
    for quality in QUALITIES:
        settings = at_quality(quality, context)
        width = settings.camera.width
        if width not in track_s:
            track_s[width] = _track_s(context, width)
        image_s = track_s[width] + camera_s(settings.camera, context.short_s)
        loads[quality] = _load_of(settings, context, image_s)
    return loads


def best_quality(headrooms: dict[str, float]) -> str:
    """The first quality with a headroom of 1 or more, best first; else the lowest."""
    *_, lowest = headrooms
    return next((quality for quality, headroom in headrooms.items() if headroom >= 1.0), lowest)


def at_quality(quality: str, context: Context) -> Settings:
    """The default settings at a quality, with the context's pack."""
    return Settings.model_validate(
        apply_quality({"quality": quality, "pack": context.settings.pack})
    )


def save_quality(answer: str) -> Path:
    """Save the answer in a file that every user may read; return its path.

    Raises
    ------
    OutputFileError
        It cannot be written.
    """
    path = state_folder() / QUALITY_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFileError(
            f"{path.parent}: cannot be created ({error.strerror}); write `quality: {answer}` into "
            "the settings instead"
        ) from error
    with atomic_path(path) as beside:
        beside.write_text(quality_record(answer), encoding="utf-8")
        beside.chmod(0o644)
        path.parent.chmod(0o755)
    return path


def _load_of(settings: Settings, context: Context, image_s: float) -> Load:
    n_channels = most_voice_channels(settings.output)
    synthesiser = Synthesiser(context.pack, settings, seed=0, n_channels=n_channels)
    seconds = context.short_s
    hop = times_of(hop_player(synthesiser, context), seconds, warm_up=WARM_UP)
    generation = times_of(spectrogram_generation(settings, context), seconds)
    return Load(
        hop.mean_cpu_s / context.pack.geometry.hop_s,
        generation.mean_cpu_s * settings.inference.spectrograms_per_s,
        image_s * settings.camera.images_per_s,
    )


def _track_s(context: Context, width: int) -> float:
    """Processor time to track an image of a width; 0 if no tracker can run on this machine."""
    images = [_at_width(image, width) for image in images_of(context.clip)]
    try:
        with tracker_of(context.settings) as tracker:
            return run_tracker(tracker, images, context.short_s)[0].mean_cpu_s
    except (TrackerError, IsolationError):
        return 0.0


def _at_width(image: Image, width: int) -> Image:
    height = round(image.pixels.shape[0] * width / image.pixels.shape[1])
    return Image(resized(image.pixels, width, height), image.time_ns)
