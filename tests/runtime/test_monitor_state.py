"""The socket /state: what it tells with the token, and without."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from tests.support.monitor_server import ASK, TOKEN, Server, monitor_server, status_of
from tests.support.status_reports import PLAYING, energies

pytestmark = pytest.mark.realtime


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with monitor_server(tmp_path) as running:
        yield running


def state_messages(
    server: Server, text: str | None = None, **headers: str
) -> list[dict[str, object]]:
    """What a page receives on /state while the voice reports a visitor."""

    async def read() -> list[dict[str, object]]:
        address = f"http://127.0.0.1:{server.port}"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{address}/state", origin=address, headers=headers) as page,
        ):
            await page.receive_json(timeout=5)
            if text is not None:
                await page.send_str(text)
            received = []
            for _ in range(8):
                await asyncio.sleep(0.05)
                server.call(server.services.broadcaster.publish, energies(0.05))
                server.call(server.services.broadcaster.publish, PLAYING)
                received.append(await page.receive_json(timeout=5))
            return received

    return asyncio.run(read())


def test_without_the_token_state_tells_only_what_the_wall_shows(server: Server) -> None:
    server.call(server.services.broadcaster.on_connected)
    for text in (None, "Bearer not-the-token-at-all", "hello"):
        received = state_messages(server, text)
        assert received == [{"kind": "public", "state": "playing"}] * len(received)
        answer = json.dumps(received)
        assert "mouth_open" not in answer
        assert "visits" not in answer


@pytest.mark.parametrize("by", ["message", "header"])
def test_with_the_token_state_tells_features_and_report(server: Server, by: str) -> None:
    server.call(server.services.broadcaster.on_connected)
    bearer = f"Bearer {TOKEN}"
    received = (
        state_messages(server, bearer)
        if by == "message"
        else state_messages(server, Authorization=bearer)
    )
    kinds = {message["kind"] for message in received}
    assert {"energies", "report"} <= kinds
    (features,) = [m["features"] for m in received if m["kind"] == "energies"][:1]
    assert len(features) == 16


def test_a_wrong_token_in_the_head_of_a_page_is_refused(server: Server) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        state_messages(server, Authorization="Bearer not-the-token-at-all")
    assert caught.value.status == 401


def test_guesses_on_pages_share_the_back_off_with_requests(server: Server) -> None:
    for _ in range(5):
        state_messages(server, "Bearer not-the-token-at-all")
    assert status_of(server.exchange(ASK)) == 429
