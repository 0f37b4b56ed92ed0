"""Diagnoses the machine: what is wrong with it, and what to do.

Runs in the process of `latent-resonance doctor`. Whatever could crash or hang runs in a process
of its own (`probes.py`). In: the settings. Out: a list of checks; a *fail* keeps the instrument
from playing, a *warn* does not.

    check.py          the result of a check, and how a probe is run
    software.py       the program, its libraries, settings, pack and models
    devices.py        camera, face, speaker
    visible_range.py  how far the camera sees a face
    machine.py        temperature, power, memory, disk, clock
    units.py          the state of the systemd units, and file permissions
    sandbox.py        whether the sandboxes of eye, voice and screen hold
    monitor.py        the monitor's page and its token, if installed
    bundle.py         one file about this machine, to be mailed
    redact.py         what is removed from it
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from latent_resonance.config.settings import Settings, SettingsError, load_settings
from latent_resonance.doctor import bundle, devices, machine, monitor, sandbox, software, units
from latent_resonance.doctor.check import FAIL, OK, WARN, Check, run_probe

__all__ = ["FAIL", "OK", "WARN", "Check", "run_checks", "write_bundle_of"]

SITE = Path("/etc/latent-resonance/latent-resonance.yaml")


def run_checks(config: Path | None, *, tone: bool = False, site: Path = SITE) -> list[Check]:
    """Every check, in the order of a diagnosis by hand.

    Parameters
    ----------
    config
        The settings file; None for the one of this machine, or else the defaults.
    tone
        Also play a test tone.
    site
        The settings file of this machine; it may be missing.
    """
    config = config_in_use(config, site)
    checks = [software.check_settings(config)]
    if checks[0].verdict == FAIL:
        config = None
    checks += software_checks(config)
    eye, voice = units.read_unit_state(units.EYE), units.read_unit_state(units.VOICE)
    checks += device_checks(config, eye, voice, checks, tone=tone)
    checks += machine.checks()
    checks.append(machine.check_priority(voice.pid))
    checks += [units.check_units(eye, voice), units.check_permissions(paths_used(config))]
    walls = (eye, voice, units.read_unit_state(units.SCREEN))
    checks += [sandbox.check_sandbox(state) for state in walls if state.installed]
    state = units.read_unit_state(units.MONITOR)
    if state.installed:
        checks.append(monitor.check_monitor(state, effective_settings(config).monitor))
    return checks


def config_in_use(config: Path | None, site: Path = SITE) -> Path | None:
    """The settings file that is checked: the given one, or this machine's; None if it has none."""
    return config or (site if site.exists() else None)


def write_bundle_of(output: Path, config: Path | None, checks: list[Check]) -> None:
    """Write the file to be mailed, see `bundle.py`. It takes a minute.

    Raises
    ------
    OutputFileError
        The file cannot be written.
    """
    config = config_in_use(config)
    bundle.write_bundle(output, effective_settings(config), config, checks)


def software_checks(config: Path | None) -> list[Check]:
    """Checks of the installed software."""
    processor = software.check_processor(platform.machine(), Path("/proc/cpuinfo"))
    libraries = software.check_libraries(software.required_libraries())
    checks = [software.check_versions(), processor, libraries]
    checks += [software.check_opencv(), software.check_pack(run_probe("pack", config))]
    checks.append(software.check_network(run_probe("network", config)))
    checks.append(software.check_face_model(run_probe("face_model", config)))
    checks.append(software.check_tracker(run_probe("tracker", config)))
    return checks


def device_checks(
    config: Path | None,
    eye: units.UnitState,
    voice: units.UnitState,
    previous: list[Check],
    *,
    tone: bool,
) -> Iterator[Check]:
    """Camera and speaker, from the status of the running units or by probes."""
    if eye.active:
        yield devices.camera_from_status(eye.status)
        yield devices.face_from_status(voice.status)
    else:
        camera = devices.check_camera(run_probe("camera", config))
        yield camera
        tracks = any(check.name == "tracker" and check.verdict == OK for check in previous)
        if camera.verdict == OK and tracks:
            yield devices.check_face(run_probe("face", config))
    if voice.active:
        yield devices.speaker_from_status(voice.status)
    else:
        yield devices.check_speaker(run_probe("speaker", config))
    if tone:
        played = run_probe("tone", config, shows_progress=True)
        yield devices.check_tone(played, in_use=voice.active)


def effective_settings(config: Path | None) -> Settings:
    """The settings of a file, or the defaults if it is invalid."""
    try:
        return load_settings(config)
    except SettingsError:
        return Settings()


def paths_used(config: Path | None) -> list[Path]:
    """The files that the units' users have to read."""
    settings = effective_settings(config)
    named = (settings.pack, str(settings.camera.source), settings.attract.score)
    paths = [Path(name) for name in named if name is not None and name.startswith("/")]
    return [*([config] if config else []), *(path for path in paths if path.exists())]
