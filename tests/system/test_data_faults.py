"""Faulty and changing data while it plays: floods, other packs, other settings."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tests.support.pulse_server import Voice, environment_in
from tests.support.timing import until

from latent_resonance.face_state import FaceReceiver, FaceSender, FaceState, neutral_features
from latent_resonance.linux.process_usage import read_usage

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]


class Stage:
    """A voice with a pack and a settings file of its own."""

    def __init__(self, folder: Path, pack: Path) -> None:
        self.folder, self.pack, self.take = folder, pack, folder / "take.wav"
        self.config, self.socket = folder / "gallery.yaml", folder / "run" / "face.sock"
        self.head = f"pack: {pack}\nsocket_path: {self.socket}\n"
        environment = environment_in(folder)
        self.config.write_text(self.head)
        arguments = ("--config", str(self.config), "--record", str(self.take))
        self.voice = Voice(folder, environment, *arguments)
        self.voice.says("playing on without a speaker")

    def edit(self, yaml: str) -> None:
        self.config.write_text(self.head + yaml)

    def sound(self) -> np.ndarray:
        with wave.open(str(self.take)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32768)

    def leave(self) -> tuple[float, int]:
        """Seconds played, and underflows."""
        words = self.voice.leave().split("played ")[1].split()
        return float(words[0]), int(words[2])


@pytest.fixture
def stage(tmp_path: Path, make_pack: Callable[..., Path]) -> Iterator[Stage]:
    stage = Stage(tmp_path, make_pack())
    with closing(stage.voice):
        yield stage


def test_a_flood_on_the_socket_causes_no_underflow_and_is_logged_once(stage: Stage) -> None:
    time.sleep(1.0)
    stop, sent = threading.Event(), [0]

    def flood() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            while not stop.is_set():
                try:
                    sender.sendto(os.urandom(88), str(stage.socket))
                    sent[0] += 1
                except BlockingIOError:
                    time.sleep(1e-5)

    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(5.0)
    stop.set()
    for thread in threads:
        thread.join()
    seconds, underflows = stage.leave()
    assert 500 < sent[0] < 25_000  # the senders wait, not the voice
    assert underflows <= 3, f"{sent[0]} datagrams, {underflows} underflows in {seconds} s"
    assert stage.voice.said().count("something other than the eye") == 1


def test_a_flood_of_faults_does_not_hold_the_receiver(tmp_path: Path) -> None:
    path, stop = tmp_path / "face.sock", threading.Event()
    receiver = FaceReceiver(path)

    def flood() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0.2)
            while not stop.is_set():
                try:
                    sender.sendto(b"nothing of use", str(path))
                except TimeoutError:
                    continue

    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    longest_s = 0.0
    for _ in range(20):
        began_s = time.monotonic()
        assert receiver.receive(1 / 30) is None
        longest_s = max(longest_s, time.monotonic() - began_s)
    stop.set()
    for thread in threads:
        thread.join()
    receiver.close()
    assert receiver.rejected > 1000
    assert longest_s < 2.0


def test_a_state_is_received_after_a_flood(tmp_path: Path) -> None:
    receiver = FaceReceiver(tmp_path / "face.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for _ in range(5):
            sender.sendto(b"x" * 3000, str(tmp_path / "face.sock"))
    eye = FaceSender(tmp_path / "face.sock")
    assert eye.send(FaceState(1, time.monotonic_ns(), True, neutral_features()))
    assert receiver.receive(1.0).sequence == 1
    eye.close()
    receiver.close()


def test_a_valid_edit_of_the_settings_is_audible_and_an_invalid_one_is_not(stage: Stage) -> None:
    time.sleep(1.0)
    stage.edit("output: {volume_db: loud}\n")
    stage.voice.says("playing on as before")
    stage.edit("output: {volume_db: -30}\n")
    stage.voice.says("now output.volume_db = -30.0")
    time.sleep(2.0)
    seconds, _ = stage.leave()
    sound = stage.sound()
    assert len(sound) / 48_000 == pytest.approx(seconds, abs=0.7)
    loud, quiet = (np.sqrt(np.mean(np.square(part))) for part in (sound[:96_000], sound[-60_000:]))
    assert 20 * np.log10(quiet / loud) < -20


def test_a_pack_replaced_while_playing_is_opened_again_on_sighup(
    stage: Stage, make_pack: Callable[..., Path]
) -> None:
    time.sleep(1.0)
    network = stage.pack / "generator.onnx"
    whole = network.read_bytes()
    network.write_bytes(whole[: len(whole) // 2])
    stage.voice.process.send_signal(signal.SIGHUP)
    stage.voice.says("playing on as before")
    network.write_bytes(whole)
    make_pack(name="another")
    stage.voice.process.send_signal(signal.SIGHUP)
    stage.voice.says("now pack another opened again")
    time.sleep(1.5)
    seconds, _ = stage.leave()
    sound = stage.sound()
    assert len(sound) / 48_000 == pytest.approx(seconds, abs=0.7)
    parts = np.split(sound[48_000 : len(sound) // 4800 * 4800 - 14_400], 1)[0]
    loudness = np.sqrt(np.mean(np.square(parts[: len(parts) // 4800 * 4800].reshape(-1, 4800)), 1))
    assert loudness.min() > 0.001


def test_replaced_packs_leave_no_memory_behind(tmp_path: Path) -> None:
    cello = Path(__file__).parents[2] / "models" / "cello"
    with closing(Stage(tmp_path, cello).voice) as voice:

        def used_mib() -> float:
            return read_usage(voice.process.pid).resident_mib

        first_mib = None
        for again in range(1, 5):
            voice.process.send_signal(signal.SIGHUP)
            until(lambda n=again: voice.said().count("opened again") == n, 20, "a new pack")
            time.sleep(2.5)  # it fades out, is freed a second later, and its memory is returned
            first_mib = first_mib or used_mib()
        # a pack is 40, so three would be 120
        until(lambda: used_mib() < first_mib + 25, 10, "the memory of replaced packs")
        voice.leave()
