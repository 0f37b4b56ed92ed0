"""Teaching on site: hold a face, try sounds, keep the pair of the two.

Runs in the monitor's event loop. In: messages of the voice, and steps from the staff page. Out:
requests to the voice, repeated for as long as they are to hold, and a file of pairs. A pair is
features and z, never an image.

What is held is a lease of the page that holds it: it ends LEASE_S after the page's last step, so
that a closed page leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import FEATURES, FeatureVector
from latent_resonance.link.requests import MAX_PAIRS, OVERRIDE_TIMEOUT_S, FloatArray, Pair, Request
from latent_resonance.link.telemetry import Energies, Message, Report
from latent_resonance.monitor.examples_file import ExamplesFileError, read_pairs, write_pairs
from latent_resonance.monitor.ganspace import N_DIRECTIONS, ganspace_directions
from latent_resonance.monitor.voice_client import VoiceUnavailableError
from latent_resonance.pack import PackError, find_pack

REPEAT_S = OVERRIDE_TIMEOUT_S / 3
LEASE_S = 45.0  # a page renews it every ten seconds
NEAR_ANGLE = 0.35  # rad, of a step to a similar sound
MAX_AMOUNT = 2.0  # along a direction; there z is the direction itself
SUMMARY = ("mouth_open", "mouth_width", "brow_tension", "brow_raise", "head_yaw", "head_pitch")
AnyFloats = NDArray[np.float32] | NDArray[np.float64]


class TeachingError(Exception):
    """A step that is not possible; the message says why."""


class Teaching:
    """The state of teaching.

    Parameters
    ----------
    folder : of the pairs' files, one for each pack
    send : sends a request to the voice; raises VoiceUnavailableError
    find_directions : directions (n, latent_dim) of a pack's folder

    Attributes
    ----------
    problem : what is wrong with the pairs' file; empty if nothing is
    lease_s : seconds for which face and z are still held without another step
    """

    def __init__(
        self,
        folder: Path,
        send: Callable[[Request], None],
        find_directions: Callable[[Path], FloatArray] = ganspace_directions,
        seed: int | None = None,
    ) -> None:
        self.folder, self.send, self.find_directions = folder, send, find_directions
        self.rng = np.random.default_rng(seed)
        self.pack, self.latent_dim = "", 0
        self.pairs: tuple[Pair, ...] = ()
        self.correcting, self.problem = True, ""
        self.face: FeatureVector | None = None  # held
        self.z: FloatArray | None = None  # held
        self.origin: FloatArray | None = None  # z from which a direction is followed
        self._features: FeatureVector | None = None
        self._voice_z: FloatArray | None = None
        self._directions: dict[str, FloatArray] = {}
        self._repeat_due_s = 0.0
        self._lease_end_s: float | None = None  # None: from the next repetition on
        self.lease_s = 0.0  # left of it
        self._steps: dict[str, Callable[[dict[str, Any]], None]] = {
            "nothing": lambda _step: None,
            "renew": lambda _step: None,
            "hold": self._hold_face,
            "let go": self._release,
            "random": self._random_z,
            "near": self._near_z,
            "keep": self._keep_pair,
            "forget": self._forget_pair,
            "correct": self._set_correcting,
        }

    def on_message(self, message: Message) -> None:
        """Follow the voice's features, z and pack."""
        if isinstance(message, Energies):
            self._features = message.features
        elif isinstance(message, Report) and message.z:
            self._voice_z, self.correcting = np.array(message.z, np.float32), message.correcting
            if (message.pack, len(message.z)) != (self.pack, self.latent_dim):
                self._load_pairs(message.pack, len(message.z))

    def on_link(self, up: bool) -> None:
        """Discard the voice's state when it disconnects; after a restart it has no pairs."""
        if not up:
            self.pack, self._features, self._voice_z = "", None, None

    def due(self, now_s: float) -> list[Request]:
        """Requests to repeat now so that face and z stay held, or to end it with the lease."""
        if now_s < self._repeat_due_s:
            return []
        self._repeat_due_s = now_s + REPEAT_S
        if self._lease_end_s is None:
            self._lease_end_s = now_s + LEASE_S
        held = self._hold_requests()
        self.lease_s = round(max(self._lease_end_s - now_s, 0.0), 1) if held else 0.0
        if held and not self.lease_s:
            self.face = self.z = self.origin = None
            return [Request("override", {}), Request("z", None)]
        return held

    async def do(self, step: dict[str, Any]) -> None:
        """Carry out one step.

        Raises
        ------
        TeachingError
            It is not possible.
        VoiceUnavailableError
            No voice is connected.
        """
        name = step.get("do")
        if name == "direction":
            await self._follow_direction(step)
        elif isinstance(name, str) and name in self._steps:
            self._steps[name](step)
        else:
            steps = ", ".join([*self._steps, "direction"])
            raise TeachingError(f"{name!r:.40} should be one of {steps}")
        if name != "nothing":
            self._lease_end_s = None
        for request in self._hold_requests():
            self.send(request)

    def state(self) -> dict[str, Any]:
        """The state, for a page."""
        return {
            "holding": self.face is not None,
            "walking": self.z is not None,
            "pairs": [_summary(pair) for pair in self.pairs],
            "directions": N_DIRECTIONS,
            "correcting": self.correcting,
            "problem": self.problem,
            "lease_s": self.lease_s,
        }

    def _load_pairs(self, pack: str, latent_dim: int) -> None:
        """Switch to another pack and send its pairs to the voice."""
        self.pack, self.latent_dim = pack, latent_dim
        self.z = self.origin = None
        try:
            self.pairs, self.problem = read_pairs(self._file, latent_dim), ""
        except ExamplesFileError as error:
            self.pairs, self.problem = (), str(error)
        with suppress(VoiceUnavailableError):
            self.send(Request("pairs", self.pairs))

    @property
    def _file(self) -> Path:
        name = "".join(c if c.isalnum() or c in "-_" else "_" for c in self.pack)
        return self.folder / f"{name}-{self.latent_dim}.yaml"

    def _hold_requests(self) -> list[Request]:
        requests = []
        if self.face is not None:
            features = map(float, self.face)
            requests.append(Request("override", dict(zip(FEATURES, features, strict=True))))
        if self.z is not None:
            requests.append(Request("z", self.z))
        return requests

    def _hold_face(self, _step: dict[str, Any]) -> None:
        if self._features is None:
            raise TeachingError("the voice sends no features; is it running?")
        self.face = self._features

    def _release(self, _step: dict[str, Any]) -> None:
        self.face = self.z = self.origin = None
        self.send(Request("override", {}))
        self.send(Request("z", None))

    def _random_z(self, _step: dict[str, Any]) -> None:
        self._current_z()
        self._set_z(self.rng.standard_normal(self.latent_dim))

    def _near_z(self, _step: dict[str, Any]) -> None:
        z = self._current_z()
        self._set_z(rotated(z, self.rng.standard_normal(self.latent_dim), NEAR_ANGLE))

    async def _follow_direction(self, step: dict[str, Any]) -> None:
        index = _checked_index(step.get("index"), N_DIRECTIONS)
        amount = step.get("amount")
        if not isinstance(amount, int | float) or not abs(amount) <= MAX_AMOUNT:
            raise TeachingError(
                f"amount {amount!r:.40} should be from -{MAX_AMOUNT:g} to {MAX_AMOUNT:g}"
            )
        origin = self._current_z() if self.origin is None else self.origin
        pack = self.pack
        directions = await self._directions_of(pack)
        if pack != self.pack:
            raise TeachingError("the pack has changed in the meantime; try again")
        angle = amount / MAX_AMOUNT * math.pi / 2
        self._set_z(rotated(origin, directions[index], angle))
        self.origin = origin

    async def _directions_of(self, pack: str) -> FloatArray:
        if pack not in self._directions:
            try:
                folder = find_pack(pack)
                directions = await asyncio.to_thread(self.find_directions, folder)
            except PackError as error:
                raise TeachingError(f"its directions cannot be computed: {error}") from error
            self._directions[pack] = directions
        return self._directions[pack]

    def _current_z(self) -> FloatArray:
        """The z in use: held, or the voice's own."""
        z = self.z if self.z is not None else self._voice_z
        if z is None:
            raise TeachingError("the voice reports no z; is it running?")
        return z

    def _set_z(self, z: AnyFloats) -> None:
        """Hold a z, scaled to unit mean square like the packs' own."""
        self.z = (z / max(float(np.sqrt(np.mean(np.square(z)))), 1e-6)).astype(np.float32)
        self.origin = None

    def _keep_pair(self, _step: dict[str, Any]) -> None:
        if self.face is None:
            raise TeachingError("hold a face first")
        if len(self.pairs) >= MAX_PAIRS:
            raise TeachingError(f"at most {MAX_PAIRS} pairs can be kept; forget one first")
        self._save_pairs((*self.pairs, Pair(self.face, self._current_z())))

    def _forget_pair(self, step: dict[str, Any]) -> None:
        index = _checked_index(step.get("index"), len(self.pairs))
        self._save_pairs((*self.pairs[:index], *self.pairs[index + 1 :]))

    def _save_pairs(self, pairs: tuple[Pair, ...]) -> None:
        try:
            write_pairs(self._file, pairs)
        except ExamplesFileError as error:
            raise TeachingError(str(error)) from error
        self.pairs, self.problem = pairs, ""
        self.send(Request("pairs", pairs))

    def _set_correcting(self, step: dict[str, Any]) -> None:
        if not isinstance(step.get("on"), bool):
            raise TeachingError("on should be true or false")
        self.correcting = step["on"]
        self.send(Request("correcting", self.correcting))


def rotated(z: FloatArray, towards: AnyFloats, angle: float) -> FloatArray:
    """Rotate z by an angle (rad) in the plane that it spans with `towards`; keeps its norm."""
    norm = float(np.linalg.norm(z))
    along = z / max(norm, 1e-6)
    across = towards - along * float(towards @ along)
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    result: AnyFloats = (along * math.cos(angle) + across * math.sin(angle)) * norm
    return result.astype(np.float32)


def _checked_index(value: object, count: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
        raise TeachingError(f"index {value!r:.40} should be a whole number below {count}")
    return value


def _summary(pair: Pair) -> str:
    """The two strongest features of a pair, for people."""
    values = {name: float(pair.features[FEATURES.index(name)]) for name in SUMMARY}
    strongest = sorted(values, key=lambda name: -abs(values[name]))[:2]
    return ", ".join(f"{name.replace('_', ' ')} {values[name]:.2f}" for name in strongest)
