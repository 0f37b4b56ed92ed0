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
from latent_resonance.linux.realtime import prepare_realtime_process
from latent_resonance.linux.systemd import Notifier
from latent_resonance.voice.child_process import EyeProcess
from latent_resonance.voice.engine import TICK_S, Engine, PerformanceError
from latent_resonance.voice.monitor_process import MonitorProcess
from latent_resonance.voice.output.device import OUTPUT_PROGRAM, Speaker
from latent_resonance.voice.output.recorder import recorded
from latent_resonance.voice.reload import Reloader
from latent_resonance.voice.single_instance import hold_the_speaker
from latent_resonance.voice.startup import first_instrument, playable, speaker_for
from latent_resonance.voice.status_report import Reporter
from latent_resonance.voice.stop_signals import install_stop_signals
from latent_resonance.voice.supervisor import Supervisor


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
    output: tuple[str, ...] = OUTPUT_PROGRAM,
    log: Callable[[str], None] = print,
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
    signals = install_stop_signals()
    socket_path = socket_path_of(settings)
    reporter = Reporter(log, time.monotonic())
    log, alone = reporter.log, reporter.log if unattended else None
    with ExitStack() as opened:
        opened.enter_context(closing(hold_the_speaker(socket_path)))
        receiver = opened.enter_context(closing(FaceReceiver(socket_path)))
        if (listener := answering(monitor_path(socket_path), log)) is not None:
            opened.enter_context(closing(listener))
        eye = EyeProcess(socket_path, config, log) if with_eye else None
        page = MonitorProcess(socket_path, config, log) if monitor else None
        for child in filter(None, (eye, page)):
            opened.enter_context(closing(child))
        settings, pack, unplayable = playable(settings, alone)
        writer, speaker = speaker_for(pack, settings, log, output)
        opened.enter_context(closing(speaker))
        settings, instrument, unable = first_instrument(pack, settings, seed, alone)
        log(f"pack {settings.pack}, networks on {instrument.networks.provider}")
        reloader = Reloader(
            instrument, read or (lambda: settings), config, signals.reload, seed, log,
            settings=settings, refused=refused or unplayable or unable,
        )  # fmt: skip
        engine = Engine(instrument, receiver, writer, reloader, listener)
        del instrument  # once it has been exchanged, nobody may hold it
        with recorded(record, pack.geometry, engine.record_to, log):
            end_s = time.monotonic() + (math.inf if seconds is None else seconds)
            return _attended(engine, speaker, (eye, page), signals.leave, end_s, reporter)


def answering(path: Path, log: Callable[[str], None]) -> Listener | None:
    """Where monitors may call; without it the instrument plays all the same."""
    try:
        return Listener(path)
    except LatentResonanceError as error:
        log(f"{error}; playing without a monitor")
        return None


def _attended(
    engine: Engine,
    speaker: Speaker,
    children: tuple[EyeProcess | None, MonitorProcess | None],
    leave: threading.Event,
    end_s: float,
    reporter: Reporter,
) -> int:
    """The main thread's part: attends until it is time to leave."""
    (eye, page), log = children, reporter.log
    notifier, began_s = Notifier(), time.monotonic()
    supervisor = Supervisor(engine, speaker, eye, notifier, log, began_s)
    threads = engine.start()
    prepare_realtime_process()
    try:
        while time.monotonic() < end_s and not (leave.is_set() or engine.stop.is_set()):
            supervisor.poll(time.monotonic())
            reporter.step(engine, supervisor, time.monotonic())
            if page:
                page.poll(time.monotonic())
            time.sleep(TICK_S)
        engine.stop.set()
        notifier.stopping()
        if eye:
            eye.ask_to_leave()
        _play_out(engine, speaker, threads)
    finally:
        engine.stop.set()
    log(supervisor.summary(time.monotonic()))
    log(supervisor.last_line())
    if engine.failure is not None:
        raise PerformanceError(f"the performance has ended: {engine.failure}")
    return 0


def _play_out(engine: Engine, speaker: Speaker, threads: list[threading.Thread]) -> None:
    """Until the fade-out has left the ring."""
    while any(t.is_alive() for t in threads) or not engine.writer.ring.empty:
        speaker.poll(time.monotonic())
        time.sleep(TICK_S)
    time.sleep(speaker.latency_s if speaker.playing else 0.0)
