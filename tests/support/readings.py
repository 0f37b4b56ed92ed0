"""What the eye and the voice make of a film: features per image, controls per hop, and figures.

A limit is a sentence: `clarity median ≥ 0.95`, `brow_tension p95 from 0.6 to 3.0 ≤ 0.2`. Its
source is a control, a feature, or one of `VISIT`; `|…|` takes the magnitude.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_resonance.config.settings import Settings
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.pipeline import states_of_images
from latent_resonance.face_state import FEATURES, FaceState, neutral_features
from latent_resonance.gallery.visit import NS, Presence, VisitState
from latent_resonance.score import attract_score
from latent_resonance.voice.synthesis.controls import ControlGlide

HOP_S = 512 / 48_000
CONTROLS = ("rate", "openness", "noise", "clarity")
VISIT = ("presence", "seen", "greetings", "off", "jump")  # share; s; number; s; largest step
FOLLOWED = (
    "mouth_open",
    "head_yaw",
    "head_pitch",
    "head_roll",
)  # by which people are distinguished
STEADY = tuple(name for name in FEATURES[:9] if name != "eye_open")  # that do not jump at rest
OFF_BY = 0.1  # from which a feature of a face at rest counts as off
FEW = 0.5  # share of images with a face below which nothing can be said about it

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """A film as the eye and the voice see it.

    Attributes
    ----------
    times_s, present, features
        Of each image: shapes (n,), (n,) and (n, 16).
    hops_s, controls
        Of each hop: shapes (m,) and (m, 4), in the order of `CONTROLS`.
    greetings
        How many visitors were greeted.
    """

    times_s: FloatArray
    present: NDArray[np.bool_]
    features: FloatArray
    hops_s: FloatArray
    controls: FloatArray
    greetings: int

    def feature(self, name: str) -> FloatArray:
        return self.features[:, FEATURES.index(name)]


def read(images: Iterable[Image], settings: Settings) -> Reading:
    """The reading of a film."""
    states = list(states_of_images(images, settings))
    controls, greetings = controls_of(states, settings)
    return Reading(
        np.array([state.time_ns for state in states]) / NS,
        np.array([state.present for state in states]),
        np.array([state.features for state in states], np.float64),
        np.arange(len(controls)) * HOP_S,
        controls,
        greetings,
    )


def controls_of(states: list[FaceState], settings: Settings) -> tuple[FloatArray, int]:
    """The controls at each hop of the voice, shape (m, 4), and how often it greets."""
    presence = Presence(attract_score(settings), settings.eye.absence_s, settings.attract)
    glide, rows, greetings, before, i = ControlGlide(settings.controls), [], 0, None, -1
    image_s = (states[-1].time_ns - states[0].time_ns) / NS / max(len(states) - 1, 1)
    for hop in range(int((states[-1].time_ns / NS + image_s) / HOP_S)):
        now_ns = int(hop * HOP_S * NS)
        while i + 1 < len(states) and states[i + 1].time_ns <= now_ns:
            i += 1
        features = presence.step(states[i] if i >= 0 else None, now_ns)
        now = glide.step(features, HOP_S)
        rows.append((now.rate, now.openness, now.noise, now.clarity))
        greeted = presence.visit_state is VisitState.GREET and before is not VisitState.GREET
        greetings, before = greetings + greeted, presence.visit_state
    return np.array(rows).reshape(-1, len(CONTROLS)), greetings


@dataclass(frozen=True)
class Limit:
    """One figure of a film and what it may be at most or at least."""

    source: str
    statistic: str
    window_s: tuple[float, float] | None
    is_maximum: bool
    bound: float

    def __str__(self) -> str:
        window = "" if self.window_s is None else " from {:g} to {:g} s".format(*self.window_s)
        return f"{self.source} {self.statistic}{window}"

    @property
    def bound_text(self) -> str:
        return f"{'≤' if self.is_maximum else '≥'} {self.bound:g}"

    def met(self, value: float) -> bool:
        """Whether a value keeps the limit; not a number never does."""
        return value <= self.bound if self.is_maximum else value >= self.bound


_SENTENCE = re.compile(
    r"(?P<source>\|?\w+\|?) (?P<statistic>\w+)"
    r"(?: from (?P<low>[\d.]+) to (?P<high>[\d.]+))? (?P<sign>[≤≥]) (?P<bound>[\d.]+)"
)


def limit(sentence: str) -> Limit:
    """The limit that a sentence states."""
    found = _SENTENCE.fullmatch(sentence)
    if found is None:
        raise ValueError(f"{sentence!r} is not like: clarity median from 2 to 6 ≥ 0.95")
    low, high = found["low"], found["high"]
    window_s = (float(low), float(high)) if low and high else None
    sign, bound = found["sign"], float(found["bound"])
    return Limit(found["source"], found["statistic"], window_s, sign == "≤", bound)


def value_of(limit: Limit, reading: Reading, window_s: tuple[float, float]) -> float:
    """The figure of a limit, read over its own window or the film's."""
    low_s, high_s = limit.window_s or window_s
    images = (reading.times_s >= low_s) & (reading.times_s < high_s)
    if limit.source in VISIT:
        return visit_figure(limit.source, reading, images)
    if reading.present[images].mean() < FEW:
        return float("nan")
    name = limit.source.strip("|")
    if name in CONTROLS:
        hops = (reading.hops_s >= low_s) & (reading.hops_s < high_s)
        values = reading.controls[hops, CONTROLS.index(name)]
    else:
        values = reading.feature(name)[images & reading.present]
    return statistic(np.abs(values) if "|" in limit.source else values, limit.statistic)


