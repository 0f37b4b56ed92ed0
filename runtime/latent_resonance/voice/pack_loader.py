"""Opens the pack on a thread while the main thread imports the rest of the voice.

Checking the hashes and preparing the networks is work of OpenSSL and ONNX Runtime, without the
GIL; importing modules is Python. Side by side they take the time of the longer one. The thread
ends before those of `engine.py` start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from latent_resonance.config.settings import Inference, Settings
from latent_resonance.pack import Pack, find_pack, open_pack
from latent_resonance.voice.synthesis.networks import Networks, load_networks


class PackLoader:
    """The pack that the settings name, and its networks, being opened since it was made.

    An error is kept until the result is asked for.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pack = _Result()
        self._networks = _Result()
        threading.Thread(target=self._load, name="load", daemon=True).start()

    def pack(self, settings: Settings) -> Pack:
        """The pack that these settings name.

        Raises
        ------
        PackError
            It cannot be opened.
        """
        if settings.pack != self.settings.pack:
            return open_pack(find_pack(settings.pack))
        pack: Pack = self._pack.get()
        return pack

    def networks(self, pack: Pack, inference: Inference) -> Networks:
        """The networks of a pack.

        Raises
        ------
        PackError
            They cannot be run.
        """
        if pack is not self._pack.value or inference != self.settings.inference:
            return load_networks(pack, inference)
        networks: Networks = self._networks.get()
        self._networks = _Result()  # whoever holds the loader does not hold the networks
        self._pack = _Result()
        return networks

    def _load(self) -> None:
        self._pack.set(lambda: open_pack(find_pack(self.settings.pack)))
        self._networks.set(lambda: load_networks(self._pack.get(), self.settings.inference))


class _Result:
    """What a function returned or raised, once it has."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self.value: Any = None
        self.error: Exception | None = None

    def set(self, function: Callable[[], object]) -> None:
        try:
            self.value = function()
        except Exception as error:  # noqa: BLE001 - `get` raises it on the main thread
            self.error = error
        finally:
            self._done.set()

    def get(self) -> Any:  # noqa: ANN401  what the function returned
        self._done.wait()
        if self.error is not None:
            raise self.error
        return self.value
