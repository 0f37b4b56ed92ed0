"""Memory that was freed goes back to the system, where the C library would keep it.

On the caring thread, after a pack has been exchanged. glibc keeps what it freed for later; ONNX
Runtime frees some 100 MiB in pieces of all sizes when a network is closed, and every exchange
found less of it fit for use: 148 MiB resident at first, 255 MiB after six exchanges.
"""

from __future__ import annotations

import ctypes


def return_freed_memory() -> None:
    """Some milliseconds without the GIL; nothing where the C library has no malloc_trim(3)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
