"""Phase reconstruction: cost and quality of more look-ahead and iterations.

Measured on a generated *spectrogram* of the pack, which is inconsistent: no sound has exactly
these magnitudes, and most of the error remains. And on that of a *sound*, where only the error of
the phases remains. Spectral convergence is 20 log10(‖|STFT(y)| − M‖ / ‖M‖), Griffin & Lim (1984).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from latent_resonance.audio.griffin_lim import griffin_lim
from latent_resonance.audio.mel_inversion import spectrogram_to_magnitude
from latent_resonance.audio.spectrogram import FloatArray, Geometry, stft_circular
from latent_resonance.bench.context import Context
from latent_resonance.bench.measurement import Measurement
from latent_resonance.bench.timing import times_of
from latent_resonance.bench.yardsticks import librosa_cpu_s
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
TARGET_COST = 0.25  # of librosa's time
LIBROSA_ITERATIONS = 64
EDGE = 20  # frames left out at either end: a stream starts and ends in silence


def measure(context: Context) -> Iterator[Measurement]:
    """Cost and convergence at the settings' own point, then along the curve."""
    geometry = context.pack.geometry
    spectrogram = spectrogram_to_magnitude(context.spectrograms[0], geometry)
    sound = np.abs(stft_circular(griffin_lim(spectrogram, geometry), geometry))
    configured = context.settings.phase
    yield from _cost(configured, spectrogram, context)
    for point in dict.fromkeys(
        [(configured.look_ahead, configured.iterations, configured.momentum), *CURVE]
    ):
        yield from _measure_point(point, spectrogram, sound, context)


def _cost(phase: Phase, spectrogram: FloatArray, context: Context) -> Iterator[Measurement]:
    """Processor time a second of sound, librosa's beside it, and the ratio."""
    geometry = context.pack.geometry
    theirs_s = librosa_cpu_s(spectrogram, geometry, LIBROSA_ITERATIONS)
    yield Measurement(
        "phase.cost",
        _cpu_s(phase, spectrogram, context) / theirs_s,
        "of librosa",
        target=TARGET_COST,
    )
    yield Measurement(f"phase.librosa-{LIBROSA_ITERATIONS}.cpu", theirs_s, "s/s")


def _cpu_s(phase: Phase, spectrogram: FloatArray, context: Context) -> float:
    """Processor time for a second of sound."""
    geometry = context.pack.geometry
    times = times_of(lambda: resynthesise(spectrogram, geometry, phase), context.short_s, warm_up=0)
    return times.median_cpu_s / geometry.loop_s


def _measure_point(
    point: tuple[int, int, float], spectrogram: FloatArray, sound: FloatArray, context: Context
) -> Iterator[Measurement]:
    geometry = context.pack.geometry
    phase = Phase(look_ahead=point[0], iterations=point[1], momentum=point[2])
    name = "phase." + "-".join(f"{value:g}" for value in point)
    yield Measurement(f"{name}.cpu", _cpu_s(phase, spectrogram, context), "s/s")
    for kind, magnitude in (("spectrogram", spectrogram), ("sound", sound)):
        samples = resynthesise(magnitude, geometry, phase)
        yield Measurement(f"{name}.{kind}", convergence_db(samples, magnitude, geometry), "dB")


def resynthesise(magnitude: FloatArray, geometry: Geometry, phase: Phase) -> FloatArray:
    """Samples (loop_length,) of magnitudes (n_bins, n_frames), by the given settings."""
    return griffin_lim(
        magnitude,
        geometry,
        look_ahead=phase.look_ahead,
        iterations=phase.iterations,
        momentum=phase.momentum,
        highest_hz=geometry.f_max_hz,
    )


def convergence_db(samples: FloatArray, magnitude: FloatArray, geometry: Geometry) -> float:
    """Spectral convergence in dB of samples (loop_length,) to target magnitudes."""
    inner = slice(EDGE, -EDGE)
    found = np.abs(stft_circular(samples, geometry))
    error = np.linalg.norm((found - magnitude)[:, inner])
    return float(20 * np.log10(error / np.linalg.norm(magnitude[:, inner])))
