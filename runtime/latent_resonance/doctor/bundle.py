"""One file about this machine, to be mailed: `latent-resonance doctor --bundle FILE.zip`.

    versions.txt   program, packages, kernel
    settings.yaml  the settings, without secrets and comments
    doctor.txt     the checks
    journal.txt    the last lines of the units
    figures.csv    a minute of load, images/s, underflows and temperature

It holds no feature, no image, no count and no time of a visit, and no secret. It is readable by its
owner only, and written as a whole or not at all.
"""

from __future__ import annotations

import csv
import io
import platform
import socket
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path

import yaml

from latent_resonance import __version__
from latent_resonance.config.settings import Settings, socket_path_of
from latent_resonance.config.text_encoding import read_text
from latent_resonance.config.yaml_file import YamlError, parse_yaml
from latent_resonance.doctor.check import Check
from latent_resonance.doctor.monitor import TOKEN
from latent_resonance.doctor.redact import redacted, without_secrets
from latent_resonance.doctor.units import run_text
from latent_resonance.link.server import monitor_path
from latent_resonance.link.telemetry import MAX_BYTES, Report, TelemetryError, decode
from latent_resonance.linux.atomic_file import atomic_path
from latent_resonance.linux.unix_socket import checked_address

FIGURES_S = 60.0
EVERY_S = 1.0  # between two rows of figures
JOURNAL_LINES = 2000
VOICE_TIMEOUT_S = 3.0
# Nothing about a visitor: no scene, no loudness, no latency, which exist only while one is there.
FIGURES: dict[str, Callable[[Report], object]] = {
    "images_per_s": lambda report: report.images_per_s,
    "load": lambda report: report.load,
    "tier": lambda report: report.tier,
    "underflows": lambda report: report.underflows,
    "faults": lambda report: sum(report.faults.values()),
    "celsius": lambda report: report.celsius,
    "throttled": lambda report: int(report.throttled),
    "speaker": lambda report: int(bool(report.speaker)),
}
NO_JOURNAL = "no lines; as root there may be some: sudo latent-resonance doctor --bundle …\n"
JOURNAL = (
    *("journalctl", "--unit=latent-resonance-*", f"--lines={JOURNAL_LINES}", "--no-pager"),
    *("--output=short-iso", "--no-hostname", "--quiet"),
)


def write_bundle(
    output: Path,
    settings: Settings,
    config: Path | None,
    checks: Iterable[Check],
    *,
    seconds: float = FIGURES_S,
) -> None:
    """Collect everything and write the file.

    Parameters
    ----------
    config : the settings file; None if there is none
    seconds : for how long figures are collected

    Raises
    ------
    OutputFileError
        The file cannot be written; immediately, if its folder cannot.
    """
    secrets = tuple(secrets_of(settings))
    with atomic_path(output) as temporary:
        temporary.chmod(0o600)
        texts = {
            "versions.txt": versions(),
            "settings.yaml": settings_text(config),
            "doctor.txt": "\n".join(check.as_text() for check in checks) + "\n",
            "journal.txt": run_text(JOURNAL) or NO_JOURNAL,
            "figures.csv": figures(monitor_path(socket_path_of(settings)), seconds),
        }
        _write_zip(temporary, {name: redacted(text, secrets) for name, text in texts.items()})


def _write_zip(path: Path, texts: Mapping[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)


def secrets_of(settings: Settings) -> Iterator[str]:
    """The secrets of this machine that may be read here."""
    monitor = settings.monitor
    yield monitor.mqtt.username or ""
    for file in (monitor.token_file, monitor.mqtt.password_file, str(TOKEN)):
        if file:
            yield from _lines(Path(file).expanduser())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split()
    except (OSError, ValueError):
        return []


def versions() -> str:
    """Program, Python, kernel and every package, one a line."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    packages = sorted(
        {f"{each.metadata['Name']} {each.version}" for each in distributions()}, key=str.lower
    )
    head = [f"latent-resonance {__version__}", f"python {sys.version.split()[0]}", system]
    return "\n".join([*head, os_release(), "", *packages]) + "\n"


def os_release(path: Path = Path("/etc/os-release")) -> str:
    """Name of the distribution; empty if it is unknown."""
    named = [line for line in _raw_lines(path) if line.startswith("PRETTY_NAME=")]
    return named[0].partition("=")[2].strip('"') if named else ""


def _raw_lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def settings_text(config: Path | None) -> str:
    """The settings without secrets and comments, or why they cannot be shown."""
    if config is None:
        return "# no file; the defaults\n"
    try:
        content = parse_yaml(read_text(config))
    except (OSError, ValueError, YamlError) as error:
        return f"# {config.name} cannot be read: {str(error).strip(', ')}\n"
    return yaml.safe_dump(without_secrets(content), sort_keys=False, allow_unicode=True)


def figures(path: Path, seconds: float) -> str:
    """Figures of a running voice, a row every EVERY_S, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("time_s", *FIGURES))
    try:
        for time_s, report in _reports(path, seconds):
            row = (value(report) for value in FIGURES.values())
            writer.writerow((f"{time_s:.1f}", *row))
    except OSError as error:
        text.write(f"# no voice reports ({error.strerror or 'it is silent'})\n")
    return text.getvalue()


def _reports(path: Path, seconds: float) -> Iterator[tuple[float, Report]]:
    """Seconds since the beginning, and the report."""
    begin_s, due_s = time.monotonic(), 0.0
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(VOICE_TIMEOUT_S)
        connection.connect(checked_address(path))
        while (time_s := time.monotonic() - begin_s) < seconds:
            report = _report(connection.recv(MAX_BYTES + 1))
            if report is not None and time_s >= due_s:
                due_s = time_s + EVERY_S
                yield time_s, report


def _report(data: bytes) -> Report | None:
    """The report that a message holds; None if it is another message.

    Raises
    ------
    ConnectionError
        The voice has closed the connection.
    """
    if not data:
        raise ConnectionResetError(None, "it has ended")
    try:
        message = decode(data)
    except TelemetryError:
        return None
    return message if isinstance(message, Report) else None
