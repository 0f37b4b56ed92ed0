"""The eye as a child: whatever becomes of it, the voice hears of it once and it is started again.

The programs that stand in for the eye end as an eye would: with an exit code or by a signal.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from latent_resonance.voice.child_process import (
    RESTART_REQUESTED,
    SILENCE_TIMEOUT_S,
    START_TIMEOUT_S,
    STEADY_S,
    EyeProcess,
)

pytestmark = pytest.mark.realtime


def supervised(program: str) -> tuple[EyeProcess, list[str]]:
    """An eye whose program is a line of Python, and what is said about it."""
    logged: list[str] = []
    return EyeProcess(
        Path("eye.sock"), None, logged.append, (sys.executable, "-c", program)
    ), logged


def poll_until_ended(eye: EyeProcess, now_s: float) -> None:
    """Starts it at a time of the voice's clock, and notices its end at the same time."""
    eye.poll(now_s)
    assert eye.process is not None
    eye.process.wait(timeout=30)
    eye.poll(now_s)
    assert eye.process is None


def test_an_eye_that_ends_is_restarted_with_growing_pauses_and_logged_once() -> None:
    eye, logged = supervised("raise SystemExit(3)")
    now_s = 100.0
    for pause_s in EyeProcess.RESTART_DELAYS_S[:3]:
        poll_until_ended(eye, now_s)
        eye.poll(now_s + 0.9 * pause_s)
        assert eye.process is None
        now_s += pause_s
    assert logged == ["the eye has ended (exit code 3); starting it again, playing on"]


def test_an_eye_that_ran_for_long_is_restarted_at_once() -> None:
    eye, logged = supervised("raise SystemExit(3)")
    poll_until_ended(eye, 0.0)
    eye.poll(EyeProcess.RESTART_DELAYS_S[0])
    assert eye.process is not None
    eye.process.wait(timeout=30)
    later_s = EyeProcess.RESTART_DELAYS_S[0] + STEADY_S + 1.0
    eye.poll(later_s)
    eye.poll(later_s + EyeProcess.RESTART_DELAYS_S[0])
    assert eye.process is not None
    eye.close()
    assert len(logged) == 2


@pytest.mark.parametrize("code", [2, 78])
def test_an_eye_that_cannot_run_is_not_restarted(code: int) -> None:
    eye, logged = supervised(f"raise SystemExit({code})")
    poll_until_ended(eye, 0.0)
    eye.poll(1e6)
    assert eye.process is None
    assert logged == ["the eye cannot run here; playing the score without it"]


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (signal.SIGILL, "not made for this processor"),
        (signal.SIGALRM, "it hung"),
        (signal.SIGKILL, "signal 9"),
    ],
)
def test_the_signal_that_ended_an_eye_is_logged(number: signal.Signals, cause: str) -> None:
    eye, logged = supervised(f"import os; os.kill(os.getpid(), {int(number)})")
    poll_until_ended(eye, 0.0)
    (message,) = logged
    assert cause in message


def test_an_eye_that_requests_a_restart_gets_it_at_once() -> None:
    eye, logged = supervised(f"raise SystemExit({RESTART_REQUESTED})")
    poll_until_ended(eye, 100.0)
    eye.poll(100.2)
    assert eye.process is not None
    eye.close()
    assert logged == ["the eye has ended (it requested a restart); starting it again, playing on"]


def test_an_eye_that_keeps_crashing_is_restarted_once_a_minute() -> None:
    logged: list[str] = []
    raspberry_pi_4 = ("sh", "-c", "kill -ILL $$")
    eye = EyeProcess(Path("eye.sock"), None, logged.append, raspberry_pi_4)
    starts_s = []
    for decisecond in range(3000):
        eye.poll(now_s := decisecond / 10)
        if eye.process is not None:
            starts_s.append(now_s)
            eye.process.wait(timeout=30)
            eye.poll(now_s)
    assert len(starts_s) <= 13  # in five minutes
    assert starts_s[-1] - starts_s[-2] == pytest.approx(60.0, abs=0.2)
    (message,) = logged
    assert "illegal instruction" in message


SLEEPS = "import time; time.sleep(60)"


def test_an_eye_that_stops_sending_is_killed_and_restarted() -> None:
    eye, logged = supervised(SLEEPS)
    eye.poll(0.0, n_received=7)
    process = eye.process
    assert process is not None
    for now_s, n_received in ((1.0, 8), (2.0, 9), (2.0 + SILENCE_TIMEOUT_S - 0.1, 9)):
        eye.poll(now_s, n_received)
        assert process.poll() is None
    process.send_signal(signal.SIGSTOP)
    eye.poll(2.0 + SILENCE_TIMEOUT_S + 0.1, 9)
    process.wait(timeout=30)
    eye.poll(8.0, 9)
    eye.poll(9.0, 9)
    assert eye.process is not None
    assert eye.process is not process
    eye.close()
    assert logged == ["the eye has ended (it stopped sending); starting it again, playing on"]


def test_an_eye_that_starts_may_be_silent_for_longer() -> None:
    eye, _ = supervised(SLEEPS)
    eye.poll(0.0, n_received=7)
    eye.poll(START_TIMEOUT_S - 1.0, 7)
    assert eye.process is not None
    assert eye.process.poll() is None
    eye.poll(START_TIMEOUT_S + 1.0, 7)
    assert eye.process.wait(timeout=30) == -signal.SIGKILL


def test_an_eye_that_ignores_sigterm_is_killed() -> None:
    deaf = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    eye, _ = supervised(deaf)
    eye.poll(0.0)
    process = eye.process
    assert process is not None
    time.sleep(0.5)
    asked = time.monotonic()
    eye.close()
    assert time.monotonic() - asked < 5.0
    assert process.poll() is not None
    assert eye.usage.resident_mib > 1.0


HANGS = """
import threading, time, sys
from pathlib import Path
from latent_resonance.eye.pipeline import run_live
from latent_resonance.config.settings import Camera, Settings
class Stop(threading.Event):
    asked = 0
    def is_set(self):
        self.asked += 1
        if self.asked > 2:
            print("hangs", flush=True)
            time.sleep(60)
        return False
settings = Settings(camera=Camera(source="absent.mp4"))
run_live(settings, Path(sys.argv[1]), Stop(), lambda message: None, hung_s=1.0)
"""


def test_an_eye_that_hangs_ends_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS, str(tmp_path / "eye.sock")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == "hangs\n"
    assert done.returncode == -signal.SIGALRM
