"""The monitor, put together: link, hub, pages, figures, OSC, MQTT and teaching in one event loop.

A process of its own. In: settings and the voice's socket. Out: pages on a port, and packets to
whom the settings name. It ends when it is told to, and never with the voice.
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
from latent_resonance.monitor.auth import Gate, names_of_this_machine, token_at, token_path
from latent_resonance.monitor.broadcast import Hub
from latent_resonance.monitor.http import Desk, application
from latent_resonance.monitor.metrics import Metrics
from latent_resonance.monitor.mqtt import Broker
from latent_resonance.monitor.osc import ASK_S, OscIn, OscOut
from latent_resonance.monitor.teaching import Teaching
from latent_resonance.monitor.voice_client import VoiceGone, VoiceLink

BEAT_S = 0.5
LEAVING_S = 1.0  # in which open pages are told good-bye


class MonitorError(LatentResonanceError):
    """The monitor cannot begin."""


def run(settings: Settings, socket: Path | None, log: Callable[[str], None]) -> int:
    """Serves until SIGINT or SIGTERM; returns the exit code.

    Raises
    ------
    LatentResonanceError
        The port is taken, or the token can neither be read nor made.
    """
    return asyncio.run(_serve(settings, socket or socket_path_of(settings), log))


async def _serve(settings: Settings, socket: Path, log: Callable[[str], None]) -> int:
    leave = _asked_to_leave()
    desk = _desk(settings, monitor_path(socket), log)
    monitor = settings.monitor
    with _broker(monitor.mqtt, log) as broker, _told_by_osc(desk.hub, monitor.osc, log):
        async with (
            _heard_by_osc(desk.link, monitor.osc),
            _pages(desk, monitor, log) as address,
            _under_way(desk.link.run()),
        ):
            log(f"the picture is at {address}/, the staff's page at {address}/staff")
            await _until(leave, desk, broker)
    return 0


def _asked_to_leave() -> asyncio.Event:
    """Set by SIGTERM, and by SIGINT unless that is the parent's to hear."""
    leave = asyncio.Event()
    own = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    for number in (signal.SIGTERM, *([signal.SIGINT] if own else [])):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    return leave


def _desk(settings: Settings, path: Path, log: Callable[[str], None]) -> Desk:
    monitor = settings.monitor
    hub = Hub(asyncio.get_running_loop().time)
    hub.observe(metrics := Metrics())
    token = token_at(token_path(monitor.token_file))
    link = VoiceLink(path, hub, log)
    hub.observe(teaching := Teaching(taught_folder(), link.ask))
    return Desk(
        hub=hub,
        link=link,
        gate=Gate(token),
        teaching=teaching,
        metrics=metrics,
        names=names_of_this_machine(monitor.names),
        viewers=monitor.viewers,
    )


@contextlib.asynccontextmanager
async def _pages(desk: Desk, monitor: Monitor, log: Callable[[str], None]) -> AsyncIterator[str]:
    """The site on its port; gives its address.

    Raises
    ------
    MonitorError
        The port cannot be listened on.
    """
    runner = web.AppRunner(
        application(desk), access_log=None, keepalive_timeout=15.0, logger=_server_logger(log)
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, monitor.host, monitor.port, shutdown_timeout=LEAVING_S)
        await site.start()
        yield f"http://{_shown(monitor.host)}:{monitor.port}"
    except OSError as error:
        raise MonitorError(
            f"{monitor.host} port {monitor.port}: cannot be listened on ({error.strerror}); set "
            "monitor.host and monitor.port, or stop what listens there"
        ) from error
    finally:
        await runner.cleanup()


def _shown(host: str) -> str:
    """As it is written in an address; for every network, this machine."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  what the settings ask for
        return "localhost"
    return f"[{host}]" if ":" in host else host


@contextlib.contextmanager
def _told_by_osc(hub: Hub, osc: Osc, log: Callable[[str], None]) -> Iterator[None]:
    """Lights and other machines, if the settings name any."""
    with contextlib.closing(OscOut(osc, hub.clock, log)) as out:
        if osc.send_to:
            hub.observe(out)
        yield


@contextlib.asynccontextmanager
async def _heard_by_osc(link: VoiceLink, osc: Osc) -> AsyncIterator[None]:
    """Controllers, if the settings say where they are heard.

    Raises
    ------
    MonitorError
        Nobody can be heard there.
    """
    if osc.listen is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def ask(request: Request) -> None:
        with contextlib.suppress(VoiceGone):  # a controller has nobody to tell
            link.ask(request)

    host, _, port = osc.listen.rpartition(":")
    try:
        transport, hearing = await loop.create_datagram_endpoint(
            lambda: OscIn(osc, ask, loop.time), local_addr=(host.strip("[]"), int(port))
        )
    except OSError as error:
        reason = f"cannot be listened on ({error.strerror}); set another"
        raise MonitorError(f"monitor.osc.listen: {osc.listen} {reason}") from error
    try:
        async with _under_way(_passing_on(hearing)):
            yield
    finally:
        transport.close()


async def _passing_on(hearing: OscIn) -> None:
    """Overrides that end do so when nothing comes any more."""
    while True:
        await asyncio.sleep(ASK_S)
        hearing.pass_on()


def taught_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where what is taught is kept: the unit's state, or this user's own."""
    if unit := environment.get("STATE_DIRECTORY"):  # systemd.exec(5)
        return Path(unit)
    state = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "latent-resonance" / "taught"


def _server_logger(log: Callable[[str], None]) -> logging.Logger:
    """Aiohttp's log: what breaks here is said in a line, what breaks HTTP's rules is not."""
    logger = logging.getLogger("latent_resonance.monitor")
    logger.setLevel(logging.ERROR)
    logger.propagate, logger.handlers = False, [_Sayer(log)]
    logging.getLogger().setLevel(logging.ERROR)  # python-osc warns of strangers' packets
    return logger


class _Sayer(logging.Handler):
    def __init__(self, log: Callable[[str], None]) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Says it, but for what whoever calls is to blame for."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | ConnectionError):
            self._log(f"a page could not be served ({error!r:.200}); serving on")


@contextlib.contextmanager
def _broker(mqtt: Mqtt, log: Callable[[str], None]) -> Iterator[Broker | None]:
    """Whoever is told by MQTT; None if nobody is."""
    if mqtt.host is None:
        yield None
        return
    with contextlib.closing(Broker(mqtt, log)) as broker:
        yield broker


@contextlib.asynccontextmanager
async def _under_way(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Something that goes on for as long as the rest does."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _until(leave: asyncio.Event, desk: Desk, broker: Broker | None) -> None:
    """Once a beat: what the voice, the broker and systemd have to be told again."""
    notifier = Notifier()
    notifier.ready()
    while not leave.is_set():
        notifier.alive()
        notifier.status(
            f"{desk.watching} pages open, voice {'there' if desk.hub.linked else 'gone'}"
        )
        if broker:
            broker.tell(desk.hub.report, desk.hub.age_s)
        for request in desk.teaching.due(asyncio.get_running_loop().time()):
            with contextlib.suppress(VoiceGone):
                desk.link.ask(request)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(leave.wait(), BEAT_S)
    notifier.stopping()
