"""A performance from its beginning to its end: what is opened, attended to, played out and closed.

Lives on the main thread. The threads are made in `performance.py`, the eye is a supervised child.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from latent_resonance import LatentResonanceError
from latent_resonance.config.settings import Settings, socket_path_of
from latent_resonance.face_state import FaceReceiver
from latent_resonance.link.server import Listener, monitor_path
from latent_resonance.linux.realtime import settle
from latent_resonance.linux.systemd import Notifier
from latent_resonance.voice.child_process import EyeProcess
from latent_resonance.voice.engine import TICK_S, Performance, PerformanceError
from latent_resonance.voice.monitor_process import MonitorProcess
from latent_resonance.voice.output.device import OUTPUT, Speaker
from latent_resonance.voice.output.recorder import recorded
from latent_resonance.voice.reload import Reloader
from latent_resonance.voice.single_instance import hold_the_speaker
from latent_resonance.voice.startup import first_instrument, playable, speaker_for
from latent_resonance.voice.status_report import Reporter
from latent_resonance.voice.stop_signals import listen_for_wishes
from latent_resonance.voice.supervisor import Attendant


def perform(
    settings: Settings,
    *,
    config: Path | None = None,
    read: Callable[[], Settings] | None = None,
    seconds: float | None = None,
    record: Path | None = None,
    with_eye: bool = True,
    monitor: bool = False,
    seed: int = 0,
    unattended: bool = False,
    refused: str = "",
    output: tuple[str, ...] = OUTPUT,
    say: Callable[[str], None] = print,
) -> int:
    """Performs until told to stop (SIGINT, SIGTERM) or for some seconds; returns the exit code.

    Parameters
    ----------
    config : the settings' file, watched for changes
    read : reads the settings again
    monitor : also serve the pages, from a process of its own
    unattended : play with the defaults what the settings name and cannot be played
    refused : what is wrong with the file already, and `settings` are the defaults
    output : the output process, a command

    Raises
    ------
    LatentResonanceError
        The performance cannot begin: pack, socket, recording or another performer.
    """
    wishes = listen_for_wishes()
    socket_path = socket_path_of(settings)
    reporter = Reporter(say, time.monotonic())
    say, alone = reporter.say, reporter.say if unattended else None
    with ExitStack() as opened:
        opened.enter_context(closing(hold_the_speaker(socket_path)))
        receiver = opened.enter_context(closing(FaceReceiver(socket_path)))
        if (listener := answering(monitor_path(socket_path), say)) is not None:
            opened.enter_context(closing(listener))
        eye = EyeProcess(socket_path, config, say) if with_eye else None
        page = MonitorProcess(socket_path, config, say) if monitor else None
        for child in filter(None, (eye, page)):
            opened.enter_context(closing(child))
        settings, pack, unplayable = playable(settings, alone)
        outlet, speaker = speaker_for(pack, settings, say, output)
        opened.enter_context(closing(speaker))
        settings, instrument, unable = first_instrument(pack, settings, seed, alone)
        say(f"pack {settings.pack}, networks on {instrument.networks.provider}")
        reloader = Reloader(
            instrument, read or (lambda: settings), config, wishes.reload, seed, say,
            settings=settings, refused=refused or unplayable or unable,
        )  # fmt: skip
        performance = Performance(instrument, receiver, outlet, reloader, listener)
        del instrument  # once it has been exchanged, nobody may hold it
        with recorded(record, pack.geometry, performance.record_to, say):
            end_s = time.monotonic() + (math.inf if seconds is None else seconds)
            return _attended(performance, speaker, (eye, page), wishes.leave, end_s, reporter)


def answering(path: Path, say: Callable[[str], None]) -> Listener | None:
    """Where monitors may call; without it the instrument plays all the same."""
    try:
        return Listener(path)
    except LatentResonanceError as error:
        say(f"{error}; playing without a monitor")
        return None


def _attended(
    performance: Performance,
    speaker: Speaker,
    children: tuple[EyeProcess | None, MonitorProcess | None],
    leave: threading.Event,
    end_s: float,
    reporter: Reporter,
) -> int:
    """The main thread's part: attends until it is time to leave."""
    (eye, page), say = children, reporter.say
    notifier, began_s = Notifier(), time.monotonic()
    attendant = Attendant(performance, speaker, eye, notifier, say, began_s)
    threads = performance.start()
    settle()
    try:
        while time.monotonic() < end_s and not (leave.is_set() or performance.stop.is_set()):
            attendant.tend(time.monotonic())
            reporter.step(performance, attendant, time.monotonic())
            if page:
                page.tend(time.monotonic())
            time.sleep(TICK_S)
        performance.stop.set()
        notifier.stopping()
        if eye:
            eye.ask_to_leave()
        _play_out(performance, speaker, threads)
    finally:
        performance.stop.set()
    say(attendant.summary(time.monotonic()))
    say(attendant.last_line())
    if performance.failure is not None:
        raise PerformanceError(f"the performance has ended: {performance.failure}")
    return 0


def _play_out(performance: Performance, speaker: Speaker, threads: list[threading.Thread]) -> None:
    """Until the fade-out has left the ring."""
    while any(t.is_alive() for t in threads) or not performance.outlet.ring.empty:
        speaker.tend(time.monotonic())
        time.sleep(TICK_S)
    time.sleep(speaker.latency_s if speaker.playing else 0.0)
