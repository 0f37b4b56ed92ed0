"""Completes headers that a recorder never finished: their lengths are taken from the file.

A recorder writes the length of a WAV, RF64 or AIFF file when it stops. After a power cut it is
still 0, or the placeholder of a stream. The file itself is never changed: `CompletedFile` replaces
the fields while it is read.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

UNFINISHED = {0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF}  # of the length of a data chunk
MAX_SIZE = 0xFFFFFFF0  # bytes; RIFF and FORM cannot state more
MAX_CHUNKS = 100  # read before the data; a file of nothing but chunks is no recording
UNFINISHED_64 = {0, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF}  # the same of RF64
AIFF_DATA_HEADER = 8  # bytes of offset and block size before the samples

Patches = dict[int, bytes]  # position in the file to the bytes that belong there


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    at: int  # of its content
    size: int  # according to its header


def missing_lengths(path: Path) -> Patches:
    """The fields that complete the header of a WAV, RF64 or AIFF file; none if it is complete."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in {b"RF64", b"BW64"}:
            return _missing_lengths_64(file, size)
        order = {b"RIFF": "<", b"FORM": ">"}.get(head[:4])
        if order is None or head[8:] not in {b"WAVE", b"AIFF", b"AIFC"} or size > MAX_SIZE:
            return {}
        chunks = list(_chunks(file, order, 12, size))
        data = next((c for c in chunks if c.name in {b"data", b"SSND"}), None)
        empty = UNFINISHED | ({AIFF_DATA_HEADER} if order == ">" else set())
        if data is None or data.size not in empty or data.at >= size:
            return {}
        if data.size in {0, AIFF_DATA_HEADER} and _ends_with_file(file, order, data, size):
            return {}  # an empty recording, followed by other chunks
        length = struct.Struct(f"{order}I").pack
        patches = {4: length(size - 8), data.at - 4: length(size - data.at)}
        return patches | (_aiff_frames(file, chunks, size - data.at) if order == ">" else {})


def _missing_lengths_64(file: BinaryIO, size: int) -> Patches:
    """The same of an RF64 or BW64 file (EBU Tech 3306), whose chunk ds64 has the lengths."""
    chunks = {chunk.name: chunk for chunk in _chunks(file, "<", 12, size)}
    lengths, data = chunks.get(b"ds64"), chunks.get(b"data")
    if lengths is None or data is None or lengths.size < 24 or data.at >= size:
        return {}
    file.seek(lengths.at + 8)
    if struct.unpack("<Q", file.read(8))[0] not in UNFINISHED_64:
        return {}
    # libsndfile knows only the older name of the same format
    return {0: b"RF64", lengths.at: struct.pack("<QQ", size - 8, size - data.at)}


def _chunks(file: BinaryIO, order: str, at: int, end: int) -> Iterator[_Chunk]:
    """Chunks from a position up to the samples."""
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        chunk = _Chunk(head[:4], at + 8, struct.unpack(f"{order}I", head[4:])[0])
        yield chunk
        if chunk.name in {b"data", b"SSND"}:
            return
        at = chunk.at + chunk.size + chunk.size % 2
        if at >= end:
            return


def _ends_with_file(file: BinaryIO, order: str, data: _Chunk, end: int) -> bool:
    """Whether valid chunks follow the samples up to the end of the file."""
    at = data.at + data.size + data.size % 2
    while at < end:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or not head[:4].isalnum():
            return end - at < 2
        size = struct.unpack(f"{order}I", head[4:])[0]
        at += 8 + size + size % 2
    return at <= end + 1


def _aiff_frames(file: BinaryIO, chunks: list[_Chunk], n_bytes: int) -> Patches:
    """The number of frames in the COMM chunk, which AIFF states as well."""
    common = next((c for c in chunks if c.name == b"COMM"), None)
    if common is None:
        return {}
    file.seek(common.at)
    channels, _, bits = struct.unpack(">HIH", file.read(8))
    frame = channels * ((bits + 7) // 8)
    frames = (n_bytes - AIFF_DATA_HEADER) // max(frame, 1)
    return {common.at + 2: struct.pack(">I", frames)}


class CompletedFile(io.RawIOBase):
    """A file as its bytes would be with other values in some places; read only."""

    def __init__(self, path: Path, patches: Patches) -> None:
        self._file = path.open("rb")
        self._patches = patches

    def readable(self) -> bool:
        """Implements io.RawIOBase."""
        return True

    def seekable(self) -> bool:
        """Implements io.RawIOBase."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Implements io.RawIOBase."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Implements io.RawIOBase."""
        return self._file.tell()

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001  # a buffer
        """Implements io.RawIOBase."""
        begin = self._file.tell()
        count = self._file.readinto(buffer)
        view = memoryview(buffer).cast("B")
        for at, content in self._patches.items():
            first, last = max(at, begin), min(at + len(content), begin + count)
            if first < last:
                view[first - begin : last - begin] = content[first - at : last - at]
        return count

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()
