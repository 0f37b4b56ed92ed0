"""Notices when a pack that could not be opened may be opened now: copied again, or plugged in.

Runs on the maintain thread. In: the names, times and sizes of its files.
"""

from __future__ import annotations

from latent_resonance import LatentResonanceError
from latent_resonance.pack import find_pack

Listing = tuple[tuple[str, int, int], ...]


class RefusedPack:
    """A pack that was refused; call `changed` every second or so."""

    def __init__(self, pack: str) -> None:
        self.pack = pack
        self._refused = self._last = files_of(pack)

    def changed(self) -> bool:
        """Whether its files are others than those refused, and are no longer being written."""
        now = files_of(self.pack)
        is_settled, self._last = now == self._last, now
        return is_settled and now != self._refused


def files_of(pack: str) -> Listing:
    """Name, time of change in ns, and size of each file of a pack; none if it cannot be found."""
    try:
        states = [(path.name, path.stat()) for path in find_pack(pack).iterdir()]
    except (LatentResonanceError, OSError):
        return ()
    return tuple(sorted((name, state.st_mtime_ns, state.st_size) for name, state in states))
