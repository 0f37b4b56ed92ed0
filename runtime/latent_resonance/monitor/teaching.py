"""Teaching on site: hold a face, try sounds, keep the pair of the two.

Runs in the monitor's event loop. In: messages of the voice, and steps from the staff page. Out:
requests to the voice, and files. What is kept is features and z, never an image.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from latent_resonance.face_state import FeatureVector
from latent_resonance.link.correction import Correction
from latent_resonance.link.requests import MAX_ANCHORS, FloatArray, Request, RequestError
from latent_resonance.link.telemetry import Energies, Message, Report
from latent_resonance.monitor.examples import (
    Example,
    ExampleError,
    Examples,
    Place,
    check_room_for_a_face,
    checked_name,
    renamed,
    strongest_features,
    sum_by_example,
    with_example,
    with_face,
    without_example,
    without_face,
)
from latent_resonance.monitor.examples_exchange import PackIdentity, exported, imported
from latent_resonance.monitor.examples_file import ExamplesFileError
from latent_resonance.monitor.ganspace import N_DIRECTIONS, LatentSpace, latent_space_of
from latent_resonance.monitor.hold import END, Hold
from latent_resonance.monitor.latent_map import AnyFloats, LatentMap, rotated
from latent_resonance.monitor.taught import Taught, Version
from latent_resonance.monitor.voice_client import VoiceUnavailableError
from latent_resonance.pack import PackError, find_pack, sha256_of

NEAR_ANGLE = 0.35  # rad, of a step to a similar sound
MAX_AMOUNT = 2.0  # along a direction; there z is the direction itself
Step = dict[str, Any]


class TeachingError(Exception):
    """A step that is not possible; the message says why."""


class Teaching:
    """The steps of teaching, and its state for a page.

    Parameters
    ----------
    folder : of the files
    send : sends a request to the voice; raises VoiceUnavailableError
    explore : anchors and directions of a pack's folder

    Attributes
    ----------
    hold : face and z that are held
    taught : what is kept for the pack that plays
    """

    def __init__(
        self,
        folder: Path,
        send: Callable[[Request], None],
        explore: Callable[[Path], LatentSpace] = latent_space_of,
        seed: int | None = None,
    ) -> None:
        self.send, self.explore = send, explore
        self.rng = np.random.default_rng(seed)
        self.hold, self.taught = Hold(), Taught(folder)
        self.pack, self.latent_dim = "", 0
        self._correcting = True
        self._features: FeatureVector | None = None
        self._voice_z: FloatArray | None = None
        self._spaces: dict[str, LatentSpace] = {}
        self._correction: tuple[Examples, Correction | None] = ((), None)
        self._steps: dict[str, Callable[[Step], None]] = {
            "nothing": lambda _step: None,
            "renew": lambda _step: None,
            "hold": self._hold_face,
            "let go": self._release,
            "random": self._random_z,
            "near": self._near_z,
            "play": self._play,
            "play place": self._play_place,
            "keep": self._keep,
            "add face": self._add_face,
            "remove face": self._remove_face,
            "name": self._name,
            "forget": self._forget,
            "keep place": self._keep_place,
            "forget place": self._forget_place,
            "undo": self._undo,
        }
        self._slow_steps = {
            "direction": self._follow_direction,
            "map": self._follow_map,
            "open map": self._open_map,
        }

    def on_message(self, message: Message) -> None:
        """Follow the voice's features, z and pack."""
        if isinstance(message, Energies):
            self._features = message.features
        elif isinstance(message, Report) and message.z:
            self._voice_z, self._correcting = np.array(message.z, np.float32), message.correcting
            if (message.pack, len(message.z)) != (self.pack, self.latent_dim):
                self._load(message.pack, len(message.z))

    def on_link(self, up: bool) -> None:
        """Discard the voice's state when it disconnects; after a restart it has no examples."""
        if not up:
            self.pack, self._features, self._voice_z = "", None, None

    def due(self, now_s: float) -> list[Request]:
        """Requests to repeat now so that face and z stay held, or to end it with the lease."""
        return self.hold.due(now_s)

    async def do(self, step: Step) -> None:
        """Carry out one step.

        Raises
        ------
        TeachingError
            It is not possible.
        VoiceUnavailableError
            No voice is connected.
        """
        name = step.get("do")
        try:
            await self._carry_out(name, step)
        except (ExampleError, ExamplesFileError, RequestError) as error:
            raise TeachingError(str(error)) from error
        if name != "nothing":
            self.hold.renew()
        for request in self.hold.requests():
            self.send(request)

    async def _carry_out(self, name: object, step: Step) -> None:
        if isinstance(name, str) and name in self._slow_steps:
            await self._slow_steps[name](step)
        elif isinstance(name, str) and name in self._steps:
            self._steps[name](step)
        else:
            steps = ", ".join([*self._steps, *self._slow_steps])
            raise TeachingError(f"{name!r:.40} should be one of {steps}")

    def state(self) -> dict[str, Any]:
        """The state, for a page."""
        return {
            "holding": self.hold.face is not None,
            "walking": self.hold.z is not None,
            "examples": self._example_states(),
            "directions": N_DIRECTIONS,
            "problem": self.taught.problem,
            "why_not_keep": self._why_not_keep(),
            "can_undo": self.taught.can_undo,
            "lease_s": self.hold.lease_s,
            "map": self._map_state(),
        }

    def _example_states(self) -> list[dict[str, Any]]:
        examples = self.taught.now.examples
        shares = sum_by_example(examples, self._shares())
        return [
            {"name": each.name, "faces": list(map(strongest_features, each.faces)), "share": share}
            for each, share in zip(examples, shares, strict=True)
        ]

    def _shares(self) -> list[float]:
        """The share of each face's sound in what is played now."""
        features = self.hold.face if self.hold.face is not None else self._features
        if self._correction[0] is not self.taught.now.examples:
            pairs = self.taught.pairs
            self._correction = self.taught.now.examples, Correction(pairs) if pairs else None
        correction = self._correction[1]
        if correction is None or features is None or not self._correcting:
            return [0.0] * len(self.taught.pairs)
        return [round(float(share), 3) for share in correction.shares(features)]

    def _why_not_keep(self) -> str:
        if self.hold.face is None:
            return "hold a face first"
        if self.hold.z is None:
            return "choose a sound first"
        try:
            check_room_for_a_face(self.taught.now.examples)
        except ExampleError as error:
            return str(error)
        return ""

    def _load(self, pack: str, latent_dim: int) -> None:
        """Switch to another pack and send to the voice what is taught for it."""
        self.pack, self.latent_dim = pack, latent_dim
        self.hold.z = self.hold.origin = None
        self.taught.load(pack, latent_dim)
        for request in self.taught.now.requests():
            with suppress(VoiceUnavailableError):
                self.send(request)

    # Holding

    def _hold_face(self, _step: Step) -> None:
        if self._features is None:
            raise TeachingError("the voice sends no features; is it running?")
        self.hold.face = self._features

    def _release(self, _step: Step) -> None:
        self.hold.clear()
        for request in END:
            self.send(request)

    def _random_z(self, _step: Step) -> None:
        self._current_z()
        self._set_z(self.rng.standard_normal(self.latent_dim))

    def _near_z(self, _step: Step) -> None:
        z = self._current_z()
        self._set_z(rotated(z, self.rng.standard_normal(self.latent_dim), NEAR_ANGLE))

    def _play(self, step: Step) -> None:
        example = self._example(step)
        self.hold.face = example.faces[0]
        self._set_z(example.z)

    def _play_place(self, step: Step) -> None:
        self._set_z(self._place(step).z)

    async def _follow_direction(self, step: Step) -> None:
        index = _checked_index(step.get("index"), N_DIRECTIONS)
        amount = _checked_number(step, "amount", MAX_AMOUNT)
        origin = self._current_z() if self.hold.origin is None else self.hold.origin
        space = await self._space()
        self._set_z(rotated(origin, space.directions[index], amount / MAX_AMOUNT * math.pi / 2))
        self.hold.origin = origin

    def _current_z(self) -> FloatArray:
        """The z in use: held, or the voice's own."""
        z = self.hold.z if self.hold.z is not None else self._voice_z
        if z is None:
            raise TeachingError("the voice reports no z; is it running?")
        return z

    def _set_z(self, z: AnyFloats) -> None:
        """Hold a z, scaled to unit mean square like the packs' own."""
        scale = max(float(np.sqrt(np.mean(np.square(z)))), 1e-6)
        self.hold.z, self.hold.origin = (z / scale).astype(np.float32), None

    # The map

    async def _open_map(self, _step: Step) -> None:
        await self._space()

    async def _follow_map(self, step: Step) -> None:
        x, y = (_checked_number(step, name, 1.0) for name in ("x", "y"))
        self._set_z(_map_of(await self._space()).z_at(x, y))

    async def _space(self) -> LatentSpace:
        """Of the pack that plays."""
        self._current_z()
        pack = self.pack
        if pack not in self._spaces:
            try:
                self._spaces[pack] = await asyncio.to_thread(self.explore, find_pack(pack))
            except PackError as error:
                raise TeachingError(f"its directions cannot be computed: {error}") from error
        if pack != self.pack:
            raise TeachingError("the pack has changed in the meantime; try again")
        return self._spaces[pack]

    def _map_state(self) -> dict[str, Any]:
        """Places of the map; without `anchors` and `present` while it is not computed."""
        places = self.taught.now.places
        space = self._spaces.get(self.pack)
        if space is None or space.anchors.shape[1] != self.latent_dim or self._voice_z is None:
            return {"places": [{"name": each.name, "at": None} for each in places]}
        at = _map_of(space).place_of
        return {
            "places": [{"name": each.name, "at": at(each.z)} for each in places],
            "anchors": [at(anchor) for anchor in space.anchors],
            "present": at(self._current_z()),
        }

    # What is kept

    def _keep(self, _step: Step) -> None:
        if reason := self._why_not_keep():
            raise TeachingError(reason)
        assert self.hold.face is not None, "there is a reason without one"
        self._change(examples=with_example(self._examples, self.hold.face, self._current_z()))

    def _add_face(self, step: Step) -> None:
        index = self._index(step)
        if self.hold.face is None:
            raise TeachingError("hold a face first")
        self._change(examples=with_face(self._examples, index, self.hold.face))

    def _remove_face(self, step: Step) -> None:
        index = self._index(step)
        face = _checked_index(step.get("face"), len(self._examples[index].faces))
        self._change(examples=without_face(self._examples, index, face))

    def _name(self, step: Step) -> None:
        name = checked_name(step.get("name"))
        self._change(examples=renamed(self._examples, self._index(step), name))

    def _forget(self, step: Step) -> None:
        self._change(examples=without_example(self._examples, self._index(step)))

    def _keep_place(self, step: Step) -> None:
        places = self.taught.now.places
        if self.hold.z is None:
            raise TeachingError("choose a sound first")
        if len(places) >= MAX_ANCHORS:
            raise TeachingError(f"at most {MAX_ANCHORS} places can be kept; forget one first")
        self._change(places=(*places, Place(self.hold.z, checked_name(step.get("name", "")))))

    def _forget_place(self, step: Step) -> None:
        place = self._place(step)
        self._change(places=tuple(each for each in self.taught.now.places if each is not place))

    def _undo(self, _step: Step) -> None:
        if not self.taught.can_undo:
            raise TeachingError("there is nothing to undo")
        self.taught.undo()
        self._send_taught()

    def _change(self, **parts: Any) -> None:
        self.taught.change(self.taught.now._replace(**parts))
        self._send_taught()

    def _send_taught(self) -> None:
        for request in self.taught.now.requests():
            self.send(request)

    async def export_file(self) -> str:
        """What is taught for the present pack, as a file.

        Raises
        ------
        TeachingError
            The voice has not reported which pack it plays.
        """
        now = self.taught.now
        return exported(await self._identity(), now.examples, now.places)

    async def import_file(self, content: bytes) -> None:
        """Replace what is taught by a file's content; it can be undone.

        Raises
        ------
        TeachingError
            The file breaks a rule, or belongs to another pack.
        VoiceUnavailableError
            No voice is connected.
        """
        identity = await self._identity()
        try:
            version = Version(*imported(content, identity))
            self._change(examples=version.examples, places=version.places)
        except (RequestError, ExamplesFileError) as error:
            raise TeachingError(str(error)) from error

    async def _identity(self) -> PackIdentity:
        self._current_z()
        pack, latent_dim = self.pack, self.latent_dim
        generator = await asyncio.to_thread(_generator_sha256, pack)
        if pack != self.pack:
            raise TeachingError("the pack has changed in the meantime; try again")
        return PackIdentity(pack, latent_dim, generator)

    @property
    def _examples(self) -> Examples:
        return self.taught.now.examples

    def _index(self, step: Step) -> int:
        return _checked_index(step.get("index"), len(self._examples))

    def _example(self, step: Step) -> Example:
        return self._examples[self._index(step)]

    def _place(self, step: Step) -> Place:
        places = self.taught.now.places
        return places[_checked_index(step.get("index"), len(places))]


def _map_of(space: LatentSpace) -> LatentMap:
    return LatentMap(space.centre, space.directions)


def _generator_sha256(pack: str) -> str | None:
    """Of the generator of a pack in models/; None if it is not there."""
    try:
        return sha256_of(find_pack(pack) / "generator.onnx")
    except (PackError, OSError):
        return None


def _checked_index(value: object, count: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
        raise TeachingError(f"index {value!r:.40} should be a whole number below {count}")
    return value


def _checked_number(step: Step, name: str, limit: float) -> float:
    """A number of a step, within -limit..limit."""
    value = step.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= limit:
        raise TeachingError(f"{name} {value!r:.40} should be from -{limit:g} to {limit:g}")
    return float(value)
