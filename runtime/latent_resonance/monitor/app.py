"""Assembles the monitor: voice client, pages, metrics, OSC, MQTT and teaching in one event loop.

A separate process. In: settings and the voice's socket. Out: pages on a port, and packets to the
addresses in the settings. It stops on a signal, never because the voice stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from latent_resonance import LatentResonanceError
from latent_resonance.config.monitor import Monitor, Mqtt, Osc
from latent_resonance.config.settings import Settings, socket_path_of
from latent_resonance.link.requests import Request
from latent_resonance.link.server import monitor_path
from latent_resonance.linux.systemd import Notifier
from latent_resonance.monitor.auth import (
    Authenticator,
    load_or_create_token,
    local_host_names,
    token_path,
)
from latent_resonance.monitor.broadcast import Broadcaster
from latent_resonance.monitor.http import Services, application
from latent_resonance.monitor.metrics import Metrics
from latent_resonance.monitor.mqtt import MqttPublisher
from latent_resonance.monitor.osc import OVERRIDE_INTERVAL_S, OscReceiver, OscSender
from latent_resonance.monitor.teaching import Teaching
from latent_resonance.monitor.voice_client import VoiceClient, VoiceUnavailableError

TICK_S = 0.5
SHUTDOWN_TIMEOUT_S = 1.0  # for closing open pages


class MonitorError(LatentResonanceError):
    """The monitor cannot start."""


def run(settings: Settings, socket: Path | None, log: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Raises
    ------
    LatentResonanceError
        The port is in use, or the token can be neither read nor created.
    """
    return asyncio.run(_serve(settings, socket or socket_path_of(settings), log))


async def _serve(settings: Settings, socket: Path, log: Callable[[str], None]) -> int:
    stop = _stop_event()
    services = _services(settings, monitor_path(socket), log)
    monitor = settings.monitor
    with (
        _mqtt_publisher(monitor.mqtt, log) as publisher,
        _osc_output(services.broadcaster, monitor.osc, log),
    ):
        async with (
            _osc_input(services.voice, monitor.osc),
            _web_server(services, monitor, log) as address,
            _background(services.voice.run()),
        ):
            log(f"spectrogram at {address}/, staff page at {address}/staff")
            await _run_until(stop, services, publisher)
    return 0


def _stop_event() -> asyncio.Event:
    """Event set by SIGTERM, and by SIGINT unless it is ignored (the parent handles it)."""
    stop = asyncio.Event()
    handles_sigint = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    for number in (signal.SIGTERM, *([signal.SIGINT] if handles_sigint else [])):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _services(settings: Settings, path: Path, log: Callable[[str], None]) -> Services:
    monitor = settings.monitor
    broadcaster = Broadcaster(asyncio.get_running_loop().time)
    broadcaster.add_observer(metrics := Metrics())
    token = load_or_create_token(token_path(monitor.token_file))
    voice = VoiceClient(path, broadcaster, log)
    broadcaster.add_observer(teaching := Teaching(examples_folder(), voice.send))
    return Services(
        broadcaster=broadcaster,
        voice=voice,
        authenticator=Authenticator(token),
        teaching=teaching,
        metrics=metrics,
        names=local_host_names(monitor.names),
        max_pages=monitor.viewers,
        max_hz=monitor.max_hz,
    )


