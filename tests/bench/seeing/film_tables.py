"""The tables of films: one face that moves, faces of several sizes, several people, and none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.bench.seeing.bench import ALL_OF_IT, FAR_PX, Bench, Row, apart_rows
from tests.support import composed_films, film_pictures, films
from tests.support.readings import alike, limit, value_of

RANGE_LIMITS = ("mouth_open p95 ≤ 0.15", "brow_tension p95 ≤ 0.15")
EVERYWHERE, EVERYWHERE_SIZES, EVERYWHERE_S = "everywhere", (60, 24, 16), 2.0
RANGE_FILMS = ("rest, still", "wide mouth", "frown")
OF_CLIPS = "clips: "  # begins the name of a film that is made of clips
ALIKE = "alike share ≥ 0.5"
ABSENT = "presence share ≤ 0"
PEOPLE = (*composed_films.PEOPLE, composed_films.HIDDEN)
EMPTY_ROOMS, NOISE = composed_films.EMPTY_ROOMS, "noise images"
Cast = tuple[composed_films.Actor, composed_films.Actor]


def film_names() -> list[str]:
    sizes = [at_size(name, size) for name in RANGE_FILMS for size in films.SIZES]
    everywhere = [f"{EVERYWHERE}, {size} px" for size in EVERYWHERE_SIZES]
    of_clips = [OF_CLIPS + name for name in composed_films.PEOPLE]
    return [*films.FILMS, *sizes, *everywhere, *PEOPLE, *of_clips, *EMPTY_ROOMS, NOISE]


def at_size(name: str, eyes_px: int) -> str:
    return f"{name}, {eyes_px} px"


def film_rows(bench: Bench) -> Iterator[Row]:
    """Each film at the size of the photograph."""
    for name in filter(bench.wants, films.FILMS):
        for rate in bench.rates:
            film = films.film(name)
            reading = bench.read(f"{name} at {rate:g}", film.images(rate), rate)
            yield from bench.rows("films", name, films.FOUND, reading, ALL_OF_IT, rate)
            due = films.LIMITS[name]
            yield from bench.rows("films", name, due, reading, film.window_s, rate)


def range_rows(bench: Bench) -> Iterator[Row]:
    """Films with the face at several sizes, against the photograph's own."""
    rate = bench.rates[0]
    for name in RANGE_FILMS:
        sizes = [size for size in films.SIZES if bench.wants(at_size(name, size))]
        if not sizes:
            continue
        near = bench.read(name, films.film(name).images(rate), rate)
        for i, size in enumerate(sizes):
            view = film_pictures.View(size, films.PLACES[i % len(films.PLACES)])
            film, what = films.film(name, view), at_size(name, size)
            reading = bench.read(what, film.images(rate), rate)
            yield from bench.rows("range", what, films.FOUND, reading, ALL_OF_IT, rate)
            if size >= FAR_PX:
                due = RANGE_LIMITS
                yield from apart_rows(
                    bench, "range", what, due, (reading, near), film.window_s, rate
                )

    for size in EVERYWHERE_SIZES:
        what = f"{EVERYWHERE}, {size} px"
        if bench.wants(what):
            yield from everywhere_rows(bench, what, size, rate)


def everywhere_rows(bench: Bench, what: str, size: int, rate: float) -> Iterator[Row]:
    """The time until a face is found, wherever it is in the picture."""
    due, latest_s = "seen latest ≤ 0.5", 0.0
    for place in films.PLACES:
        film = replace(
            films.film("rest, still", film_pictures.View(size, place)), seconds=EVERYWHERE_S
        )
        reading = bench.read(f"{what}, at {place}", film.images(rate), rate)
        latest_s = max(latest_s, value_of(limit(due), reading, ALL_OF_IT))
    yield bench.row("range", what, due, latest_s, rate)


def people_rows(bench: Bench) -> Iterator[Row]:
    """Films of several people: who plays, against the film of that person alone."""
    for start, cast in casts_of(bench).items():
        named = composed_films.PEOPLE if start else PEOPLE
        selected = [name for name in named if bench.wants(start + name)]
        if not selected:
            continue
        made = composed_films.all_films(*cast())
        for name in selected:
            for rate in bench.rates:
                yield from composed_rows(bench, start + name, made[name], rate)


def casts_of(bench: Bench) -> dict[str, Callable[[], Cast]]:
    """The two people, by the beginning of the names of their films."""
    pair = bench.pair
    if pair is None:
        return {"": composed_films.photographs}

    def filmed() -> Cast:
        one, two = (composed_films.filmed(c.images, c.eyes_px, c.centre) for c in pair)
        return one, two

    return {"": composed_films.photographs, OF_CLIPS: filmed}


def composed_rows(
    bench: Bench, name: str, made: composed_films.Composed, rate: float
) -> Iterator[Row]:
    """What is due of a film of several people."""
    reading = bench.read(f"{name} at {rate:g}", made.film.images(rate), rate)
    yield from bench.rows("people", name, made.limits, reading, ALL_OF_IT, rate)
    if made.alone is not None:
        alone = bench.read(f"{name}, alone, at {rate:g}", made.alone.images(rate), rate)
        yield bench.row("people", name, ALIKE, alike(reading, alone, made.alike_s), rate)


def empty_rows(bench: Bench) -> Iterator[Row]:
    """Films without people, in which no visitor may be seen."""
    for name in filter(bench.wants, EMPTY_ROOMS):
        for rate in bench.rates:
            images = composed_films.empty_rooms()[name].images(rate)
            reading = bench.read(f"{name} at {rate:g}", images, rate)
            yield from bench.rows("empty", name, (ABSENT,), reading, ALL_OF_IT, rate)
    if bench.wants(NOISE):
        reading = bench.read(NOISE, composed_films.noise_images(bench.noise_images))
        what = f"{bench.noise_images} {NOISE}"
        yield from bench.rows("empty", what, (ABSENT,), reading, (0.0, float("inf")))
