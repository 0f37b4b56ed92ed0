"""The supervisor: systemd's notifications, the status line, the log, buffer and latency."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.support.audio_measures import settings_of
from tests.support.instruments import open_instrument

from latent_resonance.config.gallery import Attract
from latent_resonance.config.settings import Settings
from latent_resonance.gallery.opening_hours import OpeningState, ScheduleState
from latent_resonance.gallery.visit import Presence, VisitState
from latent_resonance.score import attract_score
from latent_resonance.voice.output.device import Speaker
from latent_resonance.voice.output.writer import RingWriter
from latent_resonance.voice.state import State
from latent_resonance.voice.supervisor import (
    BUFFER_STEP_S,
    LATENCY_STEP_S,
    MAX_BUFFER_S,
    MAX_LATENCY_S,
    XRUN_LIMIT,
    Supervisor,
    activity,
)

LATENCY_S = 0.03  # requested from the device


class RecordingNotifier:
    """Records what would be sent to systemd."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def ready(self) -> None:
        self.sent.append("ready")

    def alive(self) -> None:
        self.sent.append("alive")

    def status(self, text: str) -> None:
        self.sent.append(text)


class Rig:
    """A supervisor on a virtual clock; the state of the performance is set by the test."""

    def __init__(self, folder: Path) -> None:
        settings = settings_of(folder)
        instrument = open_instrument(settings)
        self.writer = RingWriter(instrument.pack.geometry, 0.03)
        self.state = State(instrument, Presence(attract_score(settings)), ScheduleState())
        self.logged: list[str] = []
        self.notifier = RecordingNotifier()
        program = (sys.executable, "-c", "import time; time.sleep(60)")
        self.speaker = Speaker(
            self.writer.ring,
            48_000,
            None,
            LATENCY_S,
            self.logged.append,
            self.writer.start_device,
            program,
        )
        self.now_s = 50.0
        self.supervisor = Supervisor(
            self.state,
            self.writer,
            self.speaker,
            None,
            self.notifier,
            self.logged.append,
            self.now_s,
        )

    def run(self, seconds: float, *, hops: int = 1, load: float = 0.3) -> list[str]:
        """Advance the clock, with this many hops per tick; return what was sent meanwhile."""
        before = len(self.notifier.sent)
        for _ in range(round(seconds / 0.01)):
            self.now_s += 0.01
            self.state.n_hops += hops
            self.state.busy_s += 0.01 * load
            self.supervisor.poll(self.now_s)
        return self.notifier.sent[before:]


@pytest.fixture
def rig(pack_folder: Path) -> Iterator[Rig]:
    rig = Rig(pack_folder)
    yield rig
    rig.speaker.close()


def test_ready_is_sent_when_samples_leave_the_ring_and_not_before(rig: Rig) -> None:
    rig.state.n_hops = 2  # the ring is full, and nothing has been read
    assert "ready" not in rig.run(3.0, hops=0)
    assert "ready" in rig.run(0.05)


def test_the_watchdog_is_notified_only_while_sound_is_produced(rig: Rig) -> None:
    assert rig.run(1.0).count("alive") > 90
    assert "alive" not in rig.run(5.0, hops=0)
    assert "alive" in rig.run(0.1)


def lines(sent: list[str]) -> list[str]:
    return [line for line in sent if line.startswith("playing")]


def test_the_status_is_a_readable_line(rig: Rig) -> None:
    rig.state.n_states = rig.state.n_images = 15
    (line,) = lines(rig.run(0.6))
    assert re.fullmatch(
        r"playing the score, no visitor, (29|30) images/s, 0 underflows, "
        r"no speaker \(looking for a speaker\)",
        line,
    )


def test_without_a_camera_there_is_no_rate_of_images(rig: Rig) -> None:
    rig.state.n_states = 15  # the eye runs
    (line,) = lines(rig.run(0.6))
    assert "images/s" not in line
    assert "images/s" not in rig.supervisor.summary(1.0)


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (VisitState.EMPTY, "playing the score, no visitor, "),
        (VisitState.GREET, "greeting, "),
        (VisitState.PLAY, "playing for a visitor, "),
        (VisitState.FAREWELL, "returning to the score, "),
    ],
)
def test_the_status_names_the_state_of_the_visit(scene: VisitState, words: str) -> None:
    presence = Presence(attract_score(Settings()))
    presence.visit_state = scene
    assert f"{activity(presence, ScheduleState())}, " == words
    silent = Presence(attract_score(Settings()), attract=Attract(enabled=False))
    silent.visit_state = scene
    is_silent = activity(silent, ScheduleState()) == "silent until a visitor comes"
    assert is_silent is (scene is VisitState.EMPTY)
    closed = ScheduleState(OpeningState.CLOSED, "until 10:00")
    assert activity(presence, closed) == "closed until 10:00"