def visit_figure(source: str, reading: Reading, images: NDArray[np.bool_]) -> float:
    if source == "presence":
        return float(reading.present[images].mean())
    if source == "seen":
        seen = np.flatnonzero(reading.present & (reading.times_s >= reading.times_s[images][0]))
        first_s = reading.times_s[images][0]
        return float(reading.times_s[seen[0]] - first_s) if len(seen) else float("inf")
    if source == "off":
        return longest_off_s(reading, images)
    if source == "jump":
        steady = [FEATURES.index(name) for name in STEADY]
        steps = np.diff(reading.features[images & reading.present][:, steady], axis=0)
        return float(np.abs(steps).max(initial=0.0))
    return float(reading.greetings)


def alike(reading: Reading, other: Reading, window_s: tuple[float, float]) -> float:
    """How much of the movement in the other reading is in this one: 1 is all, 0 none of it.

    1 − Σ(a − b)² / Σ b² over the features that differ between people, without their means, in the
    images in which both see a face.
    """
    low_s, high_s = window_s
    both = reading.present & other.present & (reading.times_s >= low_s) & (reading.times_s < high_s)
    if both.sum() < 2:
        return float("nan")
    columns = [FEATURES.index(name) for name in FOLLOWED]
    one, two = (each.features[both][:, columns] for each in (reading, other))
    one, two = one - one.mean(axis=0), two - two.mean(axis=0)
    return float(1 - ((one - two) ** 2).sum() / max((two**2).sum(), 1e-9))


def longest_off_s(reading: Reading, images: NDArray[np.bool_]) -> float:
    """For how long at most a feature differs from that of a resting face, without a break."""
    rest = neutral_features().astype(np.float64)
    rest[FEATURES.index("stillness")] = 1.0
    off = np.abs(reading.features[images] - rest) > OFF_BY
    off |= ~reading.present[images, None]
    times_s, longest_s = reading.times_s[images], 0.0
    for feature in off.T:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], feature, [False]])))
        for start, end in edges.reshape(-1, 2):
            longest_s = max(longest_s, float(times_s[end - 1] - times_s[start]))
    return longest_s


def statistic(values: FloatArray, name: str) -> float:
    """`max`, `mean`, `median` or a percentile such as `p95`."""
    if not len(values):
        return float("nan")
    if name == "max":
        return float(values.max())
    if name == "mean":
        return float(values.mean())
    return float(np.percentile(values, 50 if name == "median" else float(name[1:])))
