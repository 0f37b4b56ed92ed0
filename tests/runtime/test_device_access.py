"""Devices that exist and may not be opened are called that, with the command that helps."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from latent_resonance.doctor.check import WARN, ProbeResult
from latent_resonance.doctor.devices import check_camera, check_speaker
from latent_resonance.linux.device_access import forbidden, forbidden_message, forbidden_sound_cards

NOBODY = 65534


@pytest.fixture
def device() -> Iterator[Path]:
    """A device that only its owner may open, in a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = folder / "pcmC0D0p"
        path.touch(mode=0o600)
        yield path


def as_nobody(call: Callable[[], list[Path]]) -> list[Path]:
    """What a call returns for another user, in a child of this process."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, "\n".join(map(str, call())).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        lines = file.read().splitlines()
    os.waitpid(child, 0)
    return [Path(line) for line in lines]


def test_a_device_that_may_be_opened_or_is_missing_is_not_forbidden(device: Path) -> None:
    assert forbidden([device, device.with_name("video9")]) == []


def test_a_device_of_another_user_is_named_with_the_remedy(device: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    assert as_nobody(lambda: forbidden_sound_cards(device.parent)) == [device]
    message = forbidden_message([device])
    assert message.startswith(f"this user may not open {device}; sudo usermod -aG audio,video")
    assert forbidden_sound_cards(device.parent) == []  # root may


def test_in_a_service_whose_user_has_the_groups_the_remedy_is_a_restart() -> None:
    message = forbidden_message([Path("/dev/video0")], {"NOTIFY_SOCKET": "/run/systemd/notify"})
    assert message.endswith("; sudo systemctl restart latent-resonance.target")


@pytest.mark.parametrize("check", [check_camera, check_speaker])
def test_the_doctor_gives_this_remedy_and_not_another(check: object) -> None:
    message = forbidden_message([Path("/dev/video0")])
    found = check(ProbeResult(1, message))  # type: ignore[operator]
    assert found.verdict == WARN
    assert found.detail == "this user may not open /dev/video0"
    assert found.remedy.startswith("sudo usermod -aG audio,video")
