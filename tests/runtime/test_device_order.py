"""Which speaker is opened, of those that there are."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from latent_resonance.voice.output import portaudio_process
from latent_resonance.voice.output.alsa_config import hdmi_cards
from latent_resonance.voice.output.device_order import (
    DeviceInfo,
    OutputError,
    candidates,
    find_device,
)
from latent_resonance.voice.output.new_cards import LOOK_S, NewCards

HDMI_RAW = "vc4-hdmi-0: MAI PCM i2s-hifi-0 (hw:0,0)"
HDMI = "vc4hdmi0_converted"
USB = "USB Audio: - (hw:1,0)"
HAT = "snd_rpi_hifiberry_dac: HiFiBerry (hw:2,0)"
HEADPHONES = "bcm2835 Headphones: - (hw:3,0)"


def devices(*names: str) -> list[DeviceInfo]:
    return [DeviceInfo(i, name, "ALSA", 2, 48_000.0, i == 0) for i, name in enumerate(names)]


def test_a_speaker_is_found_by_name_whatever_its_card_number() -> None:
    today = devices("vc4-hdmi-0: MAI (hw:0,0)", "USB Audio: - (hw:1,0)", "default")
    tomorrow = devices("USB Audio: - (hw:0,0)", "vc4-hdmi-0: MAI (hw:1,0)", "default")
    for found in (today, tomorrow):
        assert find_device("usb audio", found).name.startswith("USB Audio")


@pytest.mark.parametrize("number", ["1", "hw:1"])
def test_a_card_number_does_not_select_a_speaker(number: str) -> None:
    found = devices("vc4-hdmi: MAI (hw:0,0)", "USB Audio: - (hw:1,0)")
    with pytest.raises(OutputError, match=r"available: 'vc4-hdmi: MAI', 'USB Audio: -'"):
        find_device(number, found)


def test_the_default_speaker_is_used_if_none_is_named() -> None:
    assert find_device(None, devices("first", "second")).name == "first"
    with pytest.raises(OutputError, match="no speaker found"):
        find_device(None, [])


@pytest.mark.parametrize(
    "order",
    [
        (USB, HDMI, HDMI_RAW, HEADPHONES, "default"),
        (HAT, HDMI_RAW, "default"),
        ("pulse", USB, "default"),  # the server owns the card
    ],
)
def test_without_a_name_what_could_work_is_tried_in_order(order: tuple[str, ...]) -> None:
    for found in (order, order[::-1]):
        assert [d.name for d in candidates(None, not_default(*found))] == list(order)


def not_default(*names: str) -> list[DeviceInfo]:
    return [replace(device, is_default=False) for device in devices(*names)]


@pytest.mark.parametrize("name", ["vc4hdmi0", "vc4-hdmi-0", "VC4-HDMI"])
def test_a_name_may_be_written_as_alsa_or_as_portaudio_does(name: str) -> None:
    found = devices(USB, HDMI_RAW)
    assert find_device(name, found).name == HDMI_RAW


def test_a_device_that_took_no_samples_is_tried_only_if_no_other_is_left() -> None:
    found = devices(USB, HAT)
    assert [d.name for d in candidates(None, found, [USB])] == [HAT]
    assert [d.name for d in candidates(None, found, [USB, HAT])] == [USB, HAT]


CARDS = """ 0 [vc4hdmi0       ]: vc4-hdmi - vc4-hdmi-0
                      vc4-hdmi-0
 1 [vc4hdmi1       ]: vc4-hdmi - vc4-hdmi-1
                      vc4-hdmi-1
 2 [Device         ]: USB-Audio - USB Audio Device
"""


@pytest.mark.parametrize(
    ("screens", "named"),
    [
        ({"card1-HDMI-A-1": "disconnected", "card1-HDMI-A-2": "connected"}, ["vc4hdmi1"]),
        ({}, ["vc4hdmi0", "vc4hdmi1"]),  # unknown
    ],
)
def test_hdmi_cards_with_a_screen_are_named(
    tmp_path: Path, screens: dict[str, str], named: list[str]
) -> None:
    (tmp_path / "cards").write_text(CARDS)
    for name, status in screens.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "status").write_text(f"{status}\n")
    assert list(hdmi_cards(tmp_path / "cards", tmp_path)) == named
    assert list(hdmi_cards(tmp_path / "none", tmp_path)) == []


def test_a_screen_s_status_that_cannot_be_read_counts_as_unknown(tmp_path: Path) -> None:
    (tmp_path / "cards").write_text(CARDS)
    (tmp_path / "card0-HDMI-A-1/status").mkdir(parents=True)  # as while its driver is unloaded
    assert "vc4hdmi0" in hdmi_cards(tmp_path / "cards", tmp_path)


class Machine:
    """The kernel's list of cards and the device files of those that can play, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now_s = folder, 0.0
        self.cards: dict[str, str] = {}

    def plug_in(self, key: str, name: str, *devices: str) -> None:
        """Connect a card, with the device files given."""
        number = len(self.cards)
        self.cards[key] = f" {number} [{key:15}]: {name}\n                      {name}\n"
        for device in devices:
            (self.folder / f"pcmC{number}{device}").touch()
        (self.folder / "cards").write_text("".join(self.cards.values()))

    def pull_out(self) -> None:
        """Disconnect the card that was connected last."""
        self.cards.popitem()
        for file in self.folder.glob(f"pcmC{len(self.cards)}*"):
            file.unlink()
        (self.folder / "cards").write_text("".join(self.cards.values()))

    def watched(self) -> NewCards:
        """A watch that begins now."""
        return NewCards(self.folder / "cards", self.folder, self.folder, lambda: self.now_s)

    def better(self, cards: NewCards, playing: str) -> str | None:
        """What the watch says a second later."""
        self.now_s += LOOK_S
        return cards.better_than(devices(playing)[0])


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.plug_in("vc4hdmi0", "vc4-hdmi - vc4-hdmi-0", "D0p")
    return machine


