"""The monitor, if installed: whether its page answers, and the token for its controls."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import TypedDict, cast

from latent_resonance.config.monitor import Monitor
from latent_resonance.doctor.check import FAIL, OK, WARN, Check
from latent_resonance.doctor.units import UnitState
from latent_resonance.monitor.auth import TokenError, read_token

TOKEN = Path("/etc/latent-resonance/monitor-token")
TIMEOUT_S = 3.0
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared with, not bound
REMEDY = "see journalctl -u latent-resonance-monitor"


class Health(TypedDict):
    """The content of /healthz."""

    healthy: bool
    reason: str


def check_monitor(state: UnitState, settings: Monitor, token: Path = TOKEN) -> Check:
    """Whether the staff page answers, with its address and token."""
    if not state.active:
        detail = f"installed, but {state.active_state or 'not running'}"
        return Check("monitor", FAIL, detail, REMEDY)
    try:
        health = fetch_health(settings)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Check("monitor", FAIL, f"its page does not answer ({error})", REMEDY)
    detail = f"http://{settings.host}:{settings.port}/staff, {describe_token(token)}"
    if health["healthy"]:
        return Check("monitor", OK, detail)
    return Check("monitor", WARN, f"{detail}; {health['reason']}", "see speaker and units")


def fetch_health(settings: Monitor) -> Health:
    """The content of /healthz.

    Raises
    ------
    OSError, ValueError, HTTPException
        No answer, or none that is valid.
    """
    host = WILDCARDS.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return cast("Health", json.loads(connection.getresponse().read()))
    finally:
        connection.close()


def describe_token(path: Path) -> str:
    """The token, which only root can read."""
    try:
        return f"token {read_token(path)}"
    except TokenError:
        return "its token is shown to root (sudo latent-resonance doctor)"
