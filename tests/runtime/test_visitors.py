"""What the eye sees of visitors: films of a photograph that moves by known amounts, and clips.

A part of `tests/bench/visitors.py` that takes a minute, at the same limits. The clips of real
people are tested where LATENT_RESONANCE_CLIPS names their folder.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.bench.seeing.bench import ALL_OF_IT as ALWAYS
from tests.bench.seeing.bench import TRACKERS, differences
from tests.bench.seeing.clip_tables import CLIP_LIMITS
from tests.bench.seeing.film_tables import ALIKE, RANGE_LIMITS
from tests.support import clips, composed_films, film_pictures, films
from tests.support.readings import Reading, alike, limit, read, statistic, value_of

from latent_resonance.config.settings import Settings, TrackerName
from latent_resonance.eye.camera.clip import images_of_clip

RATE = 15.0
MEDIAPIPE, LIGHT = TRACKERS
NEAR = film_pictures.AS_IT_IS
BOTH = pytest.mark.parametrize("tracker", TRACKERS)


@cache
def reading_of(name: str, tracker: TrackerName, view: film_pictures.View = NEAR) -> Reading:
    return read(films.film(name, view).images(RATE), settings(tracker))


def settings(tracker: TrackerName) -> Settings:
    return Settings.model_validate({"eye": {"tracker": tracker}, "camera": {"images_per_s": RATE}})


def assert_due(
    sentences: tuple[str, ...], reading: Reading, window_s: tuple[float, float] = ALWAYS
) -> None:
    """Each limit is met; the message lists all that are not."""
    values = {sentence: value_of(limit(sentence), reading, window_s) for sentence in sentences}
    missed = {each: value for each, value in values.items() if not limit(each).met(value)}
    assert not missed


def assert_film(name: str, tracker: TrackerName) -> None:
    """All that is due of a film."""
    reading = reading_of(name, tracker)
    assert_due(films.FOUND, reading)
    assert_due(films.LIMITS[name], reading, films.FILMS[name].window_s)


@pytest.mark.slow
@BOTH
def test_a_visitor_who_stands_still_is_clear_calm_and_closed(tracker: TrackerName) -> None:
    assert_film("rest, still", tracker)


@pytest.mark.slow
def test_dim_light_and_its_noise_move_nothing() -> None:
    assert_film("rest, dim", LIGHT)


@pytest.mark.slow
def test_flickering_light_and_a_step_of_exposure_move_nothing() -> None:
    assert_film("flicker", LIGHT)


@pytest.mark.slow
def test_blinks_move_nothing() -> None:
    assert_film("blinks", MEDIAPIPE)


@pytest.mark.slow
def test_a_person_who_stands_turned_is_still_while_their_neutral_face_is_learned() -> None:
    assert_film("stands turned", LIGHT)


@pytest.mark.slow
def test_silent_speech_is_not_stillness() -> None:
    assert_film("silent speech", LIGHT)


@pytest.mark.slow
def test_a_wide_mouth_opens_the_filter_and_sets_off_no_noise() -> None:
    assert_film("wide mouth", LIGHT)


@pytest.mark.slow
@BOTH
def test_a_frown_sets_off_noise_and_opens_nothing(tracker: TrackerName) -> None:
    assert_film("frown", tracker)


@pytest.mark.slow
def test_raised_brows_are_raised_and_set_off_no_noise() -> None:
    assert_film("brows up", MEDIAPIPE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["slow turn", "shake", "nod"])
def test_a_moving_head_is_not_still_and_sets_off_no_noise(name: str) -> None:
    assert_film(name, LIGHT)


@pytest.mark.slow
def test_a_turn_that_is_held_is_rest() -> None:
    assert_film("held turn", MEDIAPIPE)


@pytest.mark.slow
def test_whoever_arrives_turned_is_at_rest_three_seconds_after_facing_the_camera() -> None:
    assert_film("arrives turned", LIGHT)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wide mouth", "frown"])
def test_mouth_and_brows_are_the_same_from_a_metre_and_a_half(name: str) -> None:
    """Further away brows are seen to move less: docs/benchmarks.md, "Visitors"."""
    far = reading_of(name, LIGHT, film_pictures.View(40, (0.8, 0.2)))
    near = reading_of(name, LIGHT)
    assert_due(films.FOUND, far)
    for sentence in RANGE_LIMITS:
        due = limit(sentence)
        apart = differences(far, near, due.source, films.FILMS[name].window_s)
        assert due.met(statistic(apart, due.statistic)), sentence


@pytest.mark.slow
@pytest.mark.parametrize("place", films.PLACES[1:4:2])
def test_a_small_face_is_found_within_half_a_second_in_a_corner(place: film_pictures.Point) -> None:
    film = replace(films.film("rest, still", film_pictures.View(16, place)), seconds=2.0)
    due = ("seen after ≤ 0.5", "presence share from 0.5 to 2 ≥ 0.99", "greetings number ≤ 1")
    assert_due(due, read(film.images(RATE), settings(LIGHT)))


@pytest.mark.slow
def test_a_portrait_on_the_wall_lets_go_after_ten_seconds() -> None:
    portrait = composed_films.portraits(composed_films.talking())["portrait alone"]
    film = replace(portrait.film, seconds=13.0)
    reading = read(film.images(10.0), settings(LIGHT))
    assert_due(("presence share from 11 to 13 ≤ 0",), reading)


@pytest.mark.slow
def test_the_nearer_of_two_people_plays() -> None:
    film = composed_films.people(*composed_films.photographs())["two people"]
    short = replace(film.film, seconds=5.0)
    alone = replace(film.alone, seconds=5.0)
    one, other = (read(each.images(10.0), settings(LIGHT)) for each in (short, alone))
    assert_due(film.limits, one)
    assert alike(one, other, (2.0, 5.0)) >= limit(ALIKE).bound


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "seconds"), [("moving objects", 3.0), ("shadows", 3.0), ("things with texture", 8.0)]
)
def test_no_visitor_is_seen_in_an_empty_room(name: str, seconds: float) -> None:
    film = replace(composed_films.empty_rooms()[name], seconds=seconds)
    assert not read(film.images(20.0), settings(LIGHT)).present.any()


def test_no_visitor_is_seen_in_noise() -> None:
    assert not read(composed_films.noise_images(48), settings(LIGHT)).present.any()


def test_a_limit_is_a_sentence_about_a_reading() -> None:
    due = limit("|yaw_velocity| p95 from 1 to 2.5 ≤ 0.05")
    assert due.window_s == (1.0, 2.5)
    assert due.met(0.05)
    assert not due.met(0.051)
    assert not due.met(float("nan"))


def test_what_is_not_a_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="clarity is high"):
        limit("clarity is high")


def test_a_film_is_the_same_twice() -> None:
    film = replace(films.film("frown"), seconds=0.2)
    one, other = (list(film.images()) for _ in range(2))
    assert [a.time_ns for a in one] == [0, 50_000_000, 100_000_000, 150_000_000]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, other, strict=True))


# --- clips of real people ---------------------------------------------------------------------


@pytest.mark.slow
@clips.needs_clips
@BOTH
@pytest.mark.parametrize("name", ["face-yes", "face-sorry"])
def test_a_visitor_is_seen_from_the_first_image_to_the_last(
    name: str, tracker: TrackerName
) -> None:
    assert_clip(name, tracker)


@pytest.mark.slow
@clips.needs_clips
@BOTH
@pytest.mark.parametrize("name", ["head-male", "head-female-and-male"])
def test_a_real_frown_is_tense_and_a_relaxed_face_that_turns_is_not(
    name: str, tracker: TrackerName
) -> None:
    if not clips.clip(f"{name}.mkv").exists():
        pytest.skip(f"{name}.mkv is not in the folder of clips")
    assert_clip(name, tracker)


def assert_clip(name: str, tracker: TrackerName) -> None:
    reading = read(images_of_clip(clips.clip(f"{name}.mkv")), settings(tracker))
    start = next(each for each in CLIP_LIMITS if name.startswith(each))
    assert_due(CLIP_LIMITS[start], reading)
