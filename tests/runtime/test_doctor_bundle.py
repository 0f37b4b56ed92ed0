"""The file that the doctor writes to be mailed: what is in it, and what is not."""

from __future__ import annotations

import socket
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import strategies as st
from tests.support.fuzz import fuzz, fuzzed
from tests.support.status_reports import PLAYING, energies

from latent_resonance.config.settings import Settings
from latent_resonance.doctor import bundle
from latent_resonance.doctor.bundle import figures, settings_text, write_bundle
from latent_resonance.doctor.check import OK, WARN, Check
from latent_resonance.doctor.redact import redacted, without_secrets
from latent_resonance.face_state import FEATURES
from latent_resonance.linux.atomic_file import OutputFileError

TOKEN = "Zt0ken-of-this-machine-1234567890"
PASSWORD = "correct horse battery"
JOURNAL = f"""\
2026-12-01T23:59:59+0100 latent-resonance[1]: 2026-12-01: 12 visits, 345 s for visitors, no faults
2026-12-02T10:00:00+0100 latent-resonance[1]: refused Authorization: Bearer {TOKEN}
2026-12-02T10:00:01+0100 latent-resonance[1]: playing on hw:0
"""
CHECKS = [
    Check("monitor", OK, f"http://127.0.0.1:8765/staff, token {TOKEN}"),
    Check("face", OK, "a visitor is detected"),
    Check("speaker", WARN, "used by the voice: playing for a visitor, 30 images/s, no speaker (x)"),
]


@contextmanager
def voice(folder: Path) -> Iterator[None]:
    """A voice that sends a few messages to whoever connects."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(folder / "monitor.sock"))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                for message in (energies(0.05), PLAYING, energies(0.05)):
                    connection.send(message.encode())
                connection.send(b"not a message")

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The files of a bundle, by name."""
    for name, secret in (("token", TOKEN), ("password", PASSWORD)):
        (tmp_path / name).write_text(f"{secret}\n")
    config = tmp_path / "settings.yaml"
    config.write_text(
        f"# the password is {PASSWORD}\npack: cello\ncamera: {{source: 'rtsp://me:{TOKEN}@10.0.0.9/'}}\n"
        f"monitor:\n  token_file: {tmp_path}/token\n  mqtt: {{host: broker, username: me-myself, "
        f"password_file: {tmp_path}/password}}\n"
    )
    settings = Settings(
        socket_path=str(tmp_path / "face.sock"),
        monitor={
            "token_file": str(tmp_path / "token"),
            "mqtt": {
                "host": "broker",
                "username": "me-myself",
                "password_file": str(tmp_path / "password"),
            },
        },
    )
    monkeypatch.setattr(bundle, "run_text", lambda _command: JOURNAL)
    with voice(tmp_path):
        write_bundle(tmp_path / "machine.zip", settings, config, CHECKS, seconds=5.0)
    assert (tmp_path / "machine.zip").stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(tmp_path / "machine.zip") as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_it_holds_versions_settings_journal_checks_and_figures(written: dict[str, str]) -> None:
    assert "numpy " in written["versions.txt"]
    assert "pack: cello" in written["settings.yaml"]
    assert "10.0.0.9" in written["settings.yaml"]
    assert "playing on hw:0" in written["journal.txt"]
    assert "no speaker (x)" in written["doctor.txt"]
    head, row, *_ = written["figures.csv"].splitlines()
    named = dict(zip(head.split(","), row.split(","), strict=True))
    assert (named["images_per_s"], named["underflows"], named["celsius"]) == ("29.96", "3", "61.5")


def test_it_holds_no_secret(written: dict[str, str]) -> None:
    whole = "\n".join(written.values())
    for secret in (TOKEN, PASSWORD, "horse", "me-myself"):
        assert secret not in whole


def test_it_holds_no_feature_and_no_visit(written: dict[str, str]) -> None:
    machine = "\n".join(text for name, text in written.items() if name != "settings.yaml")
    assert not any(name in machine for name in FEATURES if name != "motion")
    for words in ("visitor", "12 visits", "345", "a message"):
        assert words not in machine, words


def test_without_a_voice_the_figures_say_so(tmp_path: Path) -> None:
    assert "# no voice reports (No such file" in figures(tmp_path / "monitor.sock", 1.0)


def test_settings_that_cannot_be_read_are_named_and_not_quoted(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("a: [\n")
    assert settings_text(config).startswith("# settings.yaml cannot be read: line")
    assert settings_text(None) == "# no file; the defaults\n"


def test_settings_in_another_encoding_are_in_the_bundle_as_they_are_read(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_bytes("pack: voices\n".encode("utf-16"))
    assert settings_text(config) == "pack: voices\n"


def test_a_bundle_that_cannot_be_written_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "run_text", lambda _command: "")
    settings = Settings(socket_path=str(tmp_path / "face.sock"))
    with pytest.raises(OutputFileError, match="check the folder"):
        write_bundle(tmp_path / "absent" / "machine.zip", settings, None, [], seconds=60.0)


@fuzzed
def test_no_secret_survives_in_any_text_around_it() -> None:
    def check(before: str, after: str) -> None:
        assert TOKEN not in redacted(f"{before}{TOKEN}{after}", [TOKEN])

    fuzz(check, st.text(max_size=40), st.text(max_size=40))


@fuzzed
def test_no_value_of_a_secret_s_key_survives_at_any_depth() -> None:
    leaf = st.just(TOKEN) | st.lists(st.just(TOKEN), max_size=2)
    key = st.sampled_from(["password", "mqtt_token", "API_KEY", "username", "Client-Secret"])
    other = st.text(max_size=6)
    tree = st.recursive(
        st.dictionaries(key, leaf, max_size=2),
        lambda inner: st.dictionaries(other | key, inner, max_size=2) | st.lists(inner, max_size=2),
        max_leaves=8,
    )

    def check(settings: object) -> None:
        assert TOKEN not in str(without_secrets(settings))

    fuzz(check, tree)
