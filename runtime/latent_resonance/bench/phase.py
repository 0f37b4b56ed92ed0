"""Phase reconstruction along its whole curve: what more look-ahead and iterations cost and bring.

Of a *picture*, the pack's own, whose magnitudes no sound has: what is left is mostly the
picture's error. Of a *sound*, which there is: what is left is that of the phases. Spectral
convergence is 20 log10(‖|STFT(y)| − M‖ / ‖M‖), Griffin & Lim (1984).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from latent_resonance.audio.griffin_lim import reconstruct
from latent_resonance.audio.spectrogram import FloatArray, Geometry, stft_circular
from latent_resonance.bench.context import Subject, magnitude_of
from latent_resonance.bench.measurement import Figure
from latent_resonance.bench.timing import times_of
from latent_resonance.config.settings import Phase

# Look-ahead in frames, iterations a hop, momentum.
CURVE = (
    (0, 1, 0.95),
    (1, 2, 0.95),
    (3, 1, 0.95),
    (3, 2, 0.95),
    (3, 4, 0.95),
    (3, 7, 0.95),
    (7, 2, 0.95),
    (7, 3, 0.95),
    (7, 7, 0.0),
    (7, 7, 0.5),
    (7, 7, 0.95),
    (7, 12, 0.95),
    (11, 7, 0.95),
)
EDGE = 20  # frames at either end that are not measured: a stream begins and ends in silence


def figures(subject: Subject) -> Iterator[Figure]:
    """Cost and convergence at the settings' own point and along the curve."""
    geometry = subject.pack.geometry
    picture = magnitude_of(subject.pictures[0], geometry)
    sound = np.abs(stft_circular(reconstruct(picture, geometry), geometry))
    chosen = subject.settings.phase
    for point in dict.fromkeys([(chosen.look_ahead, chosen.iterations, chosen.momentum), *CURVE]):
        yield from _at(point, picture, sound, subject)


def _at(
    point: tuple[int, int, float], picture: FloatArray, sound: FloatArray, subject: Subject
) -> Iterator[Figure]:
    geometry = subject.pack.geometry
    phase = Phase(look_ahead=point[0], iterations=point[1], momentum=point[2])
    name = "phase." + "-".join(f"{value:g}" for value in point)
    seconds = subject.short_s
    cpu_s = times_of(lambda: sounded(picture, geometry, phase), seconds, warm_up=0).usual_cpu_s
    yield Figure(f"{name}.cpu", cpu_s / geometry.loop_s, "s/s")
    for kind, magnitude in (("picture", picture), ("sound", sound)):
        samples = sounded(magnitude, geometry, phase)
        yield Figure(f"{name}.{kind}", convergence_db(samples, magnitude, geometry), "dB")


def sounded(magnitude: FloatArray, geometry: Geometry, phase: Phase) -> FloatArray:
    """Magnitudes (n_bins, n_frames) to samples (loop_length,) as the settings say."""
    return reconstruct(
        magnitude,
        geometry,
        look_ahead=phase.look_ahead,
        iterations=phase.iterations,
        momentum=phase.momentum,
    )


def convergence_db(samples: FloatArray, magnitude: FloatArray, geometry: Geometry) -> float:
    """How far the magnitudes of samples (loop_length,) are from those asked for."""
    inner = slice(EDGE, -EDGE)
    found = np.abs(stft_circular(samples, geometry))
    error = np.linalg.norm((found - magnitude)[:, inner])
    return float(20 * np.log10(error / np.linalg.norm(magnitude[:, inner])))
