"""What to give up when the machine is short of time or hot: pictures and iterations, not samples.

Pure: told the time and the measurements, it answers with a tier. Lives on the voice's main
thread. Tier 0 is what the settings ask for.
"""

from __future__ import annotations

from dataclasses import dataclass

from latent_resonance.linux.thermal import ThermalState

HIGH_LOAD = 0.85  # of real time taken by the synthesis: a hop now and then is late
LOW_LOAD = 0.5  # the tier above costs less than twice this one


@dataclass(frozen=True)
class Tier:
    """Shares of what the settings ask for."""

    iterations: float
    pictures: float


TIERS = (Tier(1.0, 1.0), Tier(0.6, 0.7), Tier(0.3, 0.5), Tier(0.0, 0.25))


class Ladder:
    """Goes down a rung when pressed for some time, up again when relieved for much longer.

    A rung that was climbed too early doubles the wait for the next, up to `LONGEST_S`; after
    `LONGEST_S` without trouble that is forgotten.

    Parameters
    ----------
    rungs : how many there are, the topmost being 0
    down_s : seconds of pressure before each step down
    up_s : seconds of relief before a step up
    """

    LONGEST_S = 1800.0

    def __init__(self, rungs: int, down_s: float, up_s: float) -> None:
        self.lowest, self.down_s, self.first_up_s = rungs - 1, down_s, up_s
        self.rung, self.up_s = 0, up_s
        self.pressed_since_s: float | None = None
        self.relieved_since_s: float | None = None
        self.climbed_s = float("-inf")

    def step(self, now_s: float, *, pressed: bool, relieved: bool) -> int:
        """The rung to stand on, given how it goes at now_s."""
        self.pressed_since_s = _since(self.pressed_since_s, now_s, holds=pressed)
        self.relieved_since_s = _since(self.relieved_since_s, now_s, holds=relieved)
        if _lasted(self.pressed_since_s, now_s, self.down_s) and self.rung < self.lowest:
            self._go_down(now_s)
        elif _lasted(self.relieved_since_s, now_s, self.up_s) and self.rung > 0:
            self._go_up(now_s)
        return self.rung

    def _go_down(self, now_s: float) -> None:
        early = now_s - self.climbed_s < 2 * self.up_s
        forgotten = now_s - self.climbed_s > self.LONGEST_S
        self.up_s = min(2 * self.up_s, self.LONGEST_S) if early else self.up_s
        self.up_s = self.first_up_s if forgotten else self.up_s
        self.rung += 1
        self.pressed_since_s = now_s

    def _go_up(self, now_s: float) -> None:
        self.rung -= 1
        self.climbed_s = self.relieved_since_s = now_s


class Health:
    """Two ladders, one for time and one for heat; the lower foot counts."""

    def __init__(self) -> None:
        self.time = Ladder(len(TIERS), down_s=1.0, up_s=30.0)
        self.heat = Ladder(len(TIERS), down_s=120.0, up_s=600.0)
        self.lowest = 0  # tier reached so far
        self.said = 0
        self.last_heat = ThermalState()

    @property
    def tier(self) -> int:
        """Index in TIERS."""
        return max(self.time.rung, self.heat.rung)

    def step(self, now_s: float, load: float, heat: ThermalState) -> int:
        """The tier to play at.

        Parameters
        ----------
        now_s : CLOCK_MONOTONIC
        load : share of real time that the synthesis took of late, or above 1 if it was late
        heat : of the machine
        """
        self.last_heat = heat
        self.time.step(now_s, pressed=load > HIGH_LOAD, relieved=load < LOW_LOAD)
        self.heat.step(now_s, pressed=heat.hot, relieved=heat.cool)
        self.lowest = max(self.lowest, self.tier)
        return self.tier

    def news(self) -> str | None:
        """A sentence when the tier has changed since the last one."""
        if self.tier == self.said:
            return None
        self.said = self.tier
        return f"{self.reason()}: {shed(self.tier)}"

    def reason(self) -> str:
        """Why the tier is what it is."""
        if self.tier == 0:
            return "all well again"
        if self.heat.rung < self.time.rung:
            return "short of time"
        if self.last_heat.celsius is None:
            return "hot"
        return f"hot ({self.last_heat.celsius:.0f} °C)"


def shed(tier: int) -> str:
    """What a tier gives up, for people."""
    if tier == 0:
        return "everything as set"
    return f"tier {tier} of {len(TIERS) - 1}, fewer iterations and pictures"


def iterations_at(tier: int, iterations: int) -> int:
    """Iterations a hop at a tier, of those that the settings ask for; at least 1."""
    return max(1, round(iterations * TIERS[tier].iterations))


def pictures_per_s_at(tier: int, pictures_per_s: float) -> float:
    """New pictures a second at a tier, of those that the settings ask for."""
    return pictures_per_s * TIERS[tier].pictures


def _since(since_s: float | None, now_s: float, *, holds: bool) -> float | None:
    if not holds:
        return None
    return now_s if since_s is None else since_s


def _lasted(since_s: float | None, now_s: float, duration_s: float) -> bool:
    return since_s is not None and now_s - since_s >= duration_s
