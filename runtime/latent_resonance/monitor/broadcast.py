"""Distributes the voice's messages to everything in the monitor that needs them.

Runs in the monitor's event loop. In: messages of the link. Out: the same messages to observers,
which are called at once, and to subscribers, each with a short queue: a slow subscriber loses its
oldest messages and delays no one.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from latent_resonance.link.telemetry import Energies, Message, Report

QUEUE_LENGTH = 32  # messages; about three seconds of columns


class Subscription:
    """One subscriber's queue."""

    def __init__(self, kinds: tuple[type[Message], ...]) -> None:
        self.kinds = kinds
        self.dropped = 0
        self._queue: deque[Message] = deque(maxlen=QUEUE_LENGTH)
        self._not_empty = asyncio.Event()

    def put(self, message: Message) -> None:
        """Append a message; a full queue drops its oldest."""
        self.dropped += len(self._queue) == QUEUE_LENGTH
        self._queue.append(message)
        self._not_empty.set()

    async def next(self) -> Message:
        """Take the oldest message, waiting for one if the queue is empty."""
        await self._not_empty.wait()
        message = self._queue.popleft()
        if not self._queue:
            self._not_empty.clear()
        return message


class Observer(Protocol):
    """Receives every message; must not block."""

    def on_message(self, message: Message) -> None:
        """Handle a message of the voice."""

    def on_link(self, up: bool) -> None:
        """Handle a new connection to the voice (True) or its loss (False)."""


class Broadcaster:
    """The latest state of the voice, and its distribution.

    Attributes
    ----------
    linked : whether the voice is connected
    report, energies : the latest; None before the first and after a disconnection
    last_message_s : when the latest message arrived, on `clock`
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.linked = False
        self.report: Report | None = None
        self.energies: Energies | None = None
        self.last_message_s = -math.inf
        self._subscriptions: set[Subscription] = set()
        self._observers: list[Observer] = []

    @property
    def age_s(self) -> float:
        """Seconds since the latest message."""
        return self.clock() - self.last_message_s

    def add_observer(self, observer: Observer) -> None:
        """Pass every message on to an observer."""
        self._observers.append(observer)

    @contextmanager
    def subscribe(self, *kinds: type[Message]) -> Iterator[Subscription]:
        """Queue every message of these kinds within the context."""
        subscription = Subscription(kinds)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def publish(self, message: Message) -> None:
        """Distribute a message of the voice."""
        self.last_message_s = self.clock()
        if isinstance(message, Report):
            self.report = message
        elif isinstance(message, Energies):
            self.energies = message
        for observer in self._observers:
            observer.on_message(message)
        for subscription in self._subscriptions:
            if isinstance(message, subscription.kinds):
                subscription.put(message)

    def on_connected(self) -> None:
        """The voice is connected."""
        self._set_linked(up=True)

    def on_disconnected(self) -> None:
        """The voice is disconnected; its last report no longer holds."""
        self.report = self.energies = None
        self._set_linked(up=False)

    def _set_linked(self, *, up: bool) -> None:
        self.linked = up
        for observer in self._observers:
            observer.on_link(up)
