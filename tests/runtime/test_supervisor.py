"""What is told to systemd and to people, and when: only while the sound advances."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from tests.support.audio_measures import settings_of

from latent_resonance.config.gallery import Attract
from latent_resonance.config.settings import Settings
from latent_resonance.gallery.opening_hours import Door, Hour
from latent_resonance.gallery.visit import Presence, Scene
from latent_resonance.score import attract_score
from latent_resonance.voice.load_shedding import Heat
from latent_resonance.voice.output.device import Speaker
from latent_resonance.voice.output.writer import RingWriter
from latent_resonance.voice.supervisor import (
    DEEPER_S,
    DEEPEST_S,
    LATER_S,
    LATEST_S,
    XRUNS,
    Supervisor,
    doing,
)
from latent_resonance.voice.synthesis.instrument import Instrument, open_instrument

LATENCY_S = 0.03  # asked of the device


class Listener:
    """Stands where systemd listens."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def ready(self) -> None:
        self.told.append("ready")

    def alive(self) -> None:
        self.told.append("alive")

    def status(self, text: str) -> None:
        self.told.append(text)


@dataclass
class Receiver:
    rejected: int = 0


@dataclass
class Engine:
    """The slots of a performance, moved by hand."""

    instrument: Instrument
    writer: RingWriter
    presence: Presence
    receiver: Receiver = field(default_factory=Receiver)
    heat: Heat = field(default_factory=Heat)
    hour: Hour = field(default_factory=Hour)
    refused: str = ""
    tier: int = 0
    images: int = 0
    hops: int = 0
    busy_s: float = 0.0


class Gallery:
    """An attendant at work on a virtual clock."""

    def __init__(self, folder: Path) -> None:
        settings = settings_of(folder)
        instrument = open_instrument(settings, seed=0)
        writer = RingWriter(instrument.pack.geometry, 0.03)
        self.engine = Engine(instrument, writer, Presence(attract_score(settings)))
        self.said: list[str] = []
        self.listener = Listener()
        program = (sys.executable, "-c", "import time; time.sleep(60)")
        self.speaker = Speaker(
            writer.ring, 48_000, None, LATENCY_S, self.said.append, writer.begin, program
        )
        self.now_s = 50.0
        self.supervisor = Supervisor(
            self.engine, self.speaker, None, self.listener, self.said.append, self.now_s
        )

    def goes_on(self, seconds: float, *, hops: int = 1, busy: float = 0.3) -> list[str]:
        """Lets time pass, with so many hops a tick; returns what systemd was told in it."""
        before = len(self.listener.told)
        for _ in range(round(seconds / 0.01)):
            self.now_s += 0.01
            self.engine.hops += hops
            self.engine.busy_s += 0.01 * busy
            self.supervisor.poll(self.now_s)
        return self.listener.told[before:]


@pytest.fixture
def gallery(pack_folder: Path) -> Iterator[Gallery]:
    gallery = Gallery(pack_folder)
    yield gallery
    gallery.speaker.close()


def test_it_is_ready_when_samples_leave_the_ring_and_not_before(gallery: Gallery) -> None:
    gallery.engine.hops = 2  # the ring is full, and nobody has taken any
    assert "ready" not in gallery.goes_on(3.0, hops=0)
    assert "ready" in gallery.goes_on(0.05)


def test_the_watchdog_is_fed_only_while_the_sound_advances(gallery: Gallery) -> None:
    assert gallery.goes_on(1.0).count("alive") > 90
    assert "alive" not in gallery.goes_on(5.0, hops=0)
    assert "alive" in gallery.goes_on(0.1)


def lines(told: list[str]) -> list[str]:
    return [line for line in told if line.startswith("playing")]


def test_the_status_is_a_line_that_a_person_can_read(gallery: Gallery) -> None:
    gallery.engine.images = 15
    (line,) = lines(gallery.goes_on(0.6))
    assert re.fullmatch(
        r"playing the score for nobody, (29|30) images/s, 0 underflows, "
        r"unheard \(looking for a speaker\)",
        line,
    )


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (Scene.EMPTY, "playing the score for nobody, "),
        (Scene.GREET, "greeting, "),
        (Scene.PLAY, "playing for a visitor, "),
        (Scene.FAREWELL, "playing on after a visit, "),
    ],
)
def test_the_status_tells_where_a_visit_is(scene: Scene, words: str) -> None:
    presence = Presence(attract_score(Settings()))
    presence.scene = scene
    assert f"{doing(presence, Hour())}, " == words
    silent = Presence(attract_score(Settings()), attract=Attract(enabled=False))
    silent.scene = scene
    is_silent = doing(silent, Hour()) == "silent until somebody comes"
    assert is_silent is (scene is Scene.EMPTY)
    assert doing(presence, Hour(Door.SHUT, "until 10:00")) == "closed until 10:00"


