"""Whether the eye may look: within the opening hours of the settings, which may be edited.

Asked at every turn of the eye's loop; looks at the clock and at the file once a second. In: the
YAML. Out: yes or no, or `StartAfreshError` when camera or eye are to be others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from latent_resonance.config.file_watcher import WatchedFile
from latent_resonance.config.settings import Settings, SettingsError, load_settings
from latent_resonance.eye.memory_limit import StartAfreshError
from latent_resonance.gallery.opening_hours import hour_at, local_time

LOOK_EVERY_S = 1.0


class Opening:
    """Keeps the hours, under settings that may change.

    Parameters
    ----------
    settings : those in force
    config : their file; None if there is none
    say : told once what is wrong with the file, or with the clock
    refused : what is wrong with the file already, and `settings` are the defaults
    now : the wall clock

    Attributes
    ----------
    refused : what is wrong with the file; empty if nothing is
    """

    def __init__(
        self,
        settings: Settings,
        config: Path | None,
        log: Callable[[str], None],
        refused: str = "",
        now: Callable[[], datetime] = local_time,
    ) -> None:
        self._settings, self._config, self._log, self._now = settings, config, log, now
        self._file = WatchedFile(config)
        self._next_s = 0.0
        self._open, self._doubt = True, ""
        self.refused = refused

    def may_look(self) -> bool:
        """Whether the camera may be open.

        Raises
        ------
        StartAfreshError
            The file asks for another camera, or for another way to see.
        """
        if (now_s := time.monotonic()) >= self._next_s:
            self._next_s = now_s + LOOK_EVERY_S
            self.look()
        return self._open

    def look(self) -> None:
        """At the file and at the clock.

        Raises
        ------
        StartAfreshError
            As above.
        """
        if self._file.changed():
            self._read()
        settings = self._settings
        hour = hour_at(self._now(), settings.hours.timetable(), settings.quiet.timetable())
        if hour.doubt not in ("", self._doubt):
            self._log(f"{hour.doubt}; open until it is right")
        self._open, self._doubt = hour.is_open, hour.doubt

    def _read(self) -> None:
        try:
            settings = load_settings(self._config)
        except SettingsError as error:
            self.refused = str(error)
            for message in error.messages:
                self._log(message)
            self._log("nothing has been changed by this; seeing on as before")
            return
        before, self._settings, self.refused = self._settings, settings, ""
        if (settings.camera, settings.eye) != (before.camera, before.eye):
            raise StartAfreshError("the settings of camera or eye have changed; starting afresh")
