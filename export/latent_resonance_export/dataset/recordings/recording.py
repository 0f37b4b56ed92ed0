"""A recording that can be opened."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recording:
    """An audio file that can be opened."""

    source: str  # printable name, relative to the folder
    path: bytes
    sha256: str
    sample_rate: int
    frames: int
    is_lossy: bool
    licence: str  # from its tags, or ""
    author: str
    channels: int = 1
    decoded: bytes = b""  # the samples that ffmpeg decoded; b"" if libsndfile reads the file
    notes: tuple[str, ...] = ()  # how it was read, where that is unusual
    fault: str = ""  # why decoding it ended early, or ""
    is_compressed: bool = False  # so that ffmpeg may read on where libsndfile meets a fault

    @property
    def seconds(self) -> float:
        """Its length according to its header."""
        return self.frames / self.sample_rate

    @property
    def readable(self) -> bytes:
        """The file that libsndfile reads."""
        return self.decoded or self.path
