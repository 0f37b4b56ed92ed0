"""Faults of the speaker, with real PortAudio, a real sound server and the real voice.

The time until the sound is audible again is measured at the sink, from the moment at which there
is a speaker again.
"""

from __future__ import annotations

import os
import signal
import time
import wave
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.pulse_server import LOUD, RATE, Ear, SoundServer, Voice, compiled, environment_in
from tests.support.timing import PATIENCE, until

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]
AUDIBLE_AGAIN_S = 1.5 * PATIENCE
HERE = Path(__file__).parent
BLOCK = RATE // 100  # 10 ms


class Room:
    """A sound server, recordings of its sinks, and the voice."""

    def __init__(self, folder: Path, pack: Path, stack: ExitStack) -> None:
        self.folder, self.pack, self.stack = folder, pack, stack
        self.environment = environment_in(folder)
        self.server = SoundServer(self.environment, ("spk", "other"))
        stack.callback(self.server.kill)

    def voice(self, *arguments: str, **environment: str) -> Voice:
        arguments = ("--pack", str(self.pack), *arguments)
        voice = Voice(self.folder, self.environment | environment, *arguments)
        return self.stack.enter_context(closing(voice))

    def voice_on(self, device: str) -> Voice:
        """A voice whose settings name its speaker."""
        config = self.folder / "gallery.yaml"
        config.write_text(f"output: {{device: {device}}}\n")
        return self.voice("--config", str(config))

    def ear(self, sink: str = "spk") -> Ear:
        """A recording of a sink, once the sink runs."""
        ear = self.stack.enter_context(closing(self.server.hears(self.folder, sink)))
        until(lambda: len(ear.sound()) > 0, 20, "an ear at the sink")
        return ear

    def hears(self, within_s: float = AUDIBLE_AGAIN_S, sink: str = "spk") -> None:
        """Wait until something is audible; the time that the sink needs to start is not counted."""
        until(self.ear(sink).hears_something, within_s, "something to hear")


def levels_db(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """RMS of each 10 ms, dBFS."""
    blocks = sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK).astype(np.float64)
    return 10 * np.log10(np.mean(np.square(blocks), axis=1) + 1e-12)


@pytest.fixture
def room(tmp_path: Path, pack_folder: Path) -> Iterator[Room]:
    with ExitStack() as stack:
        yield Room(tmp_path, pack_folder, stack)


def test_a_voice_that_starts_before_its_speaker_plays_as_soon_as_there_is_one(
    room: Room,
) -> None:
    voice = room.voice()
    voice.says("playing on without a speaker")
    room.server.start()
    voice.says("playing on ", AUDIBLE_AGAIN_S, times=2)
    room.hears(20)
    assert voice.leave().count("without a speaker") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_every_process_as_ctrl_c_and_systemd_send_it_fades_out_at_the_speaker(
    room: Room, number: signal.Signals
) -> None:
    room.server.start()
    voice, ear = room.voice(), room.ear()
    until(ear.hears_something, 20, "something to hear")
    time.sleep(1.0)
    for process in (*voice.children(), voice.process.pid):
        os.kill(process, number)
    assert voice.process.wait(timeout=20) == 0
    time.sleep(0.5)  # what is on its way to the ear
    assert "the speaker is gone" not in voice.said()
    levels = levels_db(ear.sound())
    last = np.flatnonzero(levels > 20 * np.log10(LOUD))[-1]
    steps = np.diff(levels[last - 10 : last + 1])
    assert levels[last] < levels[last - 30 : last - 20].mean() - 15
    assert steps.min() > -15, steps


def test_a_speaker_that_is_pulled_out_and_plugged_in_is_played_on_again(room: Room) -> None:
    room.server.sinks = ("spk",)
    room.server.start()
    voice = room.voice()
    room.hears(20)
    room.server.unplug()
    voice.says("the speaker is gone", 5)
    time.sleep(1.0)
    room.server.plug_in()
    room.hears()
    assert voice.said().count("the speaker is gone") == 1
    voice.leave()


