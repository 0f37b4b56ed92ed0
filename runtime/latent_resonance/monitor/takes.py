"""Takes of the sound: files that the voice records into, and that the staff page lists.

Runs in the monitor's event loop. In: steps of the staff page, reports of the voice. Out: a file
that is opened here and passed to the voice, which has no folder to write to. A take is NAME.part
until the voice reports that it has ended.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from latent_resonance.audio.wav import complete_wav, wav_seconds
from latent_resonance.link.requests import MAX_TAKE_BYTES, MAX_TAKE_S, Request
from latent_resonance.link.telemetry import Message, Report

NAME = re.compile(r"take-\d{4}-\d\d-\d\d-\d{6}\.wav")
NAME_FORMAT = "take-%Y-%m-%d-%H%M%S.wav"  # local time
PART = ".part"
MAX_TAKES = 20
MIB = 1024 * 1024
MIN_FREE_BYTES = MAX_TAKE_BYTES + 256 * MIB  # so that a take never fills the disk
START_TIMEOUT_S = 5.0  # for the voice to report a take that was requested
READ_WRITE = 0o600


class TakeError(Exception):
    """A step that is not possible; the message says why."""


@dataclass(frozen=True)
class TakeFile:
    """A take that has ended: its name, its duration and its size."""

    name: str
    seconds: float
    bytes: int


class Takes:
    """The takes in a folder.

    Parameters
    ----------
    send : sends a request to the voice; raises VoiceUnavailableError

    Attributes
    ----------
    seconds : that the present take holds; None while none is recorded
    """

    def __init__(
        self,
        folder: Path,
        send: Callable[[Request], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self.send, self.clock = folder, send, clock
        self.seconds: float | None = None
        self._requested_s: float | None = None  # when a take began that is not reported yet
        self._parts_left = True  # perhaps, by an earlier monitor
        self._files = _files_in(folder)

    def on_message(self, message: Message) -> None:
        """Follow the take that the voice records; complete its file at the end."""
        if not isinstance(message, Report):
            return
        self.seconds = message.take_s
        if self.seconds is not None:
            self._requested_s = None
        elif self._parts_left and not self._starting:
            self._complete_parts()

    def on_link(self, up: bool) -> None:
        """A voice that is gone records nothing more; its next report completes the file."""
        if not up:
            self.seconds = self._requested_s = None

    @property
    def _starting(self) -> bool:
        requested_s = self._requested_s
        return requested_s is not None and self.clock() - requested_s < START_TIMEOUT_S

    def state(self) -> dict[str, Any]:
        """The state, for a page; the newest take first."""
        seconds = 0.0 if self.seconds is None and self._starting else self.seconds
        return {"seconds": seconds, "limit_s": MAX_TAKE_S, "takes": list(map(asdict, self._files))}

    def start(self) -> None:
        """Begin a take.

        Raises
        ------
        TakeError
            One is being recorded, too many are kept, or the disk has no room for it.
        VoiceUnavailableError
            No voice is connected.
        """
        self._check_room()
        try:
            path, file = _new_file(self.folder)
        except OSError as error:
            reason = error.strerror or error
            raise TakeError(f"the take cannot be recorded: {reason}") from error
        try:
            self.send(Request("take", MAX_TAKE_S, file))
        except BaseException:
            os.close(file)
            path.unlink()
            raise
        self._requested_s, self._parts_left = self.clock(), True

    def stop(self) -> None:
        """End the present take; a no-op without one."""
        self.send(Request("take", 0.0))

    def delete(self, name: object) -> None:
        """Delete a take.

        Raises
        ------
        TakeError
            There is none of this name.
        """
        self.path_of(name).unlink(missing_ok=True)
        self._files = _files_in(self.folder)

    def path_of(self, name: object) -> Path:
        """The file of a take.

        Raises
        ------
        TakeError
            There is none of this name.
        """
        if name not in [each.name for each in self._files]:
            raise TakeError("there is no such take")
        return self.folder / str(name)

    def _check_room(self) -> None:
        if self.seconds is not None or self._starting:
            raise TakeError("a take is being recorded; stop it first")
        if len(self._files) >= MAX_TAKES:
            raise TakeError(f"at most {MAX_TAKES} takes are kept; delete one first")
        free = _free_bytes(self.folder)
        if free < MIN_FREE_BYTES:
            need_mib, free_mib = MIN_FREE_BYTES // MIB, free // MIB
            raise TakeError(f"{free_mib} MB are free, a take needs {need_mib}; delete one first")

    def _complete_parts(self) -> None:
        """Give the files that nothing is recorded into their names; remove those without sound."""
        for part in self.folder.glob(f"take-*.wav{PART}"):
            with suppress(OSError):
                _complete(part)
        self._parts_left, self._files = False, _files_in(self.folder)


def _free_bytes(folder: Path) -> int:
    """Free space where a folder is or would be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _new_file(folder: Path) -> tuple[Path, int]:
    """(path, descriptor) of a new file, named by the time.

    Raises
    ------
    OSError
        It cannot be created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / (time.strftime(NAME_FORMAT) + PART)
    return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, READ_WRITE)


def _complete(part: Path) -> None:
    if _seconds_of(part):
        complete_wav(part)
        part.replace(part.with_suffix(""))
    else:
        part.unlink()


def _seconds_of(path: Path) -> float:
    """Seconds of sound; 0 in a file without a header, which the voice has not taken."""
    try:
        return wav_seconds(path)
    except (OSError, ValueError):
        return 0.0


def _files_in(folder: Path) -> list[TakeFile]:
    """The takes in a folder, the newest first."""
    with suppress(OSError):
        paths = sorted(filter(_is_take, folder.iterdir()), reverse=True)
        return [TakeFile(each.name, _seconds_of(each), each.stat().st_size) for each in paths]
    return []


def _is_take(path: Path) -> bool:
    return NAME.fullmatch(path.name) is not None and path.is_file() and not path.is_symlink()
