"""A real broker of this test's own, and somebody who listens there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from tests.support.status_reports import report

from latent_resonance.config.monitor import Mqtt
from latent_resonance.link.telemetry import Report
from latent_resonance.monitor.mqtt import Broker, Identity

PATIENCE_S = 10.0
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"  # where Debian puts it

ID = Identity("latent-0123456789abcdef", "Latent Resonance here")
AT_ONCE_S = 0.5  # on a busy machine; a broker that is waited for takes seconds


def until(holds: Callable[[], object], patience_s: float = PATIENCE_S) -> bool:
    """Whether it came to hold in time."""
    limit_s = time.monotonic() + patience_s
    while time.monotonic() < limit_s:
        if holds():
            return True
        time.sleep(0.01)
    return False


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Mosquitto:
    """Eclipse Mosquitto; what it keeps is gone when it stops."""

    def __init__(self, folder: Path, *lines: str) -> None:
        if (program := shutil.which("mosquitto", path=PATH)) is None:
            pytest.skip("mosquitto is not installed: ./setup all")
        self.port = free_port()
        self.config = folder / "mosquitto.conf"
        lines = lines or ("allow_anonymous true",)
        listener = (f"listener {self.port} 127.0.0.1", "user root", *lines)
        self.config.write_text("\n".join(listener) + "\n")
        self._command = [program, "-c", str(self.config)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert until(self._answers), "mosquitto does not answer"

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self, signal: int) -> None:
        assert self._process
        self._process.send_signal(signal)

    def _answers(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0


class Subscriber:
    """Hears everything at a broker, and keeps it by topic, in the order that it came."""

    def __init__(self, broker: Mosquitto) -> None:
        self.heard: dict[str, list[bytes]] = {}
        self.retained: set[str] = set()
        self._subscribed = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = self._on_message
        self.client.on_connect = lambda client, *_: client.subscribe("#")
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def states(self) -> list[dict[str, Any]]:
        """All that were heard."""
        return [json.loads(payload) for payload in self._of("/state")]

    def availability(self) -> list[str]:
        """All that were heard."""
        return [payload.decode() for payload in self._of("/availability")]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _of(self, end: str) -> list[bytes]:
        return [
            payload
            for topic, all_ in list(self.heard.items())
            if topic.endswith(end)
            for payload in list(all_)
        ]

    def _on_message(self, _: Client, __: object, message: MQTTMessage) -> None:
        self.heard.setdefault(message.topic, []).append(message.payload)
        if message.retain:
            self.retained.add(message.topic)


class Instrument:
    """One that is told at a broker; its reports come when the test says so."""

    def __init__(self, settings: Mqtt, clock: Callable[[], float] = time.monotonic) -> None:
        self.said: list[str] = []
        began_s = time.monotonic()
        self.broker = Broker(settings, self.said.append, ID, (1, 1), clock)
        self.longest_s = time.monotonic() - began_s

    def tells(self, heard: Report | None = None, age_s: float = 0.1) -> None:
        began_s = time.monotonic()
        self.broker.tell(heard, age_s)
        self.longest_s = max(self.longest_s, time.monotonic() - began_s)

    def tells_until(self, holds: Callable[[], object], heard: Report | None = None) -> bool:
        """Reports, as a monitor does, until it holds."""

        def told() -> bool:
            self.tells(heard or report())
            return bool(holds())

        return until(told)


class Clock:
    """Stands where time passes."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s
