"""Who may look and who may ask: names, origins, the token, and a brake on guessing it.

Pure but for the token's file. In: headers and addresses of requests, which are hostile until
shown otherwise. Out: yes, or why not.
"""

from __future__ import annotations

import hmac
import ipaddress
import math
import os
import secrets
import socket
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from latent_resonance import LatentResonanceError
from latent_resonance.audio.wav import written_beside

TOKEN_BYTES = 24  # 192 bits, 32 characters
SHORTEST_TOKEN = 16  # characters
FREE_TRIES = 5
LONGEST_PAUSE_S = 300.0
FORGOTTEN_S = 3600.0
MOST_ADDRESSES = 1024  # remembered; the rest share one memory
EVERYBODY = ""


class TokenError(LatentResonanceError):
    """There is no token that controls could ask for."""


def names_of_this_machine(names: tuple[str, ...]) -> frozenset[str]:
    """By which a browser may call it, beside addresses; `names` are the settings' own."""
    host = socket.gethostname().lower()
    return frozenset({"localhost", host, f"{host}.local", *(name.lower() for name in names)})


def is_for_us(host_header: str, names: frozenset[str]) -> bool:
    """Whether a Host header means this machine: an address, or one of its names.

    A name that somebody else has pointed here (DNS rebinding) is none of them.
    """
    try:
        host = urlsplit(f"//{host_header}").hostname or ""
    except ValueError:
        return False
    return host.rstrip(".") in names or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_same_origin(headers: Mapping[str, str], *, must_say: bool) -> bool:
    """Whether a request comes from a page of ours.

    Parameters
    ----------
    must_say : browsers always do for WebSockets; other programs need not for the rest
    """
    origin = headers.get("Origin")
    if origin is None:
        return not must_say
    try:
        return urlsplit(origin).netloc.lower() == headers.get("Host", "").lower() != ""
    except ValueError:
        return False


def token_path(target: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the token is: as set, as the unit was handed it, or in this user's own state."""
    if target is not None:
        return Path(target).expanduser()
    if unit := environment.get("CREDENTIALS_DIRECTORY"):  # systemd.exec(5)
        return Path(unit) / "monitor-token"
    state = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "latent-resonance" / "monitor-token"


def read_token(path: Path) -> str:
    """The token of a file.

    Raises
    ------
    TokenError
        It cannot be read, or is too short to be one.
    """
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        reason = f"{path}: cannot be read ({error}); remove it, and a new one is made"
        raise TokenError(reason) from error
    if len(token) < SHORTEST_TOKEN:
        raise TokenError(
            f"{path}: {len(token)} characters should be at least {SHORTEST_TOKEN}; "
            "remove it, and a new one is made"
        )
    return token


def token_at(path: Path) -> str:
    """The token of a file, which is made if there is none; only its owner may read it.

    Raises
    ------
    TokenError
        It can neither be read nor made.
    """
    if path.exists():
        return read_token(path)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with written_beside(path) as beside:
            beside.chmod(0o600)
            beside.write_text(f"{token}\n", encoding="ascii")
    except OSError as error:
        reason = f"{path}: cannot be made ({error.strerror}); set monitor.token_file"
        raise TokenError(reason) from error
    return token


class Gate:
    """Compares tokens in constant time, and makes who guesses wait longer and longer."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def pause_s(self, address: str, now_s: float) -> float:
        """Seconds for which an address is not even listened to."""
        tries, last_s = self._failures.get(address, self._failures.get(EVERYBODY, (0, -math.inf)))
        if tries < FREE_TRIES or now_s - last_s > FORGOTTEN_S:
            return 0.0
        return max(last_s + min(2.0 ** (tries - FREE_TRIES), LONGEST_PAUSE_S) - now_s, 0.0)

    def opens(self, authorization: str, address: str, now_s: float) -> bool:
        """Whether an Authorization header holds the token; a wrong one is remembered."""
        scheme, _, given = authorization.partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self._token)
        if right and scheme.lower() == "bearer":
            self._failures.pop(address, None)
            return True
        self._remember(address, now_s)
        return False

    def _remember(self, address: str, now_s: float) -> None:
        if address not in self._failures and len(self._failures) >= MOST_ADDRESSES:
            address = EVERYBODY
        tries, last_s = self._failures.get(address, (0, now_s))
        tries = 0 if now_s - last_s > FORGOTTEN_S else tries
        self._failures[address] = (tries + 1, now_s)
        self._failures.move_to_end(address)
