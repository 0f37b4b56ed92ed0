"""FaceState: the only data that the eye sends to the voice, and its wire format.

Pure, apart from the two ends of the Unix datagram socket: the eye's loop has a `FaceSender`, the
voice's receive thread a `FaceReceiver`. A datagram has 88 bytes, a header and sixteen numbers, so
that neither an image nor landmarks fit into it.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance.linux.unix_socket import bind_socket, checked_address

FeatureVector = NDArray[np.float32]  # (16,), in the order of FEATURES

FEATURE_UNITS: dict[str, str] = {
    "mouth_open": "0..1",
    "mouth_width": "-1..1",
    "jaw_open": "0..1",
    "brow_raise": "0..1",
    "brow_tension": "0..1",
    "eye_open": "0..1",
    "head_yaw": "rad",
    "head_pitch": "rad",
    "head_roll": "rad",
    "yaw_velocity": "rad/s",
    "pitch_velocity": "rad/s",
    "roll_velocity": "rad/s",
    "mouth_velocity": "1/s",
    "brow_velocity": "1/s",
    "motion": "0..1",
    "stillness": "0..1",
}
FEATURES: tuple[str, ...] = tuple(FEATURE_UNITS)

# A head turns at no more than about 8 rad/s and a mouth opens in a tenth of a second: values
# outside these ranges are tracking errors, and are clipped.
FEATURE_RANGES: dict[str, tuple[float, float]] = {
    "mouth_open": (0.0, 1.0),
    "mouth_width": (-1.0, 1.0),
    "jaw_open": (0.0, 1.0),
    "brow_raise": (0.0, 1.0),
    "brow_tension": (0.0, 1.0),
    "eye_open": (0.0, 1.0),
    "head_yaw": (-math.pi / 2, math.pi / 2),
    "head_pitch": (-math.pi / 2, math.pi / 2),
    "head_roll": (-math.pi, math.pi),
    "yaw_velocity": (-10.0, 10.0),
    "pitch_velocity": (-10.0, 10.0),
    "roll_velocity": (-10.0, 10.0),
    "mouth_velocity": (-20.0, 20.0),
    "brow_velocity": (-20.0, 20.0),
    "motion": (0.0, 1.0),
    "stillness": (0.0, 1.0),
}
_MIN, _MAX = np.array([FEATURE_RANGES[name] for name in FEATURES], np.float32).T

MAGIC = b"LRFS"
VERSION = 1
# Magic, version, presence, whether no image came, a zero byte, sequence, time in nanoseconds, the
# features.
_WIRE = struct.Struct(f"<4sBBBxQq{len(FEATURES)}f")
MESSAGE_BYTES = _WIRE.size
_MAX_QUEUED = 600  # datagrams per call, more than the kernel queues under systemd


@dataclass(frozen=True, slots=True, eq=False)
class FaceState:
    """The visitor's features at one moment.

    Attributes
    ----------
    sequence
        Increases by one; restarts when the eye does.
    time_ns
        CLOCK_MONOTONIC of the image in nanoseconds (offline: time in the clip).
    present
        Whether a face is detected.
    features
        Shape (16,), float32, in the order of `FEATURES`, within `FEATURE_RANGES`.
    without_image
        Whether the camera sent nothing; such states only say that the eye runs.
    """

    sequence: int
    time_ns: int
    present: bool
    features: FeatureVector
    without_image: bool = False


def neutral_features() -> FeatureVector:
    """The features of a face at rest: shape (16,), all zero except eye_open."""
    features = np.zeros(len(FEATURES), np.float32)
    features[FEATURES.index("eye_open")] = 1.0
    return features


def clip_features(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """The features, shape (..., 16), clipped to `FEATURE_RANGES`."""
    clipped: NDArray[np.float32] = np.clip(features, _MIN, _MAX).astype(np.float32)
    return clipped


def encode(state: FaceState) -> bytes:
    """The state as `MESSAGE_BYTES` little-endian bytes."""
    numbers = state.features.tolist()
    flags = (state.present, state.without_image)
    return _WIRE.pack(MAGIC, VERSION, *flags, state.sequence, state.time_ns, *numbers)


def decode(data: bytes) -> FaceState:
    """Read a state, its features clipped to their ranges.

    Raises
    ------
    ValueError
        If the length, the magic or the version is wrong, or a feature is not a finite number.
    """
    if len(data) != MESSAGE_BYTES:
        raise ValueError(f"a face state has {MESSAGE_BYTES} bytes; this message has {len(data)}")
    magic, version, present, without_image, sequence, time_ns, *numbers = _WIRE.unpack(data)
    if magic != MAGIC or version != VERSION:
        raise ValueError(f"not a face state of version {VERSION}: {magic!r}, version {version}")
    features = np.array(numbers, np.float32)
    if not np.isfinite(features).all():
        raise ValueError("a face state holds a feature that is not a finite number")
    clipped = clip_features(features)
    return FaceState(sequence, time_ns, bool(present), clipped, bool(without_image))


class FaceSender:
    """The eye's end: sends states to the socket at `path` without blocking.

    Raises
    ------
    SocketPathTooLongError
        If it is too long for a Unix socket.
    """

    def __init__(self, path: Path) -> None:
        self._address = checked_address(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, state: FaceState) -> bool:
        """Send without blocking; return whether a voice received it (none may be running)."""
        try:
            self._socket.sendto(encode(state), self._address)
        except OSError:  # absent, full, of another user or kind: no voice that receives
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class FaceReceiver:
    """The voice's end: a datagram socket at `path`.

    Only its owner may write to it, or the folder's group if the folder admits that group and no
    one else, as where eye and voice run as two users. A missing folder is created for its owner
    only; a stale socket file is replaced.

    Raises
    ------
    SocketInUseError
        If another receiver uses the path, or it is not a socket.
    SocketPathTooLongError
        If it is too long for a Unix socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.received = 0  # datagrams
        self.rejected = 0  # datagrams that were not face states
        self._socket = bind_socket(path, socket.SOCK_DGRAM)
        self._inode = path.stat().st_ino

    def rebind_if_removed(self) -> bool:
        """Make the socket anew if its file is gone, as with its folder; return whether it was.

        Raises
        ------
        SocketInUseError, OSError
            It cannot be made.
        """
        if os.path.lexists(self._path):
            return False
        former, self._socket = self._socket, bind_socket(self._path, socket.SOCK_DGRAM)
        self._inode = self._path.stat().st_ino
        former.close()
        return True

    def receive(self, timeout_s: float) -> FaceState | None:
        """Wait at most `timeout_s` for a state; of several waiting, return the newest."""
        deadline, received = time.monotonic() + timeout_s, self.received
        while True:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.0))
            try:
                first = self._socket.recv(MESSAGE_BYTES + 1)
            except (TimeoutError, BlockingIOError):
                return None
            newest = self._newest(first)
            flooded = self.received - received >= _MAX_QUEUED
            if newest is not None or flooded or time.monotonic() >= deadline:
                return newest  # a flood of invalid datagrams must not block the reader

    def close(self) -> None:
        """Close the socket and remove its file, if that is still this receiver's own."""
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _newest(self, first: bytes) -> FaceState | None:
        newest = None
        for data in (first, *self._waiting()):
            self.received += 1
            try:
                newest = decode(data)
            except ValueError:
                self.rejected += 1
        return newest

    def _waiting(self) -> Iterator[bytes]:
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MAX_QUEUED):
                yield self._socket.recv(MESSAGE_BYTES + 1)
