"""Host names of a local network, which are found when the test says so."""

from __future__ import annotations

import socket

import pytest


def resolve_when(monkeypatch: pytest.MonkeyPatch, known: list[str], address: str) -> list[str]:
    """Answer lookups of names in `known` with an address; return the names asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: object, flags: int = 0, **kwargs: object) -> object:
        if host.endswith(".local"):
            if flags & socket.AI_NUMERICHOST:
                raise socket.gaierror(-2, "Name or service not known")
            asked.append(host)
            if host not in known:
                raise socket.gaierror(-3, "Temporary failure in name resolution")
            host = address
        return real(host, *args, flags=flags, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked
