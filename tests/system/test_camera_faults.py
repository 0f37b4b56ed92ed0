"""What cameras do in a gallery, done to the real eye: the voice plays on, the visitor comes back.

The camera is `fakecam.c`: it stands where Linux does, below OpenCV, and shows a photograph that
moves. The eye is supervised as `perform` supervises it. The voice here is what decides in the real
one between the visitor and the attract mode, without its sound.
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
from tests.support.camera_rig import BACK_S, EVER_S, GONE_S, Camera, Gallery, write_images
from tests.support.pulse_server import PATIENCE, compiled

from latent_resonance.eye.camera.reader import FIRST_CALL_TIMEOUT_S

SOURCE = Path(__file__).with_name("fakecam.c")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """One gallery for all tests: each leaves it as it came or with a fault that must be survived.

    It opens without a camera.
    """
    folder = tmp_path_factory.mktemp("gallery")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LD_PRELOAD", str(compiled(SOURCE, folder)))
        environment.setenv("FAKECAM_RAW", str(write_images(folder / "images.yuyv")))
        environment.setenv("FAKECAM_CTL", str(folder / "plug"))
        environment.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        environment.setenv("WATCHDOG_USEC", "1000000")
        gallery = Gallery(folder, Camera(folder / "plug"))
        began_s = time.monotonic()
        try:
            while not gallery.heard:
                gallery.play()
                assert time.monotonic() - began_s < EVER_S, gallery.said()
            gallery.start_s = time.monotonic() - began_s
            gallery.play_for(1.0)
            yield gallery
        finally:
            gallery.close()


@pytest.fixture
def gallery(house: Gallery) -> Gallery:
    """Somebody stands before the camera and plays."""
    house.camera.does("live")
    house.until(visited=True)
    house.play_for(0.5)
    house.forget()
    return house


def test_an_eye_without_a_camera_is_ready_and_says_what_it_looks_for(house: Gallery) -> None:
    assert house.notified.count("READY=1") == 1
    assert "no camera: no camera's name contains 'C920'; looking for it" in house.statuses()
    assert house.said().count("no camera's name contains 'C920'") == 1
    assert house.notified.count("WATCHDOG=1") >= 2
    house.camera.does("live")
    assert house.until(visited=True) < BACK_S


def test_while_it_sees_it_is_alive_and_says_how_fast(gallery: Gallery) -> None:
    gallery.play_for(3.0)
    assert gallery.notified.count("WATCHDOG=1") >= 4
    assert any(status.startswith("seeing, ") for status in gallery.statuses())


def test_a_camera_that_is_pulled_out_may_come_back(gallery: Gallery) -> None:
    gallery.camera.is_pulled_out()
    gallery.until(visited=False, within_s=GONE_S)
    gallery.play_for(1.0)
    gallery.camera.does("live")
    assert gallery.until(visited=True) < BACK_S
    assert gallery.said().count("the camera is there") == 1


def test_a_camera_that_comes_back_under_another_number_is_found_by_its_name(
    gallery: Gallery,
) -> None:
    gallery.camera.is_pulled_out()
    gallery.until(visited=False, within_s=GONE_S)
    gallery.camera.does("live", number=3)
    assert gallery.until(visited=True) < BACK_S
    gallery.camera.does("live", number=0)  # and back, without a moment in between
    gallery.play_for(1.0)
    assert gallery.until(visited=True) < BACK_S


def test_a_camera_that_sends_nothing_is_opened_anew(gallery: Gallery) -> None:
    gallery.camera.does("stall")
    gallery.until(visited=False, within_s=GONE_S)
    gallery.until_said("sends no more images", within_s=4.0 * PATIENCE)
    gallery.camera.does("live")
    assert gallery.until(visited=True) < BACK_S


def test_a_face_in_an_image_that_stands_still_is_no_visitor(gallery: Gallery) -> None:
    gallery.camera.does("freeze")
    gallery.until(visited=False, within_s=GONE_S)
    gallery.until_said("has frozen")
    end_s = time.monotonic() + 5.0  # it is opened anew once at least, and is still frozen
    while time.monotonic() < end_s:
        gallery.play()
        assert not gallery.presence.has_visitor
    assert gallery.said().count("has frozen") == 1
    gallery.camera.does("live")
    assert gallery.until(visited=True) < BACK_S


def test_a_cap_on_the_lens_is_said_in_words_and_is_neither_a_fault_nor_a_visitor(
    gallery: Gallery,
) -> None:
    gallery.camera.does("black")
    gallery.until(visited=False, within_s=GONE_S)
    gallery.until_said("take the cap off the lens")
    end_s = time.monotonic() + 4.0
    while time.monotonic() < end_s:
        gallery.play()
        assert not gallery.presence.has_visitor
    assert "frozen" not in gallery.said()
    assert gallery.said().count("cap") == 1
    gallery.camera.does("live")
    assert gallery.until(visited=True) < BACK_S


def test_a_camera_that_hangs_upside_down_sees_all_the_same_and_it_is_said(
    gallery: Gallery,
) -> None:
    gallery.camera.does("flip")
    gallery.until_said("upside down")
    gallery.until(visited=True)
    gallery.play_for(2.5)
    assert gallery.presence.has_visitor
    assert any("camera.rotation" in status for status in gallery.statuses())
    gallery.camera.is_pulled_out()  # somebody turns it
    gallery.until(visited=False, within_s=GONE_S)
    gallery.camera.does("live")
    gallery.until_upright()
    gallery.until(visited=True)
    gallery.play_for(2.5)
    assert gallery.presence.has_visitor


def test_a_driver_that_answers_nonsense_is_survived(gallery: Gallery) -> None:
    gallery.camera.does("nonsense")
    gallery.until(visited=False, within_s=GONE_S)
    gallery.until_said("answers nonsense")
    gallery.camera.does("live")
    assert gallery.until(visited=True) < BACK_S
    assert "Traceback" not in gallery.said()


def test_a_driver_that_never_returns_is_left_behind_with_its_process(gallery: Gallery) -> None:
    gallery.camera.does("hang")
    gallery.until(visited=False, within_s=GONE_S)
    gallery.camera.does("live")
    gallery.notified.clear()
    gallery.until_said("does not answer; starting afresh")
    assert "WATCHDOG=1" not in gallery.notified
    gallery.until(visited=True, within_s=back_after_start_s(gallery))
    assert gallery.complaints == [
        "the eye has ended (it asked for a fresh start); starting it again, playing on"
    ]


def test_a_driver_that_hangs_while_a_fresh_eye_opens_it_is_left_behind_too(
    gallery: Gallery,
) -> None:
    gallery.camera.does("hang")
    os.kill(gallery.eye.process.pid, signal.SIGKILL)
    given_up_s = FIRST_CALL_TIMEOUT_S + back_after_start_s(gallery)
    gallery.until_said("does not answer; starting afresh", within_s=given_up_s)
    gallery.camera.does("live")
    gallery.until_seen(True, within_s=back_after_start_s(gallery))


def test_an_eye_that_is_killed_is_there_again(gallery: Gallery) -> None:
    killed = gallery.eye.process
    os.kill(killed.pid, signal.SIGKILL)
    gallery.until_seen(False, within_s=GONE_S)  # its visit need not end: there is a grace
    gallery.until_seen(True, within_s=back_after_start_s(gallery))
    assert gallery.presence.has_visitor
    assert gallery.eye.process is not killed


def test_an_eye_that_is_stopped_is_replaced(gallery: Gallery) -> None:
    stopped = gallery.eye.process
    os.kill(stopped.pid, signal.SIGSTOP)
    gallery.until_seen(False, within_s=GONE_S)
    gallery.until_seen(True)
    assert gallery.eye.process is not stopped


def test_an_eye_that_leaks_ends_itself_in_order_and_comes_back_lean(gallery: Gallery) -> None:
    leaking = gallery.eye.process
    gallery.camera.does("leak")
    gallery.until_said("more than eye.memory_mib allows (450); starting afresh")
    gallery.camera.does("live")
    gallery.play_for(1.0)
    gallery.until(visited=True)
    assert gallery.eye.process is not leaking
    assert leaking.returncode == 75
    assert "Traceback" not in gallery.said()


def back_after_start_s(gallery: Gallery) -> float:
    """A fresh eye takes as long as the first one did on this machine, and little more."""
    return BACK_S + PATIENCE * gallery.start_s


def test_while_the_eye_dies_again_and_again_the_voice_plays_on_and_says_why_once(
    gallery: Gallery, tmp_path: Path, pack_folder: Path
) -> None:
    Camera(tmp_path / "plug").does("crash")
    config, take = tmp_path / "settings.yaml", tmp_path / "take.wav"
    config.write_text(f"pack: {pack_folder}\nsocket_path: {tmp_path}/face.sock\n")
    command = [sys.executable, "-m", "latent_resonance", "perform", "--config", str(config)]
    command += ["--seconds", "14", "--record", str(take)]
    environment = os.environ | {"FAKECAM_CTL": str(tmp_path / "plug"), "NOTIFY_SOCKET": ""}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the network is given up") >= 2  # it was started so often
    assert done.stderr.count("illegal instruction") == 1
    assert quietest_half_second_db(take) > -45
    assert gallery.presence.has_visitor  # and the camera next door was not touched


V4L2_PROGRAM = """
import sys
from pathlib import Path
from latent_resonance.eye.camera.camera import V4l2Camera
from latent_resonance.config.settings import Camera
camera = V4l2Camera(Path("/dev/video0"), Camera(images_per_s=float(sys.argv[1])))
times_ns = [camera.read().time_ns for _ in range(31)]
print(30e9 / (times_ns[-1] - times_ns[0]))
"""


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize(("asked", "at_least", "at_most"), [(10, 9.5, 11.5), (30, 28, 31)])
def test_of_a_camera_that_knows_one_rate_only_as_many_images_are_read_as_were_asked_for(
    tmp_path: Path, asked: int, at_least: float, at_most: float
) -> None:
    Camera(tmp_path / "plug").does("live")
    done = subprocess.run(
        [sys.executable, "-c", V4L2_PROGRAM, str(asked)],
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
