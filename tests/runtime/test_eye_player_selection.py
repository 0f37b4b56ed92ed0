"""Who plays: the nearest who is alive, and not a picture on the wall.

Regions of faces come and go as in front of a camera, with a search as often as the tracker's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from latent_resonance.eye.tracking.face_tracker import OTHERS_S
from latent_resonance.eye.tracking.player_selection import (
    DOUBT_S,
    FORGET_PICTURE_S,
    HIDDEN_S,
    PICTURE_S,
    TAKEOVER_RATIO,
    TAKEOVER_S,
    PlayerSelection,
)
from latent_resonance.eye.tracking.roi import Roi

ABSENCE_S = 3.0
STEP_S = 0.1  # between images, each of which is searched while no face is followed
Path = Callable[[float], Roi]  # where a face is at a time in seconds


def at(x: float, width: float = 100.0) -> Path:
    """A face that stands still."""
    return lambda _: region(x, width)


def region(x: float, width: float = 100.0) -> Roi:
    return Roi(x, 240.0, width, width)


def approaching(x: float, near: float, from_s: float = 0.0) -> Path:
    """A face whose region grows by a half within each second, from 60 pixels to `near`."""
    return lambda time_s: region(x, min(60.0 * 1.5 ** max(time_s - from_s, 0.0), near))


class Room:
    """People before a camera, each with a path; the one who plays is followed.

    Attributes
    ----------
    player
        Whose face is followed; None while no face is.
    visitor
        The number of the visitor, None if there is none or the face is a picture.
    """

    def __init__(self) -> None:
        self.selection = PlayerSelection(ABSENCE_S)
        self.time_s, self.searched_s = 0.0, -math.inf
        self.player: str | None = None
        self.visitor: int | None = None

    def see(self, seconds: float, *, alive: str = "", **people: Path) -> list[str | None]:
        """Who plays in each image of some seconds; those named in `alive` show life."""
        return [self._step(people, alive.split()) for _ in range(round(seconds / STEP_S))]

    def _step(self, people: dict[str, Path], alive: list[str]) -> str | None:
        self.time_s += STEP_S
        found = {name: path(self.time_s) for name, path in people.items()}
        is_following = self.player in found
        if self.player and not is_following:
            self.player, self.searched_s = None, -math.inf
        if self.time_s - self.searched_s >= (OTHERS_S if is_following else STEP_S) - 1e-6:
            self._search(found, is_following=is_following)
        self.visitor = None
        if self.player is not None:
            self.visitor = self.selection.follow(
                found[self.player], self.time_s, shows_life=self.player in alive
            )
        return self.player if self.visitor is not None else None

    def _search(self, found: dict[str, Roi], *, is_following: bool) -> None:
        self.searched_s = self.time_s
        people = self.selection.candidates(
            list(found.values()), self.time_s, is_following=is_following
        )
        if people:
            self.selection.select(people[0], self.time_s)
            self.player = next(name for name, roi in found.items() if roi is people[0].roi)


@pytest.mark.parametrize("order", [("near", "far"), ("far", "near")])
def test_the_nearest_of_several_people_plays(order: tuple[str, str]) -> None:
    people = {"near": at(200.0, 120.0), "far": at(450.0, 50.0)}
    room = Room()
    assert room.see(1.0, alive="near", **{name: people[name] for name in order}) == ["near"] * 10


def test_the_player_stays_selected_when_another_comes_slightly_nearer() -> None:
    room, player = Room(), at(200.0)
    room.see(1.0, alive="player", player=player)
    nearer = approaching(450.0, 0.95 * TAKEOVER_RATIO * 100.0, room.time_s)
    assert set(room.see(9.0, alive="player rival", player=player, rival=nearer)) == {"player"}
    assert room.visitor == 1


def test_a_much_nearer_person_who_came_there_takes_over_after_a_while() -> None:
    room, player = Room(), at(200.0, 60.0)
    room.see(1.0, alive="player", player=player)
    start_s, rival = room.time_s, approaching(450.0, 120.0, room.time_s)
    played = room.see(5.0, alive="player rival", player=player, rival=rival)
    taken_s = played.index("rival") * STEP_S
    nearer_s = math.log(TAKEOVER_RATIO, 1.5)
    assert taken_s == pytest.approx(nearer_s + TAKEOVER_S, abs=OTHERS_S + STEP_S)
    assert set(played[played.index("rival") :]) == {"rival"}
    assert (room.visitor, room.time_s) == (2, pytest.approx(start_s + 5.0))


def test_a_much_nearer_person_who_passes_by_does_not_take_over() -> None:
    room, player = Room(), at(200.0, 60.0)
    room.see(1.0, alive="player", player=player)
    passing = approaching(450.0, 120.0, room.time_s)
    assert set(room.see(1.9, alive="player", player=player, rival=passing)) == {"player"}
    assert set(room.see(5.0, alive="player", player=player)) == {"player"}


def test_a_bigger_picture_that_never_moves_does_not_take_over() -> None:
    room, player = Room(), at(200.0, 60.0)
    room.see(1.0, alive="player", player=player)
    played = room.see(60.0, alive="player", player=player, picture=at(450.0, 180.0))
    assert set(played) == {"player"}
    assert room.visitor == 1


@pytest.mark.parametrize("hidden_s", [0.3, 1.0, 2.5])
def test_a_hidden_player_found_again_in_the_same_place_is_the_same_visitor(hidden_s: float) -> None:
    room = Room()
    room.see(2.0, alive="player", player=at(200.0))
    assert set(room.see(hidden_s)) == {None}
    assert room.see(1.0, player=at(215.0, 110.0)) == ["player"] * 10
    assert room.visitor == 1


def test_a_player_who_returns_after_the_absence_is_another_visitor() -> None:
    room = Room()
    room.see(2.0, alive="player", player=at(200.0))
    room.see(ABSENCE_S + 0.3)
    assert room.see(1.0, player=at(200.0)) == ["player"] * 10
    assert room.visitor == 2


def test_when_the_player_is_hidden_another_takes_over_after_a_while() -> None:
    room, other = Room(), at(450.0, 70.0)
    room.see(2.0, alive="player", player=at(200.0), other=other)
    played = room.see(2.0, alive="other", other=other)
    assert played.index("other") * STEP_S == pytest.approx(HIDDEN_S, abs=2 * STEP_S)
    assert set(played[: played.index("other")]) == {None}
    assert room.visitor == 2


def test_a_player_who_returns_in_time_plays_although_another_is_nearer() -> None:
    room, nearer = Room(), at(450.0, 140.0)
    room.see(2.0, alive="player", player=at(200.0))
    room.see(HIDDEN_S - 0.2, nearer=nearer)
    assert set(room.see(2.0, alive="player", player=at(200.0), nearer=nearer)) == {"player"}


def test_a_picture_is_let_go_after_a_while() -> None:
    room, picture = Room(), at(300.0, 150.0)
    played = room.see(PICTURE_S + 10.0, picture=picture)
    assert played.index(None) * STEP_S == pytest.approx(PICTURE_S, abs=3 * STEP_S)
    assert set(played[played.index(None) :]) == {None}


def test_a_person_takes_precedence_over_a_picture_even_from_farther_away() -> None:
    room, picture = Room(), at(300.0, 150.0)
    room.see(PICTURE_S + 2.0, picture=picture)
    played = room.see(20.0, alive="person", picture=picture, person=at(500.0, 40.0))
    assert played.index("person") * STEP_S <= OTHERS_S
    assert set(played[played.index("person") :]) == {"person"}


def test_a_face_that_has_not_moved_yet_gives_way_to_another_soon() -> None:
    """A picture that is nearer than the first visitor of the day."""
    room, picture, person = Room(), at(300.0, 150.0), at(500.0, 60.0)
    played = room.see(20.0, alive="person", picture=picture, person=person)
    taken_s = played.index("person") * STEP_S
    assert taken_s == pytest.approx(DOUBT_S, abs=OTHERS_S + STEP_S)
    assert set(played[played.index("person") :]) == {"person"}


@pytest.mark.parametrize(("unseen_s", "remembered"), [(60.0, True), (FORGET_PICTURE_S + 5, False)])
def test_a_picture_is_remembered_while_people_stand_before_it(
    unseen_s: float, remembered: bool
) -> None:
    room, picture = Room(), at(300.0, 150.0)
    room.see(PICTURE_S + 2.0, picture=picture)
    room.see(unseen_s)
    assert room.see(0.1, picture=picture) == [None if remembered else "picture"]


def test_a_picture_that_moves_was_a_person() -> None:
    room = Room()
    room.see(PICTURE_S + 2.0, person=at(300.0))
    assert room.visitor is None
    room.see(0.5)  # the person turns away and has moved on by the next search
    assert room.see(1.0, person=at(330.0)) == ["person"] * 10


def test_a_person_who_shows_life_now_and_then_is_kept() -> None:
    room, people = Room(), {"player": at(200.0), "picture": at(450.0, 150.0)}
    room.see(1.0, alive="player", player=people["player"])
    for _ in range(12):
        assert set(room.see(PICTURE_S - 1.0, **people)) == {"player"}
        room.see(0.1, alive="player", **people)
    assert room.visitor == 1


def test_a_picture_is_the_same_visitor_again_at_its_first_sign_of_life() -> None:
    room, person = Room(), at(300.0)
    room.see(2.0, alive="person", person=person)
    room.see(PICTURE_S + 2.0, person=person)
    assert room.visitor is None
    assert room.see(1.0, alive="person", person=person) == ["person"] * 10
    assert room.visitor == 1


def test_a_face_that_is_found_twice_is_one_person() -> None:
    """A detector may find a second box around one face; it is no rival of the first."""
    room, face = Room(), at(300.0, 60.0)
    played = room.see(8.0, face=face, again=at(312.0, 53.0))
    assert set(played) == {"face"}
    assert room.visitor == 1
