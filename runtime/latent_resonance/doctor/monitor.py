"""The monitor, where it was installed: whether its page answers, and the token for its controls."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

from latent_resonance.config.monitor import Monitor
from latent_resonance.doctor.check import FAIL, OK, WARN, Check
from latent_resonance.doctor.units import State
from latent_resonance.monitor.auth import TokenError, read_token

TOKEN = Path("/etc/latent-resonance/monitor-token")
PATIENCE_S = 3.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what the settings ask for
REMEDY = "see journalctl -u latent-resonance-monitor"


def check_monitor(state: State, settings: Monitor, token: Path = TOKEN) -> Check:
    """Whether the staff's page is there, and what it asks for."""
    if not state.active:
        return Check("monitor", FAIL, f"installed, but {state.activity or 'not running'}", REMEDY)
    try:
        healthy = health(settings)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Check("monitor", FAIL, f"its page does not answer ({error})", REMEDY)
    address = f"http://{settings.host}:{settings.port}/staff"
    said = f"{address}, {token_said(token)}"
    if healthy["healthy"]:
        return Check("monitor", OK, said)
    return Check("monitor", WARN, f"{said}; {healthy['reason']}", "see speaker and units")


def health(settings: Monitor) -> dict[str, object]:
    """What the page says of itself.

    Raises
    ------
    OSError, ValueError, HTTPException
        It says nothing, or nothing that can be understood.
    """
    host = EVERYWHERE.get(settings.host, settings.host)
    asking = http.client.HTTPConnection(host, settings.port, timeout=PATIENCE_S)
    try:
        asking.request("GET", "/healthz")
        return json.loads(asking.getresponse().read())
    finally:
        asking.close()


def token_said(path: Path) -> str:
    """The token; only root may see it."""
    try:
        return f"token {read_token(path)}"
    except TokenError:
        return "its token is shown to root (sudo latent-resonance doctor)"
