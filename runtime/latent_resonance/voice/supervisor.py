"""Supervise a performance: speaker, eye, load, temperature; log, status line, systemd.

Runs on the main thread and never blocks. In: the state of the performance. Out: log lines, one
line of status, and the tier that the machine can afford.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from latent_resonance.config.output import Output, requested_device_channels
from latent_resonance.gallery.daily_log import Counts, DailyLog, FaultCounter
from latent_resonance.gallery.opening_hours import OpeningState, ScheduleState
from latent_resonance.gallery.visit import Presence, VisitState
from latent_resonance.linux.process_usage import read_usage
from latent_resonance.linux.systemd import Notifier, status_line
from latent_resonance.voice.child_process import EyeProcess
from latent_resonance.voice.load_shedding import LoadShedder, describe_tier
from latent_resonance.voice.output.device import Speaker
from latent_resonance.voice.output.writer import RingWriter
from latent_resonance.voice.state import State

CHECK_INTERVAL_S = 0.5  # of load, temperature and faults
BUFFER_STEP_S, MAX_BUFFER_S = 0.005, 0.06  # a longer buffer after each underflow
XRUN_LIMIT = 5  # of a device, before its latency is raised, which interrupts it for a moment
LATENCY_STEP_S, MAX_LATENCY_S = 0.01, 0.06
EYE_TIMEOUT_S = 3.0  # without a state, after the first: a fault


class Supervisor:
    """The main thread's part of a performance; call `poll` every few milliseconds."""

    def __init__(
        self,
        state: State,
        writer: RingWriter,
        speaker: Speaker,
        eye: EyeProcess | None,
        notifier: Notifier,
        log: Callable[[str], None],
        now_s: float,
    ) -> None:
        self.state, self.writer, self.speaker, self.eye = state, writer, speaker, eye
        self.notifier, self.log = notifier, log
        self.load_shedder = LoadShedder()
        self.began_s = self.checked_s = now_s
        self.hops_reported = self.underflows = self.xruns = 0
        self.previous = (0, 0.0)  # images and busy_s at the last check
        self.settings = state.instrument.settings
        self.fault: str | None = None
        self.clock_error = ""
        self.rejected_logged = False
        self.last_state_s, self.n_states = now_s, 0
        self.faults, self.daily_log = FaultCounter(), DailyLog()

    def poll(self, now_s: float) -> None:
        """Keep speaker, eye and watchdog going; twice a second, check everything else."""
        self.speaker.poll(now_s)
        if self.eye:
            self.eye.poll(now_s, self.state.n_states)
        self._notify_watchdog()
        if now_s - self.checked_s >= CHECK_INTERVAL_S:
            self._check(now_s, now_s - self.checked_s)
            self.checked_s = now_s

    def _notify_watchdog(self) -> None:
        """Ready once samples leave the ring, alive as long as they do."""
        n_hops, hop_length = self.state.n_hops, self.state.instrument.pack.geometry.hop_length
        if n_hops == self.hops_reported:
            return
        self.hops_reported = n_hops
        if n_hops * hop_length > self.writer.ring.capacity:
            self.notifier.ready()
            self.notifier.alive()

    def _check(self, now_s: float, elapsed_s: float) -> None:
        state = self.state
        (n_images, busy_s), self.previous = self.previous, (state.n_images, state.busy_s)
        load = load_of(self.previous[1] - busy_s, elapsed_s)
        state.tier = self.load_shedder.step(now_s, load, state.thermal)
        if state.n_states > self.n_states:
            self.n_states, self.last_state_s = state.n_states, now_s
        self._log_changes()
        self._apply_output_settings(now_s)
        self._adapt_buffer()
        self._adapt_latency(now_s)
        state.output_latency_s = self.writer.buffer_s + self.speaker.latency_s
        self._count_faults(now_s)
        if (line := self.daily_log.step(self._counts(), state.schedule.today)) is not None:
            self.log(line)
        self.notifier.status(self._status((self.previous[0] - n_images) / elapsed_s))

    def _count_faults(self, now_s: float) -> None:
        state, faults = self.state, self.faults
        eye_silent = state.n_states > 0 and now_s - self.last_state_s > EYE_TIMEOUT_S
        faults.update("eye silent", active=eye_silent)
        faults.update("speaker lost", active=self.speaker.lost)
        faults.update("network fault", active=state.instrument.generator.fault is not None)
        faults.update("short of time or hot", active=self.load_shedder.tier > 0)
        faults.update("settings refused", active=bool(state.settings_error))
        faults.set_total("underflow", self.speaker.underflows)

    def _counts(self) -> Counts:
        presence = self.state.presence
        return Counts(presence.visits, presence.played_s, self.faults.totals.copy())

    def last_line(self) -> str:
        """The line of the daily log for the day so far, at the end."""
        return self.daily_log.final_line(self._counts())

    def _log_changes(self) -> None:
        """Log each change once."""
        if (change := self.load_shedder.new_message()) is not None:
            self.log(change)
        fault = self.state.instrument.generator.fault
        if fault not in (None, self.fault):
            self.fault = fault
            self.log(f"{fault}; keeping the last valid spectrogram, playing on")
        clock_error = self.state.schedule.clock_error
        if clock_error not in ("", self.clock_error):
            self.log(f"{clock_error}; open until it is right")
        self.clock_error = clock_error
        if self.state.n_rejected and not self.rejected_logged:
            self.rejected_logged = True
            self.log("something other than the eye writes to the socket; ignoring it, playing on")

    def _apply_output_settings(self, now_s: float) -> None:
        """Apply changed output settings; what was adapted stays if its setting is unchanged."""
        settings = self.state.instrument.settings
        if settings is self.settings:
            return
        before, self.settings = self.settings.output, settings
        output = settings.output
        if routing_of(output) != routing_of(before):
            self.writer.set_output(output)
        n_channels = requested_device_channels(output)
        reopen = (output.device, output.latency_s) != (before.device, before.latency_s)
        if reopen or n_channels != requested_device_channels(before):
            self.speaker.change(output.device, output.latency_s, n_channels, now_s)
        if output.buffer_s != before.buffer_s:
            self.writer.set_buffer(output.buffer_s)

    def _adapt_buffer(self) -> None:
        """After an underflow, buffer more: on this machine the synthesis is late at times."""
        writer, speaker = self.writer, self.speaker
        before, self.underflows = self.underflows, speaker.underflows - speaker.xruns
        if self.underflows > before and speaker.playing and writer.buffer_s < MAX_BUFFER_S:
            writer.set_buffer(min(writer.buffer_s + BUFFER_STEP_S, MAX_BUFFER_S))
            buffer_ms = 1000 * writer.buffer_s
            self.log(f"the sound was late; buffering {buffer_ms:.0f} ms from now on")

    def _adapt_latency(self, now_s: float) -> None:
        """After several xruns, ask the device for more latency."""
        speaker = self.speaker
        if speaker.xruns - self.xruns >= XRUN_LIMIT and speaker.latency_s < MAX_LATENCY_S:
            self.xruns = speaker.xruns
            latency_s = min(speaker.latency_s + LATENCY_STEP_S, MAX_LATENCY_S)
            speaker.change(speaker.device, latency_s, speaker.n_channels, now_s)
            latency_ms = 1000 * speaker.latency_s
            self.log(f"the speaker underran; requesting {latency_ms:.0f} ms from now on")

    def _status(self, images_per_s: float) -> str:
        schedule = self.state.schedule
        parts = [
            activity(self.state.presence, schedule),
            *self._images(f"{images_per_s:.0f}"),
            f"{self.speaker.underflows} underflows",
        ]
        if schedule.opening is OpeningState.QUIET:
            parts.append(schedule.opening.value)
        parts += filter(None, (self.state.settings_error, schedule.clock_error))
        if not self.speaker.playing:
            parts.append(f"no speaker ({self.speaker.last_message or 'looking for a speaker'})")
        if self.load_shedder.tier:
            parts.append(f"{self.load_shedder.reason()}: {describe_tier(self.load_shedder.tier)}")
        return status_line(parts)

    def _images(self, per_s: str) -> list[str]:
        """The rate of images, if there was any."""
        return [f"{per_s} images/s"] if self.state.n_images else []

    def summary(self, now_s: float) -> str:
        """One line about the whole performance: duration, underflows, rates, CPU and memory."""
        seconds = max(now_s - self.began_s, 1e-3)
        parts = [
            f"played {seconds:.1f} s",
            f"{self.speaker.underflows} underflows",
            *self._images(f"{self.state.n_images / seconds:.1f}"),
        ]
        if (usage := read_usage(os.getpid())) is not None:
            share = 100 * usage.cpu_s / seconds
            parts.append(f"voice {share:.0f} % of a core, {usage.resident_mib:.0f} MiB")
        if self.eye:
            parts.append(self.eye.usage_text(seconds))
        if self.load_shedder.lowest:
            parts.append(f"down to {describe_tier(self.load_shedder.lowest)}")
        return ", ".join(parts)


def routing_of(output: Output) -> tuple[object, ...]:
    """The settings that decide which channel plays what."""
    return (output.channels, output.routing, output.sub_crossover_hz, output.ceiling_dbtp)


def activity(presence: Presence, schedule: ScheduleState) -> str:
    """What the instrument does at present, in words."""
    if not schedule.is_open:
        return f"closed {schedule.until}".strip()
    if presence.visit_state is VisitState.EMPTY and not presence.attract.enabled:
        return "silent until a visitor comes"
    return presence.visit_state.value


def load_of(busy_s: float, elapsed_s: float) -> float:
    """Share of real time that the synthesis took; near 1 it cannot keep up."""
    return busy_s / max(elapsed_s, 1e-6)
