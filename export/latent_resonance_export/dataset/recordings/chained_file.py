"""Whether a file holds several recordings, one after the other: libsndfile reads the first alone.

Recorders of radio streams write an Ogg stream for each title (RFC 3533, section 4), and `cat` joins
MP3s: ffmpeg reads all of them. Of a WAV with several data chunks nothing does.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

PAGE_HEADER = 27  # bytes: OggS, version, flags, ..., the number of segments
FLAGS, BEGINS_STREAM = 5, 2
MAX_CHUNKS = 1000  # of a WAV that are looked at
ID3_HEADER, HAS_FOOTER = 10, 0x10
MAX_MP3_FRAME = 2881  # bytes
XING_HEADS = (b"Xing", b"Info")  # at a variable and at a constant bit rate
HAS_LENGTH = 0b11  # flags: the number of frames, then that of bytes


def is_chained(path: Path) -> bool:
    """Whether a further stream of Ogg or MP3 follows the first one, which ffmpeg reads."""
    with path.open("rb") as file:
        return _is_chained_ogg(file) or _is_chained_mp3(file)


def has_further_data(path: Path) -> bool:
    """Whether samples follow those of a WAV: another data chunk, or another WAV."""
    with path.open("rb") as file:
        head, at, found = file.read(12), 12, False
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        for _ in range(MAX_CHUNKS):
            file.seek(at)
            chunk = file.read(8)
            if len(chunk) < 8:
                break
            if found and chunk[:4] in {b"data", b"RIFF"}:
                return True
            found |= chunk[:4] == b"data"
            size = struct.unpack("<I", chunk[4:])[0]
            at += 8 + size + size % 2
    return False


def _is_chained_ogg(file: BinaryIO) -> bool:
    """Whether a stream begins after another one has begun to send its samples."""
    inside = False
    while (head := file.read(PAGE_HEADER))[:4] == b"OggS" and len(head) == PAGE_HEADER:
        begins = bool(head[FLAGS] & BEGINS_STREAM)
        if begins and inside:
            return True
        inside = not begins
        file.seek(sum(file.read(head[-1])), 1)
    return False


def _is_chained_mp3(file: BinaryIO) -> bool:
    """Whether an MP3 goes on after the bytes that its Xing header counts."""
    file.seek(0)
    first = _length_of_id3(file.read(ID3_HEADER))
    file.seek(first)
    frame = file.read(MAX_MP3_FRAME)
    at = max(frame.find(name) for name in XING_HEADS)
    if not _is_mp3_frame(frame) or at < 0 or len(frame) < at + 16:
        return False
    flags, _, length = struct.unpack(">III", frame[at + 4 : at + 16])
    file.seek(first + length)
    rest = file.read(MAX_MP3_FRAME + 1)  # some coders do not count the header's own frame
    is_sound = rest.startswith(b"ID3") or _is_mp3_frame(rest)
    return flags & HAS_LENGTH == HAS_LENGTH and is_sound and len(rest) > MAX_MP3_FRAME


def _length_of_id3(head: bytes) -> int:
    """Bytes of an ID3v2 tag, 0 if there is none; its size has seven bits in each byte."""
    if not head.startswith(b"ID3") or len(head) < ID3_HEADER:
        return 0
    size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    return ID3_HEADER + size + (ID3_HEADER if head[5] & HAS_FOOTER else 0)


def _is_mp3_frame(content: bytes) -> bool:
    """Whether the bytes begin with the eleven set bits of a frame of MPEG audio."""
    return len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0
