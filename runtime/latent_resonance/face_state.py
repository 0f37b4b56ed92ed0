"""FaceState: the one thing that the eye ever tells the voice, and the way it travels.

Pure, apart from the two ends of the Unix datagram socket. The eye's loop holds a `FaceSender`, the
voice's receive thread a `FaceReceiver`. In and out: 88 bytes a datagram, a header and sixteen
numbers. No image and no landmark fits in it, which is the point.
"""

from __future__ import annotations

import contextlib
import math
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

# A head turns at most some 8 rad/s and a mouth opens in a tenth of a second: what lies outside
# these ranges is an error of the tracker, and is clipped.
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
_LOW, _HIGH = np.array([FEATURE_RANGES[name] for name in FEATURES], np.float32).T

MAGIC = b"LRFS"
VERSION = 1
# Magic, version, presence, two zero bytes, sequence, time in nanoseconds, the features.
_WIRE = struct.Struct(f"<4sBB2xQq{len(FEATURES)}f")
MESSAGE_BYTES = _WIRE.size
_MOST_WAITING = 600  # datagrams; more than systemd lets a kernel queue: a flood holds no reader


@dataclass(frozen=True, slots=True, eq=False)
class FaceState:
    """What the eye knows about the visitor at one moment.

    Attributes
    ----------
    sequence
        Counts up by one from the eye's start; starts again when the eye does.
    time_ns
        CLOCK_MONOTONIC of the image in nanoseconds (offline: the clip's own clock).
    present
        Whether a face is seen.
    features
        Shape (16,), float32, in the order of `FEATURES`, within `FEATURE_RANGES`.
    """

    sequence: int
    time_ns: int
    present: bool
    features: FeatureVector


def neutral_features() -> FeatureVector:
    """The features of a face at rest: shape (16,), all zero but the open eyes."""
    features = np.zeros(len(FEATURES), np.float32)
    features[FEATURES.index("eye_open")] = 1.0
    return features


def clip_features(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """The features, shape (..., 16), held within `FEATURE_RANGES`."""
    return np.clip(features, _LOW, _HIGH).astype(np.float32)


def encode(state: FaceState) -> bytes:
    """The state as `MESSAGE_BYTES` little-endian bytes."""
    numbers = state.features.tolist()
    return _WIRE.pack(MAGIC, VERSION, state.present, state.sequence, state.time_ns, *numbers)


def decode(data: bytes) -> FaceState:
    """Read a state, its features clipped to their ranges.

    Raises
    ------
    ValueError
        If the length, the magic or the version is wrong, or a feature is not a finite number.
    """
    if len(data) != MESSAGE_BYTES:
        raise ValueError(f"a face state has {MESSAGE_BYTES} bytes, this has {len(data)}")
    magic, version, present, sequence, time_ns, *numbers = _WIRE.unpack(data)
    if magic != MAGIC or version != VERSION:
        raise ValueError(f"not a face state of version {VERSION}: {magic!r}, version {version}")
    features = np.array(numbers, np.float32)
    if not np.isfinite(features).all():
        raise ValueError("a face state holds a feature that is not a finite number")
    return FaceState(sequence, time_ns, bool(present), clip_features(features))


class FaceSender:
    """The eye's end: sends states to whoever listens on `path`, and never waits for them.

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
        """Send without blocking; return whether a voice took it (none may be listening)."""
        try:
            self._socket.sendto(encode(state), self._address)
        except OSError:  # absent, full, of another user, of another kind: nobody who listens
            return False
        return True

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


class FaceReceiver:
    """The voice's end: a datagram socket at `path`, for whom its folder is for.

    Only its owner may write to it, unless the folder lets a group in and nobody else: then that
    group may, which is how the eye and the voice of a gallery are two users. The folder is made
    if absent, for its owner alone; the socket file of a receiver that died is replaced.

    Raises
    ------
    SocketInUseError
        If another receiver listens there, or the path is something other than a socket.
    SocketPathTooLongError
        If it is too long for a Unix socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.taken = 0  # datagrams so far
        self.rejected = 0  # of them, those that were not face states
        self._socket = bind_socket(path, socket.SOCK_DGRAM)
        self._inode = path.stat().st_ino

    def receive(self, timeout_s: float) -> FaceState | None:
        """Wait at most `timeout_s` for a state; of several waiting, return the newest."""
        deadline, taken = time.monotonic() + timeout_s, self.taken
        while True:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.0))
            try:
                first = self._socket.recv(MESSAGE_BYTES + 1)
            except (TimeoutError, BlockingIOError):
                return None
            newest = self._newest(first)
            flooded = self.taken - taken >= _MOST_WAITING
            if newest is not None or flooded or time.monotonic() >= deadline:
                return newest  # a flood of something else must not hold the reader

    def close(self) -> None:
        """Stop listening and remove the socket file, if it is still this receiver's own."""
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _newest(self, first: bytes) -> FaceState | None:
        newest = None
        for data in (first, *self._waiting()):
            self.taken += 1
            try:
                newest = decode(data)
            except ValueError:
                self.rejected += 1
        return newest

    def _waiting(self) -> Iterator[bytes]:
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MOST_WAITING):
                yield self._socket.recv(MESSAGE_BYTES + 1)
