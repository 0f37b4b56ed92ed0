"""The face and the z that a page holds, on lease.

In the monitor's event loop. Out: requests to the voice, to be repeated for as long as they are to
hold. The lease ends LEASE_S after the page's last step, so that a closed page leaves nothing
behind.
"""

from __future__ import annotations

from latent_resonance.face_state import FEATURES, FeatureVector
from latent_resonance.link.requests import OVERRIDE_TIMEOUT_S, FloatArray, Request

REPEAT_S = OVERRIDE_TIMEOUT_S / 3
LEASE_S = 45.0  # a page renews it every ten seconds
END = (Request("override", {}), Request("z", None))


class Hold:
    """What is held.

    Attributes
    ----------
    face, z : held, or None
    origin : z from which a direction is followed
    lease_s : seconds for which they are still held without another step
    """

    def __init__(self) -> None:
        self.face: FeatureVector | None = None
        self.z: FloatArray | None = None
        self.origin: FloatArray | None = None
        self.lease_s = 0.0
        self._repeat_due_s = 0.0
        self._lease_end_s: float | None = None  # None: from the next repetition on

    def renew(self) -> None:
        """Begin the lease again."""
        self._lease_end_s = None

    def clear(self) -> None:
        """Hold nothing."""
        self.face = self.z = self.origin = None

    def requests(self) -> list[Request]:
        """What the voice should do now."""
        requests = []
        if self.face is not None:
            features = map(float, self.face)
            requests.append(Request("override", dict(zip(FEATURES, features, strict=True))))
        if self.z is not None:
            requests.append(Request("z", self.z))
        return requests

    def due(self, now_s: float) -> list[Request]:
        """Requests to repeat now, or to end what is held with the lease."""
        if now_s < self._repeat_due_s:
            return []
        self._repeat_due_s = now_s + REPEAT_S
        if self._lease_end_s is None:
            self._lease_end_s = now_s + LEASE_S
        held = self.requests()
        self.lease_s = round(max(self._lease_end_s - now_s, 0.0), 1) if held else 0.0
        if held and not self.lease_s:
            self.clear()
            return list(END)
        return held
