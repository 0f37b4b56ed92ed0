"""Whether the camera may be open: opening hours, standby, and no doubt about the settings.

Called at every step of the eye's loop; checks the clock and the files once a second. In: the YAML,
which may be edited; the voice's standby. Out: why the camera is closed, or `RestartRequiredError`
if the camera or eye settings changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from latent_resonance.config.file_watcher import WatchedFile
from latent_resonance.config.load import Initial
from latent_resonance.config.settings import SettingsError, load_settings
from latent_resonance.eye.memory_limit import RestartRequiredError
from latent_resonance.gallery.opening_hours import local_time, schedule_state_at
from latent_resonance.gallery.standby import StandbyWatch

CHECK_EVERY_S = 1.0


class Schedule:
    """Applies standby, and opening hours from settings that may change.

    Parameters
    ----------
    initial : the settings, and what is wrong with their file already
    config : that file; None if there is none
    log : called once for each error in the file or the clock
    standby : the voice's file; None if there is no voice
    now : the wall clock

    Attributes
    ----------
    refused : the error in the file; empty if it is valid
    """

    def __init__(
        self,
        initial: Initial,
        config: Path | None,
        log: Callable[[str], None],
        standby: Path | None = None,
        now: Callable[[], datetime] = local_time,
    ) -> None:
        self._settings, self._config, self._log, self._now = initial.settings, config, log, now
        self._file = WatchedFile(config)
        self._standby = StandbyWatch(standby) if standby else None
        self._next_s = 0.0
        self._doubt, self._closed_because, self._clock_error = initial.camera_closed, "", ""
        self.refused = initial.error

    def closed_because(self) -> str:
        """Why the camera has to be closed, in words; empty if it may be open.

        Raises
        ------
        RestartRequiredError
            The camera or eye settings in the file changed.
        """
        if (now_s := time.monotonic()) >= self._next_s:
            self._next_s = now_s + CHECK_EVERY_S
            self.check()
        return self._closed_because

    def check(self) -> None:
        """Check the files and the clock.

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
        self._clock_error = schedule.clock_error
        self._closed_because = self._reason(in_hours=schedule.is_open)

    def _reason(self, *, in_hours: bool) -> str:
        if self._doubt:
            return "closed until the settings are corrected"
        if self._standby is not None and self._standby.on():
            return "closed on standby"
        return "" if in_hours else "closed outside opening hours"

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
        self._doubt = False
        if (settings.camera, settings.eye) != (before.camera, before.eye):
            raise RestartRequiredError("the camera or eye settings have changed; restarting")
