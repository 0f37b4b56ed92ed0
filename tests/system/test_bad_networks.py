"""A voice whose pack has a network that hangs or eats memory: it plays on, stops, and starts."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import onnx
import pytest
from tests.support.bad_networks import hungry, looping, looping_while_moving, with_network
from tests.support.pulse_server import PATIENCE, Voice, environment_in

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]
StartVoice = Callable[[Path], Voice]


@pytest.fixture
def start_voice(tmp_path: Path) -> Iterator[StartVoice]:
    started: list[Voice] = []

    def start(pack: Path) -> Voice:
        arguments = ("--unattended", "--pack", str(pack))
        started.append(Voice(tmp_path, environment_in(tmp_path), *arguments))
        return started[-1]

    yield start
    for voice in started:
        voice.close()


def test_a_network_that_hangs_while_it_plays_is_replaced_and_the_sound_goes_on(
    make_pack: Callable[..., Path], start_voice: StartVoice
) -> None:
    pack = make_pack()
    with_network(pack, "regressor.onnx", looping_while_moving(onnx.load(pack / "regressor.onnx")))
    voice = start_voice(pack)
    voice.says("networks on")
    voice.says("did not return in time, and is not run again", 30 * PATIENCE)
    voice.says("a network does not return in time; playing the pack that came with the program")
    time.sleep(1.5)
    assert " failed (" not in voice.leave()


def test_a_signal_ends_the_voice_within_half_a_second_while_a_network_hangs(
    make_pack: Callable[..., Path], start_voice: StartVoice
) -> None:
    pack = make_pack()
    with_network(pack, "regressor.onnx", looping_while_moving(onnx.load(pack / "regressor.onnx")))
    voice = start_voice(pack)
    voice.says("networks on")
    time.sleep(1.5)
    began_s = time.monotonic()
    voice.leave()
    assert time.monotonic() - began_s < 0.5 * PATIENCE


def test_a_signal_ends_the_voice_at_once_while_a_pack_is_being_opened(
    make_pack: Callable[..., Path], start_voice: StartVoice
) -> None:
    pack = make_pack()
    with_network(pack, "generator.onnx", looping(onnx.load(pack / "generator.onnx"), 2**62))
    voice = start_voice(pack)
    time.sleep(2.5)
    voice.process.send_signal(signal.SIGTERM)
    began_s = time.monotonic()
    assert voice.process.wait(10) == 128 + signal.SIGTERM
    assert time.monotonic() - began_s < 0.5 * PATIENCE
    assert "Traceback" not in voice.said()


def test_a_network_that_needs_too_much_memory_is_replaced_by_the_bundled_one(
    make_pack: Callable[..., Path], start_voice: StartVoice
) -> None:
    pack = make_pack()
    with_network(pack, "generator.onnx", hungry(onnx.load(pack / "generator.onnx"), 4))
    with closing(start_voice(pack)) as voice:
        voice.says("generator.onnx: does not take z")
        voice.says("pack cello, networks on")
        voice.leave()
