"""Commands that open a pack end in time, and in a limited memory, whatever its networks do."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import onnx
import pytest
from tests.support.bad_networks import hungry, slow_to_open, with_network

from latent_resonance.config.settings import Inference
from latent_resonance.pack import PackError, open_pack
from latent_resonance.voice.pack_loader import MAX_MEMORY_BYTES, load_in_time

DEADLINE_S = 0.5
VERIFY = f"""
from latent_resonance.voice import pack_loader
pack_loader.OPEN_DEADLINE_S = {DEADLINE_S}
from latent_resonance.cli import main
main()
"""
PROBE = f"""
import sys
from latent_resonance.voice import pack_loader
pack_loader.OPEN_DEADLINE_S = {DEADLINE_S}
from latent_resonance.linux.process_exit import leave
from latent_resonance.doctor.probes import main
leave(main("pack", sys.argv[1]))
"""
# Linux counts what the parent has in memory too, and a process of pytest's has a gigabyte.
MEASURE = """
import json, os, subprocess, sys
process = subprocess.Popen(
    [sys.executable, "-c", *sys.argv[1:]],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
)
*_, line = process.stdout.read().splitlines()
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([process.returncode, line, usage.ru_maxrss * 1024]))
"""


class Ended(NamedTuple):
    """How a process has ended."""

    code: int
    line: str
    max_bytes: int
    seconds: float


def ended(script: str, *arguments: str) -> Ended:
    """Run Python code in a process of its own."""
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, script, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return Ended(*json.loads(done.stdout), time.monotonic() - began_s)


def with_generator(folder: Path, change: Callable[[onnx.ModelProto], onnx.ModelProto]) -> Path:
    return with_network(folder, "generator.onnx", change(onnx.load(folder / "generator.onnx")))


@pytest.mark.realtime
def test_a_network_that_takes_minutes_to_open_is_refused_in_time(
    make_pack: Callable[..., Path], tmp_path: Path
) -> None:
    pack = with_generator(make_pack(), slow_to_open)
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"pack: {pack}\n")
    for run in (ended(VERIFY, "packs", "verify", str(pack)), ended(PROBE, str(settings))):
        assert run.code == 1
        assert f"does not open within {DEADLINE_S} s" in run.line
        assert run.seconds < 20


@pytest.mark.realtime
def test_a_network_that_fills_the_memory_is_refused_and_does_not_fill_it(
    make_pack: Callable[..., Path],
) -> None:
    pack = with_generator(make_pack(), lambda model: hungry(model, 64))
    run = ended("from latent_resonance.cli import main; main()", "packs", "verify", str(pack))
    assert run.code == 1
    assert "does not take z (1, 8)" in run.line
    assert run.max_bytes < MAX_MEMORY_BYTES + (300 << 20)


def test_opening_a_pack_leaves_no_limit_behind(pack_folder: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    pack, networks = load_in_time(str(pack_folder), Inference())
    assert pack.name == open_pack(pack_folder).name
    assert networks.provider == "CPUExecutionProvider"
    with pytest.raises(PackError, match="no pack"):
        load_in_time(str(tmp_path / "missing"), Inference())
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
