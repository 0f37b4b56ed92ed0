"""The id at an MQTT broker: permanent, different for every installation, and no secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from latent_resonance.config.monitor import Mqtt
from latent_resonance.config.settings import SettingsError, load_settings
from latent_resonance.monitor.identity import identity_of

SOCKET = Path("/run/latent-resonance/face.sock")
MACHINE = "0123456789abcdef0123456789abcdef"


def machine(folder: Path, *, serial: str = "", mac: str = "", id_: str = MACHINE) -> Path:
    """The files of a machine that `identity_of` reads."""
    for path, content in (
        ("etc/machine-id", id_),
        ("sys/firmware/devicetree/base/serial-number", serial and f"{serial}\0"),
        ("sys/class/net/eth0/address", mac),
    ):
        if content:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
    if mac:
        (folder / "sys/class/net/eth0/device").mkdir()
    return folder


def id_of(root: Path, socket: Path = SOCKET) -> str:
    return identity_of(Mqtt(host="broker"), socket, root).id


def test_two_machines_written_from_one_image_have_two_ids(tmp_path: Path) -> None:
    boards = [machine(tmp_path / serial, serial=serial) for serial in ("10000000a", "10000000b")]
    cards = [machine(tmp_path / mac, mac=mac) for mac in ("02:00:00:00:00:01", "02:00:00:00:00:02")]
    assert len({id_of(root) for root in (*boards, *cards)}) == 4


def test_two_installations_on_one_machine_have_two_ids(tmp_path: Path) -> None:
    root = machine(tmp_path, serial="1")
    assert id_of(root) != id_of(root, Path("/run/second/face.sock"))


def test_the_id_is_permanent_accepted_everywhere_and_reveals_nothing(tmp_path: Path) -> None:
    root = machine(tmp_path, serial="10000000abcd")
    identity = id_of(root)
    assert identity == id_of(root)
    assert len(identity) <= 23  # what every broker accepts
    assert MACHINE[:8] not in identity


def test_a_machine_without_any_of_it_has_an_id_too(tmp_path: Path) -> None:
    assert id_of(tmp_path / "nothing") == id_of(tmp_path / "nothing")


def test_the_id_can_be_set(tmp_path: Path) -> None:
    settings = Mqtt(host="broker", client_id="north-wing")
    assert identity_of(settings, SOCKET, machine(tmp_path)).id == "north-wing"


@pytest.mark.parametrize("line", ["client_id: a/b", "client_id: '#'", "client_id: ''"])
def test_an_id_that_is_no_level_of_a_topic_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"monitor: {{mqtt: {{{line}}}}}")
    with pytest.raises(SettingsError, match=r"monitor\.mqtt\.client_id"):
        load_settings(file)
