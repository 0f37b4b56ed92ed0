"""A voice whose pack has a network that hangs or eats memory: it plays on, stops, and starts."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile
from tests.support.bad_networks import hungry, looping, looping_while_moving, with_network
from tests.support.pulse_server import LOUD, RATE, Voice, environment_in
from tests.support.timing import PATIENCE

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]
StartVoice = Callable[..., Voice]


@pytest.fixture
def start_voice(tmp_path: Path) -> Iterator[StartVoice]:
    started: list[Voice] = []

    def start(pack: Path, *more: str, module: str = "latent_resonance") -> Voice:
        arguments = ("--unattended", "--pack", str(pack), *more)
        started.append(Voice(tmp_path, environment_in(tmp_path), *arguments, module=module))
        return started[-1]

    yield start
    for voice in started:
        voice.close()


def leave_at_once(voice: Voice) -> str:
    began_s = time.monotonic()
    log = voice.leave()
    assert time.monotonic() - began_s < 0.5 * PATIENCE
    return log


def levels_of(recording: Path) -> NDArray[np.float64]:
    """RMS of each whole second, full scale 1."""
    sound = wavfile.read(recording)[1]
    seconds = sound[: len(sound) // RATE * RATE].reshape(-1, RATE, *sound.shape[1:])
    return np.sqrt(np.mean(np.square(seconds / np.iinfo(sound.dtype).max), axis=1))


@pytest.fixture(params=[False, True], ids=["can be ended", "cannot be ended"])
def hanging_pack(make_pack: Callable[..., Path], request: pytest.FixtureRequest) -> Path:
    pack = make_pack()
    regressor = onnx.load(pack / "regressor.onnx")
    endless = looping_while_moving(regressor, empty=request.param)
    return with_network(pack, "regressor.onnx", endless)


def test_a_network_that_hangs_while_it_plays_is_replaced_and_the_sound_goes_on(
    hanging_pack: Path, start_voice: StartVoice, tmp_path: Path
) -> None:
    voice = start_voice(hanging_pack, "--record", str(tmp_path / "take.wav"))
    voice.says("networks on")
    voice.says("a network does not return in time; playing the pack", 30 * PATIENCE)
    time.sleep(1.5)
    assert leave_at_once(voice).count(" failed (") == 0
    levels = levels_of(tmp_path / "take.wav")
    begun = int(np.argmax(levels > LOUD))  # it hangs before it has given its first sound
    assert levels[begun:].min() > LOUD


@pytest.mark.parametrize("hanging_pack", [True], ids=["cannot be ended"], indirect=True)
def test_a_voice_ends_after_three_runs_that_cannot_be_ended_and_plays_when_it_is_started_again(
    hanging_pack: Path, start_voice: StartVoice
) -> None:
    voice = start_voice(hanging_pack, module="tests.support.hasty_command")
    voice.says("a network does not return in time; playing the pack", 15 * PATIENCE)
    voice.process.send_signal(signal.SIGHUP)  # opens the same pack again
    voice.says("does not open within", 10 * PATIENCE)
    voice.process.send_signal(signal.SIGHUP)
    assert voice.process.wait(10 * PATIENCE) == 1  # and systemd starts it again
    last = voice.said().splitlines()[-1]
    assert "3 runs of networks do not return; choose another pack" in last
    again = start_voice(hanging_pack)
    again.says("networks on", 15 * PATIENCE)
    leave_at_once(again)


def test_a_signal_ends_the_voice_at_once_while_a_network_hangs(
    hanging_pack: Path, start_voice: StartVoice
) -> None:
    voice = start_voice(hanging_pack)
    voice.says("networks on")
    time.sleep(1.5)
    leave_at_once(voice)


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
