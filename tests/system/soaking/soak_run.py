"""The course of a soak: visitors and faults as chance has it, and all of it noted."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence

from tests.system.soaking.camera import Visitors
from tests.system.soaking.event_log import MOST_SAMPLES, Notes
from tests.system.soaking.faults import SOUND, Fault, Trouble
from tests.system.soaking.installation import House
from tests.system.soaking.processes import ROLES, figures_of, roles_of

TURN_S = 0.05
SAMPLE_S = 4.0
START_S = 120.0  # in which the first visitor is played for
SETTLES_S = 6.0  # a sink that is new rests for two, and callbacks become steady
LOOKS_BACK_S = 0.8  # at a gesture
EXCUSED_S = 1.0  # after a speaker's recovery, in which the last of its silences end
LONGEST_SAID = 300  # characters


class Course:
    """One soak.

    Parameters
    ----------
    seconds : that it takes, or longer: a fault that has begun is seen to its end
    faults : that may befall the house; none for a quiet time
    pause_s : between two faults, in the mean
    """

    def __init__(
        self,
        house: House,
        notes: Notes,
        seconds: float,
        faults: Sequence[Fault],
        pause_s: float,
        seed: int,
    ) -> None:
        self.house, self.notes, self.seconds = house, notes, seconds
        self.rng = random.Random(seed)
        self.visitors = Visitors(house.scene, random.Random(seed + 1))
        self.faults, self.pause_s = list(faults), pause_s
        self.to_come: list[Fault] = []  # each once, before any comes again
        self.trouble: Trouble | None = None
        self.excused_until_s = math.inf
        self.next_fault_s = self.next_sample_s = 0.0
        self.every_s = max(SAMPLE_S, seconds / MOST_SAMPLES)
        self.processes: dict[str, int] = {}
        self.underflows = 0
        self.asked_to_end = False

    def run(self) -> None:
        """All of it, to the last line."""
        why = self._begin()
        while why is None:
            time.sleep(TURN_S)
            why = self._turn(time.monotonic())
        if self.trouble is not None:
            self.trouble.finish()
        self.house.ear.close()  # what is to come is a silence on purpose
        code = self.house.leave()
        self._hear_news(time.monotonic())
        self.notes.take("end", time.monotonic(), why=why, exit_code=code)

    def _begin(self) -> str | None:
        """Waits until the first visitor is played for; why it is over already, if it is."""
        self.visitors.asked_to_stay = True
        end_s = time.monotonic() + START_S
        while not self._is_well(now_s := time.monotonic()):
            if not self.house.alive or now_s > end_s:
                return f"it did not play for its first visitor: {self.house.status}"
            time.sleep(TURN_S)
            self._hear_news(now_s)
            self.visitors.step(now_s)
        self.notes.take("begun", now_s)
        self.notes.begun_s = now_s
        self.next_sample_s = now_s
        self.next_fault_s = self.excused_until_s = now_s + SETTLES_S
        self.visitors.asked_to_stay = False
        self.visitors.gestures.clear()
        return None

    def _is_well(self, now_s: float) -> bool:
        return self.house.plays_for_a_visitor and self.house.ear.hears_something(now_s)

    def _turn(self, now_s: float) -> str | None:
        """Everything once; why it is over, if it is."""
        news = self._hear_news(now_s)
        self.visitors.step(now_s)
        self._tend_trouble(now_s, news)
        self._look_back_at_gestures(now_s)
        self._note_silences()
        self._note_underflows(now_s)
        self._note_restarts(now_s)
        if now_s >= self.next_sample_s:
            self.next_sample_s = now_s + self.every_s
            self._sample(now_s)
        if not self.house.alive:
            return f"exit code {self.house.process.returncode}"
        enough = now_s - self.notes.begun_s >= self.seconds and self.trouble is None
        return "over" if enough or self.asked_to_end else None

    def _hear_news(self, now_s: float) -> list[str]:
        news = self.house.hear_news()
        for line in news:
            self.notes.take("said", now_s, line=line[:LONGEST_SAID])
        return news

    def _tend_trouble(self, now_s: float, news: list[str]) -> None:
        if self.trouble is not None:
            if self.trouble.step(now_s, news):
                self._note_fault(self.trouble, now_s)
                self.trouble = None
        elif now_s >= self.next_fault_s and self.faults:
            self.visitors.asked_to_stay = True
            if self._is_well(now_s):
                self._begin_trouble()

    def _begin_trouble(self) -> None:
        self.to_come = self.to_come or self.rng.sample(self.faults, len(self.faults))
        fault = self.to_come.pop()
        if fault.kind == SOUND:
            self.excused_until_s = math.inf
        self.trouble = Trouble(fault, self.house, self.rng)

    def _note_fault(self, trouble: Trouble, now_s: float) -> None:
        fault = trouble.fault
        missing = [] if trouble.said else [f"it did not say {fault.says!r}"]
        if not self._is_well(now_s):
            missing.append(f"heard at {self.house.ear.level_db()} dBFS, {self.house.status}")
        self.notes.take(
            "fault",
            trouble.begun_s,
            fault=fault.name,
            of=fault.kind,
            lasted_s=round(trouble.lasted_s, 2),
            well_s=None if trouble.well_s is None else round(trouble.well_s, 2),
            limit_s=fault.limit_s,
            recovered=trouble.recovered,
            missing="; ".join(missing),
        )
        if fault.kind == SOUND:
            self.excused_until_s = now_s + EXCUSED_S
        self.visitors.asked_to_stay = False
        self.next_fault_s = now_s + self.rng.uniform(0.3, 1.7) * self.pause_s

    def _look_back_at_gestures(self, now_s: float) -> None:
        gestures = self.visitors.gestures
        while gestures and now_s - gestures[0][0] > LOOKS_BACK_S:
            at_s, gesture = gestures.pop(0)
            heard_s = self.house.ear.brightens_after(at_s)
            if heard_s is not None and self.trouble is None:
                heard_ms = None if math.isinf(heard_s) else round(1000 * heard_s)
                self.notes.take("gesture", at_s, gesture=gesture, heard_ms=heard_ms)

    def _note_silences(self) -> None:
        silences = self.house.ear.silences
        while silences:
            silence = silences.popleft()
            self.notes.take(
                "silence",
                silence.at_s,
                lasts_s=round(silence.lasts_s, 2),
                abrupt=silence.abrupt,
                excused=silence.at_s < self.excused_until_s,
                during=self._during(),
            )

    def _note_underflows(self, now_s: float) -> None:
        more, self.underflows = self.house.underflows - self.underflows, self.house.underflows
        if more > 0:
            excused = now_s < self.excused_until_s
            self.notes.take("underflows", now_s, n=more, excused=excused, during=self._during())

    def _note_restarts(self, now_s: float) -> None:
        there = roles_of(self.house.process.pid)
        for role, process in there.items():
            if self.processes.get(role, process) != process:
                recently = now_s < self.next_fault_s and self.excused_until_s > now_s
                during = self._during() or ("the last fault" if recently else None)
                self.notes.take("restart", now_s, role=role, pid=process, during=during)
        self.processes |= there

    def _during(self) -> str | None:
        return self.trouble.fault.name if self.trouble else None

    def _sample(self, now_s: float) -> None:
        house = self.house
        there = roles_of(house.process.pid)
        figures = {role: figures_of(there[role]) if role in there else None for role in ROLES}
        self.notes.take(
            "sample",
            now_s,
            visitor=self.visitors.there,
            visits=self.visitors.visits,
            status=house.status,
            images_per_s=house.images_per_s,
            underflows=house.underflows,
            level_db=house.ear.level_db(),
            room_heard_s=round(house.ear.heard_s, 1),
            fault=self._during(),
            **figures,
        )