def status(told: list[str]) -> str:
    return [line for line in told if " images/s" in line][-1]


def test_the_status_tells_hours_doubts_and_what_is_wrong_with_the_file(gallery: Gallery) -> None:
    engine = gallery.engine
    engine.hour = Hour(Door.QUIET)
    assert ", quiet hours, " in status(gallery.goes_on(0.6))
    engine.hour = Hour(doubt="the clock says 1970, so the hours are not kept")
    engine.refused = "settings refused: pack: 3 should be text, playing with the defaults"
    line = status(gallery.goes_on(2.0))
    assert f", {engine.refused}, {engine.hour.doubt}, " in line
    assert gallery.said.count(f"{engine.hour.doubt}; open until it is right") == 1


def test_a_day_is_told_at_its_end_and_at_leaving(gallery: Gallery) -> None:
    engine = gallery.engine
    engine.hour = Hour(today=date(2026, 12, 1))
    gallery.goes_on(1.0)
    engine.presence.visits, engine.presence.played_s = 2, 75.0
    engine.refused = "settings refused: …"
    engine.images = 20
    gallery.goes_on(5.0)  # and the eye says nothing more
    engine.hour = Hour(today=date(2026, 12, 2))
    gallery.goes_on(1.0)
    faults = "1 × eye silent, 1 × settings refused"
    assert f"2026-12-01: 2 visits, 75 s for visitors, {faults}" in gallery.said
    assert gallery.supervisor.last_line() == "2026-12-02: 0 visits, 0 s for visitors, no faults"


def test_a_busy_machine_is_relieved_and_the_line_says_so(gallery: Gallery) -> None:
    told = gallery.goes_on(2.0, busy=0.95)
    assert gallery.engine.tier == 1
    assert "short of time: tier 1 of 3" in lines(told)[-1]
    assert gallery.said == ["short of time: tier 1 of 3, fewer iterations and pictures"]
    assert "down to tier 1 of 3" in gallery.supervisor.summary(gallery.now_s)


def test_a_fault_of_a_network_is_said_once(gallery: Gallery) -> None:
    gallery.engine.instrument.generator.fault = "the generator gave NaN or infinity"
    gallery.goes_on(5.0)
    assert gallery.said == [
        "the generator gave NaN or infinity; keeping the last good picture, playing on"
    ]


def test_sound_that_was_late_is_kept_ready_sooner_and_no_sooner_than_need_be(
    gallery: Gallery,
) -> None:
    writer, speaker = gallery.engine.writer, gallery.speaker
    before = writer.buffer_s
    gallery.goes_on(0.1)
    speaker.name, speaker.heard_s = "a speaker", gallery.now_s + 1000.0  # it says that it plays
    gallery.goes_on(2.0)
    assert writer.buffer_s == before
    speaker.dry += 1
    gallery.goes_on(2.0)
    assert writer.buffer_s == pytest.approx(before + DEEPER_S)
    assert writer.ring.capacity >= round(48_000 * writer.buffer_s)
    assert sum("the sound was late; keeping 35 ms" in line for line in gallery.said) == 1
    for _ in range(30):
        speaker.dry += 1
        gallery.goes_on(0.6)
    assert writer.buffer_s == pytest.approx(DEEPEST_S)
    assert speaker.latency_s == LATENCY_S  # that of the device was not too short


def test_a_device_that_runs_dry_again_and_again_is_asked_for_more_latency(
    gallery: Gallery,
) -> None:
    writer, speaker = gallery.engine.writer, gallery.speaker
    before = writer.buffer_s
    gallery.goes_on(0.1)
    speaker.late += XRUNS - 1
    gallery.goes_on(1.0)
    assert speaker.latency_s == LATENCY_S
    speaker.late += 1
    gallery.goes_on(1.0)
    assert speaker.latency_s == pytest.approx(LATENCY_S + LATER_S)
    assert any("the speaker ran dry; asking it for 40 ms" in line for line in gallery.said)
    for _ in range(30):
        speaker.late += XRUNS
        gallery.goes_on(0.6)
    assert speaker.latency_s == pytest.approx(LATEST_S)
    assert writer.buffer_s == before


def test_what_was_learned_of_the_device_survives_other_settings(gallery: Gallery) -> None:
    writer, speaker = gallery.engine.writer, gallery.speaker
    speaker.change(None, 0.05, gallery.now_s)
    writer.deepen(0.05)
    instrument = gallery.engine.instrument
    for changed, learned in (({"volume_db": -3.0}, 0.05), ({"latency_s": 0.04}, 0.04)):
        settings = instrument.settings
        output = settings.output.model_copy(update=changed)
        instrument.settings = settings.model_copy(update={"output": output})
        gallery.goes_on(0.6)
        assert speaker.latency_s == learned
        assert writer.buffer_s == 0.05
