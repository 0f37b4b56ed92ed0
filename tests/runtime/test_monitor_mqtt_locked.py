"""Brokers with a password or TLS."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.mqtt_broker import ID, Instrument, Mosquitto, free_port, instruments

from latent_resonance.config.monitor import Mqtt
from latent_resonance.config.settings import SettingsError
from latent_resonance.monitor.mqtt import MqttPublisher

pytestmark = pytest.mark.realtime


@pytest.fixture
def make() -> Iterator[Callable[..., Instrument]]:
    with instruments() as make_one:
        yield make_one


def test_a_wrong_password_is_logged_with_the_remedy(
    make: Callable[..., Instrument], tmp_path: Path
) -> None:
    broker = with_password(tmp_path, "right")
    write_password(tmp_path / "password", b"wrong\n")
    instrument = make(broker.port, username="u", password_file=str(tmp_path / "password"))
    assert instrument.publish_until(lambda: instrument.log)
    time.sleep(1.5)  # it retries without logging again
    broker.stop()
    first = instrument.log[0]
    assert (
        "refuses the connection: Not authorized; see monitor.mqtt.username and password_file"
        in first
    )
    assert sum("refuses" in sentence for sentence in instrument.log) == 1


def test_the_right_password_is_the_first_line_of_its_file(
    make: Callable[..., Instrument], tmp_path: Path
) -> None:
    broker = with_password(tmp_path, "right")
    write_password(tmp_path / "password", b"\xef\xbb\xbfright\r\n# for the gallery\n")  # with a BOM
    instrument = make(broker.port, username="u", password_file=str(tmp_path / "password"))
    assert instrument.publish_until(lambda: instrument.publisher.online)
    assert instrument.log == []
    broker.stop()


def write_password(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o640)


def test_a_password_that_every_user_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    write_password(tmp_path / "password", b"secret\n")
    (tmp_path / "password").chmod(0o644)
    settings = Mqtt(host="127.0.0.1", password_file=str(tmp_path / "password"))
    with pytest.raises(SettingsError, match=r"0644.*chmod o-rwx") as caught:
        MqttPublisher(settings, print, ID)
    assert "secret\n" not in str(caught.value)


def with_password(folder: Path, password: str) -> Mosquitto:
    """A broker with one user, u."""
    broker = Mosquitto(folder, "allow_anonymous false", f"password_file {folder / 'users'}")
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(folder / "users"), "u", password], check=True
    )
    broker.start()
    return broker


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, and an unrelated one."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("house", "unrelated"):
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(folder / f"{name}.key"),
            "-out",
            str(folder / f"{name}.pem"),
        ]
        subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def encrypted(tmp_path: Path, certificates: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(
        tmp_path,
        "allow_anonymous true",
        f"certfile {certificates / 'house.pem'}",
        f"keyfile {certificates / 'house.key'}",
    )
    broker.start()
    yield broker
    broker.stop()


def test_a_broker_with_a_trusted_certificate_is_connected(
    make: Callable[..., Instrument], encrypted: Mosquitto, certificates: Path
) -> None:
    instrument = make(encrypted.port, tls=True, ca_file=str(certificates / "house.pem"))
    assert instrument.publish_until(lambda: instrument.publisher.online)
    assert instrument.log == []


@pytest.mark.parametrize("trusted", ["unrelated.pem", None])
def test_a_broker_with_an_untrusted_certificate_is_not_connected(
    make: Callable[..., Instrument], encrypted: Mosquitto, certificates: Path, trusted: str | None
) -> None:
    ca_file = trusted and str(certificates / trusted)
    instrument = make(encrypted.port, tls=True, ca_file=ca_file)
    assert instrument.publish_until(lambda: instrument.log)
    assert "cannot be reached: " in instrument.log[0]
    assert "certificate verify failed" in instrument.log[0]
    assert not instrument.publisher.online


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"password_file": "/nowhere/password"}, "password_file: /nowhere/password cannot be read"),
        ({"tls": True, "ca_file": "/nowhere/ca"}, "ca_file: /nowhere/ca holds no certificates"),
        ({"tls": True, "ca_file": __file__}, "holds no certificates (PEM)"),
    ],
)
def test_an_unusable_file_is_an_error_before_anything_starts(
    changes: dict[str, Any], sentence: str
) -> None:
    threads = threading.active_count()
    with pytest.raises(SettingsError, match=r"monitor\.mqtt\.") as caught:
        MqttPublisher(Mqtt(host="127.0.0.1", port=free_port(), **changes), print, ID)
    assert sentence in str(caught.value)
    assert threading.active_count() == threads


@pytest.mark.parametrize("content", [b"", b"\nsecret\n", b"\xef\xbb\xbf\r\n", b"x" * 5000])
def test_a_file_without_a_password_in_its_first_line_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    write_password(tmp_path / "password", content)
    settings = Mqtt(host="127.0.0.1", password_file=str(tmp_path / "password"))
    with pytest.raises(SettingsError, match=r"password_file: .*should hold|first line is blank"):
        MqttPublisher(settings, print, ID)


@pytest.mark.timeout(20)
def test_a_pipe_for_a_password_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "password", 0o600)
    settings = Mqtt(host="127.0.0.1", password_file=str(tmp_path / "password"))
    with pytest.raises(SettingsError, match="no regular file"):
        MqttPublisher(settings, print, ID)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01"])
def test_what_is_no_broker_is_named_once(make: Callable[..., Instrument], answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer_each, args=(server, answer), daemon=True).start()
        instrument = make(server.getsockname()[1])
        assert instrument.publish_until(lambda: instrument.log)
        time.sleep(1.5)  # it retries without logging again
        (line,) = instrument.log
        assert "ends the connection without an answer" in line
        assert "monitor.mqtt.tls" in line


def answer_each(server: socket.socket, answer: bytes) -> None:
    """Send the same bytes to whoever connects, and hang up."""
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)
