"""A simulated camera and its visitors: `fakecam.c` plays the images of a file."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SUFFIX = ".yuyv"
ROOM, REST, OPEN = "room", "rest", "open"
GESTURES = (OPEN, "frown", "turn")
REST_S = (1.5, 4.0)  # between two gestures
GESTURE_S = (0.6, 2.5)  # a gesture
VISIT_S = (8.0, 45.0)
ABSENCE_S = (4.0, 25.0)
CONTROL_SHARE = 0.25  # of the logged gestures in which the mouth stays closed: a control group


class SimulatedCamera:
    """A camera whose mode, device number and images can be set."""

    def __init__(self, folder: Path) -> None:
        self.images, self.control_file = folder / "now.yuyv", folder / "plug"
        command = [sys.executable, "-m", "tests.system.soaking.films", str(folder)]
        quiet = {"stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, cwd=ROOT, **quiet)
        names = (ROOM, REST, *GESTURES)
        self.films = {name: (folder / name).with_suffix(SUFFIX).read_bytes() for name in names}
        self.images.write_bytes(self.films[ROOM])
        self.shown = ROOM
        self.number = 0  # of /dev/video
        self.set_mode("live")

    def show(self, film: str) -> None:
        """Show a video from now on; it is written in place, since the file is mapped."""
        if film != self.shown:
            self.shown = film
            with self.images.open("r+b") as file:
                file.write(self.films[film])

    def set_mode(self, what: str, number: int | None = None) -> None:
        """Set the mode (see fakecam.c), and the number of its /dev/video."""
        self.number = self.number if number is None else number
        beside = self.control_file.with_suffix(".new")
        beside.write_text(f"{self.number} {what}")
        beside.replace(self.control_file)

    def unplug(self) -> None:
        """Remove the camera."""
        self.control_file.unlink(missing_ok=True)


class Visitors:
    """Visitors, one at a time: they arrive, rest, make a gesture, rest, and leave."""

    def __init__(self, camera: SimulatedCamera, rng: random.Random) -> None:
        self.camera, self.rng = camera, rng
        self.visits = 0
        self.must_stay = False
        self.leave_s = self.next_s = float("-inf")
        self.gestures: list[tuple[float, str]] = []  # not yet evaluated

    @property
    def present(self) -> bool:
        """Whether a visitor is in front of the camera."""
        return self.camera.shown != ROOM

    def step(self, now_s: float) -> None:
        """Do what is due."""
        if self.must_stay and not self.present:
            self._arrive(now_s)
        elif now_s >= self.next_s:
            self._advance(now_s)

    def _advance(self, now_s: float) -> None:
        if not self.present:
            self._arrive(now_s)
        elif now_s >= self.leave_s and not self.must_stay:
            self.camera.show(ROOM)
            self.next_s = now_s + self.rng.uniform(*ABSENCE_S)
        elif self.camera.shown == REST:
            self._make_gesture(now_s)
        else:
            self._rest(now_s)

    def _arrive(self, now_s: float) -> None:
        self.visits += 1
        self.leave_s = now_s + self.rng.uniform(*VISIT_S)
        self._rest(now_s)

    def _rest(self, now_s: float) -> None:
        self.camera.show(REST)
        self.next_s = now_s + self.rng.uniform(*REST_S)

    def _make_gesture(self, now_s: float) -> None:
        gesture = self.rng.choice(GESTURES)
        if gesture == OPEN:
            is_control = self.rng.random() < CONTROL_SHARE
            self.gestures.append((now_s, "sham" if is_control else OPEN))
            gesture = REST if is_control else OPEN
        self.camera.show(gesture)
        self.next_s = now_s + self.rng.uniform(*GESTURE_S)
