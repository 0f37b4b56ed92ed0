"""What is told to systemd and to people, and when: only while the sound advances."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from listening import settings_of

from latent_resonance.gallery.health import Heat
from latent_resonance.gallery.presence import Presence
from latent_resonance.score import attract_score
from latent_resonance.voice.attendant import Attendant
from latent_resonance.voice.instrument import Instrument, open_instrument
from latent_resonance.voice.outlet import Outlet
from latent_resonance.voice.speaker import Speaker


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
class Performance:
    """The slots of a performance, moved by hand."""

    instrument: Instrument
    outlet: Outlet
    presence: Presence
    receiver: Receiver = field(default_factory=Receiver)
    heat: Heat = field(default_factory=Heat)
    tier: int = 0
    images: int = 0
    hops: int = 0
    busy_s: float = 0.0


class Gallery:
    """An attendant at work on a virtual clock."""

    def __init__(self, folder: Path) -> None:
        settings = settings_of(folder)
        instrument = open_instrument(settings, seed=0)
        outlet = Outlet(instrument.pack.geometry, 0.03)
        self.performance = Performance(instrument, outlet, Presence(attract_score(settings)))
        self.said: list[str] = []
        self.listener = Listener()
        program = (sys.executable, "-c", "import time; time.sleep(60)")
        self.speaker = Speaker(
            outlet.ring, 48_000, None, 0.03, self.said.append, outlet.begin, program
        )
        self.now_s = 50.0
        self.attendant = Attendant(
            self.performance, self.speaker, None, self.listener, self.said.append, self.now_s
        )

    def goes_on(self, seconds: float, *, hops: int = 1, busy: float = 0.3) -> list[str]:
        """Lets time pass, with so many hops a tick; returns what systemd was told in it."""
        before = len(self.listener.told)
        for _ in range(round(seconds / 0.01)):
            self.now_s += 0.01
            self.performance.hops += hops
            self.performance.busy_s += 0.01 * busy
            self.attendant.tend(self.now_s)
        return self.listener.told[before:]


@pytest.fixture
def gallery(pack_folder: Path) -> Iterator[Gallery]:
    gallery = Gallery(pack_folder)
    yield gallery
    gallery.speaker.close()


def test_it_is_ready_when_samples_leave_the_ring_and_not_before(gallery: Gallery) -> None:
    gallery.performance.hops = 2  # the ring is full, and nobody has taken any
    assert "ready" not in gallery.goes_on(3.0, hops=0)
    assert "ready" in gallery.goes_on(0.05)


def test_the_watchdog_is_fed_only_while_the_sound_advances(gallery: Gallery) -> None:
    assert gallery.goes_on(1.0).count("alive") > 90
    assert "alive" not in gallery.goes_on(5.0, hops=0)
    assert "alive" in gallery.goes_on(0.1)


def lines(told: list[str]) -> list[str]:
    return [line for line in told if line.startswith("playing")]


def test_the_status_is_a_line_that_a_person_can_read(gallery: Gallery) -> None:
    gallery.performance.images = 15
    (line,) = lines(gallery.goes_on(0.6))
    assert re.fullmatch(
        r"playing the score for nobody, (29|30) images/s, 0 underflows, "
        r"unheard \(looking for a speaker\)",
        line,
    )


def test_a_busy_machine_is_relieved_and_the_line_says_so(gallery: Gallery) -> None:
    told = gallery.goes_on(2.0, busy=0.95)
    assert gallery.performance.tier == 1
    assert "short of time: tier 1 of 3" in lines(told)[-1]
    assert gallery.said == ["short of time: tier 1 of 3, fewer iterations and pictures"]
    assert "down to tier 1 of 3" in gallery.attendant.summary(gallery.now_s)


def test_a_fault_of_a_network_is_said_once(gallery: Gallery) -> None:
    gallery.performance.instrument.dreamer.fault = "the generator gave NaN or infinity"
    gallery.goes_on(5.0)
    assert gallery.said == [
        "the generator gave NaN or infinity; keeping the last good picture, playing on"
    ]
