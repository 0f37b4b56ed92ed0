"""Whether an Ogg file holds several recordings, one after the other (RFC 3533, section 4).

Recorders of radio streams write one for each title. libsndfile reads the first one alone.
"""

from __future__ import annotations

from pathlib import Path

PAGE_HEADER = 27  # bytes: OggS, version, flags, ..., the number of segments
FLAGS, BEGINS_STREAM = 5, 2


def is_chained(path: Path) -> bool:
    """Whether a stream begins after another one has begun to send its samples."""
    inside = False
    with path.open("rb") as file:
        while (head := file.read(PAGE_HEADER))[:4] == b"OggS" and len(head) == PAGE_HEADER:
            begins = bool(head[FLAGS] & BEGINS_STREAM)
            if begins and inside:
                return True
            inside = not begins
            file.seek(sum(file.read(head[-1])), 1)
    return False