def test_a_usb_card_that_is_connected_later_is_better_than_hdmi(machine: Machine) -> None:
    cards = machine.watched()
    assert machine.better(cards, HDMI) is None
    machine.plug_in("DAC", "USB-Audio - USB DAC", "D0p", "D0c")
    assert cards.better_than(devices(HDMI)[0]) is None  # it looks once a second
    assert machine.better(cards, HDMI) == "USB DAC"


def test_a_card_is_named_once_until_it_is_connected_again(machine: Machine) -> None:
    machine.plug_in("DAC", "USB-Audio - USB DAC", "D0p")
    cards = machine.watched()
    assert machine.better(cards, HDMI) is None  # it was there, and was not chosen
    machine.pull_out()
    assert machine.better(cards, HDMI) is None
    machine.plug_in("DAC", "USB-Audio - USB DAC", "D0p")
    assert machine.better(cards, HDMI) == "USB DAC"
    assert machine.better(cards, HDMI) is None


def test_a_card_that_the_kernel_names_before_its_device_file_is_waited_for(
    machine: Machine, tmp_path: Path
) -> None:
    machine.plug_in("DAC", "USB-Audio - USB DAC")
    cards = machine.watched()
    assert machine.better(cards, HDMI) is None
    (tmp_path / "pcmC1D0p").touch()
    assert machine.better(cards, HDMI) == "USB DAC"


@pytest.mark.parametrize(
    ("name", "device", "playing"),
    [
        ("USB-Audio - HD Pro Webcam C920", "D0c", HDMI),  # a microphone
        ("vc4-hdmi - vc4-hdmi-1", "D0p", HDMI),
        ("vc4-hdmi - vc4-hdmi-1", "D0p", USB),
        ("bcm2835_headpho - bcm2835 Headphones", "D0p", HDMI),
        ("USB-Audio - USB DAC", "D0p", HAT),
        ("USB-Audio - USB DAC", "D0p", "pulse"),
    ],
)
def test_no_other_new_card_interrupts_the_sound(
    machine: Machine, name: str, device: str, playing: str
) -> None:
    cards = machine.watched()
    machine.plug_in("New", name, device)
    assert machine.better(cards, playing) is None


def test_a_screen_that_is_switched_on_later_is_better_than_the_board_s_headphones(
    machine: Machine, tmp_path: Path
) -> None:
    status = tmp_path / "card1-HDMI-A-1" / "status"
    status.parent.mkdir()
    status.write_text("disconnected\n")
    cards = machine.watched()
    assert machine.better(cards, HEADPHONES) is None
    status.write_text("connected\n")
    assert machine.better(cards, HEADPHONES) == "vc4-hdmi-0"


def test_the_search_for_a_speaker_begins_anew_when_a_screen_is_connected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = iter([[], ["vc4hdmi0"]])
    monkeypatch.setattr(portaudio_process, "hdmi_cards", lambda: next(found))
    monkeypatch.setattr(portaudio_process, "list_devices", list)
    monkeypatch.setattr(portaudio_process, "_stdin_ready", lambda _timeout_s: False)
    assert portaudio_process.open_device(None, 0, 48_000, 0.03, 2) is None
    assert capsys.readouterr().out.startswith("none no speaker found")


# A name that ALSA lists; it sorts before the others. What is left of a device is its definition.
ENCODED = "pcm.vc4hdmi0 { type iec958 slave { format S32_LE pcm { type null } } }"
GOOD = 'pcm.usb_good { type plug slave.pcm { type file file "%s" format wav slave.pcm null } }'
PROGRAM = """
import sys
from latent_resonance.voice.output import portaudio_process as p
found = p.candidates(None, [d for d in p.list_devices() if d.name in sys.argv[1:]])
output, device = p.open_first(found, 0, 48_000, 0.03, 2)
print(*(d.name for d in found), device.name)
"""


@pytest.mark.realtime
def test_a_device_that_takes_encoded_samples_only_is_left_for_the_next(tmp_path: Path) -> None:
    config = tmp_path / "asound.conf"
    good = GOOD % (tmp_path / "good.wav")
    config.write_text(f"</usr/share/alsa/alsa.conf>\n{ENCODED}\n{good}\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "vc4hdmi0", "usb_good"],
        env={**os.environ, "ALSA_CONFIG_PATH": str(config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["vc4hdmi0", "usb_good", "usb_good"]
    assert (tmp_path / "good.wav").exists()
