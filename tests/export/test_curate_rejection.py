"""What is rejected from a dataset, and how it is reported."""

from __future__ import annotations

import os
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.support.small_loops import RATE, SETTINGS, SMALL, Play

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.dataset.curate import curate
from latent_resonance_export.dataset.dataset import open_dataset, read_clips
from latent_resonance_export.dataset.rejection import Reason
from latent_resonance_export.dataset.result import CurationResult
from latent_resonance_export.dataset.settings import CurationError, CurationSettings, read_geometry

HOSTILE = '<img src=x onerror=alert(1)> "&amp;\n\x1b[31m\u202e.wav'


def bad_recordings(folder: Path, play: Play) -> None:
    """One file for each kind of fault."""
    rng = np.random.default_rng(1)
    good = play(4.0, RATE, 2)
    pink = np.cumsum(rng.normal(size=4 * RATE)) * 0.001
    wrong = {
        "silent": np.zeros(4 * RATE),
        "faint": good * 1e-4,
        "rests": np.where(np.arange(len(good)) < 0.1 * RATE, good, 0.0),
        "clipped": np.clip(play(4.0, RATE, 3) * 20, -1, 1),
        "clipped and turned down": 0.5 * np.clip(play(4.0, RATE, 4) * 20, -1, 1),
        "white": rng.normal(size=4 * RATE) * 0.1,
        "band": np.convolve(rng.normal(size=4 * RATE), np.hanning(40), "same") * 0.02,
        "brown": pink - pink.mean(),
    }
    for name, sound in wrong.items():
        soundfile.write(folder / f"{name}.wav", sound, RATE)
    (folder / "text.mp3").write_text("Never gonna give you up. " * 400)
    (folder / "empty.flac").write_bytes(b"")
    soundfile.write(folder / "whole.flac", good, RATE)
    whole = (folder / "whole.flac").read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 3])
    (folder / "whole.flac").unlink()
    nan = play(4.0, RATE, 6)
    nan[100] = np.nan
    soundfile.write(folder / "nan.wav", nan, RATE, subtype="FLOAT")
    (folder / "film.m4a").write_bytes(b"x")
    soundfile.write(folder / "short.wav", good[:2000], RATE)


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory, play: Play) -> tuple[Path, CurationResult]:
    """Good recordings, one with a hostile name, two copies, and every bad one."""
    folder = tmp_path_factory.mktemp("mixed")
    sounds = folder / "sounds"
    (sounds / ".hidden").mkdir(parents=True)
    for name, seed in (("good.wav", 11), ("other.flac", 12), (HOSTILE, 13)):
        soundfile.write(sounds / name, play(6.0, RATE, seed), RATE)
    (sounds / "z copy.wav").write_bytes((sounds / "good.wav").read_bytes())
    soundfile.write(sounds / "z coded.mp3", play(6.0, RATE, 11) * 0.5, RATE)
    soundfile.write(sounds / ".hidden" / "a.wav", play(6.0, RATE, 14), RATE)
    (sounds / "notes.txt").write_text("not a sound")
    external = folder / "private.wav"
    soundfile.write(external, play(6.0, RATE, 15), RATE)
    (sounds / "out.wav").symlink_to(external)
    (sounds / "up").symlink_to(folder)
    (sounds / "in.wav").symlink_to(sounds / "good.wav")
    os.mkfifo(sounds / "pipe.wav")
    bad_recordings(sounds, play)
    return folder / "out", curate(sounds, folder / "out", SETTINGS)


