"""The eye's process: gives up the network, then sees until it is told to stop.

Nothing heavy is imported before the network is gone: this module needs the standard library and
the settings. In: the settings, and where the voice listens. Out: `FaceState`s, and an exit code.
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
from latent_resonance.config.settings import Settings
from latent_resonance.eye.memory_limit import EXIT_RESTART, RestartRequiredError
from latent_resonance.eye.sandbox import disable_core_dumps, drop_network
from latent_resonance.eye.schedule import Schedule
from latent_resonance.linux.systemd import Notifier

if TYPE_CHECKING:
    from latent_resonance.face_state import FaceState

EXIT_CONFIG = 78  # sysexits.h, EX_CONFIG: another try will not help
LEAVE_S = 3.0  # a driver or a library that hangs at the end is not waited for


def watch(
    settings: Settings,
    socket_path: Path,
    stop: threading.Event,
    *,
    config: Path | None = None,
    refused: str = "",
) -> int:
    """See, and tell the voice, until `stop` is set.

    Call it on the process's only thread, before numpy and MediaPipe are imported.

    Parameters
    ----------
    socket_path
        Where the voice listens, or will.
    config
        The settings' file, looked at again and again: hours that change in it are kept.
    refused
        What is wrong with that file already, and `settings` are the defaults.

    Returns
    -------
    int
        The exit code: 0; `EXIT_CANNOT_SEE` or `EXIT_START_AFRESH` after saying why.
    """
    sys.dont_write_bytecode = True  # the eye writes no file, not even this kind
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices of 3 × 3 need no more
    notifier = Notifier()  # before the network is gone: systemd's address may go with it
    try:
        disable_core_dumps()
        _isolate(settings)
        from latent_resonance.eye.pipeline import run_live

        schedule = Schedule(settings, config, _log, refused)
        run_live(settings, socket_path, stop, _log, notifier, schedule)
    except RestartRequiredError as error:
        _log(str(error))
        signal.setitimer(signal.ITIMER_REAL, LEAVE_S)
        return EXIT_RESTART
    except LatentResonanceError as error:
        _log(str(error))
        notifier.status(f"cannot see: {error}")
        return EXIT_CONFIG
    return 0


def states_of_clip(path: Path, settings: Settings) -> Iterator[FaceState]:
    """The states of every image of a clip, `time_ns` on the clip's own clock.

    Raises
    ------
    LatentResonanceError
        At once, if the clip cannot be read or MediaPipe cannot run.
    """
    from latent_resonance.eye.pipeline import clip_states

    return clip_states(path, settings)


def _isolate(settings: Settings) -> None:
    if settings.eye.allow_network:
        _log("the network is left as it is, since eye.allow_network is true")
        return
    _log(f"the network is given up ({drop_network()})")


def _log(message: str) -> None:
    print(f"eye: {message}", file=sys.stderr, flush=True)