def test_a_sound_server_that_is_killed_is_played_on_when_it_is_back(room: Room) -> None:
    room.server.start()
    voice = room.voice()
    room.hears(20)
    room.server.kill()
    voice.says("playing on with", 10)
    time.sleep(1.0)
    room.server.start()
    room.hears()
    voice.leave()


def test_a_sound_server_that_hangs_stops_neither_the_voice_nor_its_clock(room: Room) -> None:
    take = room.folder / "take.wav"
    room.server.start()
    voice = room.voice("--record", str(take))
    room.hears(20)
    time.sleep(3.0)  # the callbacks are steady by now
    began_s = time.monotonic()
    room.server.hang()
    voice.says("does not answer", 3 * PATIENCE)
    hung_s = voice.says("does not answer", 1) + time.monotonic() - began_s
    time.sleep(4.0)
    room.server.go_on()
    room.hears()
    voice.leave()
    assert hung_s < 3 * PATIENCE
    played_s = float(voice.said().split("played ")[1].split()[0])
    with wave.open(str(take)) as file:
        missing_s = played_s - file.getnframes() / file.getframerate()
    # A second until it is noticed, two for which a cold sink rests: the rest was played.
    assert missing_s < 4.0


def test_a_sound_server_that_hangs_and_is_replaced_is_played_on(room: Room) -> None:
    room.server.start()
    voice = room.voice()
    room.hears(20)
    time.sleep(3.0)
    room.server.hang()
    voice.says("does not answer", 5 * PATIENCE)
    time.sleep(1.5)  # by now a new output process hangs as well
    room.server.kill()
    room.server.start()
    room.hears()
    voice.leave()


def test_a_voice_that_is_killed_leaves_no_output_process_that_hangs(room: Room) -> None:
    room.server.start()
    room.server.hang()
    voice = room.voice()
    until(lambda: len(voice.children()) == 1, 20, "an output process")
    (output,) = voice.children()
    time.sleep(2.0)  # by now it waits for the server
    voice.process.kill()
    voice.process.wait()
    until(lambda: not Path(f"/proc/{output}/cmdline").exists(), 5, "it is gone as well")


def test_an_output_process_that_crashes_is_replaced(room: Room) -> None:
    room.server.start()
    voice = room.voice()
    room.hears(20)
    for crash in (signal.SIGSEGV, signal.SIGKILL, signal.SIGSTOP):
        (output,) = voice.children()
        os.kill(output, crash)
        until(lambda gone=output: gone not in voice.children(), 10, "the crashed one is gone")
        until(lambda: len(voice.children()) == 1, 10, "there is another")
        room.hears(3 * PATIENCE)
    voice.leave()


def test_when_the_default_speaker_goes_the_next_default_is_played_on(room: Room) -> None:
    room.server.start()
    room.server.pactl("set-default-sink", "spk")
    voice = room.voice()
    room.hears(20, "spk")
    room.server.unplug("spk")
    room.hears(AUDIBLE_AGAIN_S + 2.0, "other")
    voice.leave()


def test_a_device_that_refuses_the_packs_rate_plays_the_same_pitch(room: Room) -> None:
    library = compiled(HERE / "stubborn.c", room.folder)
    take = room.folder / "take.wav"
    room.server.start()
    ear = room.ear()
    stubborn = {"LD_PRELOAD": str(library), "STUBBORN_RATE": "44100"}
    voice = room.voice("--record", str(take), **stubborn)
    voice.says("converted to 44100 Hz")
    until(ear.hears_something, 20, "something to hear")
    time.sleep(4.0)
    voice.leave()
    with wave.open(str(take)) as file:
        played = np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32768)
    # Not all need fit, for a busy machine drops a block now and then.
    errors = [distance_from(piece, played) for piece in pieces_of(ear.sound())]
    print(errors)
    assert min(errors) < 0.02


