"""The measures of tests/bench/answers.py give the known values of computed signals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("librosa")  # of the workshop, which the runtime's own tests do without

from tests.bench import answers
from tests.bench.answering import clips, faces, figures, glides, measures, playing

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.face_state import FEATURES, FaceState, neutral_features

RATE = 48_000
GEOMETRY = Geometry()
Samples = NDArray[np.float64]


def seconds(length_s: float) -> Samples:
    return np.arange(int(length_s * RATE)) / RATE


def sine(hz: float, length_s: float = 2.0) -> Samples:
    return 0.5 * np.sin(2 * np.pi * hz * seconds(length_s))


def noise(length_s: float = 5.0, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0.0, 0.1, int(length_s * RATE))


# Change.


def change(sound: Samples) -> float:
    inner = measures.third_octaves_db(sound, RATE)[:, 3:-3]  # without the edges of the sound
    return measures.change_db_per_s(inner)


def test_a_steady_sine_does_not_change() -> None:
    assert change(sine(440.0)) < 1.0


def test_a_level_that_rises_by_60_db_a_second_changes_one_band_by_that() -> None:
    sound = sine(500.0, 0.6) * 10.0 ** (60.0 * (seconds(0.6) - 0.6) / 20.0)
    bands_db = measures.third_octaves_db(sound, RATE)[:, 3:-3]
    band = int(np.argmax(bands_db[:, 0]))
    assert measures.change_db_per_s(bands_db[band : band + 1]) == pytest.approx(60.0, rel=0.02)


def test_change_counts_only_pairs_of_frames_that_both_count() -> None:
    bands_db = np.array([[0.0, 1.0, 11.0, 12.0]])
    during = np.array([True, True, False, True])
    assert measures.change_db_per_s(bands_db, during) == pytest.approx(1.0 / 0.032)


def test_change_without_two_frames_is_not_a_number() -> None:
    assert math.isnan(measures.change_db_per_s(np.zeros((21, 1))))


def test_bands_are_floored_45_db_below_the_loudest_frame() -> None:
    bands_db = measures.third_octaves_db(sine(500.0), RATE)
    assert bands_db.max() - bands_db.min() == pytest.approx(45.0, abs=1.0)


def test_the_bands_of_white_noise_have_its_power_in_proportion_to_their_width() -> None:
    power = 10.0 ** (measures.third_octaves_db(noise(), RATE)[:, 3:-3].mean(axis=1) / 10.0)
    assert power[18] / power[9] == pytest.approx(8.0, rel=0.1)  # three octaves


# Spectrum and loudness.


def test_white_noise_is_flat() -> None:
    assert -0.5 < measures.flatness_db(noise()) <= 0.0


def test_a_sine_is_far_from_flat() -> None:
    assert measures.flatness_db(sine(440.0, 5.0)) < -40.0


def test_the_roll_off_of_white_noise_is_at_95_percent_of_the_band() -> None:
    assert measures.roll_off_hz(noise(), RATE) == pytest.approx(0.95 * RATE / 2, rel=0.01)


def test_a_sine_of_997_hz_at_full_scale_has_minus_3_lufs() -> None:
    sound = 2.0 * sine(997.0, 3.0)
    assert measures.integrated_lufs(sound, RATE) == pytest.approx(-3.01, abs=0.05)
    assert measures.windows_lufs(sound, RATE)[1][50] == pytest.approx(-3.01, abs=0.05)


def test_silence_does_not_lower_the_integrated_loudness() -> None:
    loud = sine(997.0, 3.0)
    padded = np.concatenate([loud, np.zeros(3 * RATE)])
    assert measures.integrated_lufs(padded, RATE) == pytest.approx(
        measures.integrated_lufs(loud, RATE), abs=0.5
    )


def test_silence_alone_has_no_integrated_loudness() -> None:
    assert measures.integrated_lufs(np.zeros(RATE), RATE) == -math.inf


# Silence.


@pytest.mark.parametrize(
    ("flags", "length"), [([], 0), ([0, 0], 0), ([1, 0, 1, 1], 2), ([1, 1, 1, 0, 1], 3)]
)
def test_the_longest_run_is_counted(flags: list[int], length: int) -> None:
    assert measures.longest_run(np.array(flags, bool)) == length


def test_a_rest_of_half_a_second_is_as_long_in_the_frames() -> None:
    sound = sine(440.0, 3.0)
    sound[RATE : RATE + RATE // 2] = 0.0
    levels_db = measures.frame_levels_db(sound, GEOMETRY)
    rest_s = measures.longest_run(levels_db < levels_db.max() - 30.0) * GEOMETRY.hop_s
    assert rest_s == pytest.approx(0.5, abs=GEOMETRY.win_length / RATE)


# Pitch.


def test_a_tone_half_way_in_octaves_is_half_way() -> None:
    way = measures.ways(np.array([np.sqrt(2.0) * 200.0]), np.array([200.0]), np.array([400.0]))
    assert way == pytest.approx([0.5])


def test_a_glide_between_two_tones_is_on_the_way_and_a_leap_is_not() -> None:
    time_s = seconds(0.5)
    hz = 220.0 * 2.0 ** (2.0 * time_s)
    leap = np.where(time_s < 0.25, 220.0, 440.0)
    start, end = (measures.pitches_hz(sine(f, 0.5), RATE)[12:36] for f in (220.0, 440.0))
    shares = []
    for pitch_hz in (hz, leap):
        sound = 0.5 * np.sin(2 * np.pi * np.cumsum(pitch_hz) / RATE)
        way = measures.ways(measures.pitches_hz(sound, RATE)[12:36], start, end)
        shares.append(glides.gliding([pair_with(way[np.isfinite(way)])]))
    assert shares[0] == 1.0
    assert shares[1] < 0.1


def pair_with(way: Samples) -> glides.Pair:
    return glides.Pair(interval=1.0, way=way, voiced=1.0, level_db=0.0, outside_db=0.0)


def test_a_level_midway_between_the_ends_is_not_outside() -> None:
    pair = glides.pair_from(np.array([0.5, np.nan]), np.array([1.0, 1.0]), -25.0, -20.0, -30.0)
    assert (pair.voiced, pair.level_db, pair.outside_db) == (0.5, 0.0, 0.0)


def test_a_dip_midway_counts_from_the_softer_end() -> None:
    pair = glides.pair_from(np.array([0.5]), np.array([1.0]), -41.0, -20.0, -30.0)
    assert pair.outside_db == -11.0


# Channels.


def test_the_same_on_both_channels_correlates_wholly_and_adds_3_db() -> None:
    channels = np.stack([noise(2.0)] * 2)
    assert measures.correlations(channels, RATE).min() == pytest.approx(1.0)
    assert measures.mono_sum_db(channels) == pytest.approx(3.01, abs=0.01)


def test_independent_channels_hardly_correlate_and_add_their_powers() -> None:
    channels = np.stack([noise(6.0, seed) for seed in range(3)])
    correlations = measures.correlations(channels, RATE)
    assert correlations.shape == (6, 3)
    assert correlations.max() < 0.15
    assert measures.mono_sum_db(channels) == pytest.approx(0.0, abs=0.1)


def test_the_levels_of_channels_are_compared() -> None:
    channels = np.stack([noise(1.0), 0.5 * noise(1.0)])
    assert measures.channel_spread_db(channels) == pytest.approx(6.02, abs=0.01)


# Clips and faces.


def states(present: list[bool]) -> list[FaceState]:
    features = neutral_features()
    return [FaceState(i, i * 100_000_000, p, features) for i, p in enumerate(present)]


def test_presence_is_that_of_the_newest_image() -> None:
    found = playing.present_at(states([False, True]), np.array([-0.1, 0.0, 0.09, 0.1, 5.0]))
    assert found.tolist() == [False, False, False, True, True]


def test_loudness_counts_where_a_face_is_present_throughout() -> None:
    sound = sine(997.0, 1.5)
    always = clips.windows_with_face(sound, RATE, states([True] * 15), 0.4)
    once_lost = clips.windows_with_face(sound, RATE, states([True] * 7 + [False] + [True] * 7), 0.4)
    assert len(always) == 111
    assert 0 < len(once_lost) < len(always) - 40


def test_a_shaken_heads_velocity_is_the_derivative_of_its_yaw() -> None:
    movement = playing.shaking(0.35, 1.0)
    yaw, velocity = (FEATURES.index(name) for name in ("head_yaw", "yaw_velocity"))
    step_s = 1e-3
    now, soon = movement(0.2), movement(0.2 + step_s)
    assert (soon[yaw] - now[yaw]) / step_s == pytest.approx(now[velocity], rel=0.01)
    assert movement(0.25)[yaw] == pytest.approx(0.35)


def test_a_held_note_has_the_mean_power_in_every_frame(pack_folder: Path) -> None:
    spectrogram = np.full((512, 512), -1.0, np.float32)
    spectrogram[100, ::2] = 0.0
    held = faces.held_note(str(pack_folder), spectrogram)
    assert held.shape == spectrogram.shape
    assert held.std(axis=1).max() == 0.0
    assert held[100, 0] == pytest.approx(-3.01 / 40.0, abs=1e-3)


def test_a_level_change_reaches_the_sound_before_the_loudness_stage(pack_folder: Path) -> None:
    level_db = []
    for pixel in (0.0, -0.25):  # 10 dB apart
        spectrogram = np.full((512, 512), -1.0, np.float32)
        spectrogram[100] = pixel
        as_it_is = {"loop": {"even_levels": False}}
        sound = playing.loop_sound(
            str(pack_folder), {0: spectrogram}, 60, playing.still({"mouth_open": 1.0}), as_it_is
        )
        level_db.append(measures.level_db(sound[20 * 512 :]))
    assert level_db[0] - level_db[1] == pytest.approx(10.0, abs=0.5)


def test_before_the_loudness_stage_only_the_band_pass_is_left(pack_folder: Path) -> None:
    synthesiser = playing.synthesiser_of(str(pack_folder), loudness=False)
    stages = {n: s for n, s in vars(synthesiser.tone).items() if hasattr(s, "process")}
    changing = {name for name, s in stages.items() if not isinstance(s, playing.Unchanged)}
    assert changing == {"band_pass"}
    assert len(stages) >= 4
    assert synthesiser.latency_samples == synthesiser.pairs[0].phase.latency_samples


def test_the_open_filter_is_flat_whatever_the_mouth_does(pack_folder: Path) -> None:
    spectrogram = np.full((512, 512), -0.5, np.float32)
    sounds = [
        playing.loop_sound(
            str(pack_folder),
            {0: spectrogram},
            60,
            playing.still({"mouth_open": mouth_open}),
            playing.OPEN_FILTER,
        )
        for mouth_open in (0.0, 1.0)
    ]
    assert np.abs(sounds[0] - sounds[1]).max() <= 1e-3 * np.abs(sounds[1]).max()


# The command.


def test_a_missed_target_is_marked_and_a_met_one_is_ok() -> None:
    due = figures.at_least(2.0)
    rows = [
        figures.Figure("head", "cello", "held", "ratio", "", value, due) for value in (1.0, 3.0)
    ]
    before = {rows[0].key: 0.5}
    printed = [text for text, _ in figures.lines(rows, before)]
    assert printed[0].endswith("| cello | held | ratio | 0.5 | 1 | ≥ 2 | **MISSED** |")
    assert printed[1] == "| cello | held | ratio | 0.5 | 3 | ≥ 2 | ok |"


def test_a_value_that_is_not_a_number_misses_its_target() -> None:
    assert figures.Figure("a", "b", "c", "d", "", math.nan, figures.at_most(1.0)).missed


def test_figures_are_written_and_read_again(tmp_path: Path) -> None:
    row = figures.Figure("a", "b", "c", "d", "dB", 1.5, figures.at_most(1.0))
    nothing = figures.Figure("a", "b", "c", "e", "", math.nan)
    figures.write_json(tmp_path / "figures.json", [row, nothing])
    read = figures.read_json(tmp_path / "figures.json")
    assert read[row.key] == 1.5
    assert math.isnan(read[nothing.key])
    assert json.loads((tmp_path / "figures.json").read_text())[0]["ok"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "table clips needs a FOLDER"),
        (["/nowhere"], "/nowhere has no face-yes.mkv"),
        (["--tables", "mel", "--pack", "nowhere"], "nowhere"),
        (["--tables", "mel", "--json", "/nowhere/figures.json"], "create /nowhere"),
        (["--tables", "mel", "--before", "/nowhere.json"], "/nowhere.json"),
        (["--tables", "glide", "--pairs", "0"], "use 1 or more"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_why(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        answers.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