def reasons(curated: CurationResult, source: str) -> Counter[Reason]:
    return Counter(r.reason for r in curated.rejected if r.source == source)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("silent.wav", Reason.SILENCE),
        ("faint.wav", Reason.SILENCE),
        ("rests.wav", Reason.SILENCE),
        ("clipped.wav", Reason.CLIPPING),
        ("clipped and turned down.wav", Reason.CLIPPING),
        ("white.wav", Reason.NOISE),
        ("band.wav", Reason.NOISE),
        ("text.mp3", Reason.BROKEN),
        ("empty.flac", Reason.BROKEN),
        ("nan.wav", Reason.BROKEN),
        ("cut.flac", Reason.BROKEN),
        ("film.m4a", Reason.BROKEN),
        ("notes.txt", Reason.NOT_SOUND),
        (".hidden", Reason.HIDDEN),
        ("pipe.wav", Reason.NOT_SOUND),
        ("short.wav", Reason.SHORT),
        ("z copy.wav", Reason.DUPLICATE),
        ("z coded.mp3", Reason.DUPLICATE),
        ("out.wav", Reason.LINK),
        ("up", Reason.LINK),
        ("in.wav", Reason.LINK),
    ],
)
def test_each_fault_is_rejected_for_its_reason(
    curated: tuple[Path, CurationResult], name: str, reason: Reason
) -> None:
    folder, curated = curated
    assert reasons(curated, name)[reason] >= 1
    if name not in {"cut.flac", "z coded.mp3"}:  # the part before the fault is good
        assert name not in {clip.source for clip in read_clips(folder / "clips.csv")}
        assert set(reasons(curated, name)) == {reason}


@pytest.mark.slow
def test_good_recordings_are_kept_completely(
    curated: tuple[Path, CurationResult],
) -> None:
    folder, curated = curated
    kept = Counter(clip.source for clip in read_clips(folder / "clips.csv"))
    overlapping = Counter(r.source for r in curated.rejected if r.reason is Reason.OVERLAP)
    for name in ("good.wav", "other.flac"):
        assert kept[name] + overlapping[name] == 10
    assert len(open_dataset(folder).pixels) == sum(kept.values())


@pytest.mark.slow
def test_nothing_outside_the_folder_is_read(curated: tuple[Path, CurationResult]) -> None:
    folder, curated = curated
    assert not any("private" in clip.source for clip in curated.clips)
    assert not any("private" in r.source or ".hidden/" in r.source for r in curated.rejected)
    assert "it leaves" not in (folder / "report.html").read_text()
    (link,) = (r for r in curated.rejected if r.source == "out.wav")
    assert link.detail == "a link that leaves the folder"


