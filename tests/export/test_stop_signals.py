"""Ctrl-C while training is noted, so that a step can be finished and saved."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from latent_resonance_export.gan.checkpoint import FORCE_AFTER_S, catch_stop_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_not_raised(number: int) -> None:
    before = signal.getsignal(number)
    with catch_stop_signals() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
    assert signal.getsignal(number) == before


def test_the_same_twice_at_once_is_one_and_later_is_impatience() -> None:
    with catch_stop_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        time.sleep(FORCE_AFTER_S + 0.1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_beside_the_main_thread_nothing_is_changed() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def beside() -> None:
        with catch_stop_signals() as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
