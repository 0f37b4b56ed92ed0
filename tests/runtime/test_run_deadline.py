"""A network that never returns: each of its runs is ended, and it is refused as a pack."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from tests.support.audio_measures import settings_of
from tests.support.bad_networks import empty_steps_in, looping, stuck, with_network
from tests.support.timing import until

from latent_resonance.pack import PackError, open_pack
from latent_resonance.voice.pack_loader import in_time
from latent_resonance.voice.synthesis import networks, run_deadline
from latent_resonance.voice.synthesis.networks import NetworkError, load_networks

FACE = {"features": np.ones((1, 16), np.float32)}


@pytest.fixture
def deadline_s(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(run_deadline, "DEADLINE_S", 0.3)
    return 0.3


def with_loop(folder: Path, network: str, n_steps: int) -> Path:
    return with_network(folder, network, looping(onnx.load(folder / network), n_steps))


def test_a_loop_that_ends_is_played(make_pack: Callable[..., Path]) -> None:
    pack = open_pack(with_loop(make_pack(), "generator.onnx", 2))
    load_networks(pack, settings_of(pack.folder).inference)


@pytest.mark.realtime
@pytest.mark.parametrize("network", ["generator.onnx", "regressor.onnx"])
def test_a_pack_with_an_endless_network_is_refused_within_its_deadline(
    make_pack: Callable[..., Path], network: str, deadline_s: float
) -> None:
    pack = open_pack(with_loop(make_pack(), network, 2**62))
    began_s = time.monotonic()
    with pytest.raises(PackError, match=r"no result within 0\.3 s"):
        load_networks(pack, settings_of(pack.folder).inference)
    assert time.monotonic() - began_s < deadline_s + 1.0


@pytest.mark.realtime
def test_a_run_that_becomes_endless_raises_a_network_error_and_the_next_one_can_play(
    make_pack: Callable[..., Path], deadline_s: float
) -> None:
    folder = make_pack()
    good = load_networks(open_pack(folder), settings_of(folder).inference)
    with_loop(folder, "generator.onnx", 2**62)
    endless = networks._session(folder / "generator.onnx", settings_of(folder).inference)
    z = np.zeros((1, 8), np.float32)
    with pytest.raises(NetworkError, match=f"no result within {deadline_s} s"):
        networks._run(endless, "spectrogram", {"z": z})
    assert np.isfinite(good.spectrogram_of(z[0])).all()


@pytest.mark.realtime
def test_a_run_that_cannot_be_ended_leaves_its_thread_stuck_and_its_late_result_unused(
    make_pack: Callable[..., Path], deadline_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_deadline, "GRACE_S", 0.1)
    folder, raised = make_pack(), []
    endless = stuck(onnx.load(folder / "regressor.onnx"), empty_steps_in(3.0))
    with_network(folder, "regressor.onnx", endless)
    session = networks._session(folder / "regressor.onnx", settings_of(folder).inference)

    def run() -> None:
        with pytest.raises(NetworkError, match=f"no result within {deadline_s} s") as error:
            networks._run(session, "z", FACE)
        raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until(lambda: run_deadline.is_stuck(thread.ident), 5, "stuck")
    assert run_deadline.is_overdue(session)
    thread.join(60)
    assert raised
    assert not run_deadline.is_stuck(thread.ident)
    with pytest.raises(NetworkError, match="is not run again"):
        networks._run(session, "z", FACE)


@pytest.mark.realtime
@pytest.mark.parametrize("network", ["generator.onnx", "regressor.onnx"])
@pytest.mark.usefixtures("deadline_s")
def test_a_refused_pack_is_freed_without_a_garbage_collection(
    make_pack: Callable[..., Path],
    network: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pack, opened, open_session = (
        open_pack(with_loop(make_pack(), network, 2**62)),
        [],
        networks._session,
    )

    def recorded(*arguments: Any) -> onnxruntime.InferenceSession:
        session = open_session(*arguments)
        opened.append(weakref.ref(session))
        return session

    monkeypatch.setattr(networks, "_session", recorded)
    inference = settings_of(pack.folder).inference
    gc.disable()
    try:
        with suppress(PackError):
            in_time("endless", lambda: load_networks(pack, inference))
        until(lambda: not any(session() for session in opened), 1.0, "both networks freed")
    finally:
        gc.enable()
    assert len(opened) == 2


def test_a_network_whose_run_was_watched_is_freed_with_its_last_user() -> None:
    class Network: ...

    network = Network()
    with run_deadline.run_deadline(network, onnxruntime.RunOptions()):
        time.sleep(3 * run_deadline.CHECK_INTERVAL_S)
    freed = weakref.finalize(network, lambda: None)
    del network
    until(lambda: not freed.alive, 2 * run_deadline.CHECK_INTERVAL_S, "the network freed")
