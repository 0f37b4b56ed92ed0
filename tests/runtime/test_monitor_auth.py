"""Access control of the monitor: untrusted headers, guessed tokens, origins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from latent_resonance.monitor.auth import (
    FREE_ATTEMPTS,
    MAX_BACKOFF_S,
    MAX_PREFIXES,
    Authenticator,
    TokenError,
    is_local_host,
    is_same_origin,
    load_or_create_token,
    local_host_names,
    token_path,
)

NAMES = local_host_names(("gallery.example",))
TOKEN = "a-token-of-some-length"
RIGHT, WRONG = f"Bearer {TOKEN}", "Bearer another"


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8765",
        "127.0.0.1:8765",
        "[::1]:8765",
        "[fe80::1%25eth0]",
        "localhost.",
        "192.168.1.9",
        "GALLERY.example:80",
    ],
)
def test_addresses_and_names_of_this_machine_are_accepted(host: str) -> None:
    assert is_local_host(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "", "localhost.evil.example", "[::1", "127.0.0.1.nip.io", "localhost.."),
        *("user@localhost", "localhost/x", "localhost?x", "[::1]x", "[localhost]", "localhost:x"),
    ],
)
def test_a_foreign_name_that_resolves_here_is_rejected(host: str) -> None:
    assert not is_local_host(host, NAMES)


def test_only_our_own_pages_have_the_same_origin() -> None:
    host = {"Host": "gallery:8765"}
    assert is_same_origin(host | {"Origin": "http://gallery:8765"}, required=True)
    for other in ("http://evil.example", "http://gallery:80", "null", "http://[", ""):
        assert not is_same_origin(host | {"Origin": other}, required=False)


def test_only_websockets_require_an_origin() -> None:
    assert is_same_origin({"Host": "gallery"}, required=False)
    assert not is_same_origin({"Host": "gallery"}, required=True)


@pytest.mark.parametrize("header", ["", "Bearer", f"Basic {TOKEN}", WRONG, f"Bearer {TOKEN}x", "ä"])
def test_only_the_token_is_accepted(header: str) -> None:
    authenticator = Authenticator(TOKEN)
    assert not authenticator.accepts(header, "a", 0.0)
    assert authenticator.accepts(RIGHT, "a", 0.0)


def test_back_off_grows_for_the_guessing_address_only() -> None:
    authenticator, delays = Authenticator(TOKEN), []
    for _ in range(FREE_ATTEMPTS + 12):
        authenticator.accepts(WRONG, "attacker", 0.0)
        delays.append(authenticator.retry_after_s("attacker", 0.0))
    assert delays[: FREE_ATTEMPTS - 1] == [0.0] * (FREE_ATTEMPTS - 1)
    assert delays == sorted(delays)
    assert delays[-1] == MAX_BACKOFF_S
    assert authenticator.retry_after_s("attacker", MAX_BACKOFF_S) == 0.0
    assert authenticator.retry_after_s("staff", 0.0) == 0.0


def test_the_right_token_clears_the_failures() -> None:
    authenticator = Authenticator(TOKEN)
    for _ in range(FREE_ATTEMPTS + 1):
        authenticator.accepts(WRONG, "a", 0.0)
    assert authenticator.accepts(RIGHT, "a", 1000.0)
    assert authenticator.retry_after_s("a", 1000.0) == 0.0


def test_the_addresses_of_one_ipv6_prefix_share_one_back_off() -> None:
    authenticator = Authenticator(TOKEN)
    for number in range(FREE_ATTEMPTS):
        authenticator.accepts(WRONG, f"2001:db8:1:2::{number:x}", 0.0)
    assert authenticator.retry_after_s("2001:db8:1:2:ffff::1", 0.0) > 0.0
    assert authenticator.retry_after_s("2001:db8:1:3::1", 0.0) == 0.0


def test_an_ipv4_address_is_the_same_when_it_is_mapped_to_ipv6() -> None:
    authenticator = Authenticator(TOKEN)
    for _ in range(FREE_ATTEMPTS):
        authenticator.accepts(WRONG, "::ffff:192.0.2.1", 0.0)
    assert authenticator.retry_after_s("192.0.2.1", 0.0) > 0.0


def test_after_guesses_from_everywhere_who_has_not_failed_is_let_in_at_once() -> None:
    authenticator = Authenticator(TOKEN)
    for number in range(2 * MAX_PREFIXES):
        authenticator.accepts(WRONG, f"10.{number >> 8}.{number & 255}.1", 0.0)
    assert len(authenticator._failures) <= MAX_PREFIXES
    assert authenticator.retry_after_s("192.168.1.20", 0.0) == 0.0
    assert authenticator.accepts(RIGHT, "192.168.1.20", 0.0)


def test_a_thousand_failures_of_one_address_still_have_a_back_off() -> None:
    authenticator = Authenticator(TOKEN)
    for _ in range(2000):
        authenticator.accepts(WRONG, "192.0.2.1", 0.0)
    assert authenticator.retry_after_s("192.0.2.1", 0.0) == MAX_BACKOFF_S


@pytest.mark.parametrize("header", ["Bearer \udcff\udcfe", "Bearer \0", "\udc80", "Bearer ä" * 900])
def test_bytes_that_are_no_text_are_a_wrong_token(header: str) -> None:
    assert not Authenticator(TOKEN).accepts(header, "192.0.2.1", 0.0)


def test_a_token_file_that_every_user_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "monitor-token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o644)
    with pytest.raises(TokenError, match="chmod o-rwx"):
        load_or_create_token(path)


def test_a_byte_order_mark_is_no_part_of_the_token(tmp_path: Path) -> None:
    path = tmp_path / "monitor-token"
    path.write_bytes(b"\xef\xbb\xbf" + TOKEN.encode() + b"\r\n")
    path.chmod(0o600)
    assert load_or_create_token(path) == TOKEN


def test_a_token_is_created_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "monitor-token"
    token = load_or_create_token(path)
    assert len(token) == 32
    assert load_or_create_token(path) == token
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40])
def test_a_damaged_token_is_an_error_with_its_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "monitor-token"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(TokenError, match="remove it to have a new one created"):
        load_or_create_token(path)


def test_a_token_that_cannot_be_created_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(TokenError, match=r"set monitor\.token_file"):
        load_or_create_token(tmp_path / "state" / "monitor-token")


def test_the_token_path_is_configured_or_the_units_or_the_users() -> None:
    credentials = {"CREDENTIALS_DIRECTORY": "/run/credentials/x"}
    assert token_path("/a/b", credentials) == Path("/a/b")
    assert token_path(None, credentials) == Path("/run/credentials/x/monitor-token")
    user_state = token_path(None, {"XDG_STATE_HOME": "/state"})
    assert user_state == Path("/state/latent-resonance/monitor-token")
    assert os.fspath(token_path(None, {})).startswith(os.fspath(Path.home()))


@pytest.mark.timeout(20)
def test_a_pipe_or_an_endless_file_for_a_token_is_refused_and_not_waited_for(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless"):
        with pytest.raises(TokenError, match="no regular file"):
            load_or_create_token(tmp_path / name)
