"""The eye's process: drops network access, then tracks faces until it is stopped.

Imports only the standard library and the settings until network access is dropped. In: the
settings and the path of the voice's socket. Out: `FaceState`s and an exit code.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from latent_resonance import LatentResonanceError
from latent_resonance.config.load import Initial
from latent_resonance.config.settings import Settings
from latent_resonance.eye.memory_limit import EXIT_RESTART, RestartRequiredError
from latent_resonance.eye.sandbox import disable_core_dumps, drop_network
from latent_resonance.eye.schedule import Schedule
from latent_resonance.gallery.standby import standby_path
from latent_resonance.linux.systemd import Notifier

if TYPE_CHECKING:
    from latent_resonance.face_state import FaceState

EXIT_CONFIG = 78  # sysexits.h, EX_CONFIG: another try will not help
EXIT_TIMEOUT_S = 3.0  # SIGALRM ends the process if a driver or a library hangs during shutdown


def run_eye(
    initial: Initial, socket_path: Path, stop: threading.Event, *, config: Path | None = None
) -> int:
    """Track faces and send their states to the voice until `stop` is set.

    Call it on the process's only thread, before numpy and MediaPipe are imported.

    Parameters
    ----------
    initial
        The settings, and what is wrong with their file already.
    socket_path
        The voice's socket; it need not exist yet.
    config
        The settings file. It is polled, and changed opening hours take effect.

    Returns
    -------
    int
        The exit code: 0; `EXIT_CONFIG` or `EXIT_RESTART` after logging the reason.
    """
    sys.dont_write_bytecode = True  # the eye writes no files, bytecode included
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices of 3 × 3 need no more
    notifier = Notifier()  # connects before the network namespace is left
    try:
        disable_core_dumps()
        _isolate(initial.settings)
        from latent_resonance.eye.pipeline import run_live

        schedule = Schedule(initial, config, _log, standby_path(socket_path))
        run_live(initial.settings, socket_path, stop, _log, notifier, schedule)
    except RestartRequiredError as error:
        _log(str(error))
        signal.setitimer(signal.ITIMER_REAL, EXIT_TIMEOUT_S)
        return EXIT_RESTART
    except LatentResonanceError as error:
        _log(str(error))
        notifier.status(f"cannot run: {error}")
        return EXIT_CONFIG
    return 0


def states_of_clip(path: Path, settings: Settings) -> Iterator[FaceState]:
    """The state for every image of a clip, with `time_ns` on the clip's own clock.

    Raises
    ------
    LatentResonanceError
        Immediately, if the clip cannot be read or the tracker cannot run.
    """
    from latent_resonance.eye.pipeline import clip_states

    return clip_states(path, settings)


def _isolate(settings: Settings) -> None:
    if settings.eye.allow_network:
        _log("keeping network access because eye.allow_network is true")
        return
    _log(f"network access dropped ({drop_network()})")


def _log(message: str) -> None:
    print(f"eye: {message}", file=sys.stderr, flush=True)
