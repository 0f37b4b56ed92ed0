"""A performance from start to end: open everything, supervise, play out, close.

Runs on the main thread. The other threads are made in `engine.py`; the eye is a child process.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from latent_resonance import LatentResonanceError
from latent_resonance.config.output import recorded_channels
from latent_resonance.config.settings import Settings, socket_path_of
from latent_resonance.config.source import SettingsSource
from latent_resonance.face_state import FaceReceiver
from latent_resonance.gallery.standby import StandbyFile, standby_path
from latent_resonance.link.server import MonitorServer, monitor_path
from latent_resonance.linux.realtime import REALTIME_REMEDY, prepare_realtime_process
from latent_resonance.linux.systemd import Notifier
from latent_resonance.voice.child_process import EyeProcess, MonitorProcess
from latent_resonance.voice.engine import LATE_TICK_S, TICK_S, Engine, PerformanceError
from latent_resonance.voice.output.device import OUTPUT_PROGRAM, Speaker
from latent_resonance.voice.output.recorder import recorded
from latent_resonance.voice.pack_loader import PackLoader
from latent_resonance.voice.reload import Reloader
from latent_resonance.voice.single_instance import lock_speaker
from latent_resonance.voice.startup import open_first_instrument, open_first_pack, start_speaker
from latent_resonance.voice.status_report import Reporter
from latent_resonance.voice.stop_signals import install_stop_signals
from latent_resonance.voice.supervisor import Supervisor
from latent_resonance.voice.synthesis.networks import provider_note

Children = tuple[EyeProcess | None, MonitorProcess | None]
PLAY_OUT_S = 1.0  # on a machine that is too slow; otherwise the fade and the ring take 0.3 s


def perform(
    settings: Settings,
    source: SettingsSource,
    loader: PackLoader | None = None,
    *,
    seconds: float | None = None,
    record: Path | None = None,
    with_eye: bool = True,
    monitor: bool = False,
    seed: int = 0,
    output: tuple[str, ...] = OUTPUT_PROGRAM,
) -> int:
    """Perform until SIGINT or SIGTERM, or for some seconds; return the exit code.

    Parameters
    ----------
    source : where the settings come from, to follow their changes
    loader : which opens the pack already
    record : WAV file to write as well
    with_eye : start the eye as a child process
    monitor : start the monitor as a child process
    output : command of the output process

    Raises
    ------
    LatentResonanceError
        The performance cannot start: pack, socket, recording, or another performance runs.
    """
    signals = install_stop_signals()
    loader = loader or PackLoader(settings)
    socket_path = socket_path_of(settings)
    reporter = Reporter(source.log, time.monotonic())
    source, log = replace(source, log=reporter.log), reporter.log
    with ExitStack() as stack:
        stack.enter_context(closing(lock_speaker(socket_path)))
        receiver = stack.enter_context(closing(FaceReceiver(socket_path)))
        if (server := open_monitor_server(monitor_path(socket_path), log)) is not None:
            stack.enter_context(closing(server))
        eye = EyeProcess(socket_path, source.config, log) if with_eye else None
        monitor_process = MonitorProcess(socket_path, source.config, log) if monitor else None
        for child in (eye, monitor_process):
            if child is not None:
                stack.enter_context(closing(child))
        settings, pack, pack_error = open_first_pack(settings, source, loader)
        writer, speaker = start_speaker(pack, settings, log, output)
        stack.enter_context(closing(speaker))
        settings, instrument, network_error = open_first_instrument(
            pack, settings, source, seed, loader
        )
        signals.started.set()  # nothing below takes long
        log(_pack_line(settings, instrument.networks.provider))
        source = replace(source, error=source.error or pack_error or network_error)
        reloader = Reloader(instrument, source, signals.reload, seed, settings=settings)
        standby = _standby_file(socket_path, log, stack if with_eye else None)
        engine = Engine(instrument, receiver, writer, reloader, server, standby)
        del instrument  # a reference here would keep it in memory after it is replaced
        speaker.keep_all = record is not None
        with recorded(
            record, pack.geometry, engine.record_to, log, recorded_channels(settings.output)
        ):
            end_s = time.monotonic() + (math.inf if seconds is None else seconds)
            children = (eye, monitor_process)
            return _supervise(engine, speaker, children, signals.stop, end_s, reporter)


def _pack_line(settings: Settings, provider: str) -> str:
    note = provider_note(settings.inference, provider)
    return f"pack {settings.pack}, networks on {provider}{note}"


def open_monitor_server(path: Path, log: Callable[[str], None]) -> MonitorServer | None:
    """The server that monitors connect to; None, after a log line, if it cannot be opened."""
    try:
        return MonitorServer(path)
    except LatentResonanceError as error:
        log(f"{error}; playing without a monitor")
        return None


def _standby_file(
    socket_path: Path, log: Callable[[str], None], until: ExitStack | None
) -> StandbyFile:
    """The standby that an earlier voice has left; ended with `until`, else it outlives this one."""
    standby = StandbyFile(standby_path(socket_path))
    if standby.on:
        log("on standby, as before the voice ended; end it on the staff page")
    if until is not None:
        until.callback(standby.set, on=False)
    return standby


def _supervise(
    engine: Engine,
    speaker: Speaker,
    children: Children,
    stop: threading.Event,
    end_s: float,
    reporter: Reporter,
) -> int:
    """The main thread's loop, until it is time to stop."""
    (eye, monitor), log, survived = children, reporter.log, engine.failures.survived
    notifier, began_s = Notifier(), time.monotonic()
    supervisor = Supervisor(engine.state, engine.writer, speaker, eye, notifier, log, began_s)
    engine.start()
    if not prepare_realtime_process():
        log(f"no real-time priority, so other programs can interrupt the sound; {REALTIME_REMEDY}")
    try:
        while not (stop.is_set() or engine.stop.is_set()):
            if time.monotonic() >= end_s and not speaker.late_at(end_s):
                break
            with survived("supervision"):
                supervisor.poll(time.monotonic())
            engine.fill_gaps(speaker.silent_s)
            with survived("the status report"):
                reporter.step(engine.state, supervisor, time.monotonic())
            if monitor:
                monitor.poll(time.monotonic())
            time.sleep(LATE_TICK_S if speaker.late else TICK_S)
        notifier.stopping()
        _play_out(engine, speaker, children)
    finally:
        engine.stop.set()
        engine.take.close()
    log(supervisor.summary(time.monotonic()))
    log(supervisor.last_line())
    if engine.failure is not None:
        raise PerformanceError(f"the performance has ended: {engine.failure}")
    return 0


def _play_out(engine: Engine, speaker: Speaker, children: Children) -> None:
    """Wait until the fade-out has left the ring and the device; not for threads that hang."""
    engine.stop.set()
    for child in filter(None, children):
        child.terminate()
    end_s = time.monotonic() + PLAY_OUT_S
    while not engine.played_out and time.monotonic() < end_s:
        speaker.poll(time.monotonic())
        time.sleep(TICK_S)
    time.sleep(speaker.latency_s if speaker.playing else 0.0)
