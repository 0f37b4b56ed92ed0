"""Selects the player among the people before the camera: the nearest who is alive.

A small stateful stage, in the eye's loop or offline. In: the regions of all faces at each search,
and that of the face which is followed at each image. Out: whom to follow. A picture on the wall is
let go after `PICTURE_S`, and never comes between the instrument and a living person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latent_resonance.eye.tracking.roi import Roi

SAME_PLACE = 0.6  # of a region's side: the most that a person moves between two searches
SAME_FACE = 0.4  # of a region's side: no two faces in an image are nearer to each other
SAME_SIZE = 1.6  # the most that they come nearer, as a ratio
MOVED = 0.12  # of a region's side: by so much a living rival has moved, and a picture has not
FORGET_S = 1.2  # after this long unseen, a bystander is forgotten
FORGET_PICTURE_S = 600.0  # and a picture: people pass before it
TAKEOVER_RATIO = 1.6  # a face larger than the player's by this factor …
TAKEOVER_S = 1.0  # … for this long becomes the player
HIDDEN_S = 0.5  # after the player is hidden for this long, another face becomes the player
PICTURE_S = 10.0  # a face in which nothing changes for this long is a picture
DOUBT_S = 1.5  # one that has not moved at all for this long gives way to another


@dataclass(slots=True, eq=False)
class Person:
    """A person, or a picture of one, before the camera.

    Attributes
    ----------
    roi, origin
        Where their face is, and where it was when they were found or last moved.
    seen_s
        When.
    has_moved
        Whether they were seen to move, which pictures do not.
    lifeless_s
        For how long nothing has changed about them while they were followed.
    was_alive
        Whether anything ever did.
    """

    roi: Roi
    origin: Roi
    seen_s: float
    has_moved: bool = False
    lifeless_s: float = 0.0
    was_alive: bool = False
    nearer_since_s: float | None = None

    @property
    def is_picture(self) -> bool:
        """Whether nothing has changed about them for `PICTURE_S`."""
        return self.lifeless_s >= PICTURE_S

    @property
    def is_doubtful(self) -> bool:
        """Whether they may be a picture."""
        return self.is_picture or (not self.was_alive and self.lifeless_s >= DOUBT_S)

    @property
    def remembered_s(self) -> float:
        """For how long they are known without being seen."""
        return FORGET_PICTURE_S if self.is_picture else FORGET_S

    def see(self, roi: Roi, now_s: float) -> None:
        """Update the place."""
        self.roi, self.seen_s = roi, now_s
        if distance(roi, self.origin) > MOVED or size_ratio(roi, self.origin) > 1 + MOVED:
            self.origin, self.has_moved, self.lifeless_s = roi, True, 0.0


class PlayerSelection:
    """Knows the people before the camera and which of them plays.

    Parameters
    ----------
    absence_s
        Seconds after which a player who was lost is forgotten.

    Attributes
    ----------
    tried
        Whether the last search proposed a candidate.
    """

    def __init__(self, absence_s: float) -> None:
        self._absence_s = absence_s
        self._people: list[Person] = []
        self._player: Person | None = None
        self._visitor = 0
        self.tried = False

    def follow(self, roi: Roi, now_s: float, *, shows_life: bool) -> int | None:
        """Update the player, who is followed; returns the visitor's number, None for a picture."""
        player = self._player
        assert player is not None
        if shows_life:
            player.lifeless_s, player.was_alive = 0.0, True
        else:
            player.lifeless_s += min(now_s - player.seen_s, HIDDEN_S)
        player.roi, player.seen_s = roi, now_s
        return None if player.is_picture else self._visitor

    def select(self, person: Person, now_s: float) -> None:
        """Make a candidate the player."""
        if person is not self._player:
            self._player, self._visitor = person, self._visitor + 1
        person.seen_s, person.nearer_since_s = now_s, None

    def candidates(self, found: list[Roi], now_s: float, *, is_following: bool) -> list[Person]:
        """Whom to follow from now on, the best first; empty: go on as before."""
        self._forget(now_s, is_following=is_following)
        self._recognise(found, now_s, is_following=is_following)
        chosen = self._rivals(now_s) if is_following else self._free(now_s)
        self.tried = bool(chosen)
        return chosen

    def _forget(self, now_s: float, *, is_following: bool) -> None:
        player = self._player
        if player and not is_following and now_s - player.seen_s > self._absence_s:
            self._player = None
        self._people = [
            each
            for each in self._people
            if each is self._player or now_s - each.seen_s <= each.remembered_s
        ]

    def _recognise(self, found: list[Roi], now_s: float, *, is_following: bool) -> None:
        """Match regions to the people known, the player first; those left over are new."""
        unknown = list(found)
        for person in sorted(self._people, key=lambda each: each is not self._player):
            match = min(unknown, key=lambda roi: distance(roi, person.roi), default=None)
            if match is None or not is_same(match, person.roi):
                continue
            unknown.remove(match)
            if not (is_following and person is self._player):  # its landmarks are more precise
                person.see(match, now_s)
        for roi in unknown:  # a face may be found twice
            seen = [each for each in self._people if each.seen_s == now_s]
            if is_following and self._player is not None:
                seen.append(self._player)
            if all(distance(roi, each.roi) >= SAME_FACE for each in seen):
                self._people.append(Person(roi, roi, now_s))

    def _rivals(self, now_s: float) -> list[Person]:
        """Those who take over from a player who is followed."""
        player = self._player
        assert player is not None
        others = self._visible(now_s, besides=player)
        if player.is_doubtful:
            return [each for each in others if not each.is_picture]
        return [each for each in others if self._takes_over(each, player, now_s)]

    def _takes_over(self, rival: Person, player: Person, now_s: float) -> bool:
        """Whether a rival who has moved has been much nearer for `TAKEOVER_S`."""
        if not rival.has_moved or rival.roi.width < TAKEOVER_RATIO * player.roi.width:
            rival.nearer_since_s = None
            return False
        if rival.nearer_since_s is None:
            rival.nearer_since_s = now_s
        return now_s - rival.nearer_since_s >= TAKEOVER_S

    def _free(self, now_s: float) -> list[Person]:
        """Whom to follow after a loss: the player again, or after a while another."""
        player = self._player
        if player is not None:
            if player.seen_s == now_s:
                return [player]
            if now_s - player.seen_s < HIDDEN_S:
                return []
        return self._visible(now_s, besides=player)

    def _visible(self, now_s: float, besides: Person | None) -> list[Person]:
        """Everybody else who was just found: pictures last, the nearest first."""
        visible = [each for each in self._people if each.seen_s == now_s and each is not besides]
        return sorted(visible, key=lambda each: (each.is_picture, -each.roi.width))


def is_same(one: Roi, other: Roi) -> bool:
    """Whether two regions of successive searches can be those of one person."""
    return distance(one, other) < SAME_PLACE and size_ratio(one, other) < SAME_SIZE


def distance(one: Roi, other: Roi) -> float:
    """Between the centres, in sides of the smaller region."""
    return float(np.hypot(one.x - other.x, one.y - other.y)) / min(one.width, other.width)


def size_ratio(one: Roi, other: Roi) -> float:
    """Of the larger region's side to the smaller one's, 1 or more."""
    return max(one.width, other.width) / min(one.width, other.width)
