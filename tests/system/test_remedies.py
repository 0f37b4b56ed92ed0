"""The scripts that install: a failure of apt, pip, uv, TLS or a disk ends in one line."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NETWORK = {"UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1", "UV_NO_CONFIG": "1", "PIP_RETRIES": "0"}


def put(path: Path, script: str) -> None:
    """Write a command."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the scripts alone, and commands beside it that do nothing."""
    folder = tmp_path / "checkout"
    (folder / "systemd").mkdir(parents=True)
    shutil.copy(ROOT / "setup", folder)
    for name in ("install.sh", "remedies.sh", "uv.txt"):
        shutil.copy(ROOT / "systemd" / name, folder / "systemd")
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("apt-get", "dpkg", "uv", "sudo", "systemctl"):
        put(commands / name, ":")
    put(commands / "dpkg-query", "echo installed")
    put(commands / "id", "echo 0")
    return folder


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the stand-ins first on the path."""
    return subprocess.run(
        [str(script), *arguments],
        env={"PATH": f"{commands_of(script)}:/usr/bin:/bin"} | NETWORK,
        capture_output=True,
        text=True,
        check=False,
    )


def commands_of(script: Path) -> Path:
    return next(folder / "bin" for folder in script.parents if (folder / "bin/dpkg-query").exists())


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def reason_of(report: str) -> str:
    """What the scripts say of a command that fails with this output."""
    script = '. systemd/remedies.sh; reported sh -c \'echo "$0" >&2; exit 3\' "$1" || reason'
    command = ["sh", "-euc", script, "sh", report]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == f"{report}\n"  # shown as well
    (line,) = done.stdout.splitlines()
    return line


@pytest.mark.parametrize(
    ("report", "remedy"),
    [
        ("E: Release file for http://x/InRelease is not valid yet (invalid for 2h)", "set-ntp"),
        ("error: invalid peer certificate: NotValidYet", "set-ntp"),
        ("  Caused by: invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
        ("Certificate verification failed: The certificate is NOT trusted.", "SSL_CERT_FILE"),
        ("E: Failed to fetch http://x  407  Proxy Authentication Required", "https_proxy"),
        ("W: Failed to fetch http://x/InRelease  Temporary failure resolving 'x'", "connect"),
        ("Could not connect to deb.debian.org:80, connection timed out", "check the network"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "make room"),
        ("OSError: [Errno 28] No space left on device", "make room"),
        ("error: failed to create directory `/x/.venv`: Read-only file system", "another disk"),
        ("error: failed to open file `.venv/x`: Permission denied (os error 13)", "chown"),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 9", "wait"),
        ("E: Unable to locate package cage", "needs Debian 12"),
        ("E: Package 'cage' has no installation candidate", "needs Debian 12"),
        ("E: The repository 'http://x stable InRelease' is not signed.", "keyring"),
        ("Hash mismatch for `numpy==2.4`", "run this again"),
        ("E: Failed to fetch http://x/a.deb  404  Not Found [IP: 1.2.3.4 80]", "apt-get update"),
        ("E: Unable to correct problems, you have held broken packages.", "--fix-broken"),
        ("HTTP status client error (403 Forbidden) for url", "UV_"),
        ("Killed", "stop other programs"),
        ("something new", "error is above"),
    ],
)
def test_a_failure_has_a_remedy_in_one_line(report: str, remedy: str) -> None:
    assert remedy in reason_of(report)


def test_a_command_that_succeeds_is_shown_and_gives_no_reason() -> None:
    script = ". systemd/remedies.sh; reported echo fine && echo next"
    command = ["sh", "-euc", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "next\n", "fine\n")


@pytest.mark.parametrize("script", ["setup play", "systemd/install.sh"])
def test_packages_that_apt_cannot_fetch_are_named_with_the_reason(
    checkout: Path, script: str
) -> None:
    commands = commands_of(checkout)
    put(commands / "dpkg-query", "exit 1")
    put(commands / "apt-get", "echo \"Temporary failure resolving 'deb.debian.org'\" >&2; exit 100")
    path, *arguments = script.split()
    line = last_line(run(checkout / path, *arguments))
    assert "libportaudio2" in line
    assert "connect this machine to the network" in line


def test_a_read_only_clone_is_named_before_anything_is_downloaded(checkout: Path) -> None:
    if os.geteuid() == 0:
        subprocess.run(["mount", "--bind", checkout, checkout], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", checkout], check=True)
    else:
        checkout.chmod(0o555)
    try:
        line = last_line(run(checkout / "setup", "play"))
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", checkout], check=True)
        checkout.chmod(0o755)
    assert "cannot be written" in line
    assert "copy it to a disk" in line


class Index(BaseHTTPRequestHandler):
    """An index of packages that refuses every request."""

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HTTPServer]:
    """The index over TLS, with a certificate of no known authority."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt install openssl")
    folder = tmp_path_factory.mktemp("index")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    command += ["-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    server = HTTPServer(("127.0.0.1", 0), Index)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def uv_that_installs_from(commands: Path, index: str) -> None:
    """The real uv, asked for a package of an index, as `uv sync` would."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    target = commands.parent / "target"
    install = f'"{uv}" pip install --python "{sys.executable}" --target "{target}"'
    put(commands / "uv", f'[ "$1" != sync ] || exec {install} --index-url {index} nothing')


def pip_that_installs_from(commands: Path, index: str) -> None:
    """No uv, and the real pip in the private environment, asked for it in an index."""
    put(commands / "uv", "exit 2")
    python = Path(sys.base_prefix) / "bin/python3"
    if subprocess.run(
        [python, "-m", "pip", "--version"], capture_output=True, check=False
    ).returncode:
        pytest.skip(f"{python} has no pip")
    pip = f'exec "{python}" -m pip --isolated --retries 1 install --index-url {index} nothing'
    put(
        commands / "python3",
        f'mkdir -p "$3/bin"; printf \'#!/bin/sh\\n{pip}\\n\' >"$3/bin/python"; '
        'chmod +x "$3/bin/python"',
    )


@pytest.mark.slow
@pytest.mark.parametrize("installer", [uv_that_installs_from, pip_that_installs_from])
def test_what_keeps_uv_or_pip_from_its_index_is_said(
    checkout: Path, index: HTTPServer, installer: object
) -> None:
    assert callable(installer)
    addresses = {
        f"http://127.0.0.1:{free_port()}/simple": "a server cannot be reached",
        "https://index.invalid/simple": "the name of a server cannot be resolved",
        f"https://localhost:{index.server_port}/simple": "an authority that this machine does not",
    }
    for address, reason in addresses.items():
        installer(commands_of(checkout), address)
        done = run(checkout / "setup", "runtime")
        assert reason in last_line(done), done.stderr
