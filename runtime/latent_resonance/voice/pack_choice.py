"""Which pack plays: the one requested on the staff page, else by the clock, else the settings' own.

Runs on the maintain thread, which may block. In: the settings, a name from the staff page, local
time. Out: a folder or a name that `find_pack` finds, and the names that the staff page offers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from latent_resonance.config.gallery import PackHours
from latent_resonance.config.settings import Settings
from latent_resonance.gallery.opening_hours import clock_error_of
from latent_resonance.link.requests import PACK_NAME
from latent_resonance.pack import MANIFEST, list_packs, models_folder, named_pack


def pack_by_clock(packs: Iterable[PackHours], now: datetime) -> str | None:
    """The pack of the first line whose hours apply; None if none does, or the clock is wrong."""
    if clock_error_of(now):
        return None
    return next((each.pack for each in packs if each.timetable().contains(now)), None)


class PackChoice:
    """The packs that can be requested, by name.

    Attributes
    ----------
    folders : by name; those in models/, and the artist's own that the settings name
    """

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}

    def scan(self, own: str, packs: Iterable[PackHours]) -> None:
        """Look which packs there are, without opening them.

        Parameters
        ----------
        own : the settings' own pack, as in the file
        packs : those by the clock
        """
        named = (own, *(each.pack for each in packs))
        others = {folder.name: folder for folder in map(_folder_of, named) if _offered(folder)}
        listed = {name: folder for name in list_packs() if (folder := named_pack(name))}
        self.folders = others | listed

    def pack(self, requested: str | None, settings: Settings, now: datetime) -> str | None:
        """What plays instead of the settings' own pack; None if nothing does.

        A name that is not offered is left to `find_pack`, in models/, for its error message.
        """
        if requested is None:
            return pack_by_clock(settings.packs, now)
        return str(self.folders.get(requested, models_folder() / requested))


def _folder_of(pack: str) -> Path:
    return Path(pack).expanduser()


def _offered(folder: Path) -> bool:
    """Whether this is the folder of a pack outside models/, with a name that can be requested."""
    return bool(PACK_NAME.fullmatch(folder.name)) and (folder / MANIFEST).is_file()
