"""The parts of curating, each by itself: licences, onsets, duplicates, holding out, workers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latent_resonance_export.dataset.clip_measures import fingerprint, flatness_db
from latent_resonance_export.dataset.duplicates import alike
from latent_resonance_export.dataset.licences import Licences, Origin
from latent_resonance_export.dataset.recordings import Recording
from latent_resonance_export.dataset.segment import by_onset, by_stride, onsets_of
from latent_resonance_export.dataset.settings import CurationError
from latent_resonance_export.dataset.split import Place, held_out
from latent_resonance_export.dataset.worker_pool import Workers

RATE = 16_000
Play = Callable[[float, int, int], np.ndarray]


def recording(source: str, licence: str = "", author: str = "") -> Recording:
    return Recording(source, b"", "0", RATE, RATE, False, licence, author)


def origin_of(sounds: Path, source: str, licence: str = "", author: str = "") -> Origin:
    return Licences(sounds).of(recording(source, licence, author), sounds / source)


def test_a_table_gives_licence_and_author_by_name_and_by_pattern(tmp_path: Path) -> None:
    (tmp_path / "LICENSES.csv").write_text(
        'file,licence,author\nbirds/*,CC-BY-4.0,"Ada, B."\nbirds/wren.wav,CC0-1.0,Cy\nall/,MIT,Dé\n'
        "take [1].wav,GPL-3.0-only,El\n",
        encoding="utf-8",
    )
    assert origin_of(tmp_path, "birds/owl.wav") == Origin("CC-BY-4.0", "Ada, B.")
    assert origin_of(tmp_path, "birds/wren.wav") == Origin("CC0-1.0", "Cy")
    assert origin_of(tmp_path, "all/deep/x.wav") == Origin("MIT", "Dé")
    assert origin_of(tmp_path, "take [1].wav") == Origin("GPL-3.0-only", "El")
    assert origin_of(tmp_path, "else.wav") == Origin()


def test_a_table_as_a_european_spreadsheet_writes_it_is_read(tmp_path: Path) -> None:
    text = "\ufeffFile;License;Artist\r\nsub\\a.wav;CC0-1.0;Ada\r\n"
    (tmp_path / "Licences.CSV").write_bytes(text.encode())
    assert origin_of(tmp_path, "sub/a.wav") == Origin("CC0-1.0", "Ada")


def test_the_nearer_table_and_the_sidecar_and_at_last_the_tags_are_asked(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "LICENSES.csv").write_text("file,licence,author\nsub/*,far,far author\n")
    (tmp_path / "sub" / "LICENSES.csv").write_text("file,licence\n*.wav,near\n")
    assert origin_of(tmp_path, "sub/a.wav", "tag") == Origin("near", "far author")
    (tmp_path / "sub" / "a.wav.license").write_text("SPDX-License-Identifier: CC0-1.0\n")
    assert origin_of(tmp_path, "sub/a.wav") == Origin("CC0-1.0", "far author")
    (tmp_path / "b.wav.licence").write_text("CC-BY-4.0\nBo\n")
    assert origin_of(tmp_path, "b.wav") == Origin("CC-BY-4.0", "Bo")
    assert origin_of(tmp_path, "c.wav", "tag", "tagger") == Origin("tag", "tagger")


def test_rows_that_no_recording_answers_to_are_known(tmp_path: Path) -> None:
    (tmp_path / "LICENSES.csv").write_text("file,licence\na.wav,x\nb.wav,y\n")
    licences = Licences(tmp_path)
    licences.of(recording("a.wav"), tmp_path / "a.wav")
    assert [row.pattern for row in licences.unused] == ["b.wav"]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "its columns are none; they should be file, licence, author"),
        (b"name,licence\na,b\n", "its columns are name, licence"),
        (b"file,licence\n\xff\xfe,b\n", "save it as CSV, UTF-8"),
        (b"file,licence\n" + b"x" * 200_000 + b",b\n", "save it as CSV, UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, rule: str) -> None:
    (tmp_path / "LICENSES.csv").write_bytes(content)
    with pytest.raises(CurationError) as caught:
        Licences(tmp_path)
    assert rule in str(caught.value)
    assert str(tmp_path / "LICENSES.csv") in str(caught.value)


def test_onsets_are_found_within_two_hundredths_of_a_second() -> None:
    begins = [0.3, 1.0, 1.9, 2.6]
    sound = np.zeros(4 * RATE, np.float32)
    time_s = np.arange(int(0.5 * RATE)) / RATE
    for i, at in enumerate(begins):
        note = 0.2 * np.sin(2 * np.pi * 220 * (i + 2) * time_s) * np.exp(-6 * time_s)
        sound[int(at * RATE) :][: len(note)] += note
    found = onsets_of(sound, RATE) / RATE
    assert len(found) == 4
    assert np.abs(found - begins).max() < 0.02


def test_vibrato_is_no_onset() -> None:
    time_s = np.arange(4 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * time_s + 4 * np.sin(2 * np.pi * 6 * time_s))
    inside = onsets_of(tone.astype(np.float32), RATE)
    assert not ((inside > 0.2 * RATE) & (inside < 3.8 * RATE)).any()


def test_a_held_sound_is_cut_all_the_same() -> None:
    held = np.sin(np.arange(10 * RATE) * 0.1).astype(np.float32)
    starts = by_onset(held, 8 * RATE, RATE, RATE)
    assert len(starts) >= 4
    assert np.diff(starts).min() >= RATE
    assert np.diff(starts).max() <= 2 * RATE


def test_silence_and_nothing_have_no_onset() -> None:
    assert not len(onsets_of(np.zeros(RATE, np.float32), RATE))
    assert not len(onsets_of(np.zeros(0, np.float32), RATE))


def test_strides_are_counted_from_the_beginning_of_the_recording() -> None:
    assert by_stride(0, 100, 30) == [0, 30, 60, 90]
    assert by_stride(100, 200, 30) == [120, 150, 180]
    assert by_stride(0, 0, 30) == []


def test_flatness_parts_noise_of_any_colour_from_tones(play: Play) -> None:
    rng = np.random.default_rng(4)
    white = rng.normal(size=3 * RATE)
    band = np.convolve(white, np.sin(np.arange(40) * 0.4) * np.hanning(40), "same")
    coloured = np.convolve(white, np.exp(-np.arange(50) / 5), "same")
    noises = [flatness_db(x.astype(np.float32), RATE) for x in (white, band, coloured)]
    tones = [flatness_db(play(3.0, RATE, seed), RATE) for seed in range(5)]
    assert min(noises) > -5
    assert max(tones) < -9


def pictures(n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = [np.repeat(np.repeat(rng.uniform(-60, 0, (16, 16)), 4, 0), 4, 1) for _ in range(n)]
    return [shape - shape.max() for shape in shapes]


def test_a_rolled_loop_is_the_same_loop_and_another_is_not() -> None:
    one, other = pictures(2)
    prints = np.array([fingerprint(x) for x in (one, np.roll(one, 20, axis=1), other)])
    assert alike(prints, 0.5) == {1: (0, pytest.approx(0.0, abs=0.1))}


def test_a_slightly_changed_copy_is_found_among_many_and_the_first_is_kept() -> None:
    many = pictures(600)
    changed = many[3] + np.random.default_rng(6).normal(0, 0.3, many[3].shape)
    prints = np.array([fingerprint(x) for x in [*many, changed - changed.max(), many[599]]])
    found = alike(prints, 1.0)
    assert {index: which for index, (which, _) in found.items()} == {600: 3, 601: 599}


def test_with_no_least_difference_nothing_is_a_duplicate() -> None:
    prints = np.array([fingerprint(pictures(1)[0])] * 3)
    assert alike(prints, 0.0) == {}
    assert sorted(alike(prints, 0.1)) == [1, 2]


def places(counts: dict[str, int], step: int = 5, length: int = 11) -> list[Place]:
    return [
        Place(name, i * step, i * step + length) for name, n in counts.items() for i in range(n)
    ]


def test_of_a_few_recordings_the_ends_are_held_out_and_overlaps_dropped() -> None:
    all_places = places({"a": 40, "b": 20})
    held, dropped = held_out(all_places, 0.1)
    assert held == {36, 37, 38, 39, 58, 59}
    assert dropped == {34, 35, 56, 57}


def test_of_many_recordings_whole_ones_are_held_out() -> None:
    all_places = places({f"{i:02}": 5 + i % 3 for i in range(20)})
    held, dropped = held_out(all_places, 1 / 9)
    assert not dropped
    assert 0.5 / 9 <= len(held) / len(all_places) <= 1.5 / 9
    names = {all_places[i].recording for i in held}
    assert held == {i for i, place in enumerate(all_places) if place.recording in names}


def test_one_long_recording_among_small_ones_is_not_held_out_whole() -> None:
    all_places = places({"0 long": 1000, **{f"{i}": 2 for i in range(1, 12)}})
    held, _ = held_out(all_places, 1 / 9)
    assert 0.05 < len(held) / len(all_places) < 0.2


def test_at_least_one_loop_is_held_out() -> None:
    held, dropped = held_out(places({"a": 1, "b": 3}, step=20), 0.01)
    assert held == {3}
    assert not dropped


def crash_on_three(number: int) -> int:
    if number == 3:
        os._exit(9)
    return number * number


def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_task_that_ends_its_process_is_found_and_the_others_are_done() -> None:
    with Workers(2) as workers:
        answers = dict(workers.each(crash_on_three, range(8)))
        assert answers == {i: None if i == 3 else i * i for i in range(8)}
        assert dict(workers.each(abs, [-1, -2])) == {0: 1, 1: 2}, "no work after a crash"


def fail(_: int) -> int:
    raise OSError(28, "No space left on device")


def test_what_a_worker_raises_is_raised_here() -> None:
    with Workers(2) as workers, pytest.raises(OSError, match="No space left") as caught:
        list(workers.each(fail, [1, 2]))
    assert caught.value.errno == 28
