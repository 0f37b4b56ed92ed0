"""Which quality this machine is fit for: what each takes of it, and what is left.

*Room* is how much more than a quality takes the machine could give: from 1 on it has time for
it. All of it is processor time, so that whatever else runs meanwhile does not count.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from latent_resonance.audio.wav import OutputFileError, written_beside
from latent_resonance.bench.context import Subject
from latent_resonance.bench.eye import images_of, shown, tracker_of
from latent_resonance.bench.measurement import Figure
from latent_resonance.bench.timing import times_of
from latent_resonance.bench.voice import WARM_UP, dreaming, playing
from latent_resonance.config.presets import NAME, QUALITIES, answer_of, own_folder, with_quality
from latent_resonance.config.settings import Settings
from latent_resonance.eye.sandbox import IsolationError
from latent_resonance.eye.tracking.tracker import TrackerError
from latent_resonance.voice.load_shedding import LOW_LOAD
from latent_resonance.voice.synthesis.instrument import Synthesiser

# Shares of a core beyond which a thread would now and then be late. The synthesis stays below
# what the attendant calls relieved: a performance does not begin by shedding.
MOST_OF_SYNTHESIS, MOST_OF_DREAMS, MOST_OF_EYE = LOW_LOAD, 0.7, 0.7
MOST_OF_ALL = 0.6  # of all cores: the rest is for the system, and for a hot summer
ANSWER = "quality.answer"


@dataclass(frozen=True)
class Load:
    """What each of the busy threads takes, in shares of a core."""

    synthesis: float
    dreams: float
    eye: float

    def room(self, cores: int) -> float:
        """How many times as much could be taken before something were late."""
        total = self.synthesis + self.dreams + self.eye
        return min(
            MOST_OF_SYNTHESIS / self.synthesis,
            MOST_OF_DREAMS / self.dreams,
            MOST_OF_EYE / max(self.eye, 1e-9),
            MOST_OF_ALL * cores / total,
        )


def figures(subject: Subject) -> Iterator[Figure]:
    """What each quality takes, the room left, and the best one that there is room for."""
    image_s = _image_s(subject)
    rooms: dict[str, float] = {}
    for quality in QUALITIES:
        load = _load_of(at_quality(quality, subject), subject, image_s)
        rooms[quality] = load.room(os.cpu_count() or 1)
        name = f"quality.{quality}"
        for part, share in (("voice", load.synthesis + load.dreams), ("eye", load.eye)):
            yield Figure(f"{name}.{part}", 100 * share, "% of a core")
        yield Figure(f"{name}.room", rooms[quality], "×")
    yield Figure(ANSWER, best_of(rooms), "")


def best_of(rooms: dict[str, float]) -> str:
    """The first quality with room for it, of those from the best to the least; else the least."""
    *_, least = rooms
    return next((quality for quality, room in rooms.items() if room >= 1.0), least)


def at_quality(quality: str, subject: Subject) -> Settings:
    """The defaults at a quality, with the subject's pack."""
    return Settings.model_validate(
        with_quality({"quality": quality, "pack": subject.settings.pack})
    )


def keep(answer: str) -> Path:
    """Keeps the answer where every user may read it; returns the file.

    Raises
    ------
    OutputFileError
        It cannot be written.
    """
    path = own_folder() / NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFileError(
            f"{path.parent}: cannot be made ({error.strerror}); write `quality: {answer}` into "
            "the settings instead"
        ) from error
    with written_beside(path) as beside:
        beside.write_text(answer_of(answer), encoding="utf-8")
        beside.chmod(0o644)
        path.parent.chmod(0o755)
    return path


def _load_of(settings: Settings, subject: Subject, image_s: float) -> Load:
    synthesiser = Synthesiser(subject.pack, settings, seed=0)
    seconds = subject.short_s
    hop = times_of(playing(synthesiser, subject), seconds, warm_up=WARM_UP)
    generate = times_of(dreaming(settings, subject), seconds)
    return Load(
        hop.mean_cpu_s / subject.pack.geometry.hop_s,
        generate.mean_cpu_s * settings.inference.spectrograms_per_s,
        image_s * settings.camera.images_per_s,
    )


def _image_s(subject: Subject) -> float:
    """Processor time of an image; 0 where this machine cannot see."""
    seconds = subject.short_s
    try:
        with tracker_of(subject.settings) as tracker:
            return shown(tracker, images_of(subject.clip), seconds)[0].mean_cpu_s
    except (TrackerError, IsolationError):
        return 0.0
