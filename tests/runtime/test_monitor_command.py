"""The command `monitor`: errors at start, and its supervision by the voice."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.support.pulse_server import environment_in

from latent_resonance.voice.child_process import MonitorProcess

pytestmark = pytest.mark.realtime

WITHOUT_THE_EXTRA = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "aiohttp":
            raise ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")
sys.meta_path.insert(0, Blocker())
from latent_resonance.cli import main
sys.argv = ["latent-resonance", *sys.argv[1:]]
main()
"""


def run(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_missing_packages_are_an_error_with_the_remedy(tmp_path: Path) -> None:
    done = run("-c", WITHOUT_THE_EXTRA, "monitor", environment=environment_in(tmp_path))
    assert done.returncode == 2
    assert "needs aiohttp" in done.stderr
    assert "--extra monitor" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("monitor", "rule"),
    [
        ({"port": "taken"}, "port {port}: cannot listen"),
        (
            {"osc": {"listen": "127.0.0.1:taken"}},
            "127.0.0.1:{port}: cannot listen",
        ),
    ],
)
def test_a_port_in_use_is_an_error_with_the_remedy(
    tmp_path: Path, monitor: dict[str, object], rule: str
) -> None:
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        port = tcp.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", port))
            text = yaml.safe_dump({"monitor": monitor}).replace("taken", str(port))
            config = tmp_path / "gallery.yaml"
            config.write_text(text.replace(f"'{port}'", str(port)))
            environment = environment_in(tmp_path) | {"XDG_STATE_HOME": str(tmp_path)}
            arguments = ("-m", "latent_resonance", "monitor", "--config", str(config))
            done = run(*arguments, environment=environment)
    assert done.returncode == 1, done.stderr
    assert rule.format(port=port) in done.stderr
    assert "Traceback" not in done.stderr


def test_invalid_settings_are_an_error(tmp_path: Path) -> None:
    config = tmp_path / "gallery.yaml"
    config.write_text("monitor: {port: 99999, osc: {send_to: [nowhere]}}\n")
    arguments = ("-m", "latent_resonance", "monitor", "--config", str(config))
    done = run(*arguments, environment=dict(os.environ))
    assert done.returncode == 2
    assert "monitor.port" in done.stderr
    assert "192.168.1.20:9000" in done.stderr  # the expected form of an address


def program(folder: Path, text: str) -> tuple[str, ...]:
    path = folder / "monitor.py"
    path.write_text(text)
    return (sys.executable, str(path))


def poll_until(
    process: MonitorProcess, condition: Callable[[], bool], within_s: float = 10.0
) -> None:
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s
        process.poll(time.monotonic())
        time.sleep(0.01)


def test_a_monitor_that_exits_is_restarted_and_logged_once(tmp_path: Path) -> None:
    log: list[str] = []
    text = f"open({str(tmp_path / 'starts')!r}, 'a').write('x')"
    process = MonitorProcess(tmp_path / "face.sock", None, log.append, program(tmp_path, text))
    starts = tmp_path / "starts"
    poll_until(process, lambda: starts.exists() and len(starts.read_text()) >= 2)
    process.close()
    assert log == ["the monitor has ended; starting it again, playing on"]


def test_a_monitor_that_cannot_run_is_not_restarted(tmp_path: Path) -> None:
    log: list[str] = []
    text = "raise SystemExit(2)"
    process = MonitorProcess(tmp_path / "face.sock", None, log.append, program(tmp_path, text))
    poll_until(process, lambda: bool(log))
    for second in range(200):
        process.poll(time.monotonic() + second)
    assert process.process is None
    assert log == ["the monitor cannot run here; playing on without it"]


def test_a_monitor_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    text = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)"
    process = MonitorProcess(tmp_path / "face.sock", None, print, program(tmp_path, text))
    process.poll(time.monotonic())
    time.sleep(0.5)
    process.close()
    assert process.process.returncode == -9


@pytest.mark.parametrize("terminal", [True, False])
def test_the_link_with_the_token_is_printed_on_a_terminal_only(
    tmp_path: Path, terminal: bool
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("a-token-of-some-length")
    token_file.chmod(0o600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "gallery.yaml"
    config.write_text(yaml.safe_dump({"monitor": {"port": port, "token_file": str(token_file)}}))
    reading, writing = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "latent_resonance", "monitor", "--child"]
    with subprocess.Popen(
        [*command, "--config", str(config), "--socket", str(tmp_path / "face.sock")],
        env=environment_in(tmp_path),
        stderr=writing,
    ) as process:
        os.close(writing)
        printed = b""
        while b"/staff" not in printed.partition(b"\n")[0] or b"\n" not in printed:
            printed += os.read(reading, 4096)
        process.terminate()
    os.close(reading)
    link = f"http://127.0.0.1:{port}/staff#token=a-token-of-some-length"
    assert (link in printed.decode()) is terminal
