"""Recordings as they are: what a file is by its content, and what its samples mean."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import welch
from tests.support.recordings import SECONDS, needs_ffmpeg, opened, recording, samples
from tests.support.small_loops import RATE, SETTINGS, Play

from latent_resonance_export.dataset.curate import curate
from latent_resonance_export.dataset.dataset import open_dataset, read_clips
from latent_resonance_export.dataset.one_shots import hold, repeat, trimmed
from latent_resonance_export.dataset.recordings.audio_reader import find_clipped, read_segment
from latent_resonance_export.dataset.recordings.probe import decoded_again
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.rejection import Reason, Rejection


def n_samples() -> int:
    return round(SECONDS * RATE)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    n = min(len(a), len(b))
    return float(np.corrcoef(a[:n], b[:n])[0, 1])


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.m4a", ["-c:a", "aac"]),
        ("a.mov", ["-c:a", "alac"]),
        ("a.wma", []),
        ("a.ac3", []),
        ("a.wv", []),
        ("a.mka", ["-c:a", "flac"]),
        ("a.voc", []),
        ("no suffix", ["-f", "mp4"]),
        ("wrong.wav", ["-f", "ipod", "-c:a", "aac"]),
        ("field.bwf", ["-f", "wav"]),
        ("a.opus", []),
        ("a.spx.bak", ["-f", "ogg", "-c:a", "flac"]),
    ],
)
def test_a_file_is_read_by_its_content(
    tmp_path: Path, play: Play, name: str, options: list[str]
) -> None:
    sound = play(SECONDS, RATE, 1)
    soundfile.write(tmp_path / "a.wav", sound, RATE)
    encode = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", "-ar", "48000", *options]
    subprocess.run([*encode, "-y", tmp_path / f"out {name}"], check=True)
    found = recording(tmp_path / f"out {name}")
    assert found.seconds == pytest.approx(SECONDS, abs=0.2)
    audio = read_segment(found, 0, SECONDS, RATE).audio
    levels = [np.log(welch(x, RATE, nperseg=1024)[1][:200]) for x in (sound, audio)]
    assert correlation(*levels) > 0.95


@needs_ffmpeg
def test_the_sound_of_a_film_is_read_and_a_silent_film_is_no_sound(tmp_path: Path) -> None:
    make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=32x32:r=10"]
    sound = ["-f", "lavfi", "-i", "sine=d=1"]
    subprocess.run([*make, *sound, "-c:v", "mjpeg", tmp_path / "film.mov"], check=True)
    subprocess.run([*make, "-c:v", "mjpeg", tmp_path / "mute.mov"], check=True)
    assert recording(tmp_path / "film.mov").seconds == pytest.approx(1.0, abs=0.1)
    refused = opened(tmp_path / "mute.mov")
    assert isinstance(refused, Rejection)
    assert (refused.reason, refused.detail) == (
        Reason.NOT_SOUND,
        "a film or an image without sound",
    )


@needs_ffmpeg
def test_of_a_film_with_several_tracks_the_first_that_sounds_is_read(tmp_path: Path) -> None:
    tracks = ["anullsrc=d=1", "sine=f=440:d=1", "sine=f=880:d=1"]

    def film(name: str, *order: int) -> Recording:
        inputs = [part for i in order for part in ("-f", "lavfi", "-i", tracks[i])]
        maps = [part for i in range(len(order)) for part in ("-map", str(i))]
        make = ["ffmpeg", "-v", "error", *inputs, *maps, "-c:a", "aac", tmp_path / name]
        subprocess.run(make, check=True)
        return recording(tmp_path / name)

    silent_first = film("a.mov", 0, 1)
    assert "track 2 of 2" in " ".join(silent_first.notes)
    assert np.abs(read_segment(silent_first, 0, 1.0, RATE).audio).max() > 0.05
    assert not any("track" in note for note in film("b.mov", 1, 2, 0).notes)


@needs_ffmpeg
def test_a_compressed_recording_goes_on_after_a_gap(tmp_path: Path, play: Play) -> None:
    soundfile.write(tmp_path / "a.wav", play(SECONDS, RATE, 1), RATE)
    make = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", tmp_path / "a.mp3"]
    subprocess.run(make, check=True)
    content = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "a.wav").unlink()
    half = len(content) // 2
    (tmp_path / "a.mp3").write_bytes(content[:half] + bytes(3000) + content[half:])
    damaged = recording(tmp_path / "a.mp3")
    stopped = read_segment(damaged, 0, SECONDS, RATE)
    assert stopped.fault
    again = decoded_again(damaged, tmp_path)
    assert again is not None
    assert "damaged" in again.notes[-1]
    whole = read_segment(again, 0, SECONDS, RATE)
    assert len(whole.audio) > 1.5 * len(stopped.audio)
    assert not whole.fault
    assert decoded_again(again, tmp_path) is None, "it cannot help twice"


@needs_ffmpeg
@pytest.mark.parametrize(("suffix", "subtype"), [("flac", "PCM_16"), ("ogg", "VORBIS")])
def test_a_compressed_recording_that_a_power_failure_cut_off_is_read_as_far_as_it_goes(
    tmp_path: Path, suffix: str, subtype: str
) -> None:
    path, noise = tmp_path / f"a.{suffix}", np.random.default_rng(0).normal(0, 0.1, n_samples())
    soundfile.write(path, noise, RATE, subtype=subtype)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    found = recording(path)
    segment = read_segment(found, 0, SECONDS, RATE)
    if segment.fault and (again := decoded_again(found, tmp_path)):
        segment = read_segment(again, 0, SECONDS, RATE)
    assert len(segment.audio) > 0.25 * n_samples()  # whole pages of Ogg, blocks of FLAC


@needs_ffmpeg
def test_a_recording_in_which_libsndfile_cannot_seek_is_read(tmp_path: Path, play: Play) -> None:
    path, rate = tmp_path / "phone.wav", 8000
    soundfile.write(path, play(SECONDS, rate, 1), rate, subtype="GSM610")
    found = recording(path)
    assert read_segment(found, 0, SECONDS, rate).fault
    again = decoded_again(found, tmp_path)
    assert again is not None
    assert len(read_segment(again, 0, SECONDS, rate).audio) == round(SECONDS * rate)


@needs_ffmpeg
def test_a_playlist_cannot_name_other_files(tmp_path: Path, play: Play) -> None:
    soundfile.write(tmp_path / "secret.wav", play(1.0, RATE, 1), RATE)
    for name, text in (
        ("list.m3u8", "#EXTM3U\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n"),
        ("list.m4a", "ffconcat version 1.0\nfile secret.wav\n"),
    ):
        (tmp_path / name).write_text(text)
        assert isinstance(opened(tmp_path / name), Rejection)


@needs_ffmpeg
def test_an_interrupted_m4a_is_refused_for_its_true_reason(tmp_path: Path, play: Play) -> None:
    soundfile.write(tmp_path / "a.wav", play(SECONDS, RATE, 1), RATE)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", tmp_path / "a.m4a"], check=True
    )
    whole = (tmp_path / "a.m4a").read_bytes()
    (tmp_path / "a.m4a").write_bytes(whole[: whole.index(b"moov") - 4])
    refused = opened(tmp_path / "a.m4a")
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.BROKEN
    assert "moov" in refused.detail


def test_without_ffmpeg_the_remedy_is_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(100))
    refused = opened(tmp_path / "a.m4a")
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.FORMAT
    assert "ffmpeg is not installed" in refused.detail


@pytest.mark.parametrize(
    ("name", "content", "reason", "detail"),
    [
        ("cover.png", b"\x89PNG\r\n\x1a\n" + bytes(50), Reason.NOT_SOUND, "a PNG image"),
        ("score.mid", b"MThd\0\0\0\6", Reason.NOT_SOUND, "a MIDI file"),
        ("pack.zip", b"PK\x03\x04", Reason.NOT_SOUND, "a ZIP archive"),
        ("take.wav", b"<!DOCTYPE html><html>", Reason.BROKEN, "a web page"),
        ("take.flac", b"version https://git-lfs.github.com/spec/v1\n", Reason.BROKEN, "git lfs"),
        ("raw.raw", bytes(range(256)) * 8, Reason.NOT_SOUND, "not a recognised audio format"),
        ("nothing", b"", Reason.NOT_SOUND, "an empty file"),
    ],
)
def test_what_is_no_sound_is_called_by_its_name(
    tmp_path: Path, name: str, content: bytes, reason: Reason, detail: str
) -> None:
    (tmp_path / name).write_bytes(content)
    refused = opened(tmp_path / name)
    assert isinstance(refused, Rejection)
    assert refused.reason is reason
    assert detail in refused.detail


def unfinished(path: Path, sound: np.ndarray, kind: str) -> None:
    """Writes a recording whose lengths were never written."""
    soundfile.write(path, sound, RATE, format=kind, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    at = content.find(b"data" if kind == "WAV" else b"SSND")
    content[4:8] = content[at + 4 : at + 8] = bytes(4)
    if kind == "AIFF":
        frames = content.find(b"COMM") + 10
        content[frames : frames + 4] = bytes(4)
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["WAV", "AIFF"])
def test_an_unfinished_header_is_completed_from_the_length_of_the_file(
    tmp_path: Path, play: Play, kind: str
) -> None:
    sound = play(SECONDS, RATE, 2)
    soundfile.write(tmp_path / "whole", sound, RATE, format=kind, subtype="PCM_16")
    unfinished(tmp_path / "cut", sound, kind)
    before = (tmp_path / "cut").read_bytes()
    found = recording(tmp_path / "cut")
    assert found.frames == len(sound)
    assert any("never finished" in note for note in found.notes)
    np.testing.assert_array_equal(samples(tmp_path / "cut"), samples(tmp_path / "whole"))
    assert (tmp_path / "cut").read_bytes() == before, "the file was changed"


@pytest.mark.parametrize("placeholder", [0xFFFFFFFF, 0x7FFFFFFF])
def test_the_placeholder_of_a_stream_is_no_length(
    tmp_path: Path, play: Play, placeholder: int
) -> None:
    sound = play(SECONDS, RATE, 2)
    unfinished(tmp_path / "a.wav", sound, "WAV")
    content = bytearray((tmp_path / "a.wav").read_bytes())
    at = content.find(b"data")
    content[4:8] = content[at + 4 : at + 8] = struct.pack("<I", placeholder)
    (tmp_path / "a.wav").write_bytes(content)
    assert recording(tmp_path / "a.wav").frames == len(sound)


def test_an_empty_recording_with_other_chunks_stays_empty(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content += b"LIST" + struct.pack("<I", 8000) + bytes(8000)
    content[4:8] = struct.pack("<I", len(content) - 8)
    (tmp_path / "a.wav").write_bytes(content)
    result = opened(tmp_path / "a.wav")
    assert isinstance(result, Rejection)
    assert "no samples" in result.detail


@pytest.mark.parametrize("factor", [-1.0, -0.9, -0.6])
def test_of_channels_that_cancel_the_loudest_is_taken(
    tmp_path: Path, play: Play, factor: float
) -> None:
    sound = play(SECONDS, RATE, 3)
    soundfile.write(tmp_path / "a.wav", np.stack([factor * sound, sound], 1), RATE)
    segment = read_segment(recording(tmp_path / "a.wav"), 0, SECONDS, RATE)
    assert abs(correlation(segment.audio, sound)) > 0.999
    assert segment.audio.std() == pytest.approx(sound.std(), rel=0.02)
    assert "channels cancel" in segment.note


def test_of_six_channels_two_that_cancel_are_found_beside_others(
    tmp_path: Path, play: Play
) -> None:
    sound, noise = play(SECONDS, RATE, 1), np.random.default_rng(0).normal(0, 0.02, n_samples())
    others = [noise, np.zeros_like(noise), noise, noise]
    path = tmp_path / "surround.wav"
    soundfile.write(path, np.stack([sound, -sound, *others], axis=1), RATE)
    segment = read_segment(recording(path), 0, SECONDS, RATE)
    assert segment.note == "channels cancel: channel 1 is used"
    assert np.std(segment.audio) == pytest.approx(np.std(sound), rel=0.05)


@pytest.mark.parametrize("relation", ["same", "independent", "one is silent", "with opposite DC"])
def test_channels_that_do_not_cancel_are_averaged(
    tmp_path: Path, play: Play, relation: str
) -> None:
    sound = play(SECONDS, RATE, 3)
    other = {
        "same": sound,
        "independent": play(SECONDS, RATE, 4),
        "one is silent": 0 * sound,
        "with opposite DC": sound - 0.4,
    }[relation]
    first = sound + 0.4 if relation == "with opposite DC" else sound
    soundfile.write(tmp_path / "a.wav", np.stack([first, other], 1), RATE, subtype="FLOAT")
    segment = read_segment(recording(tmp_path / "a.wav"), 0, SECONDS, RATE)
    np.testing.assert_allclose(segment.audio, (first + other) / 2, atol=1e-6)
    assert not segment.note


def test_a_channel_can_be_chosen(tmp_path: Path, play: Play) -> None:
    sounds = [play(SECONDS, RATE, seed) for seed in (3, 4)]
    soundfile.write(tmp_path / "a.wav", np.stack(sounds, 1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(samples(tmp_path / "a.wav", "2"), sounds[1], atol=1e-6)
    np.testing.assert_allclose(samples(tmp_path / "a.wav", "mean"), sum(sounds) / 2, atol=1e-6)


@pytest.mark.parametrize("container", ["PCM_U8", "PCM_16"])
def test_eight_bits_are_not_clipping_in_any_container(play: Play, container: str) -> None:
    del container  # both hold the same samples
    for seed in range(6):
        sound = play(6.0, 22_050, seed)
        coarse = np.round(sound / np.abs(sound).max() * 0.5 * 127) / 128
        found = find_clipped(coarse.astype(np.float32), is_lossy=False)
        assert len(found) / len(coarse) < 0.0005


@pytest.mark.parametrize("law", ["ALAW", "ULAW"])
def test_the_large_steps_of_telephony_are_not_clipping(
    tmp_path: Path, play: Play, law: str
) -> None:
    sound, hot = play(SECONDS, RATE, 1), 20.0 * play(SECONDS, RATE, 1)
    for name, wave in (("a", 0.9 * sound / np.abs(sound).max()), ("hot", np.clip(hot, -1, 1))):
        soundfile.write(tmp_path / f"{name}.wav", wave, RATE, subtype=law)
        coded, _ = soundfile.read(tmp_path / f"{name}.wav", dtype="float32")
        soundfile.write(tmp_path / f"{name}.flac", coded, RATE)  # whatever it is stored in
        for path in (tmp_path / f"{name}.wav", tmp_path / f"{name}.flac"):
            segment = read_segment(recording(path), 0, SECONDS, RATE)
            share = segment.clipped_share(0, SECONDS, RATE)
            assert share > 0.05 if name == "hot" else share == 0.0


def test_clipped_eight_bits_are_clipping(play: Play) -> None:
    sound = np.clip(play(6.0, 22_050, 1) * 20, -1, 1)
    coarse = (np.round(sound * 100) / 128).astype(np.float32)
    assert len(find_clipped(coarse, is_lossy=False)) / len(coarse) > 0.05


@pytest.mark.slow
def test_dc_changes_no_pixel_and_loses_no_loop(tmp_path: Path, play: Play) -> None:
    sound = play(5.0, RATE, 5)
    pixels = []
    for name, offset in (("plain", 0.0), ("offset", 0.3)):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", sound + offset, RATE, subtype="FLOAT")
        curate(tmp_path / name, tmp_path / f"{name}.set", replace(SETTINGS, peak_db=(0.0, 0.0)))
        pixels.append(open_dataset(tmp_path / f"{name}.set").pixels)
    assert np.abs(pixels[0].astype(int) - pixels[1]).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("one_shots", ["repeat", "hold"])
def test_short_sounds_become_loops_by_an_option(tmp_path: Path, play: Play, one_shots: str) -> None:
    (tmp_path / "in").mkdir()
    for i in range(5):
        call = play(0.2, RATE, i) * np.hanning(int(0.2 * RATE))
        soundfile.write(tmp_path / "in" / f"{i}.wav", call, RATE)
    settings = replace(SETTINGS, one_shots=one_shots)
    result = curate(tmp_path / "in", tmp_path / "out", settings, licence="CC0-1.0")
    clips = read_clips(tmp_path / "out" / "clips.csv")
    assert {clip.made for clip in clips} == {{"repeat": "repeated", "hold": "held"}[one_shots]}
    assert len(clips) == 5
    report = (tmp_path / "out" / "report.html").read_text()
    assert "laid out from short sounds" in report
    assert "100%" in report
    assert not result.rejected


def test_a_laid_out_loop_is_filled_and_closes(play: Play) -> None:
    call = trimmed(np.pad(play(0.3, RATE, 1), RATE))
    assert len(call) < 0.31 * RATE
    rng = np.random.default_rng(1)
    for loop in (repeat(call, RATE, rng), hold(call, RATE, RATE, rng)):
        assert len(loop) == RATE
        blocks = np.roll(loop, 1000).reshape(20, -1).std(axis=1)
        assert (blocks > 0.05 * blocks.max()).mean() > 0.9
    held = hold(call, RATE, RATE, rng)
    assert np.abs(held[-1] - held[0]) < 4 * np.abs(np.diff(held)).max()


@pytest.mark.slow
def test_every_file_of_the_folder_is_in_the_table(tmp_path: Path, play: Play) -> None:
    folder = tmp_path / "in"
    (folder / "sub" / ".git").mkdir(parents=True)
    for i in range(3):
        soundfile.write(folder / f"{i}.wav", play(4.0, RATE, i), RATE)
    (folder / "field").write_bytes((folder / "0.wav").read_bytes()[:40_000])
    (folder / "sub" / "notes.txt").write_text("tape 3, side B")
    (folder / "LICENSES.csv").write_text("file,licence\n*.wav,CC0-1.0\n")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "broken.ogg").write_bytes(b"OggS" + bytes(100))
    curate(folder, tmp_path / "out", SETTINGS)
    table = (tmp_path / "out" / "files.csv").read_text().splitlines()[1:]
    found = {line.partition(",")[0]: line for line in table}
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert found.keys() == (present | {"sub/.git"}) - {"sub/.git/x"}
    assert found["sub/notes.txt"].endswith("not a sound: text")
    assert all(line.split(",")[1] in {"yes", "no"} for line in table)
