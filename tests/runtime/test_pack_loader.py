"""The pack is opened on a thread while the voice is imported."""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import settings_of
from tests.support.timing import until

from latent_resonance.face_state import neutral_features
from latent_resonance.pack import PackError, open_pack
from latent_resonance.voice import pack_loader
from latent_resonance.voice.abandoned import NAME, count_abandoned
from latent_resonance.voice.pack_loader import PackLoader, in_time
from latent_resonance.voice.synthesis.networks import load_networks


def test_it_gives_the_pack_and_networks_that_opening_them_gives(pack_folder: Path) -> None:
    settings = settings_of(pack_folder)
    loader = PackLoader(settings)
    pack = loader.pack(settings)
    networks = loader.networks(pack, settings.inference)
    expected = load_networks(open_pack(pack_folder), settings.inference)
    assert pack.name == open_pack(pack_folder).name
    features = neutral_features()
    np.testing.assert_array_equal(networks.z_of(features), expected.z_of(features))


def test_an_error_is_raised_when_the_pack_is_asked_for(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "missing")
    loader = PackLoader(settings)
    for _ in range(2):
        with pytest.raises(PackError, match="no pack"):
            loader.pack(settings)


def test_an_error_of_a_network_is_raised_when_the_networks_are_asked_for(
    pack_folder: Path,
) -> None:
    settings = settings_of(pack_folder)
    refused = settings.inference.model_copy(update={"threads": "many"})
    loader = PackLoader(settings.model_copy(update={"inference": refused}))
    pack = loader.pack(settings)
    with pytest.raises(TypeError):
        loader.networks(pack, refused)


def test_other_settings_open_another_pack(pack_folder: Path, tmp_path: Path) -> None:
    loader = PackLoader(settings_of(tmp_path / "missing"))
    settings = settings_of(pack_folder)
    pack = loader.pack(settings)
    assert pack.folder == pack_folder
    assert loader.networks(pack, settings.inference).provider == "CPUExecutionProvider"


def test_whoever_holds_the_loader_does_not_hold_the_networks(pack_folder: Path) -> None:
    settings = settings_of(pack_folder)
    loader = PackLoader(settings)
    networks = loader.networks(loader.pack(settings), settings.inference)
    held = weakref.ref(networks)
    del networks
    assert held() is None


@pytest.mark.parametrize("hanging", ["open_pack", "load_networks"])
def test_a_pack_that_does_not_open_in_time_is_refused(
    pack_folder: Path, monkeypatch: pytest.MonkeyPatch, hanging: str
) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(pack_loader, "OPEN_DEADLINE_S", 0.2)
    monkeypatch.setattr(pack_loader, hanging, lambda *_: let_go.wait(30))
    settings = settings_of(pack_folder)
    loader = PackLoader(settings)
    with pytest.raises(PackError, match=r"does not open within 0\.2 s"):
        loader.networks(loader.pack(settings), settings.inference)
    assert count_abandoned() == 1
    let_go.set()
    until(lambda: count_abandoned() == 0, 60, "the thread has come back")  # idle priority


def test_work_that_returns_in_time_gives_its_value_or_its_error() -> None:
    assert in_time("cello", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        in_time("cello", lambda: 1 // 0)


def test_work_that_does_not_return_in_time_is_left_alone_at_the_lowest_priority(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(pack_loader, "OPEN_DEADLINE_S", 0.1)
    with pytest.raises(PackError, match=r"pack cello: does not open within 0\.1 s"):
        in_time("cello", lambda: let_go.wait(30))
    (thread,) = [each for each in threading.enumerate() if each.name == NAME]
    assert os.sched_getscheduler(thread.native_id) == os.SCHED_IDLE
    let_go.set()
    thread.join(60)  # at idle priority, beside whatever else runs
    assert count_abandoned() == 0
