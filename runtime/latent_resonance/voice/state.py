"""What the voice's threads share: latest-value slots, and what is derived from them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from latent_resonance.audio.loudness import SILENCE_DB
from latent_resonance.face_state import FeatureVector, neutral_features
from latent_resonance.gallery.opening_hours import OpeningState, ScheduleState
from latent_resonance.gallery.visit import Presence
from latent_resonance.link.telemetry import FLOOR_DB, Report
from latent_resonance.linux.thermal import ThermalState
from latent_resonance.voice.output.take import Take
from latent_resonance.voice.remote_control import RemoteControl
from latent_resonance.voice.synthesis.instrument import Instrument


@dataclass(eq=False)
class State:
    """Slots between the threads: values are replaced whole, and each has exactly one writer.

    ===========  ===========================================================================
    thread       writes
    ===========  ===========================================================================
    receive      features, n_states, n_images, image_time_ns, n_rejected; steps `presence`
    maintain     instrument, schedule, thermal, settings_error, packs; settings of `presence`
    synthesise   n_hops, busy_s
    telemetry    loudness_lufs; applies requests to `remote`
    main         tier, output_latency_s, report
    ===========  ===========================================================================

    Attributes
    ----------
    instrument : the newest one; the synthesis may still cross-fade into it
    settings_error : what is wrong with the settings file, in one line; empty if nothing is
    packs : folders of the packs that can be requested, by name
    image_time_ns : CLOCK_MONOTONIC at which the newest image was taken; 0 before the first
    n_states, n_images : face states received, and those that an image gave
    n_rejected : datagrams that were no face states
    busy_s : time spent in synthesis
    take : what is recorded for the staff
    loudness_lufs : momentary loudness; FLOOR_DB while no monitor is connected
    output_latency_s : from synthesis to loudspeaker
    """

    instrument: Instrument
    presence: Presence
    schedule: ScheduleState
    settings_error: str = ""
    output_latency_s: float = 0.0
    packs: Mapping[str, Path] = field(default_factory=dict)
    remote: RemoteControl = field(default_factory=RemoteControl)
    features: FeatureVector = field(default_factory=neutral_features)
    thermal: ThermalState = field(default_factory=ThermalState)
    tier: int = 0
    n_states: int = 0
    n_images: int = 0
    image_time_ns: int = 0
    n_rejected: int = 0
    n_hops: int = 0
    busy_s: float = 0.0
    loudness_lufs: float = FLOOR_DB
    report: Report | None = None
    take: Take | None = None  # set once, before the threads start

    @property
    def closed(self) -> bool:
        """Whether neither sound nor camera is allowed."""
        return self.remote.standby or not self.schedule.is_open

    @property
    def quiet(self) -> bool:
        """Whether the quiet settings are in force."""
        return self.remote.quiet or self.schedule.opening is OpeningState.QUIET

    @property
    def gain_db(self) -> float:
        """Gain of the output, relative to the level for a visitor."""
        if self.remote.muted or self.closed:
            return SILENCE_DB
        return self.presence.gain_db + self.remote.volume_db

    @property
    def take_s(self) -> float | None:
        """Seconds that the take holds so far; None while none is recorded."""
        return None if self.take is None else self.take.seconds

    @property
    def scene(self) -> str:
        """State of the visit, of `telemetry.SCENES`."""
        return "closed" if self.closed else self.presence.visit_state.name.lower()

    @property
    def latency_s(self) -> float:
        """From the newest image to the sample that plays next; nan while no face is detected."""
        if not (self.image_time_ns and self.presence.face_present):
            return math.nan
        age_s = (time.monotonic_ns() - self.image_time_ns) / 1e9
        return age_s + self.output_latency_s