@contextlib.asynccontextmanager
async def _web_server(
    services: Services, monitor: Monitor, log: Callable[[str], None]
) -> AsyncIterator[str]:
    """Serve the site; yields its address.

    Raises
    ------
    MonitorError
        The port cannot be opened.
    """
    runner = web.AppRunner(
        application(services), access_log=None, keepalive_timeout=15.0, logger=_server_logger(log)
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, monitor.host, monitor.port, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await site.start()
        yield f"http://{_url_host(monitor.host)}:{monitor.port}"
    except OSError as error:
        raise MonitorError(
            f"{monitor.host} port {monitor.port}: cannot listen ({error.strerror}); set "
            "monitor.host and monitor.port, or stop the program that uses the port"
        ) from error
    finally:
        await runner.cleanup()


def _url_host(host: str) -> str:
    """Host part of a URL; localhost for a wildcard address."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  compared, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host


@contextlib.contextmanager
def _osc_output(broadcaster: Broadcaster, osc: Osc, log: Callable[[str], None]) -> Iterator[None]:
    """Send OSC, if the settings name a target."""
    with contextlib.closing(OscSender(osc, broadcaster.clock, log)) as sender:
        if osc.send_to:
            broadcaster.add_observer(sender)
        yield


@contextlib.asynccontextmanager
async def _osc_input(voice: VoiceClient, osc: Osc) -> AsyncIterator[None]:
    """Receive OSC, if the settings name an address to listen on.

    Raises
    ------
    MonitorError
        The address cannot be opened.
    """
    if osc.listen is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def send(request: Request) -> None:
        with contextlib.suppress(VoiceUnavailableError):  # OSC has no replies
            voice.send(request)

    host, _, port = osc.listen.rpartition(":")
    try:
        transport, receiver = await loop.create_datagram_endpoint(
            lambda: OscReceiver(osc, send, loop.time), local_addr=(host.strip("[]"), int(port))
        )
    except OSError as error:
        reason = f"cannot listen ({error.strerror}); set another address"
        raise MonitorError(f"monitor.osc.listen: {osc.listen}: {reason}") from error
    try:
        async with _background(_expire_overrides(receiver)):
            yield
    finally:
        transport.close()


async def _expire_overrides(receiver: OscReceiver) -> None:
    """End overrides on time even if no packet arrives."""
    while True:
        await asyncio.sleep(OVERRIDE_INTERVAL_S)
        receiver.send_overrides()


def examples_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Folder of the pairs recorded on site: the unit's state, or the user's."""
    if unit := environment.get("STATE_DIRECTORY"):  # systemd.exec(5)
        return Path(unit)
    state = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "latent-resonance" / "taught"


def _server_logger(log: Callable[[str], None]) -> logging.Logger:
    """Logger for aiohttp: our own errors in one line each, clients' errors not at all."""
    logger = logging.getLogger("latent_resonance.monitor")
    logger.setLevel(logging.ERROR)
    logger.propagate, logger.handlers = False, [_LogHandler(log)]
    logging.getLogger().setLevel(logging.ERROR)  # python-osc warns of every invalid packet
    return logger


class _LogHandler(logging.Handler):
    def __init__(self, log: Callable[[str], None]) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log an error, unless the client caused it."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | ConnectionError):
            self._log(f"a page could not be served ({error!r:.200}); continuing")


@contextlib.contextmanager
def _mqtt_publisher(mqtt: Mqtt, log: Callable[[str], None]) -> Iterator[MqttPublisher | None]:
    """The MQTT publisher; None if the settings name no broker."""
    if mqtt.host is None:
        yield None
        return
    with contextlib.closing(MqttPublisher(mqtt, log)) as publisher:
        yield publisher


@contextlib.asynccontextmanager
async def _background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run a coroutine in the background within the context."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _run_until(
    stop: asyncio.Event, services: Services, publisher: MqttPublisher | None
) -> None:
    """Twice a second: update systemd and the MQTT broker, repeat teaching requests."""
    notifier = Notifier()
    notifier.ready()
    while not stop.is_set():
        notifier.alive()
        link = "connected" if services.broadcaster.linked else "not connected"
        notifier.status(f"{services.open_pages} pages open, voice {link}")
        if publisher:
            publisher.publish(services.broadcaster.report, services.broadcaster.age_s)
        for request in services.teaching.due(asyncio.get_running_loop().time()):
            with contextlib.suppress(VoiceUnavailableError):
                services.voice.send(request)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TICK_S)
    notifier.stopping()
