"""The section `monitor` of the settings: web pages, access, OSC and MQTT.

Pure. `settings.py` includes it; every field has a unit and a default.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from latent_resonance.config.validation import Section, as_tuple

ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})")
HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")
CLIENT_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")  # also a level of the topics
TOPIC = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")  # no wildcard, nothing for $SYS


def _address(text: str) -> str:
    found = ADDRESS.fullmatch(text)
    if not found or not 0 < int(found[2]) < 65_536:
        raise ValueError('should be an address and a port, such as "192.168.1.20:9000"')
    return text


def _host(text: str) -> str:
    if not HOST.fullmatch(text):
        raise ValueError("should be an address or a name, such as 0.0.0.0 or gallery.local")
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError("should be an address or a network, such as 10.0.0.0/24") from error
    return text


def _client_id(text: str) -> str:
    if not CLIENT_ID.fullmatch(text):
        raise ValueError("should be 1 to 64 letters, digits, . _ -")
    return text


def _named_host(text: str) -> str:
    try:
        _host(text).encode("idna")  # on which socket raises something else than OSError
    except UnicodeError as error:
        raise ValueError("should be an address or a name, such as broker.local") from error
    return text


def _topic(text: str) -> str:
    if not TOPIC.fullmatch(text):
        raise ValueError("should be letters, digits, . _ -, separated by single /")
    return text


Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[tuple[Address, ...], BeforeValidator(as_tuple)]
Host = Annotated[str, AfterValidator(_host)]
Hosts = Annotated[tuple[Host, ...], BeforeValidator(as_tuple)]
Network = Annotated[str, AfterValidator(_network)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(as_tuple)]
ClientId = Annotated[str, AfterValidator(_client_id)]
NamedHost = Annotated[str, AfterValidator(_named_host)]
Topic = Annotated[str, Field(max_length=100), AfterValidator(_topic)]
Language = Literal["en", "de", "fr", "es"]
Palette = Literal["ember", "moon", "deep", "violet"]
Port = Annotated[int, Field(ge=1, le=65_535)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Osc(Section):
    """Open Sound Control, for lights and other instruments."""

    send_to: Addresses = Field((), description='addresses to send to: ["192.168.1.20:9000"]')
    rate_hz: float = Field(30.0, ge=1.0, le=60.0, description="messages a second, 1 to 60")
    listen: Address | None = Field(
        None, description='address to listen on: "0.0.0.0:9001"; blank is none'
    )
    senders: Hosts = Field(
        (), description="addresses or names to accept; without any, only this machine's"
    )


class Mqtt(Section):
    """Publishing the state to an MQTT broker, which cannot control anything."""

    host: NamedHost | None = Field(None, description="the broker; blank is none")
    port: Port = Field(1883, description="of the broker, 1 to 65535; 8883 is usual with tls")
    tls: bool = Field(False, description="encrypted, and the broker has to present a certificate")
    ca_file: Name | None = Field(
        None, description="certificates (PEM) to trust; blank is the system's"
    )
    username: Name | None = Field(None, description="at the broker, if it requires one")
    password_file: Name | None = Field(None, description="a file whose first line is the password")
    client_id: ClientId | None = Field(
        None, description="id at the broker and in topics; blank is made from the machine's"
    )
    topic: Topic = Field("latent-resonance", description="prefix of its topics")
    discovery: bool = Field(True, description="lets Home Assistant discover it")


class Monitor(Section):
    """The web pages, and the interfaces for other machines."""

    host: Host = Field("127.0.0.1", description="address to listen on; 0.0.0.0 is every network")
    port: Port = Field(8765, description="of the web pages, 1 to 65535")
    names: Hosts = Field((), description="further host names of this machine: [gallery.local]")
    trusted_proxies: Networks = Field(
        (), description="reverse proxies whose X-Forwarded-For counts: [127.0.0.1, 10.0.0.0/24]"
    )
    viewers: int = Field(64, ge=1, le=1000, description="pages that may be open at once, 1 to 1000")
    max_hz: float = Field(
        8000.0, ge=1000.0, le=24_000.0, description="top of the live spectrogram, Hz, 1000 to 24000"
    )
    language: Language | None = Field(
        None, description="of the wall: en, de, fr or es; blank is the browser's"
    )
    palette: Palette | None = Field(
        None, description="of the wall: ember, moon, deep or violet; blank is the one last chosen"
    )
    token_file: Name | None = Field(
        None, description="file of the controls' token; blank is the installation's, or a new one"
    )
    osc: Osc = Osc()
    mqtt: Mqtt = Mqtt()