def test_a_card_that_is_pulled_out_while_its_stream_stays_active_is_noticed(room: Room) -> None:
    library, pulled = compiled(HERE / "pulled.c", room.folder), room.folder / "pulled"
    room.server.start()
    voice = room.voice(LD_PRELOAD=str(library), PULLED=str(pulled))
    room.hears(20)
    time.sleep(3.0)  # the callbacks are steady by now
    (output,) = voice.children()
    before_s, began_s = cpu_s(output), time.monotonic()
    pulled.touch()
    time.sleep(0.6)
    spun_s = cpu_s(output) - before_s
    assert spun_s > 0.5 * (time.monotonic() - began_s)  # it spins, as after a real card's end
    assert voice.children() == [output]
    noticed_s = 0.6 + voice.says("the speaker does not answer", 3 * PATIENCE)
    assert 0.9 < noticed_s < 1.5 * PATIENCE
    pulled.unlink()
    room.hears(AUDIBLE_AGAIN_S + 2.0)
    voice.leave()


@pytest.mark.parametrize("late", ["output", "voice"])
def test_underflows_are_counted_and_the_sound_goes_on(room: Room, late: str) -> None:
    room.server.start()
    voice = room.voice()
    ear = room.ear()
    until(ear.hears_something, 20, "something to hear")
    time.sleep(3.0)
    (output,) = voice.children()
    process = {"output": output, "voice": voice.process.pid}[late]
    for _ in range(2):
        os.kill(process, signal.SIGSTOP)
        time.sleep(0.25)  # longer than anything is buffered, shorter than what is taken for death
        os.kill(process, signal.SIGCONT)
        time.sleep(0.75)
    until(ear.hears_something, AUDIBLE_AGAIN_S, "it goes on")
    assert voice.children() == [output]
    said = voice.leave()
    assert "does not answer" not in said
    assert int(said.split("played ")[1].split()[2]) >= 2, said


@pytest.mark.parametrize("order", [("desk", "hall"), ("hall", "desk")])
def test_a_card_is_known_by_its_name_whatever_the_order_and_the_default(
    room: Room, order: tuple[str, str]
) -> None:
    """Two cards, of which the YAML names one; they come back in another order."""
    write_cards(room.folder, *order)
    room.server.start()
    room.server.pactl("set-default-sink", "other")
    voice = room.voice_on("hall")
    room.hears(20, SINKS["hall"])
    for change in (order[::-1], ("first", *order)):
        room.server.kill()
        write_cards(room.folder, *change)
        room.server.start()
        room.hears(AUDIBLE_AGAIN_S + 2.0, SINKS["hall"])
    elsewhere = room.ear(SINKS["desk"])
    time.sleep(0.5)
    assert not elsewhere.hears_something()
    assert "playing on hall (ALSA)" in voice.leave()


SINKS = {"desk": "other", "hall": "spk", "first": "other"}


def write_cards(home: Path, *names: str) -> None:
    """ALSA devices with names of their own, in this order."""
    cards = [f"pcm.{name} {{ type pulse device {SINKS[name]} }}\n" for name in names]
    (home / ".asoundrc").write_text("".join(cards))


def cpu_s(process: int) -> float:
    """Seconds of a core that a process has used."""
    times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def pieces_of(sound: np.ndarray) -> list[np.ndarray]:
    """Quarters of a second, from a second after the first sound on."""
    loud = np.flatnonzero(np.abs(sound) > LOUD)
    return np.split(sound[loud[0] + RATE :][: 3 * RATE], 12)


def distance_from(piece: np.ndarray, played: np.ndarray) -> float:
    """1 minus the correlation of a piece with its best match in what was played."""
    n = 1 << int(np.ceil(np.log2(len(played) + len(piece))))
    product = np.fft.irfft(np.fft.rfft(played, n) * np.conj(np.fft.rfft(piece, n)))
    place = int(np.argmax(product[: len(played) - len(piece)]))
    there = played[place : place + len(piece)]
    return 1.0 - float(np.dot(there, piece) / np.linalg.norm(there) / np.linalg.norm(piece))
