"""How a process of this program exits."""

from __future__ import annotations

import os
import sys
import threading
from typing import NoReturn

from latent_resonance.linux.realtime import end_idle_priority


def leave(code: object) -> NoReturn:
    """Exit; at once if daemon threads are left.

    Before Python 3.14 such a thread is ended when it comes back from native code while the
    interpreter finalises, and the C++ code around it (ONNX Runtime's) then aborts the process.
    A process ends when its last thread does: one at idle priority, as the voice leaves those that
    hang, would take half a minute to end on a busy machine.
    """
    left = [thread for thread in threading.enumerate() if thread.daemon]
    for thread_id in (thread.native_id for thread in left):
        if thread_id is not None:
            end_idle_priority(thread_id)
    if left:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
    sys.exit(code)  # type: ignore[arg-type]  # whatever SystemExit carried