def status(sent: list[str]) -> str:
    return [line for line in sent if " underflows" in line][-1]


def test_the_status_names_quiet_hours_clock_errors_and_settings_errors(rig: Rig) -> None:
    state = rig.state
    state.schedule = ScheduleState(OpeningState.QUIET)
    assert ", quiet hours, " in status(rig.run(0.6))
    state.schedule = ScheduleState(clock_error="the clock says 1970, so opening hours are ignored")
    state.settings_error = "settings refused: pack: 3 should be text, playing with the defaults"
    line = status(rig.run(2.0))
    assert f", {state.settings_error}, {state.schedule.clock_error}, " in line
    assert rig.logged.count(f"{state.schedule.clock_error}; open until it is right") == 1


def test_a_day_is_logged_at_its_end_and_at_exit(rig: Rig) -> None:
    state = rig.state
    state.schedule = ScheduleState(today=date(2026, 12, 1))
    rig.run(1.0)
    state.presence.visits, state.presence.played_s = 2, 75.0
    state.settings_error = "settings refused: …"
    state.n_states = state.n_images = 20
    rig.run(5.0)  # and the eye sends nothing more
    state.schedule = ScheduleState(today=date(2026, 12, 2))
    rig.run(1.0)
    faults = "1 × eye silent, 1 × settings refused"
    assert f"2026-12-01: 2 visits, 75 s for visitors, {faults}" in rig.logged
    assert rig.supervisor.last_line() == "2026-12-02: 0 visits, 0 s for visitors, no faults"


def test_an_overloaded_machine_sheds_load_and_the_status_says_so(rig: Rig) -> None:
    sent = rig.run(2.0, load=0.95)
    assert rig.state.tier == 1
    assert "short of time: tier 1 of 3" in lines(sent)[-1]
    assert rig.logged == ["short of time: tier 1 of 3, fewer iterations and spectrograms"]
    assert "down to tier 1 of 3" in rig.supervisor.summary(rig.now_s)


def test_a_network_fault_is_logged_once(rig: Rig) -> None:
    rig.state.instrument.generator.fault = "the generator gave NaN or infinity"
    rig.run(5.0)
    assert rig.logged == [
        "the generator gave NaN or infinity; keeping the last valid spectrogram, playing on"
    ]


def test_underflows_lengthen_the_buffer_up_to_its_limit(
    rig: Rig,
) -> None:
    writer, speaker = rig.writer, rig.speaker
    before = writer.buffer_s
    rig.run(0.1)
    speaker.name, speaker.last_progress_s = "a speaker", rig.now_s + 1000.0  # as if it were playing
    rig.run(2.0)
    assert writer.buffer_s == before
    speaker.ring_underflows += 1
    rig.run(2.0)
    assert writer.buffer_s == pytest.approx(before + BUFFER_STEP_S)
    assert writer.ring.capacity >= round(48_000 * writer.buffer_s)
    assert sum("the sound was late; buffering 35 ms" in line for line in rig.logged) == 1
    for _ in range(30):
        speaker.ring_underflows += 1
        rig.run(0.6)
    assert writer.buffer_s == pytest.approx(MAX_BUFFER_S)
    assert speaker.latency_s == LATENCY_S  # the device had no xruns


def test_repeated_xruns_raise_the_latency_up_to_its_limit(
    rig: Rig,
) -> None:
    writer, speaker = rig.writer, rig.speaker
    before = writer.buffer_s
    rig.run(0.1)
    speaker.device_underflows += XRUN_LIMIT - 1
    rig.run(1.0)
    assert speaker.latency_s == LATENCY_S
    speaker.device_underflows += 1
    rig.run(1.0)
    assert speaker.latency_s == pytest.approx(LATENCY_S + LATENCY_STEP_S)
    assert any("the speaker underran; requesting 40 ms" in line for line in rig.logged)
    for _ in range(30):
        speaker.device_underflows += XRUN_LIMIT
        rig.run(0.6)
    assert speaker.latency_s == pytest.approx(MAX_LATENCY_S)
    assert writer.buffer_s == before


def test_adapted_values_survive_changes_of_other_settings(rig: Rig) -> None:
    writer, speaker = rig.writer, rig.speaker
    speaker.change(None, 0.05, 2, rig.now_s)
    writer.set_buffer(0.05)
    instrument = rig.state.instrument
    for changed, expected in (({"volume_db": -3.0}, 0.05), ({"latency_s": 0.04}, 0.04)):
        settings = instrument.settings
        output = settings.output.model_copy(update=changed)
        instrument.settings = settings.model_copy(update={"output": output})
        rig.run(0.6)
        assert speaker.latency_s == expected
        assert writer.buffer_s == 0.05
