"""The monitor's hub and its call to the voice: who is slow misses, who is gone is called again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.status_reports import PLAYING

from latent_resonance.link.requests import request
from latent_resonance.link.server import Listener, monitor_path
from latent_resonance.link.telemetry import Columns, Report
from latent_resonance.monitor.broadcast import PICTURE, STATE, WAITING, Hub
from latent_resonance.monitor.voice_client import VoiceGone, VoiceLink


def columns(number: int) -> Columns:
    return Columns(number, 0, np.zeros((1, 4), np.uint8))


def hub() -> Hub:
    return Hub(lambda: 10.0)


def test_each_is_told_what_it_asked_for_in_order() -> None:
    async def scene() -> None:
        there = hub()
        with there.subscribed(*PICTURE) as picture, there.subscribed(*STATE) as state:
            for message in (columns(1), PLAYING, columns(2)):
                there.publish(message)
            assert [(await picture.next()).sequence for _ in range(2)] == [1, 2]
            assert await state.next() is PLAYING

    asyncio.run(scene())


def test_who_is_slow_misses_the_oldest_and_keeps_the_newest() -> None:
    async def scene() -> None:
        there = hub()
        with there.subscribed(*PICTURE) as slow:
            for number in range(WAITING + 5):
                there.publish(columns(number))
            assert (await slow.next()).sequence == 5
            assert slow.missed == 5

    asyncio.run(scene())


def test_who_has_left_is_told_nothing_more() -> None:
    there = hub()
    with there.subscribed(*PICTURE) as left:
        pass
    there.publish(columns(1))
    assert not left._waiting


def test_a_voice_that_has_gone_leaves_no_stale_report() -> None:
    there = hub()
    there.connected()
    there.publish(PLAYING)
    there.lost()
    assert (there.linked, there.report, there.energies) == (False, None, None)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


async def first_asked(listening: Listener) -> list[str]:
    """What is asked as soon as something is."""
    asked: list[str] = []

    def some() -> bool:
        asked.extend(request.kind for request in listening.asked())
        return bool(asked)

    await until(some)
    return asked


def served(folder: Path, scene: Callable[[Hub, VoiceLink], object]) -> list[str]:
    """Runs a scene beside a link that calls; returns what it said."""
    said: list[str] = []

    async def both() -> None:
        there = Hub(asyncio.get_running_loop().time)
        link = VoiceLink(monitor_path(folder / "face.sock"), there, said.append)
        calling = asyncio.create_task(link.run())
        try:
            await scene(there, link)
        finally:
            calling.cancel()
            with suppress(asyncio.CancelledError):
                await calling

    asyncio.run(both())
    return said


def voice(folder: Path) -> Listener:
    return Listener(monitor_path(folder / "face.sock"))


def test_a_voice_is_called_until_it_answers_and_told_again_what_was_set(tmp_path: Path) -> None:
    async def scene(there: Hub, link: VoiceLink) -> None:
        with pytest.raises(VoiceGone):
            link.ask(request({"muted": True}))
        with pytest.raises(VoiceGone):
            link.ask(request({"tone": 2.0}))
        await asyncio.sleep(0.2)  # it has called in vain
        for _ in range(2):  # the second has started afresh
            listening = voice(tmp_path)
            await until(listening.answer)
            asked = await first_asked(listening)
            assert asked == ["muted"]  # what a person set, and not the tone of an hour ago
            listening.tell(PLAYING.encode())
            await until(lambda: there.report == PLAYING)
            listening.close()
            await until(lambda: not there.linked)

    said = served(tmp_path, scene)
    assert said.count("the voice answers") == 2
    assert said[0] == "no voice answers; calling again until one does"


def test_what_cannot_be_read_is_counted_and_the_link_stays(tmp_path: Path) -> None:
    async def scene(there: Hub, link: VoiceLink) -> None:
        listening = voice(tmp_path)
        await until(listening.answer)
        for data in (b"nonsense", b"LRRE\x01{}", b"LRCO\x01\xff\xff\xff"):
            listening.tell(data)
        listening.tell(replace(PLAYING, pack="voices").encode())
        await until(lambda: isinstance(there.report, Report))
        assert there.report.pack == "voices"
        assert link.damaged == 3
        listening.close()

    served(tmp_path, scene)
