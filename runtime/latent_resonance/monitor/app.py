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
from typing import Any
from urllib.parse import quote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from latent_resonance import LatentResonanceError
from latent_resonance.config.monitor import Monitor, Mqtt, Osc
from latent_resonance.config.settings import Settings, socket_path_of
from latent_resonance.link.requests import Request
from latent_resonance.link.server import monitor_path
from latent_resonance.linux.systemd import Notifier
from latent_resonance.monitor.addresses import Proxies
from latent_resonance.monitor.auth import (
    Authenticator,
    load_or_create_token,
    local_host_names,
    token_path,
)
from latent_resonance.monitor.broadcast import Broadcaster
from latent_resonance.monitor.connections import (
    BACKLOG,
    Connection,
    Connections,
    max_connections,
)
from latent_resonance.monitor.http import application
from latent_resonance.monitor.identity import identity_of
from latent_resonance.monitor.maintenance import Maintenance
from latent_resonance.monitor.metrics import Metrics
from latent_resonance.monitor.mqtt import MqttPublisher
from latent_resonance.monitor.osc import (
    OVERRIDE_INTERVAL_S,
    OscReceiver,
    OscSender,
    needs_senders,
    split_address,
)
from latent_resonance.monitor.quota import Quota
from latent_resonance.monitor.refusals import BoundedLog, Refusals
from latent_resonance.monitor.services import Services
from latent_resonance.monitor.takes import Takes
from latent_resonance.monitor.teaching import Teaching
from latent_resonance.monitor.voice_client import VoiceClient, VoiceUnavailableError

TICK_S = 0.5
SHUTDOWN_TIMEOUT_S = 1.0  # for closing open pages


class MonitorError(LatentResonanceError):
    """The monitor cannot start."""


def run(
    settings: Settings,
    socket: Path | None,
    log: Callable[[str], None],
    config: Path | None = None,
    *,
    show_token: bool = False,
) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Parameters
    ----------
    config : the settings file, which the staff page may change
    show_token : log the link of the staff page with its token, on the user's own terminal

    Raises
    ------
    LatentResonanceError
        The port is in use, or the token can be neither read nor created.
    """
    path = socket or socket_path_of(settings)
    return asyncio.run(_serve(settings, path, BoundedLog(log), config, show_token=show_token))


async def _serve(
    settings: Settings,
    socket: Path,
    log: Callable[[str], None],
    config: Path | None,
    *,
    show_token: bool,
) -> int:
    stop = _stop_event()
    log_loop_errors(log)
    services = make_services(settings, monitor_path(socket), log)
    services.maintenance = Maintenance(config)
    monitor = settings.monitor
    with (
        _mqtt_publisher(monitor.mqtt, socket, log) as publisher,
        _osc_output(services.broadcaster, monitor.osc, log),
    ):
        async with (
            _osc_input(services, monitor.osc, log),
            web_server(services, monitor, log) as address,
            _background(services.voice.run()),
        ):
            staff = staff_link(address, monitor, with_token=show_token)
            log(f"spectrogram at {address}/, staff page at {staff}")
            await _run_until(stop, services, publisher, log)
    return 0


def staff_link(address: str, monitor: Monitor, *, with_token: bool) -> str:
    """Link of the staff page; the token is in the fragment, which a browser sends to no server."""
    if not with_token:
        return f"{address}/staff"
    token = load_or_create_token(token_path(monitor.token_file))
    return f"{address}/staff#token={quote(token)}"


def _stop_event() -> asyncio.Event:
    """Event set by SIGTERM, and by SIGINT unless it is ignored (the parent handles it)."""
    stop = asyncio.Event()
    handles_sigint = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    for number in (signal.SIGTERM, *([signal.SIGINT] if handles_sigint else [])):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def make_services(settings: Settings, path: Path, log: Callable[[str], None]) -> Services:
    """What the web server uses, in the running event loop."""
    monitor = settings.monitor
    broadcaster = Broadcaster(asyncio.get_running_loop().time)
    refusals = Refusals()
    broadcaster.add_observer(metrics := Metrics(refusals=refusals))
    token = load_or_create_token(token_path(monitor.token_file))
    voice = VoiceClient(path, broadcaster, log)
    broadcaster.add_observer(teaching := Teaching(examples_folder(), voice.send))
    broadcaster.add_observer(takes := Takes(takes_folder(), voice.send))
    return Services(
        broadcaster=broadcaster,
        voice=voice,
        authenticator=Authenticator(token),
        teaching=teaching,
        takes=takes,
        metrics=metrics,
        names=local_host_names(monitor.names),
        pages=Quota(monitor.viewers),
        max_hz=monitor.max_hz,
        proxies=Proxies(monitor.trusted_proxies),
        refusals=refusals,
        wall_language=monitor.language,
        wall_palette=monitor.palette,
    )


@contextlib.asynccontextmanager
async def web_server(
    services: Services, monitor: Monitor, log: Callable[[str], None]
) -> AsyncIterator[str]:
    """Serve the site; yields its address.

    Raises
    ------
    MonitorError
        The port cannot be opened.
    """
    runner = web.AppRunner(application(services), shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        async with _listening(runner, services, monitor, _server_logger(log)):
            yield f"http://{_url_host(monitor.host)}:{monitor.port}"
    except OSError as error:
        raise MonitorError(
            f"{monitor.host} port {monitor.port}: cannot listen ({error.strerror}); set "
            "monitor.host and monitor.port, or stop the program that uses the port"
        ) from error
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _listening(
    runner: web.AppRunner, services: Services, monitor: Monitor, logger: logging.Logger
) -> AsyncIterator[None]:
    """Accept connections, within the bounds."""
    loop, server = asyncio.get_running_loop(), runner.server
    assert server is not None  # set up
    connections = Connections(Quota(max_connections()), services.proxies, services.refusals.count)
    listening = await loop.create_server(
        lambda: Connection(server, connections, loop, logger),
        monitor.host,
        monitor.port,
        backlog=BACKLOG,
    )
    try:
        yield
    finally:
        listening.close()


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
async def _osc_input(
    services: Services, osc: Osc, log: Callable[[str], None]
) -> AsyncIterator[None]:
    """Receive OSC, if the settings name an address to listen on, and from whom.

    Raises
    ------
    MonitorError
        The address cannot be opened.
    """
    if needs_senders(osc):
        log(
            f"monitor.osc.listen: {osc.listen} is open to a network, so monitor.osc.senders should "
            "list who may send; OSC is not received"
        )
    if osc.listen is None or needs_senders(osc):
        yield
        return
    try:
        transport, receiver = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _osc_receiver(services, osc, log), local_addr=split_address(osc.listen)
        )
    except OSError as error:
        reason = f"cannot listen ({error.strerror}); set another address"
        raise MonitorError(f"monitor.osc.listen: {osc.listen}: {reason}") from error
    try:
        async with _background(_expire_overrides(receiver)):
            yield
    finally:
        transport.close()


def _osc_receiver(services: Services, osc: Osc, log: Callable[[str], None]) -> OscReceiver:
    def send(request: Request) -> None:
        with contextlib.suppress(VoiceUnavailableError):  # OSC has no replies
            services.voice.send(request)

    def count(reason: str, address: str) -> None:
        services.refusals.count("osc", reason, address)

    clock = asyncio.get_running_loop().time
    return OscReceiver(osc, send, clock, log, count)


async def _expire_overrides(receiver: OscReceiver) -> None:
    """End overrides on time even if no packet arrives, and keep the senders' addresses current."""
    while True:
        await asyncio.sleep(OVERRIDE_INTERVAL_S)
        receiver.refresh_senders()
        receiver.send_overrides()


