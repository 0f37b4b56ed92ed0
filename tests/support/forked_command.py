"""Runs command lines in forks of one process that has imported their packages already.

Importing PyTorch takes seconds of processor time, and dozens of tests run a command. Each command
still has a process of its own: its own working folder, environment, standard streams and exit code.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
from multiprocessing.context import ForkServerContext
from pathlib import Path

COMMANDS = {
    "latent_resonance_export": "latent_resonance_export.cli",
    "latent_resonance": "latent_resonance.cli",
}
# What the commands import first or later; a package that is not installed here is passed over.
PRELOADED = (
    *COMMANDS.values(), "latent_resonance.rendering", "tests.support.forked_command",
    "torch", "torch._dynamo", "librosa", "librosa.core.pitch", "scipy.signal", "scipy.ndimage",
    "soundfile", "soxr", "matplotlib.pyplot", "onnx", "onnxscript", "onnxruntime",
    "lightning_fabric",
)  # fmt: skip


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.forked_command", *PRELOADED])
    return context


CONTEXT = _context()


def run_forked(
    package: str, *arguments: object, timeout_s: float, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs `python -m PACKAGE ARGUMENTS`, and returns what subprocess.run would.

    Raises
    ------
    subprocess.TimeoutExpired
        The command took longer than `timeout_s`; it has been killed.
    """
    command = [package, *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("stdout", "stderr")]
        process = CONTEXT.Process(
            target=_main,
            args=(command, streams, str(cwd or Path.cwd()), {**os.environ, **environment}),
        )
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout_s)
        output, errors = (path.read_text() for path in streams)
        return subprocess.CompletedProcess(command, process.exitcode, output, errors)


def _main(command: list[str], streams: list[Path], cwd: str, environment: dict[str, str]) -> None:
    """The command's own process, from here to its end."""
    for number, path in enumerate(streams, start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    package, *sys.argv[1:] = command
    sys.argv[0] = f"{package}/__main__.py"
    importlib.import_module(COMMANDS[package]).main()
