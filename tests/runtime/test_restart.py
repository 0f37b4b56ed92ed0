"""Threads that fail go on, and say so once; only synthesis ends a performance."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.audio_measures import settings_of
from tests.support.instruments import open_instrument

from latent_resonance.config.source import SettingsSource
from latent_resonance.face_state import FaceReceiver, FaceState
from latent_resonance.voice import restart
from latent_resonance.voice.engine import Engine
from latent_resonance.voice.output.writer import RingWriter
from latent_resonance.voice.reload import Reloader
from latent_resonance.voice.restart import FailureLog, keep_running


class FailingLoop:
    """A thread's loop that raises some exceptions and then returns."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "PAUSE_S", 0.0)


def test_a_loop_that_fails_is_run_again_until_it_returns_and_each_reason_is_logged_once() -> None:
    logged: list[str] = []
    too_many = [OSError(24, "Too many open files") for _ in range(3)]
    loop = FailingLoop(*too_many, KeyError("maybe"))
    keep_running("receive", loop, threading.Event(), FailureLog(logged.append))
    assert loop.calls == 5
    assert len(logged) == 2
    assert "receive" in logged[0]
    assert "Too many open files" in logged[0]
    assert all("\n" not in line for line in logged)


def test_a_loop_that_fails_while_everything_is_closed_ends_without_a_word() -> None:
    logged: list[str] = []
    stop = threading.Event()

    def loop() -> None:
        stop.set()
        raise OSError("the socket is closed")

    keep_running("receive", loop, stop, FailureLog(logged.append))
    assert logged == []


class BrokenReceiver(FaceReceiver):
    """A receiver that has run out of file descriptors at first."""

    failures = 3

    def receive(self, timeout_s: float) -> FaceState | None:
        if self.failures:
            self.failures -= 1
            raise OSError(24, "Too many open files")
        return super().receive(timeout_s)


MakeEngine = Callable[[FaceReceiver], Engine]


@pytest.fixture
def make_engine(pack_folder: Path) -> tuple[MakeEngine, list[str]]:
    logged: list[str] = []
    settings = settings_of(pack_folder)

    def make(receiver: FaceReceiver) -> Engine:
        instrument = open_instrument(settings)
        source = SettingsSource(lambda: settings, log=logged.append)
        reloader = Reloader(instrument, source, threading.Event(), 0)
        writer = RingWriter(instrument.pack.geometry, 0.1, settings.output, logged.append)
        return Engine(instrument, receiver, writer, reloader)

    return make, logged


def drained(engine: Engine, hops: int) -> None:
    """Take the samples of some hops from the ring, as a device does."""
    end = threading.Event()
    scratch = engine.silence.copy()
    while engine.state.n_hops < hops and not engine.stop.is_set():
        engine.writer.ring.pull(scratch)
        end.wait(0.001)


@pytest.mark.realtime
def test_the_sound_goes_on_while_the_thread_that_receives_fails(
    tmp_path: Path, make_engine: tuple[MakeEngine, list[str]]
) -> None:
    make, logged = make_engine
    receiver = BrokenReceiver(tmp_path / "face.sock")
    engine = make(receiver)
    engine.start()
    drained(engine, 60)
    assert engine.failure is None
    assert receiver.failures == 0
    assert sum("Too many open files" in line for line in logged) == 1
    engine.stop.set()
    engine.synthesis.join(5)
    receiver.close()


@pytest.mark.realtime
def test_a_synthesis_that_fails_ends_the_performance(
    tmp_path: Path, make_engine: tuple[MakeEngine, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, _ = make_engine
    receiver = FaceReceiver(tmp_path / "face.sock")
    engine = make(receiver)
    monkeypatch.setattr(engine, "_hop", lambda: 1 / 0)
    engine.start()
    assert engine.stop.wait(10)
    assert isinstance(engine.failure, ZeroDivisionError)
    engine.synthesis.join(5)
    receiver.close()
