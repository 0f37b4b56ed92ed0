"""What a broker is told: how the instrument is, as MQTT, by paho-mqtt.

Lives on the monitor's event loop, which never waits here, and on paho's own thread, which calls
the broker, again and again if need be. In: the voice's newest report. Out, all of it retained:

    TOPIC/ID/availability           online, or offline; also by last will, when the monitor dies
    TOPIC/ID/state                  one JSON object, every STATE_S and when its state changes
    homeassistant/device/ID/config  what Home Assistant makes of that

Nothing is subscribed to: a broker is often open to a whole network and knows no Origin and no
token of ours, so whoever reaches it may look and may ask for nothing. And no visit's time is said:
the state does not say whether somebody is there, and the number of visits is renewed every
VISITS_S. (The loudness is told, for it can be heard in the next room as well.)

Newest wins: at most one state is on its way, and what a broker does not take is not kept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
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
from latent_resonance.monitor.home_assistant import Seldom, discovery, state_of

STATE_S = 10.0
VISITS_S = 900.0
KEEPALIVE_S = 20  # a broker that hangs is called anew after this, one that misses us says so
AGAIN_S = (1, 60)  # between two calls of a broker that does not answer: at first, at most
GOODBYE_S = 1.0  # for the last message, at leaving
APPLICATION = b"latent-resonance"
MACHINE_ID = Path("/etc/machine-id")
ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True)
class Identity:
    """Who speaks: an id that is the same for ever and tells nothing, and a name for people."""

    id: str
    name: str


def identity_of(machine_id: Path = MACHINE_ID) -> Identity:
    """Who this machine is.

    machine-id(5) asks that the machine's id be not shown on a network but hashed with a key of
    the application; where there is none, the machine's name stands for it.
    """
    host = socket.gethostname()
    try:
        secret = machine_id.read_text().strip() or host
    except OSError:
        secret = host
    digest = hmac.new(secret.encode(), APPLICATION, hashlib.sha256).hexdigest()
    # 23 characters, which is what every broker takes as a client's id (MQTT 3.1.1, 3.1.3.1).
    return Identity(f"latent-{digest[:16]}", f"Latent Resonance {host}")


class Broker:
    """One instrument's place at a broker.

    Parameters
    ----------
    settings : where the broker is; they have to name its host
    say : told in a sentence when the broker is lost and found; called on paho's thread
    identity : who speaks
    again_s : seconds between two calls of a broker that does not answer: at first, at most
    clock : seconds, monotonic

    Raises
    ------
    SettingsError
        The file with the password or the certificates cannot be used.
    """

    def __init__(
        self,
        settings: Mqtt,
        log: Callable[[str], None],
        identity: Identity | None = None,
        again_s: tuple[int, int] = AGAIN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._log, self._clock = settings, log, clock
        self._identity = identity or identity_of()
        self._said = ""
        self._visits = Seldom(VISITS_S)
        self._manner, self._due_s = ("", ""), 0.0  # as told last; when to tell it again
        self._online = False
        self._on_its_way: MQTTMessageInfo | None = None
        self._client = self._called(again_s)

    def tell(self, report: Report | None, age_s: float) -> None:
        """How the instrument is; to be called twice a second, never waits.

        Parameters
        ----------
        report : the newest of the voice, None before the first and without a link
        age_s : seconds since it came
        """
        now_s = self._clock()
        visits = self._visits.step(report.visits, now_s) if report else 0
        state = state_of(report, age_s, visits)
        manner = (state["state"], state["problem"])
        if (manner != self._manner or now_s >= self._due_s) and self._sent(state):
            self._manner, self._due_s = manner, now_s + STATE_S

    @property
    def online(self) -> bool:
        """Whether there is a broker that listens."""
        return self._online

    def close(self) -> None:
        """Says goodbye, for which it waits GOODBYE_S at most."""
        if self._online:
            goodbye = self._client.publish(self._topic("availability"), OFFLINE, retain=True)
            try:
                goodbye.wait_for_publish(GOODBYE_S)
            except (RuntimeError, ValueError):  # paho's, for a broker that has just gone
                self._online = False
        self._client.disconnect()  # ends paho's thread, also while it waits to call again

    def _called(self, again_s: tuple[int, int]) -> Client:
        settings = self._settings
        client = Client(CallbackAPIVersion.VERSION2, client_id=self._identity.id)
        client.username_pw_set(settings.username, _password(settings.password_file))
        if settings.tls:
            client.tls_set_context(_trust(settings.ca_file))
        client.will_set(self._topic("availability"), OFFLINE, retain=True)
        client.reconnect_delay_set(*again_s)
        client.on_connect, client.on_connect_fail = self._on_connect, self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.connect_async(settings.host or "", settings.port, keepalive=KEEPALIVE_S)
        client.loop_start()
        return client

    def _topic(self, leaf: str) -> str:
        return f"{self._settings.topic}/{self._identity.id}/{leaf}"

    def _sent(self, state: dict[str, Any]) -> bool:
        """Whether it is on its way; not without a broker, or while the last one still is."""
        if not self._online or (self._on_its_way and not _gone(self._on_its_way)):
            return False
        content = json.dumps(state, allow_nan=False)
        self._on_its_way = self._client.publish(self._topic("state"), content, retain=True)
        return True

    def _on_connect(
        self, client: Client, _: object, __: ConnectFlags, reason: ReasonCode, ___: Properties
    ) -> None:
        if reason.is_failure:
            self._say_once(f"refuses: {reason}; see monitor.mqtt.username and password_file")
            return
        if self._said:
            self._say_once("is told again")
        self._said = ""
        self._on_its_way = None
        client.publish(self._topic("availability"), ONLINE, retain=True)
        self._publish_discovery(client)
        self._due_s = 0.0  # the next report is told, from the thread that tells them all
        self._online = True

    def _publish_discovery(self, client: Client) -> None:
        """An empty retained message takes back what was said before it was switched off."""
        topics = self._topic("state"), self._topic("availability")
        about = discovery(self._identity.id, self._identity.name, *topics, __version__)
        payload = json.dumps(about) if self._settings.discovery else ""
        client.publish(f"homeassistant/device/{self._identity.id}/config", payload, retain=True)

    def _on_connect_fail(self, _: Client, __: object) -> None:
        # paho calls this while it handles the error, and does not hand it on.
        self._say_once(f"cannot be reached: {sys.exception()}; calling it again until it answers")

    def _on_disconnect(
        self, _: Client, __: object, ___: DisconnectFlags, reason: ReasonCode, ____: Properties
    ) -> None:
        was_online, self._online = self._online, False
        if was_online and reason.is_failure:
            self._say_once(f"is lost: {reason}; calling it again until it answers")

    def _say_once(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            self._log(f"MQTT: {self._settings.host}:{self._settings.port} {sentence}")


def _gone(message: MQTTMessageInfo) -> bool:
    try:
        return message.is_published()
    except (RuntimeError, ValueError):  # paho's, for one that was lost with its connection
        return True


def _password(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return (Path(file).read_text().splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            [f"monitor.mqtt.password_file: {file} cannot be read: {error}"]
        ) from error


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl's own errors are among them
        message = f"monitor.mqtt.ca_file: {ca_file} holds no certificates (PEM): {error}"
        raise SettingsError([message]) from error
