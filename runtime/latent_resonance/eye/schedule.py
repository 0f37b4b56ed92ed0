"""Whether the camera may be open: the opening hours of the settings, which may be edited.

Called at every step of the eye's loop; checks the clock and the file once a second. In: the YAML.
Out: a bool, or `RestartRequiredError` if the camera or eye settings changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from latent_resonance.config.file_watcher import WatchedFile
from latent_resonance.config.settings import Settings, SettingsError, load_settings
from latent_resonance.eye.memory_limit import RestartRequiredError
from latent_resonance.gallery.opening_hours import local_time, schedule_state_at

CHECK_EVERY_S = 1.0


class Schedule:
    """Applies opening hours from settings that may change.

    Parameters
    ----------
    settings : the current settings
    config : their file; None if there is none
    log : called once for each error in the file or the clock
    refused : the error in the file if it is already invalid; `settings` are then the defaults
    now : the wall clock

    Attributes
    ----------
    refused : the error in the file; empty if it is valid
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
        self._open, self._clock_error = True, ""
        self.refused = refused

    def is_open(self) -> bool:
        """Whether the camera may be open.

        Raises
        ------
        RestartRequiredError
            The camera or eye settings in the file changed.
        """
        if (now_s := time.monotonic()) >= self._next_s:
            self._next_s = now_s + CHECK_EVERY_S
            self.check()
        return self._open

    def check(self) -> None:
        """Check the file and the clock.

        Raises
        ------
        RestartRequiredError
            As above.
        """
        if self._file.changed():
            self._read()
        settings = self._settings
        schedule = schedule_state_at(
            self._now(), settings.hours.timetable(), settings.quiet.timetable()
        )
        if schedule.clock_error not in ("", self._clock_error):
            self._log(f"{schedule.clock_error}; open until the clock is right")
        self._open, self._clock_error = schedule.is_open, schedule.clock_error

    def _read(self) -> None:
        try:
            settings = load_settings(self._config)
        except SettingsError as error:
            self.refused = str(error)
            for message in error.messages:
                self._log(message)
            self._log("keeping the previous settings")
            return
        before, self._settings, self.refused = self._settings, settings, ""
        if (settings.camera, settings.eye) != (before.camera, before.eye):
            raise RestartRequiredError("the camera or eye settings have changed; restarting")
