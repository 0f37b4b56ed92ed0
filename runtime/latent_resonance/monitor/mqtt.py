"""Publishes the instrument's state to an MQTT broker, by paho-mqtt.

Runs in the monitor's event loop, which never blocks here, and in paho's own thread, which connects
to the broker and reconnects. In: the voice's latest report. Out, all retained:

    TOPIC/ID/availability           online or offline; offline also as the last will
    TOPIC/ID/state                  one JSON object, every STATE_S and on a change of state
    homeassistant/device/ID/config  discovery by Home Assistant

What is retained is never stale to one who looks at the availability first: `online` follows the
first state of a connection, and a state without values follows `offline`. A monitor that is killed
leaves its last state behind the `offline` of its will.

It subscribes to nothing: a broker is often open to a whole network and checks neither Origin nor
token, so its clients may read the state and control nothing. Nor does it reveal the times of
visits: the state does not say whether a visitor is present, and the number of visits is updated
only every VISITS_S. (The loudness is published: it is audible in the next room as well.)

Newest wins: at most one state is in flight, and what a broker does not accept is not kept.
"""

from __future__ import annotations

import json
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from latent_resonance import __version__
from latent_resonance.config.monitor import Mqtt
from latent_resonance.config.settings import SettingsError
from latent_resonance.link.telemetry import Report
from latent_resonance.monitor.auth import SecretFileError, read_secret
from latent_resonance.monitor.home_assistant import (
    ThrottledCount,
    discovery_payload,
    state_payload,
)
from latent_resonance.monitor.identity import Identity

STATE_S = 10.0
VISITS_S = 900.0
KEEPALIVE_S = 20  # after which either side notices that the other is gone
RECONNECT_S = (1, 60)  # delay between attempts: initial, maximum
CLOSE_TIMEOUT_S = 1.0  # for the last message
CLASH_S = 10.0  # a connection that ends sooner was perhaps taken over by the same id
CLASHES = 3  # in a row, after which it is said
CLASH_RECONNECT_S = 30  # delay then, so that the two do not take turns every second
ONLINE, OFFLINE = "online", "offline"


