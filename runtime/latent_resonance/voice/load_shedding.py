"""What to give up when the machine is overloaded or hot: spectrograms and iterations, not samples.

Pure: time and measurements come in, a tier comes out. Runs on the voice's main thread. Tier 0 is
what the settings ask for.
"""

from __future__ import annotations

from dataclasses import dataclass

from latent_resonance.linux.thermal import ThermalState

HIGH_LOAD = 0.85  # share of real time taken by the synthesis: single hops are late
LOW_LOAD = 0.5  # the tier above costs less than twice this one


@dataclass(frozen=True)
class Tier:
    """Shares of what the settings ask for."""

    iterations: float
    spectrograms: float


TIERS = (Tier(1.0, 1.0), Tier(0.6, 0.7), Tier(0.3, 0.5), Tier(0.0, 0.25))


class TierControl:
    """Steps down after a time under pressure, and up again after a much longer relief.

    A step up that had to be taken back soon doubles the time before the next one, up to
    `MAX_UP_S`; after `MAX_UP_S` without pressure the time is back at `up_s`.

    Parameters
    ----------
    n_tiers : number of tiers; the best is 0
    down_s : seconds of pressure before each step down
    up_s : seconds of relief before a step up
    """

    MAX_UP_S = 1800.0

    def __init__(self, n_tiers: int, down_s: float, up_s: float) -> None:
        self.last_tier, self.down_s, self.initial_up_s = n_tiers - 1, down_s, up_s
        self.tier, self.up_s = 0, up_s
        self.pressed_since_s: float | None = None
        self.relieved_since_s: float | None = None
        self.last_up_s = float("-inf")  # time of the last step up

    def step(self, now_s: float, *, pressed: bool, relieved: bool) -> int:
        """The tier at now_s, given the present pressure."""
        self.pressed_since_s = _since(self.pressed_since_s, now_s, active=pressed)
        self.relieved_since_s = _since(self.relieved_since_s, now_s, active=relieved)
        if _lasted(self.pressed_since_s, now_s, self.down_s) and self.tier < self.last_tier:
            self._step_down(now_s)
        elif _lasted(self.relieved_since_s, now_s, self.up_s) and self.tier > 0:
            self._step_up(now_s)
        return self.tier

    def _step_down(self, now_s: float) -> None:
        since_up_s = now_s - self.last_up_s
        if since_up_s > self.MAX_UP_S:
            self.up_s = self.initial_up_s
        elif since_up_s < 2 * self.up_s:
            self.up_s = min(2 * self.up_s, self.MAX_UP_S)
        self.tier += 1
        self.pressed_since_s = now_s

    def _step_up(self, now_s: float) -> None:
        self.tier -= 1
        self.last_up_s = self.relieved_since_s = now_s


class LoadShedder:
    """Two tier controls, one for load and one for temperature; the worse tier counts."""

    def __init__(self) -> None:
        self.load = TierControl(len(TIERS), down_s=1.0, up_s=30.0)
        self.heat = TierControl(len(TIERS), down_s=120.0, up_s=600.0)
        self.lowest = 0  # worst tier so far
        self.reported_tier = 0
        self.thermal = ThermalState()

    @property
    def tier(self) -> int:
        """Index in TIERS."""
        return max(self.load.tier, self.heat.tier)

    def step(self, now_s: float, load: float, thermal: ThermalState) -> int:
        """The tier to play at.

        Parameters
        ----------
        now_s : CLOCK_MONOTONIC
        load : share of real time that the synthesis took lately; above 1 if it was late
        """
        self.thermal = thermal
        self.load.step(now_s, pressed=load > HIGH_LOAD, relieved=load < LOW_LOAD)
        self.heat.step(now_s, pressed=thermal.hot, relieved=thermal.cool)
        self.lowest = max(self.lowest, self.tier)
        return self.tier

    def new_message(self) -> str | None:
        """A sentence if the tier has changed since the last call."""
        if self.tier == self.reported_tier:
            return None
        self.reported_tier = self.tier
        return f"{self.reason()}: {describe_tier(self.tier)}"

    def reason(self) -> str:
        """Why the tier is what it is."""
        if self.tier == 0:
            return "all well again"
        if self.heat.tier < self.load.tier:
            return "short of time"
        if self.thermal.celsius is None:
            return "hot"
        return f"hot ({self.thermal.celsius:.0f} °C)"


def describe_tier(tier: int) -> str:
    """What a tier gives up, in words."""
    if tier == 0:
        return "everything as set"
    return f"tier {tier} of {len(TIERS) - 1}, fewer iterations and spectrograms"


def iterations_at(tier: int, iterations: int) -> int:
    """Iterations per hop at a tier, of those in the settings; at least 1."""
    return max(1, round(iterations * TIERS[tier].iterations))


def spectrograms_per_s_at(tier: int, spectrograms_per_s: float) -> float:
    """Spectrograms per second at a tier, of those in the settings."""
    return spectrograms_per_s * TIERS[tier].spectrograms


def _since(since_s: float | None, now_s: float, *, active: bool) -> float | None:
    if not active:
        return None
    return now_s if since_s is None else since_s


def _lasted(since_s: float | None, now_s: float, duration_s: float) -> bool:
    return since_s is not None and now_s - since_s >= duration_s
