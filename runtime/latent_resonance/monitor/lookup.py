"""Host names of the settings, looked up again and again without blocking the event loop.

`getaddrinfo` may take seconds, so each name that is due is looked up on a thread of its own, one
at a time. Addresses of a lookup that fails are kept: a name server that is down for a minute ends
nothing.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

REFRESH_S = 60.0  # after a lookup that has succeeded
RETRY_S = (1.0, 60.0)  # after one that has failed: the first time, at most; it doubles
Found = tuple[int, tuple[Any, ...]]  # socket family, address as socket.sendto takes it


class Lookup:
    """The addresses of one host and port.

    Parameters
    ----------
    where : key of the settings, for the log
    clock : seconds, monotonic
    log : called once for each time that the name ceases or begins to be found

    Attributes
    ----------
    found : the addresses; empty before the first success
    """

    def __init__(
        self,
        where: str,
        host: str,
        port: int,
        clock: Callable[[], float],
        log: Callable[[str], None],
    ) -> None:
        self.found: tuple[Found, ...] = ()
        self._where, self._host, self._port = where, host, port
        self._clock, self._log = clock, log
        self._due_s, self._retry_s, self._failing = 0.0, RETRY_S[0], False
        self._thread: threading.Thread | None = None
        self._numeric = self._look_up(socket.AI_NUMERICHOST)

    def refresh(self) -> None:
        """Look the name up again on a thread if that is due. Never blocks."""
        if self._numeric or self._clock() < self._due_s:
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._update, name="lookup", daemon=True)
            self._thread.start()

    def expire(self) -> None:
        """The addresses do not work: look them up at the next refresh, at most once a second."""
        self._due_s = min(self._due_s, self._clock() + RETRY_S[0])

    def _update(self) -> None:
        if self._look_up(0):
            self._due_s, self._retry_s = self._clock() + REFRESH_S, RETRY_S[0]
        else:
            self._due_s = self._clock() + self._retry_s
            self._retry_s = min(2 * self._retry_s, RETRY_S[1])

    def _look_up(self, flags: int) -> bool:
        try:
            found = socket.getaddrinfo(
                self._host, self._port or None, type=socket.SOCK_DGRAM, flags=flags
            )
        except (OSError, UnicodeError) as error:  # UnicodeError: no name that IDNA can encode
            if not flags:
                self._on_failure(error)
            return False
        self.found = tuple((family, address) for family, _, _, _, address in found)
        if self._failing:
            self._failing = False
            self._log(f"{self._where}: {self._host} has been found")
        return True

    def _on_failure(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            reason = getattr(error, "strerror", None) or error
            self._log(f"{self._where}: {self._host} cannot be resolved ({reason}); trying again")
