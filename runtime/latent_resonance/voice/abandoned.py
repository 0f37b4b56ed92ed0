"""Threads that hang in native code: Python can end none, so they are left at the lowest priority.

ONNX Runtime cannot end a run inside a single node, such as a loop whose body is empty. Such a
thread keeps its network in memory; what it returns in the end, if anything, is not used.
"""

from __future__ import annotations

import threading

from latent_resonance.linux.realtime import request_idle_priority

NAME = "abandoned"
MAX_ABANDONED = 3  # each may take what is left of a core; then the voice starts anew


def abandon(thread: threading.Thread) -> None:
    """Leave a thread to itself."""
    thread.name = NAME
    if thread.native_id is not None:
        request_idle_priority(thread.native_id)


def count_abandoned() -> int:
    """How many of them have not come back."""
    return sum(thread.name == NAME for thread in threading.enumerate())
