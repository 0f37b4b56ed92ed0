"""Channels and routing at the sinks of a real sound server, with the real voice and PortAudio."""

from __future__ import annotations

import itertools
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from tests.support.pulse_server import RATE, SoundServer, Voice, environment_in
from tests.support.timing import until

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]
SECONDS = 4.0
ROUTING = """\
quality: low
output:
  channels: 4
  sub_crossover_hz: 150
  routing:
    - {plays: 1}
    - {plays: 2}
    - {plays: 1, gain_db: -6, delay_ms: 20}
    - {plays: none}
    - {plays: mix}
    - {plays: sub}
    - {plays: 3}
    - {plays: 4}
"""
Record = Callable[..., tuple[np.ndarray, str]]


@pytest.fixture
def record(tmp_path: Path, pack_folder: Path) -> Iterator[Record]:
    """Play with settings on a sink of a number of channels: what the sink gets, and the log."""
    with ExitStack() as stack:

        def record(settings: str, channels: int, *arguments: str) -> tuple[np.ndarray, str]:
            environment = environment_in(tmp_path)
            server = SoundServer(environment, channels=channels)
            stack.callback(server.kill)
            server.start()
            config = tmp_path / "gallery.yaml"
            config.write_text(settings)
            arguments = ("--config", str(config), "--pack", str(pack_folder), *arguments)
            voice = stack.enter_context(closing(Voice(tmp_path, environment, *arguments)))
            ear = stack.enter_context(closing(server.hears(tmp_path, channels=channels)))
            until(ear.hears_something, 40, "something to hear")
            begin = ear.sound().shape[-1]
            enough = begin + int((SECONDS + 1.0) * RATE)
            until(lambda: ear.sound().shape[-1] > enough, 30, "a few seconds of sound")
            log = voice.leave()
            sound = np.atleast_2d(ear.sound())
            return sound[:, begin + RATE : enough].astype(np.float64), log

        yield record


def level_db(sound: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.square(sound).mean(axis=-1) + 1e-20)


def share_alike(sound: np.ndarray, other: np.ndarray) -> float:
    """Share of samples that are the same; at an underflow, of a busy machine, some are not."""
    return float(np.isclose(sound, other, atol=1e-4).mean())


def share_above_hz(sound: np.ndarray, hz: float) -> float:
    power = np.square(np.abs(np.fft.rfft(sound * np.hanning(len(sound)))))
    return float(power[np.fft.rfftfreq(len(sound), 1 / RATE) > hz].sum() / power.sum())


def test_eight_speakers_play_what_the_routing_says(record: Record) -> None:
    out, _ = record(ROUTING, 8)
    first, second, delayed, silent, mixed, sub, third, fourth = out
    sources = np.stack([first, second, third, fourth])
    assert level_db(sources).min() > -60
    assert not silent.any()
    delay = round(0.020 * RATE)
    assert share_alike(delayed[delay:], first[:-delay] * 10 ** (-6 / 20)) > 0.8
    assert share_alike(mixed, sources.sum(axis=0)) > 0.8
    for other in (second, third, fourth):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.7
    assert share_above_hz(sub, 600.0) < 2e-3


def test_a_stereo_speaker_gets_two_channels_without_a_setting(record: Record) -> None:
    out, log = record("", 2)
    assert abs(np.corrcoef(out)[0, 1]) < 0.1
    assert abs(level_db(out[0]) - level_db(out[1])) < 0.5
    assert "channel" not in log


def test_a_mono_voice_plays_the_same_on_both_speakers(record: Record) -> None:
    out, _ = record("output: {channels: mono}", 2)
    assert np.array_equal(out[0], out[1])


def test_a_recording_has_the_channels_of_the_voice(record: Record, tmp_path: Path) -> None:
    take = tmp_path / "take.wav"
    record(ROUTING, 2, "--record", str(take))
    with wave.open(str(take)) as file:
        assert file.getnchannels() == 4
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert level_db(data.reshape(-1, 4).T / 32768).min() > -60


def test_the_doctor_plays_a_tone_on_each_speaker_in_turn_and_names_it(tmp_path: Path) -> None:
    environment = environment_in(tmp_path)
    config = tmp_path / "gallery.yaml"
    config.write_text("output: {routing: [{plays: 1}, {plays: mix}, {plays: none}, {plays: sub}]}")
    command = [sys.executable, "-m", "latent_resonance.doctor.probes", "tone", str(config)]
    with ExitStack() as stack:
        server = SoundServer(environment, channels=4)
        stack.callback(server.kill)
        server.start()
        ear = stack.enter_context(closing(server.hears(tmp_path, channels=4)))
        until(lambda: ear.sound().shape[-1] > 0, 20, "an ear at the sink")
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        sound = ear.sound()
    assert done.stderr.splitlines() == [
        "tone on channel 1 of 4, which output.routing has play 1",
        "tone on channel 2 of 4, which output.routing has play mix",
        "tone on channel 3 of 4, which output.routing has play none",
        "tone on channel 4 of 4, which output.routing has play sub",
    ]
    assert "on each of 4 channels in turn" in done.stdout
    played = [np.flatnonzero(np.abs(channel) > 0.01) for channel in sound]
    for before, after in itertools.pairwise(played):
        assert before[-1] < after[0]
    for each in played:
        assert (each[-1] - each[0]) / RATE == pytest.approx(1.0, abs=0.25)
