"""Examines the machine and says what is wrong with it and what to do.

Runs in the process of `latent-resonance doctor` and keeps out of trouble itself: whatever
could crash or hang is tried in a process of its own (`probes.py`). In: the settings. Out: a
list of checks, of which a *fail* keeps the instrument from playing and a *warn* does not.

    check.py     what a check is, and how something is tried out
    software.py  the program, its libraries, settings, pack and models
    devices.py    camera, face, speaker
    machine.py   temperature, power, memory, disk, clock
    units.py     what systemd makes of it, and who may read what
    sandbox.py      whether the eye and the voice are as shut in as they should be
    monitor.py      the monitor's page and its token, where it was installed
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from latent_resonance.config.settings import Settings, SettingsError, load_settings
from latent_resonance.doctor import devices, machine, monitor, sandbox, software, units
from latent_resonance.doctor.check import FAIL, OK, WARN, Check, probe

__all__ = ["FAIL", "OK", "WARN", "Check", "examine"]

SITE = Path("/etc/latent-resonance/latent-resonance.yaml")


def examine(config: Path | None, *, tone: bool = False, site: Path = SITE) -> list[Check]:
    """Every check, in the order in which a technician would ask.

    Parameters
    ----------
    config
        The settings; None for those of this site, or else the defaults.
    tone
        Also play one, to be heard.
    site
        Where this machine's settings are, if they are.
    """
    config = config or (site if site.exists() else None)
    checks = [software.check_settings(config)]
    if checks[0].verdict == FAIL:
        config = None
    checks += software_checks(config)
    eye, voice = units.state_of(units.EYE), units.state_of(units.VOICE)
    checks += senses_checks(config, eye, voice, checks, tone=tone)
    checks += machine.checks()
    checks += [units.check_units(eye, voice), units.check_permissions(paths_used(config))]
    checks += [sandbox.check_wall(state) for state in (eye, voice) if state.installed]
    state = units.state_of(units.MONITOR)
    if state.installed:
        checks.append(monitor.check_monitor(state, settings_in_force(config).monitor))
    return checks


def software_checks(config: Path | None) -> list[Check]:
    """What was installed."""
    processor = software.check_processor(platform.machine(), Path("/proc/cpuinfo"))
    libraries = software.check_libraries(software.libraries_needed())
    checks = [software.check_versions(), processor, libraries]
    checks += [software.check_opencv(), software.check_pack(probe("pack", config))]
    checks.append(software.check_network(probe("network", config)))
    checks.append(software.check_face_model(probe("face_model", config)))
    checks.append(software.check_tracker(probe("tracker", config)))
    return checks


def senses_checks(
    config: Path | None,
    eye: units.State,
    voice: units.State,
    so_far: list[Check],
    *,
    tone: bool,
) -> Iterator[Check]:
    """Camera and speaker, asked of whoever holds them."""
    if eye.active:
        yield devices.camera_of_eye(eye.status)
        yield devices.face_of_voice(voice.status)
    else:
        camera = devices.check_camera(probe("camera", config))
        yield camera
        tracks = any(check.name == "tracker" and check.verdict == OK for check in so_far)
        if camera.verdict == OK and tracks:
            yield devices.check_face(probe("face", config))
    if voice.active:
        yield devices.speaker_of_voice(voice.status)
    else:
        yield devices.check_speaker(probe("speaker", config))
    if tone:
        yield devices.reference_tone(probe("tone", config), held=voice.active)


def settings_in_force(config: Path | None) -> Settings:
    """Those of a file; the defaults where they cannot be used."""
    try:
        return load_settings(config)
    except SettingsError:
        return Settings()


def paths_used(config: Path | None) -> list[Path]:
    """The files that somebody else than root has to read."""
    settings = settings_in_force(config)
    named = (settings.pack, str(settings.camera.source), settings.attract.score)
    paths = [Path(name) for name in named if name is not None and name.startswith("/")]
    return [*([config] if config else []), *(path for path in paths if path.exists())]
