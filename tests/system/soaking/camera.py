"""The camera and those before it: `fakecam.c` shows a file, and the file is what happens there."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SUFFIX = ".yuyv"
ROOM, REST, OPEN = "room", "rest", "open"
GESTURES = (OPEN, "frown", "turn")
RESTS_S = (1.5, 4.0)  # between two gestures
HOLDS_S = (0.6, 2.5)  # a gesture
STAYS_S = (8.0, 45.0)
AWAY_S = (4.0, 25.0)
SHAM = 0.25  # of the mouths that might open and stay closed: the control of the measurement


class Scene:
    """A camera that can be unplugged and told what to do, and what it would see."""

    def __init__(self, folder: Path) -> None:
        self.images, self.plug = folder / "now.yuyv", folder / "plug"
        command = [sys.executable, "-m", "tests.system.soaking.films", str(folder)]
        quiet = {"stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, cwd=ROOT, **quiet)
        names = (ROOM, REST, *GESTURES)
        self.films = {name: (folder / name).with_suffix(SUFFIX).read_bytes() for name in names}
        self.images.write_bytes(self.films[ROOM])
        self.shown = ROOM
        self.number = 0  # of /dev/video
        self.does("live")

    def show(self, film: str) -> None:
        """From now on this is before the camera; the file is mapped, so it stays where it is."""
        if film != self.shown:
            self.shown = film
            with self.images.open("r+b") as file:
                file.write(self.films[film])

    def does(self, what: str, number: int | None = None) -> None:
        """See fakecam.c for what it can do; another number is another /dev/video."""
        self.number = self.number if number is None else number
        beside = self.plug.with_suffix(".new")
        beside.write_text(f"{self.number} {what}")
        beside.replace(self.plug)

    def is_pulled_out(self) -> None:
        """There is no camera."""
        self.plug.unlink(missing_ok=True)


class Visitors:
    """One after the other: they come, rest, make a face, rest, and leave."""

    def __init__(self, scene: Scene, rng: random.Random) -> None:
        self.scene, self.rng = scene, rng
        self.visits = 0
        self.asked_to_stay = False
        self.leaves_s = self.next_s = float("-inf")
        self.gestures: list[tuple[float, str]] = []  # mouths opened, or not, and not yet looked at

    @property
    def there(self) -> bool:
        """Whether somebody stands before the camera."""
        return self.scene.shown != ROOM

    def step(self, now_s: float) -> None:
        """Whatever they do next, if it is time to."""
        if self.asked_to_stay and not self.there:
            self._come(now_s)
        elif now_s >= self.next_s:
            self._go_on(now_s)

    def _go_on(self, now_s: float) -> None:
        if not self.there:
            self._come(now_s)
        elif now_s >= self.leaves_s and not self.asked_to_stay:
            self.scene.show(ROOM)
            self.next_s = now_s + self.rng.uniform(*AWAY_S)
        elif self.scene.shown == REST:
            self._make_a_face(now_s)
        else:
            self._rest(now_s)

    def _come(self, now_s: float) -> None:
        self.visits += 1
        self.leaves_s = now_s + self.rng.uniform(*STAYS_S)
        self._rest(now_s)

    def _rest(self, now_s: float) -> None:
        self.scene.show(REST)
        self.next_s = now_s + self.rng.uniform(*RESTS_S)

    def _make_a_face(self, now_s: float) -> None:
        gesture = self.rng.choice(GESTURES)
        if gesture == OPEN:
            sham = self.rng.random() < SHAM
            self.gestures.append((now_s, "sham" if sham else OPEN))
            gesture = REST if sham else OPEN
        self.scene.show(gesture)
        self.next_s = now_s + self.rng.uniform(*HOLDS_S)
