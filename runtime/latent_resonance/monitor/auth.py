"""Access control: host names, origins, the token, and a limit on guessing it.

Pure except for the token file. In: headers and addresses of requests, which are untrusted. Out:
whether to accept them.
"""

from __future__ import annotations

import hmac
import ipaddress
import math
import os
import re
import secrets
import socket
import stat
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from latent_resonance import LatentResonanceError
from latent_resonance.linux.atomic_file import atomic_path
from latent_resonance.monitor.addresses import prefix_of

TOKEN_BYTES = 24  # 192 bits, 32 characters
MIN_TOKEN_LENGTH = 16  # characters
HOST = re.compile(r"(?:\[(?P<ipv6>[^][]+)\]|(?P<name>[^][:/?#@\\\s]+))(?::[0-9]{0,5})?")
MAX_SECRET = 4096  # characters
FREE_ATTEMPTS = 5
MAX_BACKOFF_S = 300.0
FAILURES_EXPIRE_S = 3600.0
MAX_PREFIXES = 4096  # whose failures are remembered; the one that failed longest ago gives way


class SecretFileError(OSError):
    """Others than its owner and group can read a file with a secret, or it is no such file."""


class TokenError(LatentResonanceError):
    """The token for the controls can be neither read nor created."""


def local_host_names(names: tuple[str, ...]) -> frozenset[str]:
    """Names by which a browser may address this machine; `names` come from the settings."""
    host = socket.gethostname().lower()
    return frozenset({"localhost", host, f"{host}.local", *(name.lower() for name in names)})


def is_local_host(host_header: str, names: frozenset[str]) -> bool:
    """Whether a Host header addresses this machine: an IP address, or one of its names.

    Rejects a foreign name that resolves to this machine (DNS rebinding), and what is no name with
    a port at most (RFC 9110, 7.2).
    """
    found = HOST.fullmatch(host_header.strip().lower())
    if found is None:
        return False
    name = found["name"] or ""
    return name.removesuffix(".") in names or _is_address(found["ipv6"] or name)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_same_origin(headers: Mapping[str, str], *, required: bool) -> bool:
    """Whether a request comes from one of our pages.

    Parameters
    ----------
    required : whether a missing Origin header is refused. Browsers always send it for WebSockets;
        other programs need not send it for the rest
    """
    origin = headers.get("Origin")
    if origin is None:
        return not required
    try:
        return urlsplit(origin).netloc.lower() == headers.get("Host", "").lower() != ""
    except ValueError:
        return False


def token_path(configured: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Path of the token: as configured, else the unit's credential, else the user's state."""
    if configured is not None:
        return Path(configured).expanduser()
    if unit := environment.get("CREDENTIALS_DIRECTORY"):  # systemd.exec(5)
        return Path(unit) / "monitor-token"
    state = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "latent-resonance" / "monitor-token"


def read_secret(path: Path) -> str:
    """The text of a file that only its owner and group may read, without a byte order mark.

    Raises
    ------
    SecretFileError
        Every user can read or write it, or it is no file of at most MAX_SECRET characters.
    OSError, ValueError
        It cannot be read, or is not UTF-8.
    """
    with _opened(path) as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            raise SecretFileError(
                f"every user can read or write it (mode {stat.S_IMODE(mode):04o}); "
                f"chmod o-rwx {path}, and change the secret"
            )
        return _secret_in(file)


def _secret_in(file: IO[str]) -> str:
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise SecretFileError("it is no regular file; write the secret into one")
    text = file.read(MAX_SECRET + 1)
    if len(text) > MAX_SECRET:
        raise SecretFileError(f"it has more than {MAX_SECRET} characters; it should hold a secret")
    return text


def _opened(path: Path) -> IO[str]:
    """The opened file; also a pipe, which else would wait for whoever writes into it."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), encoding="utf-8-sig")


def read_token(path: Path) -> str:
    """Read the token from a file.

    Raises
    ------
    TokenError
        It cannot be read, or is too short.
    """
    try:
        with _opened(path) as file:
            token = _secret_in(file).strip()
        token.encode("ascii")
    except (OSError, ValueError) as error:
        reason = f"{path}: cannot be read ({error}); remove it to have a new one created"
        raise TokenError(reason) from error
    if len(token) < MIN_TOKEN_LENGTH:
        raise TokenError(
            f"{path}: {len(token)} characters should be at least {MIN_TOKEN_LENGTH}; "
            "remove it to have a new one created"
        )
    return token


def load_or_create_token(path: Path) -> str:
    """Read the token from a file, or create it, readable by its owner only.

    Raises
    ------
    TokenError
        It can be neither read nor created, or every user can read it.
    """
    if path.exists():
        return _private_token(path)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_path(path) as beside:
            beside.chmod(0o600)
            beside.write_text(f"{token}\n", encoding="ascii")
    except OSError as error:
        reason = f"{path}: cannot be created ({error.strerror}); set monitor.token_file"
        raise TokenError(reason) from error
    return token


def _private_token(path: Path) -> str:
    token = read_token(path)
    try:
        read_secret(path)
    except SecretFileError as error:
        reason = f"{path}: {error}: remove it to have a new one created"
        raise TokenError(reason) from error
    return token


class Authenticator:
    """Compares tokens in constant time, with exponential back-off per prefix.

    Addresses are counted by prefix (an IPv4 address, a /64 of IPv6), as whoever has one address of
    a /64 has them all. A prefix that has not failed is never made to wait for the failures of
    others.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def retry_after_s(self, address: str, now_s: float) -> float:
        """Seconds for which requests of an address are still refused unread."""
        attempts, last_s = self._failures.get(prefix_of(address), (0, -math.inf))
        if attempts < FREE_ATTEMPTS or now_s - last_s > FAILURES_EXPIRE_S:
            return 0.0
        # 2 ** attempts would overflow a float after a thousand of them.
        exponent = min(attempts - FREE_ATTEMPTS, 32)
        return max(last_s + min(2.0**exponent, MAX_BACKOFF_S) - now_s, 0.0)

    def accepts(self, authorization: str, address: str, now_s: float) -> bool:
        """Whether an Authorization header holds the token; counts a failure if not."""
        scheme, _, given = authorization.partition(" ")
        matches = hmac.compare_digest(_as_bytes(given.strip()), self._token)
        if matches and scheme.lower() == "bearer":
            self._failures.pop(prefix_of(address), None)
            return True
        self._count_failure(prefix_of(address), now_s)
        return False

    def _count_failure(self, prefix: str, now_s: float) -> None:
        attempts, last_s = self._failures.pop(prefix, (0, now_s))
        attempts = 0 if now_s - last_s > FAILURES_EXPIRE_S else attempts
        self._failures[prefix] = (attempts + 1, now_s)
        if len(self._failures) > MAX_PREFIXES:
            self._failures.popitem(last=False)


def _as_bytes(header: str) -> bytes:
    # aiohttp decodes bytes that are not UTF-8 to surrogates, which encode() refuses otherwise.
    return header.encode("utf-8", "surrogateescape")
