"""In a booted container: a take is recorded from the voice's sandbox into the monitor's folder.

Without an installation, so that it takes seconds: the units start this environment's program.
"""

from __future__ import annotations

import io
import json
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support import systemd_container

ROOT = Path(__file__).parents[2]
UNITS = ("latent-resonance-voice", "latent-resonance-monitor")
TOKEN = "a-token-of-some-length"
STATE = "var/lib/private/latent-resonance-monitor"
ASK = f"""
import sys, urllib.request
method, path, body = sys.argv[1:]
headers = {{"Authorization": "Bearer {TOKEN}", "Content-Type": "application/json"}}
request = urllib.request.Request("http://127.0.0.1:8765" + path, body.encode() or None, headers)
answer = urllib.request.urlopen(request, timeout=30).read()
sys.stdout.write(answer.hex())
"""
PATIENCE_S = 120.0

pytestmark = [
    pytest.mark.system,
    pytest.mark.realtime,
    pytest.mark.alone,
    pytest.mark.timeout(600),
]


class Booted:
    """A machine with both units, as `install.sh --monitor` leaves them."""

    def __init__(self, machine: systemd_container.Machine) -> None:
        self.machine = machine
        names = [f"{unit}.service" for unit in UNITS]
        machine.add_units(*names)
        machine.enable(*names)
        site = machine.root / "etc/latent-resonance"
        site.mkdir()
        (site / "latent-resonance.yaml").write_text("camera: {source: none}\n")
        (site / "monitor-token").write_text(TOKEN)
        (site / "monitor-token").chmod(0o600)
        machine.save_quality()
        self.let_users_enter(sys.prefix, sys.base_prefix, str(ROOT))

    def let_users_enter(self, *folders: str) -> None:
        """Let the units' users run this environment; changes the machine and not what is below."""
        for folder in folders:
            for each in (Path(folder), *Path(folder).parents):
                inside = self.machine.root / str(each)[1:]
                inside.chmod(inside.stat().st_mode | 0o5)

    def ask(self, method: str, path: str, content: object = None) -> bytes:
        """The answer of the monitor."""
        body = "" if content is None else json.dumps(content)
        program = [f"{sys.prefix}/bin/python", "-c", ASK]
        return bytes.fromhex(self.machine.run(*program, method, path, body).stdout)


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    systemd_container.skip_where_nothing_can_boot()
    machine = systemd_container.Machine(tmp_path_factory.mktemp("machine"))
    try:
        booted = Booted(machine)
        machine.power_on()
        for unit in UNITS:
            machine.until(unit, "ActiveState", "active", PATIENCE_S)
        yield booted
    finally:
        machine.close()


def test_a_take_leaves_one_sandbox_through_a_file_of_the_other(booted: Booted) -> None:
    end_s = time.monotonic() + PATIENCE_S
    started = json.loads(booted.ask("POST", "/takes", {"do": "start"}))
    assert started["seconds"] == 0.0
    time.sleep(3.0)
    state = json.loads(booted.ask("POST", "/takes", {"do": "stop"}))
    folder = booted.machine.root / STATE / "takes"
    while not (files := list(folder.glob("take-*.wav"))):
        assert time.monotonic() < end_s, (state, booted.machine.log())
        time.sleep(0.2)
    (file,) = files
    assert file.stat().st_mode & 0o777 == 0o600
    assert "a take has been recorded" in booted.machine.log()
    with wave.open(io.BytesIO(booted.ask("GET", f"/takes/{file.name}"))) as take:
        assert take.getnframes() > take.getframerate()
        samples = np.frombuffer(take.readframes(take.getnframes()), "<i2") / 32_768
    assert np.sqrt(np.mean(np.square(samples))) > 0.001  # the score, without a visitor
