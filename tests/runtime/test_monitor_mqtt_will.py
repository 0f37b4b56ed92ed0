"""What a real MQTT broker retains of a monitor that ends, is killed, or comes back."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from tests.support.mqtt_broker import Instrument, Mosquitto, Subscriber, free_port, until
from tests.support.status_reports import report

from latent_resonance.config.monitor import Mqtt

pytestmark = pytest.mark.realtime


class Ordered(Subscriber):
    """A subscriber that also keeps the order of what is not retained, across topics."""

    def __init__(self, broker: Mosquitto) -> None:
        self.order: list[tuple[str, bytes]] = []
        super().__init__(broker)

    def leaves(self) -> list[str]:
        """Last parts of the topics, in order; of the availability, its value."""
        return [
            payload.decode() if topic.endswith("availability") else topic.rpartition("/")[2]
            for topic, payload in self.order
        ]

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        super()._on_message(client, userdata, message)
        if not message.retain:
            self.order.append((message.topic, bytes(message.payload)))


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as broker:
        yield broker


@contextlib.contextmanager
def monitor(folder: Path, broker: Mosquitto) -> Iterator[subprocess.Popen[bytes]]:
    """A running monitor, without a voice."""
    token, config = folder / "token", folder / "gallery.yaml"
    token.write_text("a-token-of-some-length")
    token.chmod(0o600)
    config.write_text(
        f"socket_path: {folder}/voice.sock\nmonitor:\n  port: {free_port()}\n"
        f"  token_file: {token}\n  mqtt: {{host: 127.0.0.1, port: {broker.port}}}\n"
    )
    command = [sys.executable, "-m", "latent_resonance", "monitor", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_monitor_that_ends_is_offline_however_it_ends(
    tmp_path: Path, mosquitto: Mosquitto, number: int
) -> None:
    subscriber = Subscriber(mosquitto)
    with monitor(tmp_path, mosquitto) as process:
        assert until(lambda: subscriber.availability() == ["online"], 30.0)
        process.send_signal(number)
        assert until(lambda: "offline" in subscriber.availability())
    time.sleep(0.3)
    assert subscriber.availability() == ["online", "offline"]  # the will, or our own: not both
    late = Subscriber(mosquitto)
    assert until(late.availability)
    assert late.availability() == ["offline"]
    for each in (subscriber, late):
        each.close()


def test_a_clean_end_leaves_no_state_that_looks_like_a_present_one(mosquitto: Mosquitto) -> None:
    subscriber = Ordered(mosquitto)
    instrument = Instrument(Mqtt(host="127.0.0.1", port=mosquitto.port))
    assert instrument.publish_until(subscriber.states)
    assert until(lambda: "online" in subscriber.leaves())
    instrument.publisher.close()
    assert until(lambda: subscriber.leaves()[-2:] == ["offline", "state"])
    last = subscriber.states()[-1]
    assert last["reason"] == "the monitor has ended"
    assert last["pack"] is None
    subscriber.close()


def test_a_return_is_announced_only_after_its_first_state(mosquitto: Mosquitto) -> None:
    subscriber = Ordered(mosquitto)
    first = Instrument(Mqtt(host="127.0.0.1", port=mosquitto.port))
    assert first.publish_until(subscriber.states)
    first.publisher.close()
    assert until(lambda: subscriber.leaves()[-2:] == ["offline", "state"])
    seen = len(subscriber.order)
    second = Instrument(Mqtt(host="127.0.0.1", port=mosquitto.port))
    assert until(lambda: second.publisher.online)
    time.sleep(0.2)
    assert "online" not in subscriber.leaves()[seen:]
    assert second.publish_until(lambda: "online" in subscriber.leaves()[seen:], report(muted=True))
    returned = [leaf for leaf in subscriber.leaves()[seen:] if leaf != "config"]
    assert returned[:2] == ["state", "online"]
    second.publisher.close()
    subscriber.close()


class Cable:
    """A connection to a broker that can be cut on the instrument's side alone."""

    def __init__(self, broker: Mosquitto) -> None:
        self._broker, self._near, self._far = broker, list[socket.socket](), list[socket.socket]()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End the instrument's connections; the broker takes them for silent ones."""
        for near in self._near:
            near.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for each in (self._listening, *self._near, *self._far):
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._broker.port))
                self._near.append(near)
                self._far.append(far)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_forward, args=pair, daemon=True).start()


def _forward(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)


def test_the_will_of_a_connection_that_was_cut_does_not_outlast_the_return(
    mosquitto: Mosquitto,
) -> None:
    subscriber, cable = Subscriber(mosquitto), Cable(mosquitto)
    instrument = Instrument(Mqtt(host="127.0.0.1", port=cable.port))
    assert instrument.publish_until(lambda: subscriber.availability() == ["online"])
    cable.cut()  # the broker does not know, and ends the old connection when the new one comes
    assert instrument.publish_until(lambda: len(subscriber.availability()) == 3)
    time.sleep(0.5)
    assert subscriber.availability() == ["online", "offline", "online"]
    late = Subscriber(mosquitto)
    assert until(late.availability)
    assert late.availability() == ["online"]
    instrument.publisher.close()
    for each in (subscriber, late, cable):
        each.close()