class MqttPublisher:
    """Publishes one instrument at one broker.

    Parameters
    ----------
    settings : the broker's; `host` must be set
    log : called with a sentence when the connection is lost or restored; on paho's thread
    identity : of the instrument, see `identity_of`
    reconnect_s : delay between attempts to reconnect: initial, maximum
    clock : seconds, monotonic

    Raises
    ------
    SettingsError
        The file of the password or of the certificates cannot be used.
    """

    def __init__(
        self,
        settings: Mqtt,
        log: Callable[[str], None],
        identity: Identity,
        reconnect_s: tuple[int, int] = RECONNECT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._log, self._clock = settings, log, clock
        self._identity = identity
        self._last_logged = ""
        self._connected_s, self._short_connections = 0.0, 0
        self._reconnect_s = reconnect_s
        self._visits = ThrottledCount(VISITS_S)
        self._last_state, self._due_s = ("", ""), 0.0  # when to publish it again
        self._online = self._answered = False  # the latter of this connection: yes or no
        self._disconnected = threading.Event()
        self._announced = False  # whether `online` has been published on this connection
        self._in_flight: MQTTMessageInfo | None = None
        self._client = self._connecting_client(reconnect_s)

    def publish(self, report: Report | None, age_s: float) -> None:
        """Publish the state if it is due; call twice a second. Never blocks.

        Parameters
        ----------
        report : latest report of the voice, None before the first and while it is disconnected
        age_s : its age
        """
        now_s = self._clock()
        visits = self._visits.update(report.visits, now_s) if report else 0
        payload = state_payload(report, age_s, visits)
        state = (payload["state"], payload["problem"])
        due = state != self._last_state or now_s >= self._due_s or not self._announced
        if due and self._publish_state(payload):
            self._last_state, self._due_s = state, now_s + STATE_S

    @property
    def online(self) -> bool:
        """Whether the broker is connected."""
        return self._online

    def close(self) -> None:
        """Publish `offline` and a state without values, and disconnect; at most two timeouts."""
        if self._online:
            self._client.publish(self._topic("availability"), OFFLINE, retain=True)
            ended = state_payload(None, 0.0, 0) | {"reason": "the monitor has ended"}
            message = self._client.publish(self._topic("state"), json.dumps(ended), retain=True)
            try:
                message.wait_for_publish(CLOSE_TIMEOUT_S)
            except (RuntimeError, ValueError):  # paho's, if the broker has just disconnected
                self._online = False
        self._disconnected.clear()
        self._client.disconnect()  # also ends paho's thread while it waits to reconnect
        if self._online:  # else the process might end before, and the broker publish the will
            self._disconnected.wait(CLOSE_TIMEOUT_S)

    def _connecting_client(self, reconnect_s: tuple[int, int]) -> Client:
        settings = self._settings
        client = Client(CallbackAPIVersion.VERSION2, client_id=self._identity.id)
        client.username_pw_set(settings.username, _password(settings.password_file))
        if settings.tls:
            client.tls_set_context(_tls_context(settings.ca_file))
        client.will_set(self._topic("availability"), OFFLINE, retain=True)
        client.reconnect_delay_set(*reconnect_s)
        client.on_connect, client.on_connect_fail = self._on_connect, self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.connect_async(settings.host or "", settings.port, keepalive=KEEPALIVE_S)
        client.loop_start()
        return client

    def _topic(self, leaf: str) -> str:
        return f"{self._settings.topic}/{self._identity.id}/{leaf}"

    def _publish_state(self, state: dict[str, Any]) -> bool:
        """Send a state; False without a broker, or while the previous one is still in flight."""
        if not self._online or (self._in_flight and not _is_done(self._in_flight)):
            return False
        payload = json.dumps(state, allow_nan=False)
        self._in_flight = self._client.publish(self._topic("state"), payload, retain=True)
        if not self._announced:
            self._client.publish(self._topic("availability"), ONLINE, retain=True)
            self._announced = True
        return True

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._answered = True
        if reason.is_failure:
            self._log_once(
                f"refuses the connection: {reason}; see monitor.mqtt.username and password_file"
            )
            return
        if self._last_logged and not self._clashing:
            self._log_once("connected again")
            self._last_logged = ""
        self._connected_s = time.monotonic()
        self._in_flight = None
        self._publish_discovery(client)
        self._announced = False  # the event loop publishes the next report at once
        self._online = True

    def _publish_discovery(self, client: Client) -> None:
        """Publish discovery, or an empty retained message that revokes an earlier one."""
        topics = self._topic("state"), self._topic("availability")
        content = discovery_payload(self._identity.id, self._identity.name, *topics, __version__)
        payload = json.dumps(content) if self._settings.discovery else ""
        client.publish(f"homeassistant/device/{self._identity.id}/config", payload, retain=True)

    def _on_connect_fail(self, _client: Client, _userdata: object) -> None:
        # paho calls this while it handles the error, and does not pass it on.
        self._log_once(f"cannot be reached: {sys.exception()}; retrying")

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._disconnected.set()
        was_online, self._online = self._online, False
        answered, self._answered = self._answered, False
        if reason.is_failure and not answered:
            self._log_once(
                "ends the connection without an answer; see whether monitor.mqtt.port is a "
                "broker's, and monitor.mqtt.tls"
            )
        if not (was_online and reason.is_failure):
            return
        self._count_short_connection()
        if self._clashing:
            self._log_once(
                f"disconnects {self._identity.id} again and again; does another machine use this "
                "id? Set monitor.mqtt.client_id on one of them"
            )
        else:
            self._log_once(f"disconnected: {reason}; reconnecting")

    @property
    def _clashing(self) -> bool:
        return self._short_connections >= CLASHES

    def _count_short_connection(self) -> None:
        """Count connections in a row that ended at once: MQTT 3.1.1 gives no reason for the end."""
        short = time.monotonic() - self._connected_s < CLASH_S
        self._short_connections = self._short_connections + 1 if short else 0
        low, high = self._reconnect_s
        self._client.reconnect_delay_set(
            *((CLASH_RECONNECT_S, max(CLASH_RECONNECT_S, high)) if self._clashing else (low, high))
        )

    def _log_once(self, sentence: str) -> None:
        if sentence != self._last_logged:
            self._last_logged = sentence
            self._log(f"MQTT: {self._settings.host}:{self._settings.port} {sentence}")


def _is_done(message: MQTTMessageInfo) -> bool:
    try:
        return message.is_published()
    except (RuntimeError, ValueError):  # paho's, for a message lost with its connection
        return True


def _password(file: str | None) -> str | None:
    """The first line of a file that only its owner and group can read."""
    if file is None:
        return None
    try:
        password = read_secret(Path(file)).partition("\n")[0]
    except SecretFileError as error:
        raise SettingsError([f"monitor.mqtt.password_file: {file}: {error}"]) from error
    except (OSError, ValueError) as error:
        raise SettingsError(
            [f"monitor.mqtt.password_file: {file} cannot be read: {error}"]
        ) from error
    if not password:
        rule = "its first line is blank; write the password there, or remove the setting"
        raise SettingsError([f"monitor.mqtt.password_file: {file}: {rule}"])
    return password


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # includes ssl's own errors
        message = f"monitor.mqtt.ca_file: {ca_file} holds no certificates (PEM): {error}"
        raise SettingsError([message]) from error
