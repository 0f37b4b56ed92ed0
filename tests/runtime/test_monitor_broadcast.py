"""Distribution of the voice's messages, and the connection to the voice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.status_reports import PLAYING

from latent_resonance.link.requests import parse_request
from latent_resonance.link.server import MonitorServer, monitor_path
from latent_resonance.link.telemetry import Columns, Energies, Report
from latent_resonance.monitor.broadcast import QUEUE_LENGTH, Broadcaster
from latent_resonance.monitor.voice_client import VoiceClient, VoiceUnavailableError

pytestmark = pytest.mark.realtime


def columns(number: int) -> Columns:
    levels = np.zeros((1, 4), np.uint8)
    return Columns(number, 0, levels, levels)


def make_broadcaster() -> Broadcaster:
    return Broadcaster(lambda: 10.0)


def test_each_subscriber_receives_its_kinds_in_order() -> None:
    async def scenario() -> None:
        broadcaster = make_broadcaster()
        with (
            broadcaster.subscribe(Columns) as received_columns,
            broadcaster.subscribe(Energies, Report) as state,
        ):
            for message in (columns(1), PLAYING, columns(2)):
                broadcaster.publish(message)
            assert [(await received_columns.next()).sequence for _ in range(2)] == [1, 2]
            assert await state.next() is PLAYING

    asyncio.run(scenario())


def test_a_slow_subscriber_loses_the_oldest_messages() -> None:
    async def scenario() -> None:
        broadcaster = make_broadcaster()
        with broadcaster.subscribe(Columns) as slow:
            for number in range(QUEUE_LENGTH + 5):
                broadcaster.publish(columns(number))
            assert (await slow.next()).sequence == 5
            assert slow.dropped == 5

    asyncio.run(scenario())


def test_a_subscription_ends_with_its_context() -> None:
    broadcaster = make_broadcaster()
    with broadcaster.subscribe(Columns) as left:
        pass
    broadcaster.publish(columns(1))
    assert not left._queue


def test_a_disconnected_voice_leaves_no_stale_report() -> None:
    broadcaster = make_broadcaster()
    broadcaster.on_connected()
    broadcaster.publish(PLAYING)
    broadcaster.on_disconnected()
    assert (broadcaster.linked, broadcaster.report, broadcaster.energies) == (False, None, None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def first_requests(server: MonitorServer) -> list[str]:
    """The first requests that arrive."""
    kinds: list[str] = []

    def received() -> bool:
        kinds.extend(request.kind for request in server.requests())
        return bool(kinds)

    await until(received)
    return kinds


def run_client(folder: Path, scenario: Callable[[Broadcaster, VoiceClient], object]) -> list[str]:
    """Run a scenario beside a client; return the client's log."""
    log: list[str] = []

    async def run() -> None:
        broadcaster = Broadcaster(asyncio.get_running_loop().time)
        client = VoiceClient(monitor_path(folder / "face.sock"), broadcaster, log.append)
        running = asyncio.create_task(client.run())
        try:
            await scenario(broadcaster, client)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    asyncio.run(run())
    return log


def voice(folder: Path) -> MonitorServer:
    return MonitorServer(monitor_path(folder / "face.sock"))


def test_the_client_retries_and_resends_persistent_settings(tmp_path: Path) -> None:
    async def scenario(broadcaster: Broadcaster, client: VoiceClient) -> None:
        with pytest.raises(VoiceUnavailableError):
            client.send(parse_request({"muted": True}))
        with pytest.raises(VoiceUnavailableError):
            client.send(parse_request({"tone": 2.0}))
        await asyncio.sleep(0.2)  # it has tried in vain
        for _ in range(2):  # the second is a restarted voice
            server = voice(tmp_path)
            await until(server.accept)
            kinds = await first_requests(server)
            assert kinds == ["muted"]  # the setting, not the outdated tone
            server.broadcast(PLAYING.encode())
            await until(lambda: broadcaster.report == PLAYING)
            server.close()
            await until(lambda: not broadcaster.linked)

    log = run_client(tmp_path, scenario)
    assert log.count("connected to the voice") == 2
    assert log[0] == "not connected to the voice; retrying"


def test_invalid_messages_are_counted_and_the_link_stays_up(tmp_path: Path) -> None:
    async def scenario(broadcaster: Broadcaster, client: VoiceClient) -> None:
        server = voice(tmp_path)
        await until(server.accept)
        for data in (b"nonsense", b"LRRE\x01{}", b"LRCO\x01\xff\xff\xff"):
            server.broadcast(data)
        server.broadcast(replace(PLAYING, pack="voices").encode())
        await until(lambda: isinstance(broadcaster.report, Report))
        assert broadcaster.report.pack == "voices"
        assert client.invalid_messages == 3
        server.close()

    run_client(tmp_path, scenario)
