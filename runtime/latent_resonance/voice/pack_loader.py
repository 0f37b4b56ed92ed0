"""Opens the pack on a thread while the main thread imports the rest of the voice.

Checking the hashes and preparing the networks is work of OpenSSL and ONNX Runtime, without the
GIL; importing modules is Python. Side by side they take the time of the longer one. The thread
ends before those of `engine.py` start; one that does not is left alone after OPEN_DEADLINE_S, and
the pack counts as one that cannot be played.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from latent_resonance.config.settings import CPU, Inference, Settings
from latent_resonance.linux.realtime import limit_memory, memory_growth_limited
from latent_resonance.pack import Pack, PackError, find_pack, open_pack
from latent_resonance.voice.abandoned import abandon
from latent_resonance.voice.synthesis.networks import Networks, load_networks

OPEN_DEADLINE_S = 10.0  # a cold SD card and a slow board take 5 s
MAX_MEMORY_BYTES = 1 << 30  # of a voice, or of opening a pack; a voice with cello has 0.2 GiB
Value = TypeVar("Value")


def limit_memory_of_networks(inference: Inference) -> None:
    """Let a network that needs too much memory fail, so that the voice goes on without it.

    Not with a GPU, whose drivers map more.
    """
    if _is_on_cpu(inference):
        limit_memory(MAX_MEMORY_BYTES)


def _is_on_cpu(inference: Inference) -> bool:
    return all(provider == CPU for provider in inference.providers)


def load_in_time(name: str, inference: Inference) -> tuple[Pack, Networks]:
    """A pack and its networks, for a command: within OPEN_DEADLINE_S and MAX_MEMORY_BYTES more.

    Raises
    ------
    PackError
        It cannot be opened, not in time, or not in this memory.
    """

    def load() -> tuple[Pack, Networks]:
        pack = open_pack(find_pack(name))
        return pack, load_networks(pack, inference)

    if not _is_on_cpu(inference):
        return in_time(name, load, ends=True)
    with memory_growth_limited(MAX_MEMORY_BYTES):
        return in_time(name, load, ends=True)


class PackLoader:
    """The pack that the settings name, and its networks, being opened since it was made.

    An error is kept until the result is asked for.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._end_s = time.monotonic() + OPEN_DEADLINE_S
        self._pack = _Result()
        self._networks = _Result()
        self._thread = threading.Thread(target=self._load, name="load", daemon=True)
        _start(self._thread, settings.pack, self._pack, self._networks)

    def pack(self, settings: Settings) -> Pack:
        """The pack that these settings name.

        Raises
        ------
        PackError
            It cannot be opened, or not in time.
        """
        if settings.pack != self.settings.pack:
            return open_pack(find_pack(settings.pack))
        pack: Pack = self._in_time(self._pack)
        return pack

    def networks(self, pack: Pack, inference: Inference) -> Networks:
        """The networks of a pack.

        Raises
        ------
        PackError
            They cannot be run, or do not open in time.
        """
        if pack is not self._pack.value or inference != self.settings.inference:
            return load_networks(pack, inference)
        networks: Networks = self._in_time(self._networks)
        self._networks = _Result()  # whoever holds the loader does not hold the networks
        self._pack = _Result()
        return networks

    def _in_time(self, result: _Result) -> Any:  # noqa: ANN401  what the function returned
        return _wait(result, self._thread, self._end_s, self.settings.pack)

    def _load(self) -> None:
        self._pack.set(lambda: open_pack(find_pack(self.settings.pack)))
        self._networks.set(lambda: load_networks(self._pack.get(), self.settings.inference))


def in_time(pack: str, work: Callable[[], Value], *, ends: bool = False) -> Value:
    """What `work` returns, which opens or runs the networks of a pack, on a thread of its own.

    Parameters
    ----------
    ends : whether the process ends if `work` does not return: then the thread keeps its priority,
        for at the lowest one it may not come to end for half a minute on a machine that is busy

    Raises
    ------
    PackError
        It does not return within OPEN_DEADLINE_S.
    Exception
        Whatever `work` raises.
    """
    result, end_s = _Result(), time.monotonic() + OPEN_DEADLINE_S
    thread = threading.Thread(target=result.set, args=(work,), name="load", daemon=True)
    _start(thread, pack, result)
    try:
        value: Value = _wait(result, thread, end_s, pack, ends=ends)
    finally:
        result.error = None  # it holds the frames that it is raised through, which hold the result
    return value


def _start(thread: threading.Thread, pack: str, *results: _Result) -> None:
    try:
        thread.start()
    except RuntimeError as error:  # Python raises no MemoryError for the stack of a thread
        no_thread = PackError(
            f"pack {pack}: no memory or thread left to open it ({error}); choose a smaller pack, "
            "or restart"
        )
        for result in results:
            result.fail(no_thread)


def _wait(
    result: _Result, thread: threading.Thread, end_s: float, pack: str, *, ends: bool = False
) -> Any:  # noqa: ANN401
    """What `thread` puts into a result; after end_s it is left alone."""
    if not result.done.wait(max(end_s - time.monotonic(), 0.0)):
        if not ends:
            abandon(thread)
        raise PackError(
            f"pack {pack}: does not open within {OPEN_DEADLINE_S:g} s; choose another one, or copy "
            "it to a faster disk"
        )
    return result.get()


class _Result:
    """What a function returned or raised, once it has."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.value: Any = None
        self.error: Exception | None = None

    def set(self, function: Callable[[], object]) -> None:
        try:
            self.value = function()
        except Exception as error:  # noqa: BLE001 - `get` raises it on the main thread
            self.error = error
            _release_frames(error)
        finally:
            self.done.set()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.done.set()

    def get(self) -> Any:  # noqa: ANN401  what the function returned
        self.done.wait()
        if self.error is not None:
            raise self.error
        return self.value


def _release_frames(error: BaseException | None) -> None:
    """Drop the variables of the frames that an error came through.

    Frames that it holds keep it in turn. Networks in such a cycle, 60 MiB of them, would stay until
    a garbage collection, which may be half an hour away.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__
