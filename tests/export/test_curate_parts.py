"""Unit tests of curation: licences, onsets, duplicates, held-out clips, workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latent_resonance_export.dataset.clip_measures import fingerprint, flatness_db
from latent_resonance_export.dataset.duplicates import find_duplicates
from latent_resonance_export.dataset.kinds import Unlike, most_unlike
from latent_resonance_export.dataset.recordings.licences import Attribution, LicenceTables
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.report.advice import MIXED
from latent_resonance_export.dataset.segment import detect_onsets, onset_starts, stride_starts
from latent_resonance_export.dataset.settings import CurationError
from latent_resonance_export.dataset.split import Span, choose_held_out, describe_held_out
from latent_resonance_export.dataset.worker_pool import WorkerPool

RATE = 16_000
Play = Callable[[float, int, int], np.ndarray]


def recording(source: str, licence: str = "", author: str = "") -> Recording:
    return Recording(source, b"", "0", RATE, RATE, False, licence, author)


def attribution_of(sounds: Path, source: str, licence: str = "", author: str = "") -> Attribution:
    return LicenceTables(sounds).of(recording(source, licence, author), sounds / source)


def test_a_table_gives_licence_and_author_by_name_and_by_pattern(tmp_path: Path) -> None:
    (tmp_path / "LICENSES.csv").write_text(
        'file,licence,author\nbirds/*,CC-BY-4.0,"Ada, B."\nbirds/wren.wav,CC0-1.0,Cy\nall/,MIT,Dé\n'
        "take [1].wav,GPL-3.0-only,El\n",
        encoding="utf-8",
    )
    assert attribution_of(tmp_path, "birds/owl.wav") == Attribution("CC-BY-4.0", "Ada, B.")
    assert attribution_of(tmp_path, "birds/wren.wav") == Attribution("CC0-1.0", "Cy")
    assert attribution_of(tmp_path, "all/deep/x.wav") == Attribution("MIT", "Dé")
    assert attribution_of(tmp_path, "take [1].wav") == Attribution("GPL-3.0-only", "El")
    assert attribution_of(tmp_path, "else.wav") == Attribution()


def test_a_table_with_semicolons_and_a_bom_is_read(tmp_path: Path) -> None:
    text = "\ufeffFile;License;Artist\r\nsub\\a.wav;CC0-1.0;Ada\r\n"
    (tmp_path / "Licences.CSV").write_bytes(text.encode())
    assert attribution_of(tmp_path, "sub/a.wav") == Attribution("CC0-1.0", "Ada")


def test_sidecar_nearer_table_and_tags_are_used_in_this_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "LICENSES.csv").write_text("file,licence,author\nsub/*,far,far author\n")
    (tmp_path / "sub" / "LICENSES.csv").write_text("file,licence\n*.wav,near\n")
    assert attribution_of(tmp_path, "sub/a.wav", "tag") == Attribution("near", "far author")
    (tmp_path / "sub" / "a.wav.license").write_text("SPDX-License-Identifier: CC0-1.0\n")
    assert attribution_of(tmp_path, "sub/a.wav") == Attribution("CC0-1.0", "far author")
    (tmp_path / "b.wav.licence").write_text("CC-BY-4.0\nBo\n")
    assert attribution_of(tmp_path, "b.wav") == Attribution("CC-BY-4.0", "Bo")
    assert attribution_of(tmp_path, "c.wav", "tag", "tagger") == Attribution("tag", "tagger")


def test_rows_that_match_no_recording_are_listed(tmp_path: Path) -> None:
    (tmp_path / "LICENSES.csv").write_text("file,licence\na.wav,x\nb.wav,y\n")
    licences = LicenceTables(tmp_path)
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
def test_an_unreadable_table_is_named(tmp_path: Path, content: bytes, rule: str) -> None:
    (tmp_path / "LICENSES.csv").write_bytes(content)
    with pytest.raises(CurationError) as caught:
        LicenceTables(tmp_path)
    assert rule in str(caught.value)
    assert str(tmp_path / "LICENSES.csv") in str(caught.value)


def test_onsets_are_found_within_20_ms() -> None:
    begins = [0.3, 1.0, 1.9, 2.6]
    sound = np.zeros(4 * RATE, np.float32)
    time_s = np.arange(int(0.5 * RATE)) / RATE
    for i, at in enumerate(begins):
        note = 0.2 * np.sin(2 * np.pi * 220 * (i + 2) * time_s) * np.exp(-6 * time_s)
        sound[int(at * RATE) :][: len(note)] += note
    found = detect_onsets(sound, RATE) / RATE
    assert len(found) == 4
    assert np.abs(found - begins).max() < 0.02


def test_vibrato_is_not_an_onset() -> None:
    time_s = np.arange(4 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * time_s + 4 * np.sin(2 * np.pi * 6 * time_s))
    inside = detect_onsets(tone.astype(np.float32), RATE)
    assert not ((inside > 0.2 * RATE) & (inside < 3.8 * RATE)).any()


def test_a_sustained_sound_without_onsets_is_cut() -> None:
    held = np.sin(np.arange(10 * RATE) * 0.1).astype(np.float32)
    starts = onset_starts(held, 8 * RATE, RATE, RATE)
    assert len(starts) >= 4
    assert np.diff(starts).min() >= RATE
    assert np.diff(starts).max() <= 2 * RATE


def test_silence_and_empty_audio_have_no_onset() -> None:
    assert not len(detect_onsets(np.zeros(RATE, np.float32), RATE))
    assert not len(detect_onsets(np.zeros(0, np.float32), RATE))


def test_strides_are_counted_from_the_start_of_the_recording() -> None:
    assert stride_starts(0, 100, 30) == [0, 30, 60, 90]
    assert stride_starts(100, 200, 30) == [120, 150, 180]
    assert stride_starts(0, 0, 30) == []


def test_flatness_separates_noise_of_any_colour_from_tones(play: Play) -> None:
    rng = np.random.default_rng(4)
    white = rng.normal(size=3 * RATE)
    band = np.convolve(white, np.sin(np.arange(40) * 0.4) * np.hanning(40), "same")
    coloured = np.convolve(white, np.exp(-np.arange(50) / 5), "same")
    noises = [flatness_db(x.astype(np.float32), RATE) for x in (white, band, coloured)]
    tones = [flatness_db(play(3.0, RATE, seed), RATE) for seed in range(5)]
    assert min(noises) > -5
    assert max(tones) < -9


def spectrograms(n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = [np.repeat(np.repeat(rng.uniform(-60, 0, (16, 16)), 4, 0), 4, 1) for _ in range(n)]
    return [shape - shape.max() for shape in shapes]


def test_a_rolled_loop_is_a_duplicate_and_another_loop_is_not() -> None:
    one, other = spectrograms(2)
    prints = np.array([fingerprint(x) for x in (one, np.roll(one, 20, axis=1), other)])
    assert find_duplicates(prints, 0.5) == {1: (0, pytest.approx(0.0, abs=0.1))}


def test_a_slightly_changed_copy_is_found_and_the_first_is_kept() -> None:
    many = spectrograms(600)
    changed = many[3] + np.random.default_rng(6).normal(0, 0.3, many[3].shape)
    prints = np.array([fingerprint(x) for x in [*many, changed - changed.max(), many[599]]])
    found = find_duplicates(prints, 1.0)
    assert {index: which for index, (which, _) in found.items()} == {600: 3, 601: 599}


def test_with_a_zero_limit_nothing_is_a_duplicate() -> None:
    prints = np.array([fingerprint(spectrograms(1)[0])] * 3)
    assert find_duplicates(prints, 0.0) == {}
    assert sorted(find_duplicates(prints, 0.1)) == [1, 2]


def spans(counts: dict[str, int], step: int = 5, length: int = 11) -> list[Span]:
    return [Span(name, i * step, i * step + length) for name, n in counts.items() for i in range(n)]


def test_of_a_few_recordings_the_ends_are_held_out_and_overlaps_dropped() -> None:
    all_spans = spans({"a": 40, "b": 20})
    held, dropped = choose_held_out(all_spans, 0.1)
    assert held == {36, 37, 38, 39, 58, 59}
    assert dropped == {34, 35, 56, 57}


def test_of_many_recordings_whole_ones_are_held_out() -> None:
    all_spans = spans({f"{i:02}": 5 + i % 3 for i in range(20)})
    held, dropped = choose_held_out(all_spans, 1 / 9)
    assert not dropped
    assert 0.5 / 9 <= len(held) / len(all_spans) <= 1.5 / 9
    names = {all_spans[i].recording for i in held}
    assert held == {i for i, span in enumerate(all_spans) if span.recording in names}


def test_one_long_recording_among_small_ones_is_not_held_out_whole() -> None:
    all_spans = spans({"0 long": 1000, **{f"{i}": 2 for i in range(1, 12)}})
    held, _ = choose_held_out(all_spans, 1 / 9)
    assert 0.05 < len(held) / len(all_spans) < 0.2


def test_a_recording_that_is_its_kinds_only_one_is_never_held_out_whole() -> None:
    counts = {"birds/a": 3, **{f"cello/{i}": 3 for i in range(20)}}
    all_spans = [replace(s, kind=s.recording.partition("/")[0]) for s in spans(counts, step=20)]
    for share in (1 / 9, 0.5):
        held, dropped = choose_held_out(all_spans, share)
        trained = set(range(len(all_spans))) - held - dropped
        assert {all_spans[i].kind for i in trained} == {"birds", "cello"}
        assert "birds/a" in {all_spans[i].recording for i in trained}
        assert any(all_spans[i].kind == "cello" for i in held)


def test_every_kind_of_many_recordings_gives_a_share() -> None:
    counts = {f"{kind}/{i}": 6 for kind in ("birds", "cello", "drums") for i in range(9)}
    all_spans = [replace(s, kind=s.recording.partition("/")[0]) for s in spans(counts)]
    held, _ = choose_held_out(all_spans, 1 / 9)
    for kind in ("birds", "cello", "drums"):
        share = sum(all_spans[i].kind == kind for i in held) / 54
        assert 0.5 / 9 <= share <= 1.5 / 9


def test_what_is_held_out_is_named() -> None:
    text = describe_held_out(["a", "a", "b", "c"], [False, True, True, False])
    assert text.startswith("2 loops: the ends of 1 recording and 1 whole recording (b)")


def test_folders_of_other_sounds_are_separated_and_takes_of_one_are_not() -> None:
    rng = np.random.default_rng(8)
    kinds = ["birds", "drums", "speech"] * 20
    around = {kind: rng.normal(-40, 12, 32) for kind in set(kinds)}
    noise = rng.normal(0, 6, (60, 32))
    unlike = (np.array([around[kind] for kind in kinds]) + noise).astype(np.float32)
    takes = [f"{kind}/take {i}/{i}.wav" for i, kind in enumerate(kinds)]  # a folder for each
    found = most_unlike(unlike, takes)
    assert found.separation > MIXED
    assert set(found.folders) < set(kinds)
    assert most_unlike(noise.astype(np.float32), takes).separation < 0.1
    assert most_unlike(unlike, [f"{i}.wav" for i in range(60)]) == Unlike()


def test_a_folder_of_few_loops_counts_as_much_as_one_of_many() -> None:
    rng = np.random.default_rng(8)
    speech, music = rng.normal(-40, 6, (190, 32)), rng.normal(-28, 6, (10, 32))
    spectra = np.concatenate([speech, music]).astype(np.float32)
    sources = [f"speech/{i}.wav" for i in range(190)] + [f"music/{i}.wav" for i in range(10)]
    assert most_unlike(spectra, sources).separation > MIXED


def test_licences_that_say_nothing_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "LICENSES.csv").write_text("file,licence,author\na.wav,?,Ada\nb.wav,unknown,-\n")
    assert attribution_of(tmp_path, "a.wav") == Attribution("", "Ada")
    assert attribution_of(tmp_path, "b.wav") == Attribution("", "")
    assert attribution_of(tmp_path, "c.wav", "n/a", "??") == Attribution("", "")


def test_at_least_one_loop_is_held_out() -> None:
    held, dropped = choose_held_out(spans({"a": 1, "b": 3}, step=20), 0.01)
    assert held == {3}
    assert not dropped


def crash_on_three(number: int) -> int:
    if number == 3:
        os._exit(9)
    return number * number


def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@pytest.mark.realtime
def test_a_task_that_ends_its_process_is_found_and_the_others_complete() -> None:
    with WorkerPool(2) as workers:
        results = dict(workers.map_unordered(crash_on_three, range(8)))
        assert results == {i: None if i == 3 else i * i for i in range(8)}
        assert dict(workers.map_unordered(abs, [-1, -2])) == {0: 1, 1: 2}, "no work after a crash"


def never_return(number: int) -> int:
    if number == 1:
        signal.alarm(1)  # as the limit of a task, but sooner
        signal.pause()
    return number


@pytest.mark.realtime
def test_a_task_that_never_returns_is_ended_and_the_others_complete() -> None:
    with WorkerPool(1) as workers:
        assert dict(workers.map_unordered(never_return, range(3))) == {0: 0, 1: None, 2: 2}


def fail(_: int) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.slow
def test_an_exception_in_a_worker_is_raised_in_the_parent() -> None:
    with WorkerPool(2) as workers, pytest.raises(OSError, match="No space left") as caught:
        list(workers.map_unordered(fail, [1, 2]))
    assert caught.value.errno == 28