def examples_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Folder of the pairs recorded on site: the unit's state, or the user's."""
    if unit := environment.get("STATE_DIRECTORY"):  # systemd.exec(5)
        return Path(unit)
    return _users_state(environment) / "taught"


def takes_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Folder of the takes of the sound: within the unit's state, or the user's."""
    if unit := environment.get("STATE_DIRECTORY"):
        return Path(unit) / "takes"
    return _users_state(environment) / "takes"


def _users_state(environment: Mapping[str, str]) -> Path:
    state = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "latent-resonance"


def _server_logger(log: Callable[[str], None]) -> logging.Logger:
    """Logger for aiohttp: our own errors in one line each, clients' errors not at all."""
    logger = logging.getLogger("latent_resonance.monitor")
    logger.setLevel(logging.ERROR)
    logger.propagate, logger.handlers = False, [_LogHandler(log)]
    logging.getLogger().setLevel(logging.ERROR)  # python-osc warns of every invalid packet
    return logger


def log_loop_errors(log: Callable[[str], None]) -> None:
    """Log what is not handled in the event loop in one line, without a traceback."""

    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, ConnectionError):
            log(f"{context['message']:.100} ({error!r:.100}); continuing")

    asyncio.get_running_loop().set_exception_handler(handle)


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
def _mqtt_publisher(
    mqtt: Mqtt, socket: Path, log: Callable[[str], None]
) -> Iterator[MqttPublisher | None]:
    """The MQTT publisher; None if the settings name no broker."""
    if mqtt.host is None:
        yield None
        return
    with contextlib.closing(MqttPublisher(mqtt, log, identity_of(mqtt, socket))) as publisher:
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
    stop: asyncio.Event,
    services: Services,
    publisher: MqttPublisher | None,
    log: Callable[[str], None],
) -> None:
    """Twice a second: update systemd, the MQTT broker and the log, repeat teaching requests."""
    notifier = Notifier()
    notifier.ready()
    while not stop.is_set():
        notifier.alive()
        link = "connected" if services.broadcaster.linked else "not connected"
        notifier.status(f"{services.pages.count} pages open, voice {link}")
        if line := services.refusals.line(asyncio.get_running_loop().time()):
            log(line)
        if publisher:
            publisher.publish(services.broadcaster.report, services.broadcaster.age_s)
        for request in services.teaching.due(asyncio.get_running_loop().time()):
            with contextlib.suppress(VoiceUnavailableError):
                services.voice.send(request)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TICK_S)
    notifier.stopping()
