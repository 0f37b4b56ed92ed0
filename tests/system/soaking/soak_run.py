"""A soak: random visitors and faults, and a log of all events."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence

from tests.system.soaking.camera import Visitors
from tests.system.soaking.event_log import MAX_SAMPLES, EventLog
from tests.system.soaking.faults import EYE, SOUND, ActiveFault, Fault
from tests.system.soaking.installation import Installation
from tests.system.soaking.processes import ROLES, processes_by_role, read_process

STEP_S = 0.05
SAMPLE_S = 4.0
START_S = 120.0  # until it plays for the first visitor
SETTLE_S = 6.0  # a new sink is suspended for two seconds, then its callbacks become regular
GESTURE_DELAY_S = 0.8  # after which the onset of a gesture is looked up
EXCUSED_S = 1.0  # after a sink's recovery, until its last silence ends
RESTART_S = 3.0  # after a fault, until a process that it damaged has ended: an eye that leaks
MAX_LINE = 300  # characters


class SoakRun:
    """One soak.

    Parameters
    ----------
    seconds : shortest duration; an active fault is completed
    faults : to inject; may be empty
    pause_s : mean time between two faults
    """

    def __init__(
        self,
        installation: Installation,
        event_log: EventLog,
        seconds: float,
        faults: Sequence[Fault],
        pause_s: float,
        seed: int,
    ) -> None:
        self.installation, self.event_log, self.seconds = installation, event_log, seconds
        self.rng = random.Random(seed)
        self.visitors = Visitors(installation.camera, random.Random(seed + 1))
        self.faults, self.pause_s = list(faults), pause_s
        self.remaining: list[Fault] = []  # each fault occurs once before any is repeated
        self.active_fault: ActiveFault | None = None
        self.restarts_excused_until_s = 0.0
        self.excused_until_s = math.inf
        self.next_fault_s = self.next_sample_s = 0.0
        self.sample_interval_s = max(SAMPLE_S, seconds / MAX_SAMPLES)
        self.processes: dict[str, int] = {}
        self.underflows = 0
        self.stop_requested = False

    def run(self) -> None:
        """Run the whole soak."""
        why = self._begin()
        while why is None:
            time.sleep(STEP_S)
            why = self._step(time.monotonic())
        if self.active_fault is not None:
            self.active_fault.finish()
        self.installation.recorder.close()  # the silence after this is intended
        code = self.installation.stop()
        self._read_log(time.monotonic())
        self.event_log.write("end", time.monotonic(), why=why, exit_code=code)

    def _begin(self) -> str | None:
        """Wait until it plays for the first visitor; return why the soak is over, if it is."""
        self.visitors.must_stay = True
        end_s = time.monotonic() + START_S
        while not self._is_well(now_s := time.monotonic()):
            if not self.installation.alive or now_s > end_s:
                return f"it did not play for its first visitor: {self.installation.status}"
            time.sleep(STEP_S)
            self._read_log(now_s)
            self.visitors.step(now_s)
        self.event_log.write("begun", now_s)
        self.event_log.started_s = now_s
        self.next_sample_s = now_s
        self.next_fault_s = self.excused_until_s = now_s + SETTLE_S
        self.visitors.must_stay = False
        self.visitors.gestures.clear()
        return None

    def _is_well(self, now_s: float) -> bool:
        return self.installation.plays_for_a_visitor and self.installation.recorder.is_audible(
            now_s
        )

    def _step(self, now_s: float) -> str | None:
        """Do everything once; return why the soak is over, if it is."""
        new_lines = self._read_log(now_s)
        self.visitors.step(now_s)
        self._step_fault(now_s, new_lines)
        self._log_gestures(now_s)
        self._log_silences()
        self._log_underflows(now_s)
        self._log_restarts(now_s)
        if now_s >= self.next_sample_s:
            self.next_sample_s = now_s + self.sample_interval_s
            self._log_sample(now_s)
        if not self.installation.alive:
            return f"exit code {self.installation.process.returncode}"
        enough = now_s - self.event_log.started_s >= self.seconds and self.active_fault is None
        return "over" if enough or self.stop_requested else None

    def _read_log(self, now_s: float) -> list[str]:
        new_lines = self.installation.read_log()
        for line in new_lines:
            self.event_log.write("said", now_s, line=line[:MAX_LINE])
        return new_lines

    def _step_fault(self, now_s: float, new_lines: list[str]) -> None:
        if self.active_fault is not None:
            if self.active_fault.step(now_s, new_lines):
                self._log_fault(self.active_fault, now_s)
                self.active_fault = None
        elif now_s >= self.next_fault_s and self.faults:
            self.visitors.must_stay = True
            if self._is_well(now_s):
                self._begin_fault()

    def _begin_fault(self) -> None:
        self.remaining = self.remaining or self.rng.sample(self.faults, len(self.faults))
        fault = self.remaining.pop()
        if fault.kind == SOUND:
            self.excused_until_s = math.inf
        self.active_fault = ActiveFault(fault, self.installation, self.rng)

    def _log_fault(self, active_fault: ActiveFault, now_s: float) -> None:
        fault = active_fault.fault
        missing = [] if active_fault.logged else [f"it did not log {fault.log_line!r}"]
        if not self._is_well(now_s):
            missing.append(
                f"{self.installation.recorder.level_db()} dBFS, {self.installation.status}"
            )
        self.event_log.write(
            "fault",
            active_fault.started_s,
            fault=fault.name,
            of=fault.kind,
            lasted_s=round(active_fault.lasted_s, 2),
            well_s=None if active_fault.well_s is None else round(active_fault.well_s, 2),
            limit_s=fault.limit_s,
            recovered=active_fault.recovered,
            missing="; ".join(missing),
        )
        if fault.kind == SOUND:
            self.excused_until_s = now_s + EXCUSED_S
        if fault.kind in (SOUND, EYE):
            self.restarts_excused_until_s = now_s + RESTART_S
        self.visitors.must_stay = False
        self.next_fault_s = now_s + self.rng.uniform(0.3, 1.7) * self.pause_s

    def _log_gestures(self, now_s: float) -> None:
        gestures = self.visitors.gestures
        while gestures and now_s - gestures[0][0] > GESTURE_DELAY_S:
            at_s, gesture = gestures.pop(0)
            onset_s = self.installation.recorder.onset_after(at_s)
            if onset_s is not None and self.active_fault is None:
                onset_ms = None if math.isinf(onset_s) else round(1000 * onset_s)
                self.event_log.write("gesture", at_s, gesture=gesture, heard_ms=onset_ms)

    def _log_silences(self) -> None:
        silences = self.installation.recorder.silences
        while silences:
            silence = silences.popleft()
            self.event_log.write(
                "silence",
                silence.at_s,
                lasts_s=round(silence.lasts_s, 2),
                abrupt=silence.abrupt,
                excused=silence.at_s < self.excused_until_s,
                during=self._fault_name(),
            )

    def _log_underflows(self, now_s: float) -> None:
        more, self.underflows = (
            self.installation.underflows - self.underflows,
            self.installation.underflows,
        )
        if more > 0:
            excused = now_s < self.excused_until_s
            self.event_log.write(
                "underflows", now_s, n=more, excused=excused, during=self._fault_name()
            )

    def _log_restarts(self, now_s: float) -> None:
        present = processes_by_role(self.installation.process.pid)
        for role, process in present.items():
            if self.processes.get(role, process) != process:
                recently = now_s < self.restarts_excused_until_s
                during = self._fault_name() or ("the last fault" if recently else None)
                self.event_log.write("restart", now_s, role=role, pid=process, during=during)
        self.processes |= present

    def _fault_name(self) -> str | None:
        return self.active_fault.fault.name if self.active_fault else None

    def _log_sample(self, now_s: float) -> None:
        installation = self.installation
        present = processes_by_role(installation.process.pid)
        usage = {role: read_process(present[role]) if role in present else None for role in ROLES}
        self.event_log.write(
            "sample",
            now_s,
            visitor=self.visitors.present,
            visits=self.visitors.visits,
            status=installation.status,
            images_per_s=installation.images_per_s,
            underflows=installation.underflows,
            level_db=installation.recorder.level_db(),
            room_heard_s=round(installation.recorder.recorded_s, 1),
            fault=self._fault_name(),
            **usage,
        )
