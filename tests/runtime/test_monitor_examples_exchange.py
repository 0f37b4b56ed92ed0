"""Examples as a file to download and load again: whole, and refused whatever is wrong with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tests.support.fuzz import damaged
from tests.support.monitor_server import TOKEN, Server, monitor_server, status_of
from tests.support.status_reports import PLAYING, energies

from latent_resonance.face_state import neutral_features
from latent_resonance.link.requests import MAX_ANCHORS, MAX_PAIRS, RequestError
from latent_resonance.monitor.examples import Example, Place
from latent_resonance.monitor.examples_exchange import (
    MAX_BYTES,
    PackIdentity,
    exported,
    imported,
)
from latent_resonance.monitor.teaching import TeachingError

DIM = 8
CELLO = PackIdentity("cello", DIM, "ab" * 32)
Z = np.linspace(-1, 1, DIM, dtype=np.float32)
FACE = neutral_features()
EXAMPLES = (Example((FACE, FACE), Z, "löw"), Example((FACE,), -Z))
TEXT = exported(CELLO, EXAMPLES, (Place(Z, "door"),))


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """The file with a change to its content."""
    content = json.loads(TEXT)
    change(content)
    return json.dumps(content)


def test_what_is_exported_is_imported_as_it_was() -> None:
    examples, places = imported(TEXT, CELLO)
    assert [(each.name, len(each.faces)) for each in examples] == [("löw", 2), ("", 1)]
    assert np.allclose(examples[0].z, Z, atol=1e-4)
    assert np.allclose(examples[0].faces[0], FACE, atol=1e-4)
    assert (places[0].name, len(places)) == ("door", 1)


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a key too many": (lambda c: c.update(more=1), "one that this page has exported"),
    "a key too few": (lambda c: c.pop("places"), "one that this page has exported"),
    "another format": (lambda c: c.update(format="x"), "one that this page has exported"),
    "another version": (lambda c: c.update(version=2), "version 2, not 1"),
    "another pack": (lambda c: c.update(pack="voices"), "belongs to the pack 'voices'"),
    "a pack that is no name": (lambda c: c.update(pack=[[]]), "belongs to the pack"),
    "another size of z": (lambda c: c.update(latent_dim=128), "belongs to the pack"),
    "another training": (lambda c: c.update(generator="cd" * 32), "another training"),
    "no list": (lambda c: c.update(examples={}), "lists of at most"),
    "too many": (lambda c: c.update(examples=c["examples"] * MAX_PAIRS), "lists of at most"),
    "too many faces": (
        lambda c: c["examples"][0].update(faces=[{}] * MAX_PAIRS),
        f"at most {MAX_PAIRS} faces",
    ),
    "too many places": (
        lambda c: c.update(places=c["places"] * (MAX_ANCHORS + 1)),
        "lists of at most",
    ),
    "no face": (lambda c: c["examples"][0].update(faces=[]), "at least one face"),
    "an unknown feature": (lambda c: c["examples"][0].update(faces=[{"nose": 1}]), "name features"),
    "a feature out of range": (
        lambda c: c["examples"][0].update(faces=[{"mouth_open": 7}]),
        "should be a number",
    ),
    "a z that is NaN": (lambda c: c["examples"][0]["z"].__setitem__(0, float("nan")), "from -8"),
    "a z that is infinite": (lambda c: c["places"][0]["z"].__setitem__(0, 1e999), "from -8"),
    "a z that is too short": (lambda c: c["places"][0]["z"].pop(), "should have 8 numbers"),
    "a z that is text": (lambda c: c["places"][0].update(z="abc"), "list of 1 to 512"),
    "a name that is no text": (lambda c: c["places"][0].update(name=3), "should be a name"),
    "a name with a control": (lambda c: c["places"][0].update(name="\x1b[0m"), "should be a name"),
    "an entry that is no object": (lambda c: c.update(places=[3]), "should have a name and z"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_breaks_a_rule_is_refused_with_the_rule(name: str) -> None:
    change, rule = REFUSED[name]
    with pytest.raises(RequestError, match=rule):
        imported(changed(change), CELLO)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", "null", b"\xff\xfe"])
def test_what_is_no_json_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(RequestError):
        imported(text, CELLO)


@settings(max_examples=60, deadline=None)
@given(damaged(TEXT.encode()))
def test_a_damaged_file_is_imported_or_refused_and_nothing_else(data: bytes) -> None:
    try:
        examples, places = imported(data, CELLO)
    except RequestError:
        return
    assert all(np.isfinite(each.z).all() for each in (*examples, *places))


def test_a_file_from_a_machine_that_does_not_know_the_generator_is_imported() -> None:
    assert imported(exported(replace(CELLO, generator=None), EXAMPLES, ()), CELLO)[0]


def test_the_largest_file_that_can_be_exported_can_be_imported() -> None:
    identity, z = PackIdentity("cello", 512, None), np.full(512, -7.9999, np.float32)
    lowest = np.full(16, -0.12345, np.float32)
    examples = tuple(Example((lowest,), z, "ä" * 40) for _ in range(MAX_PAIRS))
    text = exported(identity, examples, (Place(z, "ä" * 40),) * MAX_ANCHORS)
    assert len(text.encode()) < MAX_BYTES


def request(method: str, body: bytes = b"", token: str = TOKEN) -> bytes:
    head = f"{method} /examples HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with monitor_server(tmp_path) as running:
        broadcaster = running.services.broadcaster
        running.call(broadcaster.on_connected)
        running.call(broadcaster.publish, replace(PLAYING, pack="mine", z=tuple(map(float, Z))))
        running.call(broadcaster.publish, energies(0.06))
        yield running


def do(server: Server, **step: object) -> None:
    asyncio.run_coroutine_threadsafe(server.services.teaching.do(step), server.loop).result(5)


def names(server: Server) -> list[str]:
    return [each["name"] for each in server.services.teaching.state()["examples"]]


@pytest.mark.realtime
def test_a_file_is_downloaded_and_loaded_again_and_undone_with_the_token_only(
    server: Server,
) -> None:
    for step in ("hold", "random", "keep"):
        do(server, do=step)
    do(server, do="name", index=0, name="first")
    assert status_of(server.exchange(request("GET", token="wrong, but long enough"))) == 401
    head, _, body = server.exchange(request("GET")).partition(b"\r\n\r\n")
    assert b"attachment" in head
    do(server, do="forget", index=0)
    assert names(server) == []
    assert status_of(server.exchange(request("POST", body))) == 200
    assert names(server) == ["first"]
    do(server, do="undo")
    assert names(server) == []


@pytest.mark.realtime
@pytest.mark.parametrize(
    ("body", "status"), [(b"{}", 400), (TEXT.encode(), 400), (b" " * (MAX_BYTES + 1), 413)]
)
def test_a_file_that_is_wrong_foreign_or_too_large_changes_nothing(
    server: Server, body: bytes, status: int
) -> None:
    answer = server.exchange(request("POST", body))
    assert status_of(answer) == status
    assert names(server) == []
    with pytest.raises(TeachingError, match="nothing to undo"):
        do(server, do="undo")
