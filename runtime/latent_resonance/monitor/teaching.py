"""Teaching on site: this face, this sound. A face is held, sounds are tried, a pair is kept.

Lives in the monitor's event loop. In: what the voice says, and the steps of whoever teaches. Out:
requests to the voice, which have to be said again as long as they shall hold, and a file of pairs.
What is kept are features and z, never an image.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from latent_resonance.face_state import FEATURES, FeatureVector
from latent_resonance.link.requests import HELD_S, MOST_PAIRS, FloatArray, Pair, Request
from latent_resonance.link.telemetry import Energies, Message, Report
from latent_resonance.monitor.examples_file import TaughtError, read_pairs, write_pairs
from latent_resonance.monitor.ganspace import COUNT, directions_of
from latent_resonance.monitor.voice_client import VoiceGone
from latent_resonance.pack import PackError, find_pack

AGAIN_S = HELD_S / 3
NEAR = 0.35  # rad, of a step to a sound near by
FURTHEST = 2.0  # of a walk along a direction; there it is the direction itself
SHOWN = ("mouth_open", "mouth_width", "brow_tension", "brow_raise", "head_yaw", "head_pitch")


class TeachingError(Exception):
    """A step that cannot be made; the message says why."""


class Teaching:
    """One place where teaching stands.

    Parameters
    ----------
    folder : where pairs are kept, a file a pack
    ask : has the voice do something; VoiceGone if there is none
    find_directions : of a pack's folder, (n, latent_dim)

    Attributes
    ----------
    problem : what is wrong with the pairs' file; empty if nothing is
    """

    def __init__(
        self,
        folder: Path,
        ask: Callable[[Request], None],
        find_directions: Callable[[Path], FloatArray] = directions_of,
        seed: int | None = None,
    ) -> None:
        self.folder, self.ask, self.find_directions = folder, ask, find_directions
        self.rng = np.random.default_rng(seed)
        self.pack, self.latent_dim = "", 0
        self.pairs: tuple[Pair, ...] = ()
        self.correcting, self.problem = True, ""
        self.face: FeatureVector | None = None  # the one that is held
        self.z: FloatArray | None = None  # the one that is walked to
        self.around: FloatArray | None = None  # from where a direction is walked along
        self._features: FeatureVector | None = None
        self._voices_z: FloatArray | None = None
        self._directions: dict[str, FloatArray] = {}
        self._again_s = 0.0
        self._steps = {
            "nothing": lambda _step: None,
            "hold": self._hold,
            "let go": self._let_go,
            "random": self._random,
            "near": self._near,
            "keep": self._keep,
            "forget": self._forget,
            "correct": self._correct,
        }

    def take(self, message: Message) -> None:
        """What the voice has said."""
        if isinstance(message, Energies):
            self._features = message.features
        elif isinstance(message, Report) and message.z:
            self._voices_z, self.correcting = np.float32(message.z), message.correcting
            if (message.pack, len(message.z)) != (self.pack, self.latent_dim):
                self._open(message.pack, len(message.z))

    def linked(self, up: bool) -> None:
        """Whether a voice is there; one that has started afresh was taught nothing."""
        if not up:
            self.pack, self._features, self._voices_z = "", None, None

    def due(self, now_s: float) -> list[Request]:
        """What has to be said again to hold on."""
        if now_s < self._again_s:
            return []
        self._again_s = now_s + AGAIN_S
        return self._holds()

    async def do(self, step: dict[str, Any]) -> None:
        """One step.

        Raises
        ------
        TeachingError
            It cannot be made.
        VoiceGone
            There is nobody to teach.
        """
        what = step.get("do")
        if what == "direction":
            await self._along(step)
        elif isinstance(what, str) and what in self._steps:
            self._steps[what](step)
        else:
            steps = ", ".join([*self._steps, "direction"])
            raise TeachingError(f"{what!r:.40} is no step; there are {steps}")
        for request in self._holds():
            self.ask(request)

    def state(self) -> dict[str, Any]:
        """Where it stands, for a page."""
        return {
            "holding": self.face is not None,
            "walking": self.z is not None,
            "pairs": [_told(pair) for pair in self.pairs],
            "directions": COUNT,
            "correcting": self.correcting,
            "problem": self.problem,
        }

    def _open(self, pack: str, latent_dim: int) -> None:
        """Another pack plays: what was taught for it is in force."""
        self.pack, self.latent_dim = pack, latent_dim
        self.z = self.around = None
        try:
            self.pairs, self.problem = read_pairs(self._file, latent_dim), ""
        except TaughtError as error:
            self.pairs, self.problem = (), str(error)
        with suppress(VoiceGone):
            self.ask(Request("pairs", self.pairs))

    @property
    def _file(self) -> Path:
        name = "".join(c if c.isalnum() or c in "-_" else "_" for c in self.pack)
        return self.folder / f"{name}-{self.latent_dim}.yaml"

    def _holds(self) -> list[Request]:
        holds = []
        if self.face is not None:
            features = map(float, self.face)
            holds.append(Request("override", dict(zip(FEATURES, features, strict=True))))
        if self.z is not None:
            holds.append(Request("z", self.z))
        return holds

    def _hold(self, _step: dict[str, Any]) -> None:
        if self._features is None:
            raise TeachingError("the voice says nothing of a face; is it running?")
        self.face = self._features

    def _let_go(self, _step: dict[str, Any]) -> None:
        self.face = self.z = self.around = None
        self.ask(Request("override", {}))
        self.ask(Request("z", None))

    def _random(self, _step: dict[str, Any]) -> None:
        self._here()
        self._walk_to(self.rng.standard_normal(self.latent_dim))

    def _near(self, _step: dict[str, Any]) -> None:
        here = self._here()
        self._walk_to(turned(here, self.rng.standard_normal(self.latent_dim), NEAR))

    async def _along(self, step: dict[str, Any]) -> None:
        index = _whole(step.get("index"), COUNT)
        amount = step.get("amount")
        if not isinstance(amount, int | float) or not abs(amount) <= FURTHEST:
            raise TeachingError(
                f"amount {amount!r:.40} should be from -{FURTHEST:g} to {FURTHEST:g}"
            )
        around = self._here() if self.around is None else self.around
        pack = self.pack
        directions = await self._directions_of(pack)
        if pack != self.pack:
            raise TeachingError("another pack plays by now; try again")
        angle = amount / FURTHEST * math.pi / 2
        self._walk_to(turned(around, directions[index], angle))
        self.around = around

    async def _directions_of(self, pack: str) -> FloatArray:
        if pack not in self._directions:
            try:
                folder = find_pack(pack)
                found = await asyncio.to_thread(self.find_directions, folder)
            except PackError as error:
                raise TeachingError(f"its directions cannot be found: {error}") from error
            self._directions[pack] = found
        return self._directions[pack]

    def _here(self) -> FloatArray:
        """The z that is heard."""
        here = self.z if self.z is not None else self._voices_z
        if here is None:
            raise TeachingError("the voice does not say where z is; is it running?")
        return here

    def _walk_to(self, z: FloatArray) -> None:
        """Of unit mean square, as the packs' own z are."""
        self.z = (z / max(float(np.sqrt(np.mean(np.square(z)))), 1e-6)).astype(np.float32)
        self.around = None

    def _keep(self, _step: dict[str, Any]) -> None:
        if self.face is None:
            raise TeachingError("hold a face first")
        if len(self.pairs) >= MOST_PAIRS:
            raise TeachingError(f"{MOST_PAIRS} pairs are the most; forget one first")
        self._teach((*self.pairs, Pair(self.face, self._here())))

    def _forget(self, step: dict[str, Any]) -> None:
        index = _whole(step.get("index"), len(self.pairs))
        self._teach((*self.pairs[:index], *self.pairs[index + 1 :]))

    def _teach(self, pairs: tuple[Pair, ...]) -> None:
        try:
            write_pairs(self._file, pairs)
        except TaughtError as error:
            raise TeachingError(str(error)) from error
        self.pairs, self.problem = pairs, ""
        self.ask(Request("pairs", pairs))

    def _correct(self, step: dict[str, Any]) -> None:
        if not isinstance(step.get("on"), bool):
            raise TeachingError("on should be true or false")
        self.correcting = step["on"]
        self.ask(Request("correcting", self.correcting))


def turned(z: FloatArray, towards: FloatArray, angle: float) -> FloatArray:
    """The z turned by an angle (rad) towards what another one has across it; as long as before."""
    length = float(np.linalg.norm(z))
    along = z / max(length, 1e-6)
    across = towards - along * float(towards @ along)
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    return ((along * math.cos(angle) + across * math.sin(angle)) * length).astype(np.float32)


def _whole(value: object, count: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
        raise TeachingError(f"index {value!r:.40} should be a whole number below {count}")
    return value


def _told(pair: Pair) -> str:
    """A pair, for people: what is most of its face."""
    values = {name: float(pair.features[FEATURES.index(name)]) for name in SHOWN}
    strong = sorted(values, key=lambda name: -abs(values[name]))[:2]
    parts = [f"{name.replace('_', ' ')} {values[name]:.2f}" for name in strong]
    return ", ".join(parts)
