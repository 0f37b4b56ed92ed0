"""Leaving a process whose threads hang."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from latent_resonance.linux.process_exit import leave
from latent_resonance.linux.realtime import request_idle_priority


class LeftError(Exception):
    """Raised in place of the process's end."""


@pytest.fixture
def hanging() -> Iterator[threading.Thread]:
    done = threading.Event()
    thread = threading.Thread(target=done.wait, daemon=True)
    thread.start()
    yield thread
    done.set()
    thread.join()


def test_a_thread_left_at_idle_priority_does_not_delay_the_end(
    hanging: threading.Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        raise LeftError

    monkeypatch.setattr(os, "_exit", end)
    assert hanging.native_id is not None
    request_idle_priority(hanging.native_id)
    assert os.sched_getscheduler(hanging.native_id) == os.SCHED_IDLE
    with pytest.raises(LeftError):
        leave(3)
    assert codes == [3]
    assert os.sched_getscheduler(hanging.native_id) == os.SCHED_OTHER
