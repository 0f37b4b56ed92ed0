"""A real MQTT broker for a test, a subscriber, and an instrument that publishes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from tests.support.status_reports import report

from latent_resonance.config.monitor import Mqtt
from latent_resonance.link.telemetry import Report
from latent_resonance.monitor.mqtt import Identity, MqttPublisher

TIMEOUT_S = 10.0
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"  # where Debian puts it

ID = Identity("latent-0123456789abcdef", "Latent Resonance here")
NON_BLOCKING_S = 0.5  # limit on a busy machine; blocking on a broker takes seconds


def until(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> bool:
    """Whether the condition became true in time."""
    limit_s = time.monotonic() + timeout_s
    while time.monotonic() < limit_s:
        if condition():
            return True
        time.sleep(0.01)
    return False


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Mosquitto:
    """Eclipse Mosquitto, without persistence."""

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

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

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
    """Receives every message of a broker, by topic and in order."""

    def __init__(self, broker: Mosquitto) -> None:
        self.payloads: dict[str, list[bytes]] = {}
        self.retained: set[str] = set()
        self._subscribed = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = self._on_message
        self.client.on_connect = lambda client, *_: client.subscribe("#")
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self._subscribed.wait(TIMEOUT_S)

    def states(self) -> list[dict[str, Any]]:
        """All payloads received."""
        return [json.loads(payload) for payload in self._with_suffix("/state")]

    def availability(self) -> list[str]:
        """All payloads received."""
        return [payload.decode() for payload in self._with_suffix("/availability")]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _with_suffix(self, suffix: str) -> list[bytes]:
        return [
            payload
            for topic, received in list(self.payloads.items())
            if topic.endswith(suffix)
            for payload in list(received)
        ]

    def _on_message(self, _: Client, __: object, message: MQTTMessage) -> None:
        self.payloads.setdefault(message.topic, []).append(message.payload)
        if message.retain:
            self.retained.add(message.topic)


class Instrument:
    """An instrument that publishes to a broker when the test says so."""

    def __init__(self, settings: Mqtt, clock: Callable[[], float] = time.monotonic) -> None:
        self.log: list[str] = []
        start_s = time.monotonic()
        self.publisher = MqttPublisher(settings, self.log.append, ID, (1, 1), clock)
        self.longest_s = time.monotonic() - start_s

    def publish(self, latest: Report | None = None, age_s: float = 0.1) -> None:
        start_s = time.monotonic()
        self.publisher.publish(latest, age_s)
        self.longest_s = max(self.longest_s, time.monotonic() - start_s)

    def publish_until(self, condition: Callable[[], object], latest: Report | None = None) -> bool:
        """Publish repeatedly, as a monitor does, until the condition is true."""

        def published() -> bool:
            self.publish(latest or report())
            return bool(condition())

        return until(published)


@contextmanager
def instruments() -> Iterator[Callable[..., Instrument]]:
    """Makes instruments of a broker's port, a clock and settings, and closes all of them."""
    made: list[Instrument] = []

    def make_one(
        port: int, clock: Callable[[], float] = time.monotonic, **changes: Any
    ) -> Instrument:
        made.append(Instrument(Mqtt(host="127.0.0.1", port=port, **changes), clock))
        return made[-1]

    try:
        yield make_one
    finally:
        for instrument in made:
            instrument.publisher.close()
