"""Who may look at the monitor's pages and who may ask: hostile headers, guesses, origins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from latent_resonance.monitor.auth import (
    FREE_TRIES,
    LONGEST_PAUSE_S,
    MOST_ADDRESSES,
    Gate,
    TokenError,
    is_for_us,
    is_same_origin,
    names_of_this_machine,
    token_at,
    token_path,
)

NAMES = names_of_this_machine(("gallery.example",))
TOKEN = "a-token-of-some-length"
RIGHT, WRONG = f"Bearer {TOKEN}", "Bearer another"


@pytest.mark.parametrize(
    "host",
    ["localhost:8765", "127.0.0.1:8765", "[::1]:8765", "192.168.1.9", "GALLERY.example:80"],
)
def test_this_machine_is_called_by_its_addresses_and_names(host: str) -> None:
    assert is_for_us(host, NAMES)


@pytest.mark.parametrize(
    "host", ["evil.example", "", "localhost.evil.example", "[::1", "127.0.0.1.nip.io"]
)
def test_a_name_that_somebody_else_points_here_is_not_this_machine(host: str) -> None:
    assert not is_for_us(host, NAMES)


def test_a_page_of_our_own_is_told_from_others() -> None:
    host = {"Host": "gallery:8765"}
    assert is_same_origin(host | {"Origin": "http://gallery:8765"}, must_say=True)
    for other in ("http://evil.example", "http://gallery:80", "null", "http://[", ""):
        assert not is_same_origin(host | {"Origin": other}, must_say=False)


def test_a_program_may_ask_without_an_origin_and_a_browsers_socket_may_not() -> None:
    assert is_same_origin({"Host": "gallery"}, must_say=False)
    assert not is_same_origin({"Host": "gallery"}, must_say=True)


@pytest.mark.parametrize("header", ["", "Bearer", f"Basic {TOKEN}", WRONG, f"Bearer {TOKEN}x", "ä"])
def test_only_the_token_opens(header: str) -> None:
    gate = Gate(TOKEN)
    assert not gate.opens(header, "a", 0.0)
    assert gate.opens(RIGHT, "a", 0.0)


def test_whoever_guesses_waits_longer_and_longer_and_others_do_not() -> None:
    gate, pauses = Gate(TOKEN), []
    for _ in range(FREE_TRIES + 12):
        gate.opens(WRONG, "guesser", 0.0)
        pauses.append(gate.pause_s("guesser", 0.0))
    assert pauses[: FREE_TRIES - 1] == [0.0] * (FREE_TRIES - 1)
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S
    assert gate.pause_s("guesser", LONGEST_PAUSE_S) == 0.0
    assert gate.pause_s("staff", 0.0) == 0.0


def test_the_right_token_makes_wrong_ones_forgotten() -> None:
    gate = Gate(TOKEN)
    for _ in range(FREE_TRIES + 1):
        gate.opens(WRONG, "a", 0.0)
    assert gate.opens(RIGHT, "a", 1000.0)
    assert gate.pause_s("a", 1000.0) == 0.0


def test_guesses_from_ever_new_addresses_are_braked_together_and_fill_no_memory() -> None:
    gate = Gate(TOKEN)
    for number in range(2 * MOST_ADDRESSES):
        gate.opens(WRONG, str(number), 0.0)
    assert len(gate._failures) <= MOST_ADDRESSES + 1
    assert gate.pause_s("a newcomer", 0.0) > 0.0


def test_a_token_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "monitor-token"
    token = token_at(path)
    assert len(token) == 32
    assert token_at(path) == token
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40])
def test_a_damaged_token_is_said_with_its_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "monitor-token"
    path.write_bytes(content)
    with pytest.raises(TokenError, match="remove it, and a new one is made"):
        token_at(path)


def test_where_no_token_can_be_made_the_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(TokenError, match=r"set monitor\.token_file"):
        token_at(tmp_path / "state" / "monitor-token")


def test_the_token_is_where_it_was_set_where_the_unit_has_it_or_in_ones_own_state() -> None:
    credentials = {"CREDENTIALS_DIRECTORY": "/run/credentials/x"}
    assert token_path("/a/b", credentials) == Path("/a/b")
    assert token_path(None, credentials) == Path("/run/credentials/x/monitor-token")
    own = token_path(None, {"XDG_STATE_HOME": "/state"})
    assert own == Path("/state/latent-resonance/monitor-token")
    assert os.fspath(token_path(None, {})).startswith(os.fspath(Path.home()))
