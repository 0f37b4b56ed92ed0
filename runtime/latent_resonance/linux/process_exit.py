"""How a process of this program exits."""

from __future__ import annotations

import os
import sys
import threading
from typing import NoReturn


def leave(code: object) -> NoReturn:
    """Exit; at once if daemon threads are left.

    Before Python 3.14 such a thread is ended when it comes back from native code while the
    interpreter finalises, and the C++ code around it (ONNX Runtime's) then aborts the process.
    """
    if any(thread.daemon for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
    sys.exit(code)  # type: ignore[arg-type]  # whatever SystemExit carried
