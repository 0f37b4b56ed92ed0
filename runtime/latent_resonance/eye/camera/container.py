"""What a video file's container declares of its size: detects truncated files.

Reads a few bytes of the file when a clip is opened, in any process. Players stop silently at the
end of a truncated file; the instrument reports it before it plays.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_EBML = b"\x1a\x45\xdf\xa3"  # the first bytes of Matroska and WebM (RFC 8794)
_SEGMENT = b"\x18\x53\x80\x67"
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # ISO/IEC 14496-12
_BOXES = (b"moov", b"mdat", b"moof")  # that images need; others may be incomplete
# JPEG, PNG, BMP, GIF, TIFF of either byte order
_STILL_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"GIF8", b"II*\0", b"MM\0*")
_UNKNOWN_SIZES = (0, 0x7FFF_FFFF, 0xFFFF_FFFF)  # of a list that was written to a pipe

_MAX_LISTS = 1000  # of an AVI of any length; more are not lists but other bytes


def missing_bytes(path: Path) -> int:
    """How many bytes of the declared size are missing; 0 if the file is whole or unknown."""
    size = path.stat().st_size
    with path.open("rb") as file:
        declared = _declared_size(file, size)
    return max(declared - size, 0)


def counts_images(path: Path) -> bool:
    """Whether the container counts its images (MP4, MOV, AVI); for others it is estimated."""
    with path.open("rb") as file:
        start = file.read(12)
    return start[4:8] in _FIRST_BOXES or (start[:4] == b"RIFF" and start[8:] == b"AVI ")


def is_still_picture(path: Path) -> bool:
    """Whether a file of one image is a photograph, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith(_STILL_PICTURES) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def _declared_size(file: BinaryIO, size: int) -> int:
    start = file.read(8)
    file.seek(0)
    if start[:4] == _EBML:
        return _matroska_end(file)
    if start[:4] == b"RIFF":
        return _last_movie_list_end(file, size)
    if start[4:8] in _FIRST_BOXES:
        return _last_box_end(file, size)
    return 0


def _matroska_end(file: BinaryIO) -> int:
    """Where the segment ends; 0 if its size is unknown, as in a live recording."""
    file.seek(len(_EBML))
    header = _variable_integer(file)
    file.seek(header or 0, 1)
    if file.read(4) != _SEGMENT:
        return 0
    length = _variable_integer(file)
    return 0 if length is None else file.tell() + length


def _variable_integer(file: BinaryIO) -> int | None:
    """EBML integer: the number of leading zero bits is that of further bytes; all ones: unknown."""
    first = (file.read(1) or b"\0")[0]
    n_more = 8 - first.bit_length()
    bits = 7 * (n_more + 1)
    value = int.from_bytes(bytes([first]) + file.read(n_more), "big") & ((1 << bits) - 1)
    return None if n_more > 7 or value == (1 << bits) - 1 else value


def _last_movie_list_end(file: BinaryIO, size: int) -> int:
    """Where the last list of images of an AVI ends (OpenDML has several); 0 if that is unknown.

    The lengths of the whole file and of an index may be wrong in a clip that plays.
    """
    end = position = 0
    for _ in range(_MAX_LISTS):
        if position + 12 > size:
            break
        file.seek(position)
        kind, length, form = struct.unpack("<4sI4s", file.read(12))
        if kind == b"RIFF":
            position += 12
            continue
        if form == b"movi":
            if length in _UNKNOWN_SIZES:
                return 0
            end = position + 8 + length
        position += 8 + length + length % 2
    return end


def _last_box_end(file: BinaryIO, size: int) -> int:
    """Where the last top-level box that begins within the file ends."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if length == 1:  # a 64-bit length follows the type
            length = int.from_bytes(file.read(8), "big")
        # 0: up to the end of the file, so nothing can be missing
        if length < 8 or (kind not in _BOXES and end + length > size):
            return 0
        end += length
    return end
