"""What the voice said last, and everybody who wants to hear what it says next.

Lives in the monitor's event loop. In: messages of the link. Out: the same to each subscriber, by a
queue that holds a moment only: who is slow misses the oldest and delays nobody.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from latent_resonance.link.telemetry import Columns, Energies, Message, Report

WAITING = 32  # messages; of columns some three seconds


class Subscription:
    """One listener's queue."""

    def __init__(self, kinds: tuple[type[Message], ...]) -> None:
        self.kinds = kinds
        self.missed = 0
        self._waiting: deque[Message] = deque(maxlen=WAITING)
        self._some = asyncio.Event()

    def put(self, message: Message) -> None:
        """Keeps a message, for which the oldest may have to go."""
        self.missed += len(self._waiting) == WAITING
        self._waiting.append(message)
        self._some.set()

    async def next(self) -> Message:
        """The oldest that waits, or the next to come."""
        await self._some.wait()
        message = self._waiting.popleft()
        if not self._waiting:
            self._some.clear()
        return message


class Observer(Protocol):
    """Somebody who is told all of it, and does not wait."""

    def take(self, message: Message) -> None:
        """What the voice has said."""

    def linked(self, up: bool) -> None:
        """Whether a voice is there."""


class Hub:
    """The one place where what the voice says is known.

    Attributes
    ----------
    linked : whether a voice is there
    report, energies : the newest; None before the first, and when the voice has gone
    heard_s : when it last said something, in the loop's time
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.linked = False
        self.report: Report | None = None
        self.energies: Energies | None = None
        self.heard_s = -math.inf
        self._subscriptions: set[Subscription] = set()
        self._observers: list[Observer] = []

    @property
    def age_s(self) -> float:
        """Since the voice said something."""
        return self.clock() - self.heard_s

    def observe(self, observer: Observer) -> None:
        """Has every message handed on to somebody who does not wait."""
        self._observers.append(observer)

    @contextmanager
    def subscribed(self, *kinds: type[Message]) -> Iterator[Subscription]:
        """A queue of every message of these kinds, for as long as it is wanted."""
        subscription = Subscription(kinds)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def publish(self, message: Message) -> None:
        """Hands on what the voice has said."""
        self.heard_s = self.clock()
        if isinstance(message, Report):
            self.report = message
        elif isinstance(message, Energies):
            self.energies = message
        for observer in self._observers:
            observer.take(message)
        for subscription in self._subscriptions:
            if isinstance(message, subscription.kinds):
                subscription.put(message)

    def connected(self) -> None:
        """A voice is there."""
        self._link(up=True)

    def lost(self) -> None:
        """The voice has gone; what it said is no longer so."""
        self.report = self.energies = None
        self._link(up=False)

    def _link(self, *, up: bool) -> None:
        self.linked = up
        for observer in self._observers:
            observer.linked(up)


PICTURE: tuple[type[Message], ...] = (Columns,)
STATE: tuple[type[Message], ...] = (Energies, Report)