class Page(HTMLParser):
    """Collects tags, attributes and text of a report."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.addresses += [value or "" for key, value in attrs if key in {"src", "href"}]
        self.handlers += [key for key, _ in attrs if key.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.slow
def test_the_report_loads_and_runs_nothing(
    curated: tuple[Path, CurationResult],
) -> None:
    page = Page((curated[0] / "report.html").read_text(encoding="utf-8"))
    assert not page.handlers
    assert not page.tags["script"] + page.tags["link"] + page.tags["iframe"]
    assert page.tags["img"] == min(60, len(curated[1].clips)) + 2  # and the histograms
    assert page.tags["audio"] == len(curated[1].examples) > 8
    allowed = ("data:image/png;base64,", "data:audio/mpeg;base64,")
    assert all(address.startswith(allowed) for address in page.addresses)


def test_the_report_shows_counts_reasons_limits_and_hostile_names(
    curated: tuple[Path, CurationResult],
) -> None:
    folder, curated = curated
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    for reason in {r.reason for r in curated.rejected}:
        assert reason.label in page.text
        assert reason.remedy in page.text
    assert "--max-flatness -7" in page.text
    assert "--min-level -60" in page.text
    assert f"{len(curated.rejected):,}rejections" in page.text
    assert "<img src=x onerror=alert(1)>" in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text
    assert "text.mp3 at 0.0 s: not a recognised audio format" in page.text


@pytest.mark.slow
def test_a_name_of_any_bytes_is_escaped(tmp_path: Path, play: Play) -> None:
    (tmp_path / "in").mkdir()
    name = os.fsdecode(b"caf\xe9 \xff.wav")
    content = tmp_path / "a.wav"
    soundfile.write(content, play(5.0, RATE, 1), RATE)
    content.rename(tmp_path / "in" / name)
    curate(tmp_path / "in", tmp_path / "out", SETTINGS)
    assert {c.source for c in read_clips(tmp_path / "out" / "clips.csv")} == {r"caf\xe9 \xff.wav"}


@pytest.mark.slow
def test_the_original_of_a_lossy_copy_is_kept_whatever_their_names(
    tmp_path: Path, play: Play
) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "a.mp3", play(6.0, RATE, 11) * 0.5, RATE)
    soundfile.write(tmp_path / "in" / "b.wav", play(6.0, RATE, 11), RATE)
    curate(tmp_path / "in", tmp_path / "out", SETTINGS)
    kept = Counter(clip.source for clip in read_clips(tmp_path / "out" / "clips.csv"))
    assert kept["b.wav"] >= 7
    assert kept["a.mp3"] <= 1  # its last loop may have no counterpart


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 6])
def test_full_scale_tones_are_not_clipped(tmp_path: Path, channels: int) -> None:
    """In 16 bits the peak of a low tone, like a clipped one, is several equal samples."""
    (tmp_path / "in").mkdir()
    time_s = np.arange(4 * RATE) / RATE
    for hz in (41, 55, 110, 440):
        tone = np.sin(2 * np.pi * hz * time_s + np.sin(time_s * hz / 40))
        soundfile.write(tmp_path / "in" / f"{hz}.wav", np.tile(tone[:, None], channels), RATE)
    curated = curate(tmp_path / "in", tmp_path / "out", SETTINGS, min_difference_db=0.0)
    assert not [r for r in curated.rejected if r.reason is Reason.CLIPPING]


def error_message(sounds: Path, tmp_path: Path, **options: object) -> str:
    with pytest.raises(CurationError) as caught:
        curate(sounds, tmp_path / "out", CurationSettings(SMALL, **options))
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.part").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_or_empty_folder_and_a_file_are_named(tmp_path: Path) -> None:
    assert "no such folder; name another" in error_message(tmp_path / "none", tmp_path)
    (tmp_path / "empty").mkdir()
    assert "contains no file" in error_message(tmp_path / "empty", tmp_path)
    (tmp_path / "empty" / "a.m4a").write_bytes(b"x")
    assert "1 broken (export or download" in error_message(tmp_path / "empty", tmp_path)
    (tmp_path / "a.wav").write_bytes(b"x")
    assert "is a file; name the folder" in error_message(tmp_path / "a.wav", tmp_path)


@pytest.mark.slow
def test_for_noise_only_the_error_has_count_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(3).normal(size=5 * RATE) * 0.1
    soundfile.write(tmp_path / "in" / "noise.wav", noise, RATE)
    message = error_message(tmp_path / "in", tmp_path)
    assert "no loop is left" in message
    assert "8 noise-like (a higher --max-flatness accepts it)" in message


@pytest.mark.slow
def test_a_single_clip_is_too_few(tmp_path: Path, play: Play) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "one.wav", play(1.3, RATE, 1), RATE)
    message = error_message(tmp_path / "in", tmp_path)
    assert "only 1 loop is left; a network needs at least 2 to train on and 1 held out" in message
    assert "add recordings" in message


def test_a_folder_that_exists_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("important")
    with pytest.raises(CurationError, match="exists; name another folder, or remove it first"):
        curate(tmp_path / "in", tmp_path / "out", SETTINGS)
    assert (tmp_path / "out" / "mine").read_text() == "important"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("colour: 3", "unknown key 'colour'; valid keys are sample_rate"),
        ("n_mels: many", "n_mels: 'many' should be a whole number above 0"),
        ("n_mels: 6.5", "should be a whole number"),
        ("hop_length: -1", "above 0"),
        ("hop_length: 4096", "hop_length should be win_length / 4 or less"),
        ("sample_rate: 16000", "f_max_hz should be sample_rate / 2 or less"),
        ("n_frames: 256", "no pack can have this geometry: n_frames: 256 should be 512"),
        ("sample_rate: 384000", "sample_rate"),
        ("range_db: 10", "range_db"),
        ("[1, 2]", "contains no mapping"),
        ("a: {", "not YAML"),
    ],
)
def test_an_invalid_geometry_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "geometry.yaml"
    path.write_text(text)
    with pytest.raises(CurationError) as caught:
        read_geometry(path)
    assert rule in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_keys_of_a_geometry_keep_their_defaults(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text("sample_rate: 44100\nrange_db: 60\n")
    assert read_geometry(tmp_path / "g.yaml") == Geometry(sample_rate=44_100, range_db=60.0)
