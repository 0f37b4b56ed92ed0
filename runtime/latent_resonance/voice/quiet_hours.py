"""What the hour asks of the settings: as they are, or softened in quiet hours.

Pure. Used by the voice's caring thread: what it gives is played by an instrument of its own, into
which the other one fades.
"""

from __future__ import annotations

from datetime import datetime

from latent_resonance.config.settings import BandPass, Noise, Settings, TimeStretch
from latent_resonance.gallery.opening_hours import ScheduleState, schedule_state_at


def schedule_state_of(settings: Settings, now: datetime) -> ScheduleState:
    """What a moment of local time means under some settings."""
    return schedule_state_at(now, settings.hours.timetable(), settings.quiet.timetable())


def hushed(settings: Settings) -> Settings:
    """What `quiet` asks for; where a setting is softer already, it stays as it is."""
    quiet, output = settings.quiet, settings.output
    loudness_lufs = min(output.loudness_lufs + output.volume_db, quiet.loudness_lufs)
    return settings.model_copy(
        update={
            # A volume above 0 would lift it over what quiet hours allow.
            "output": output.model_copy(
                update={"loudness_lufs": max(loudness_lufs, -60.0), "volume_db": 0.0}
            ),
            "latent": settings.latent.model_copy(
                update={"glide_s": max(settings.latent.glide_s, quiet.glide_s)}
            ),
            "controls": settings.controls.model_copy(
                update={
                    "noise": _quieter(settings.controls.noise, quiet.noise),
                    "band_pass": _darker(settings.controls.band_pass, quiet.cutoff_hz),
                    "time_stretch": _slower(settings.controls.time_stretch, quiet.tempo),
                }
            ),
        }
    )


def _quieter(curve: Noise, share: float) -> Noise:
    low, high = curve.output
    return curve.model_copy(update={"output": (low * share, high * share)})


def _darker(curve: BandPass, cutoff_hz: float) -> BandPass:
    low, high = curve.output
    return curve.model_copy(update={"output": (min(low, cutoff_hz), min(high, cutoff_hz))})


def _slower(curve: TimeStretch, tempo: float) -> TimeStretch:
    low, high = curve.output
    return curve.model_copy(update={"output": (min(low, tempo), min(high, tempo))})
