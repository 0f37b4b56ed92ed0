"""Camera faults with the real eye: the voice plays on, and the visitor is found again.

The camera is `fakecam.c`: it replaces the V4L2 system calls below OpenCV and shows a moving
photograph. The eye is supervised as in `perform`. Of the voice, only the choice between the visitor
and the attract mode runs, without sound.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.camera_rig import LEAVE_S, RETURN_S, START_S, Camera, EyeRig, write_images
from tests.support.pulse_server import compiled
from tests.support.timing import PATIENCE

from latent_resonance.eye.camera.reader import FIRST_CALL_TIMEOUT_S

SOURCE = Path(__file__).with_name("fakecam.c")

pytestmark = [pytest.mark.realtime, pytest.mark.alone, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def shared_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EyeRig]:
    """One rig for all tests; each may leave a fault that the next one must recover from.

    It starts without a camera.
    """
    folder = tmp_path_factory.mktemp("gallery")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LD_PRELOAD", str(compiled(SOURCE, folder)))
        environment.setenv("FAKECAM_RAW", str(write_images(folder / "images.yuyv")))
        environment.setenv("FAKECAM_CTL", str(folder / "plug"))
        environment.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        environment.setenv("WATCHDOG_USEC", "1000000")
        rig = EyeRig(folder, Camera(folder / "plug"))
        start_s = time.monotonic()
        try:
            while not rig.n_received:
                rig.step()
                assert time.monotonic() - start_s < START_S, rig.log_text()
            rig.start_s = time.monotonic() - start_s
            rig.run_for(1.0)
            yield rig
        finally:
            rig.close()


@pytest.fixture
def rig(shared_rig: EyeRig) -> EyeRig:
    """The rig with a visitor before the camera."""
    shared_rig.camera.set_mode("live")
    shared_rig.wait_for_visit(visited=True)
    shared_rig.run_for(0.5)
    shared_rig.clear_log()
    return shared_rig


def test_an_eye_without_a_camera_is_ready_and_reports_what_is_missing(shared_rig: EyeRig) -> None:
    assert shared_rig.notified.count("READY=1") == 1
    assert "no camera: no camera's name contains 'C920'; looking for it" in shared_rig.statuses()
    assert shared_rig.log_text().count("no camera's name contains 'C920'") == 1
    assert shared_rig.notified.count("WATCHDOG=1") >= 2
    shared_rig.camera.set_mode("live")
    assert shared_rig.wait_for_visit(visited=True) < RETURN_S


def test_a_working_eye_feeds_the_watchdog_and_reports_its_rate(rig: EyeRig) -> None:
    rig.run_for(3.0)
    assert rig.notified.count("WATCHDOG=1") >= 4
    assert any(status.startswith("seeing, ") for status in rig.statuses())


def test_an_unplugged_camera_is_reopened(rig: EyeRig) -> None:
    rig.camera.unplug()
    rig.wait_for_visit(visited=False, within_s=LEAVE_S)
    rig.run_for(1.0)
    rig.camera.set_mode("live")
    assert rig.wait_for_visit(visited=True) < RETURN_S
    assert rig.log_text().count("the camera is back") == 1


def test_a_camera_that_returns_under_another_number_is_found_by_its_name(
    rig: EyeRig,
) -> None:
    rig.camera.unplug()
    rig.wait_for_visit(visited=False, within_s=LEAVE_S)
    rig.camera.set_mode("live", number=3)
    assert rig.wait_for_visit(visited=True) < RETURN_S
    rig.camera.set_mode("live", number=0)  # and back, without a moment in between
    rig.run_for(1.0)
    assert rig.wait_for_visit(visited=True) < RETURN_S


def test_a_stalled_camera_is_reopened(rig: EyeRig) -> None:
    rig.camera.set_mode("stall")
    rig.wait_for_visit(visited=False, within_s=LEAVE_S)
    rig.wait_for_log("sends no more images", within_s=4.0 * PATIENCE)
    rig.camera.set_mode("live")
    assert rig.wait_for_visit(visited=True) < RETURN_S


def test_a_face_in_a_frozen_image_is_no_visitor(rig: EyeRig) -> None:
    rig.camera.set_mode("freeze")
    rig.wait_for_visit(visited=False, within_s=LEAVE_S)
    rig.wait_for_log("has frozen")
    end_s = time.monotonic() + 5.0  # it is opened anew once at least, and is still frozen
    while time.monotonic() < end_s:
        rig.step()
        assert not rig.presence.has_visitor
    assert rig.log_text().count("has frozen") == 1
    rig.camera.set_mode("live")
    assert rig.wait_for_visit(visited=True) < RETURN_S


def test_a_lens_cap_is_reported_and_is_neither_a_fault_nor_a_visitor(
    rig: EyeRig,
) -> None:
    rig.camera.set_mode("black")
    rig.wait_for_visit(visited=False, within_s=LEAVE_S)
    rig.wait_for_log("take off the lens cap")
    end_s = time.monotonic() + 4.0
    while time.monotonic() < end_s:
        rig.step()
        assert not rig.presence.has_visitor
    assert "frozen" not in rig.log_text()
    assert rig.log_text().count("cap") == 1
    rig.camera.set_mode("live")
    assert rig.wait_for_visit(visited=True) < RETURN_S


def test_an_inverted_camera_works_and_is_reported(
    rig: EyeRig,
) -> None:
    rig.camera.set_mode("flip")
    rig.wait_for_log("upside down")
    rig.wait_for_visit(visited=True)
    rig.run_for(2.5)
    assert rig.presence.has_visitor
    assert any("camera.rotation" in status for status in rig.statuses())
    rig.camera.unplug()  # it is remounted
    rig.wait_for_visit(visited=False, within_s=LEAVE_S)
    rig.camera.set_mode("live")
    rig.wait_for_upright()
    rig.wait_for_visit(visited=True)
    rig.run_for(2.5)
    assert rig.presence.has_visitor


def test_the_eye_survives_invalid_data_from_a_driver(rig: EyeRig) -> None:
    rig.camera.set_mode("nonsense")
    rig.wait_for_visit(visited=False, within_s=LEAVE_S)
    rig.wait_for_log("sends invalid data")
    rig.camera.set_mode("live")
    assert rig.wait_for_visit(visited=True) < RETURN_S
    assert "Traceback" not in rig.log_text()


def test_the_process_is_restarted_when_a_driver_never_returns(rig: EyeRig) -> None:
    rig.camera.set_mode("hang")
    rig.wait_for_visit(visited=False, within_s=LEAVE_S)
    rig.camera.set_mode("live")
    rig.notified.clear()
    rig.wait_for_log("does not respond; restarting")
    assert "WATCHDOG=1" not in rig.notified
    rig.wait_for_visit(visited=True, within_s=return_after_restart_s(rig))
    assert rig.supervisor_log == [
        "the eye has ended (it requested a restart); starting it again, playing on"
    ]


def test_the_process_is_restarted_when_a_driver_hangs_in_its_first_call(
    rig: EyeRig,
) -> None:
    rig.camera.set_mode("hang")
    os.kill(rig.eye.process.pid, signal.SIGKILL)
    given_up_s = FIRST_CALL_TIMEOUT_S + return_after_restart_s(rig)
    rig.wait_for_log("does not respond; restarting", within_s=given_up_s)
    rig.camera.set_mode("live")
    rig.wait_for_face(True, within_s=return_after_restart_s(rig))


def test_a_killed_eye_is_restarted(rig: EyeRig) -> None:
    killed = rig.eye.process
    os.kill(killed.pid, signal.SIGKILL)
    rig.wait_for_face(False, within_s=LEAVE_S)  # its visit need not end: there is a grace
    rig.wait_for_face(True, within_s=return_after_restart_s(rig))
    assert rig.presence.has_visitor
    assert rig.eye.process is not killed


def test_a_stopped_eye_is_replaced(rig: EyeRig) -> None:
    stopped = rig.eye.process
    os.kill(stopped.pid, signal.SIGSTOP)
    rig.wait_for_face(False, within_s=LEAVE_S)
    rig.wait_for_face(True)
    assert rig.eye.process is not stopped


def test_a_leaking_eye_exits_cleanly_and_is_restarted(rig: EyeRig) -> None:
    leaking = rig.eye.process
    rig.camera.set_mode("leak")
    rig.wait_for_log("more than eye.memory_mib allows (450); restarting")
    rig.camera.set_mode("live")
    while rig.eye.process is leaking:  # it may take a while to exit on a busy machine
        rig.step()
    rig.wait_for_visit(visited=True)
    assert rig.eye.process is not leaking
    assert leaking.returncode == 75
    assert "Traceback" not in rig.log_text()


def return_after_restart_s(rig: EyeRig) -> float:
    """A restarted eye takes about as long as the first one did on this machine."""
    return RETURN_S + PATIENCE * rig.start_s


def test_while_the_eye_keeps_crashing_the_voice_plays_on_and_logs_the_cause_once(
    rig: EyeRig, tmp_path: Path, pack_folder: Path
) -> None:
    Camera(tmp_path / "plug").set_mode("crash")
    config, take = tmp_path / "settings.yaml", tmp_path / "take.wav"
    config.write_text(f"pack: {pack_folder}\nsocket_path: {tmp_path}/face.sock\n")
    command = [sys.executable, "-m", "latent_resonance", "perform", "--config", str(config)]
    command += ["--seconds", "14", "--record", str(take)]
    environment = os.environ | {"FAKECAM_CTL": str(tmp_path / "plug"), "NOTIFY_SOCKET": ""}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("network access dropped") >= 2  # it was started so often
    assert done.stderr.count("illegal instruction") == 1
    assert quietest_half_second_db(take) > -45
    assert rig.presence.has_visitor  # and the camera next door was not touched


V4L2_PROGRAM = """
import sys
from pathlib import Path
from latent_resonance.eye.camera.camera import V4l2Camera
from latent_resonance.config.settings import Camera
camera = V4l2Camera(Path("/dev/video0"), Camera(images_per_s=float(sys.argv[1])))
times_ns = [camera.read().time_ns for _ in range(31)]
print(30e9 / (times_ns[-1] - times_ns[0]))
"""


@pytest.mark.usefixtures("shared_rig")
@pytest.mark.parametrize(("requested", "at_least", "at_most"), [(10, 9.5, 11.5), (30, 28, 31)])
def test_a_camera_with_a_single_rate_is_limited_to_the_requested_rate(
    tmp_path: Path, requested: int, at_least: float, at_most: float
) -> None:
    Camera(tmp_path / "plug").set_mode("live")
    done = subprocess.run(
        [sys.executable, "-c", V4L2_PROGRAM, str(requested)],
        env=os.environ | {"FAKECAM_CTL": str(tmp_path / "plug")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert at_least < float(done.stdout) < at_most


def quietest_half_second_db(take: Path) -> float:
    """RMS of the quietest half second, in dBFS, but for the fades at both ends."""
    with wave.open(str(take)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    assert len(sound) > 6 * 48_000
    parts = sound[48_000:-48_000]
    parts = parts[: len(parts) // 24_000 * 24_000].reshape(-1, 24_000)
    return float(20 * np.log10(np.sqrt(np.mean(parts**2, axis=1)).min() + 1e-9))
