"""Settings for quiet hours: softer, slower, darker.

Pure. The maintain thread opens an instrument with these settings, into which the other one fades.
"""

from __future__ import annotations

from datetime import datetime

from latent_resonance.config.settings import BandPass, Noise, Settings, TimeStretch
from latent_resonance.gallery.opening_hours import ScheduleState, schedule_state_at

LOWEST_LUFS = -60.0  # that the settings allow


def schedule_state_of(settings: Settings, now: datetime) -> ScheduleState:
    """Evaluate the timetables of some settings at a local time."""
    return schedule_state_at(now, settings.hours.timetable(), settings.quiet.timetable())


def quiet_settings(settings: Settings) -> Settings:
    """Apply the `quiet` section; a setting that is softer already stays as it is."""
    quiet, output = settings.quiet, settings.output
    loudness_lufs = min(output.loudness_lufs + output.volume_db, quiet.loudness_lufs)
    return settings.model_copy(
        update={
            # A volume above 0 would exceed the loudness that quiet hours allow.
            "output": output.model_copy(
                update={"loudness_lufs": max(loudness_lufs, LOWEST_LUFS), "volume_db": 0.0}
            ),
            "latent": settings.latent.model_copy(
                update={"glide_s": max(settings.latent.glide_s, quiet.glide_s)}
            ),
            "controls": settings.controls.model_copy(
                update={
                    "noise": _less_noise(settings.controls.noise, quiet.noise),
                    "band_pass": _darker(settings.controls.band_pass, quiet.cutoff_hz),
                    "time_stretch": _slower(settings.controls.time_stretch, quiet.tempo),
                }
            ),
        }
    )


def _less_noise(curve: Noise, share: float) -> Noise:
    low, high = curve.output
    return curve.model_copy(update={"output": (low * share, high * share)})


def _darker(curve: BandPass, cutoff_hz: float) -> BandPass:
    low, high = curve.output
    return curve.model_copy(update={"output": (min(low, cutoff_hz), min(high, cutoff_hz))})


def _slower(curve: TimeStretch, tempo: float) -> TimeStretch:
    low, high = curve.output
    return curve.model_copy(update={"output": (min(low, tempo), min(high, tempo))})
