"""Reading and writing scores, and the errors in faulty ones."""

from __future__ import annotations

import codecs
import os
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FEATURES, FaceState, clip_features, neutral_features
from latent_resonance.score import (
    EXCERPT_S,
    MAX_DURATION_S,
    MAX_ROWS,
    ScoreError,
    ScoreWalk,
    ScoreWarning,
    attract_score,
    bundled_score,
    read_score,
    write_score,
)


def make_score(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "score.csv"
    path.write_text(text)
    return path


def test_a_missing_column_is_neutral_and_rows_are_interpolated(tmp_path: Path) -> None:
    score = read_score(make_score(tmp_path, "time_s,mouth_open\n0,0\n2,1\n3,0\n"))
    present, features = score.at(1.0)
    assert present
    assert features[FEATURES.index("mouth_open")] == pytest.approx(0.5)
    assert features[FEATURES.index("eye_open")] == 1.0
    assert score.duration_s == 3.0


def test_a_score_survives_a_round_trip(tmp_path: Path) -> None:
    features = neutral_features()
    features[FEATURES.index("brow_tension")] = 0.25
    states = [FaceState(i, 7_000_000_000 + i * 40_000_000, i != 1, features) for i in range(4)]
    assert write_score(tmp_path / "a.csv", states) == 4
    score = read_score(tmp_path / "a.csv")
    assert score.time_s == pytest.approx([0, 0.04, 0.08, 0.12])
    assert list(score.presence) == [1, 0, 1, 1]
    assert score.features[:, FEATURES.index("brow_tension")] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a line of column names"),
        ("mouth_open\n1\n1\n", "no column time_s"),
        ("time_s,mouth_opn\n0,1\n1,1\n", "did you mean mouth_open"),
        ("time_s,mouth_open\n0,1\n0,1\n", "line 3: time_s must rise"),
        ("time_s,mouth_open\n0,1\n1,wide\n", "line 3: not a number"),
        ("time_s,mouth_open\n0,1\n1,nan\n", "line 3: a value is not finite"),
        ("time_s,mouth_open\n0,1\n1\n", "line 3: 1 values for 2 columns"),
        ("sep=;\n\ntime_s;mouth_open\n0;1\n1;wide\n", "line 5: not a number"),
        ("time_s,mouth_open\n0,1\n1,0_5\n", "line 3: not a number .*write it like"),
        ("time_s,mouth_open\n0,1\n1,\n", "line 3: not a number .an empty cell"),
        ("time_s,,mouth_open\n0,,1\n1,2,1\n", "line 3: '2' is in a column without a name"),
        ("time_s,time_s\n0,1\n1,2\n", "named twice"),
        ("time_s,mouth_open\n\n0,1\n\n\n1,wide\n", "line 6: not a number"),
        ("time_s,mouth_open\n\n0,1\n\n0,1\n", "line 5: time_s must rise"),
        ("time_s,presence\n0,1\n1,2\n", "line 3: presence should be 0 or 1"),
        ("time_s,mouth_open\n0,1\n1,\u00a00.5\n", r"line 3, column 3.*U\+00A0 NO-BREAK SPACE"),
        ("time_s,mouth_open\n0,1\n1,0.5\u200b\n", r"line 3, column 6.*U\+200B ZERO WIDTH"),
        (
            "time_s;mouth_open\n0;0,5\n1.234;1\n",
            "line 3: .*'1.234' has a decimal point.*'0,5' in line 2",
        ),
        ("time_s;mouth_open\n0;0\n1.000,5;1\n", "line 3: .*'1.000,5'.*no mark between thousands"),
        ('time_s,mouth_open\n0,"1\n"\n1,1\n', "line 2: a quotation mark that is closed in line 3"),
        ('time_s,mouth_open\n0,"1\n1,1\n2,1\n', "line 2: quotation marks that do not match"),
        ('time_s,mouth_open\n0,1\n1,"0.5', "line 3: quotation marks that do not match"),
        ("time_s,mouth_open\n0,1\n1,-inf\n", "line 3: .*mouth_open is -inf"),
        ("time_s,mouth_open\n0,1\n1,1e999\n", "line 3: .*mouth_open is 1e999"),
        ("time_s,mouth_open\n0,1\n1e-320,1\n", "line 3: time_s must rise.*microsecond"),
        ("time_s,mouth_open\n0,1\n1,50%\n", "line 3: not a number .'50%'.*without a unit"),
        ("# a score\ntime_s\n0\n1\n", "no column time_s in '# a score'"),
        ("PK\x03\x04\x14\0", "U.0003.*export the table as CSV"),
        ("time_s,\u3000mouth_open\n0,1\n1,1\n", r"line 1, column 8.*U\+3000 IDEOGRAPHIC"),
    ],
)
def test_a_faulty_score_is_rejected_with_line_and_rule(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ScoreError, match=message):
        read_score(make_score(tmp_path, text))


ROWS = ([0.0, 0.0, 0.0], [0.5, 1.0, 0.5], [1.0, 1.0, 0.25])
GERMAN = "time_s;presence;mouth_open\n0;0;0\n0,5;1;0,5\n1;1;0,25\n"


@pytest.mark.parametrize(
    "content",
    [
        GERMAN.encode(),
        GERMAN.encode("utf-16"),
        GERMAN.replace("\n", "\r\n").encode("utf-8-sig"),
        GERMAN.replace(";", "\t").encode(),
        GERMAN.replace("\n", ";;;\n").encode(),
        b"\xfe\xff" + GERMAN.encode("utf-16-be"),
        GERMAN.replace(",", ".").replace(";", ",").replace("\n", ",,\n").encode(),
        GERMAN.replace("0,5", '"0,5"').encode(),
        GERMAN.replace("\n1;1", "\n;;\n \n1;1").encode(),
        b"sep=;\r\n" + GERMAN.encode(),
        b'"sep=\t"\r\n' + GERMAN.replace(";", "\t").encode(),
        b"\n \r\n\n" + GERMAN.encode(),
        b";;\n" + GERMAN.encode(),
        GERMAN.replace("0,5", '"0.5"').replace("0,25", '"0.25"').replace(";", ",").encode(),
        GERMAN.replace("0,5", '"0_5"')
        .replace("0,25", '"0_25"')
        .replace(";", ",")
        .replace("0_", "0,")
        .encode(),
        GERMAN.replace(";p", ";;p").replace(";0;", ";;0;").replace(";1;", ";;1;").encode(),
        GERMAN.encode("utf-16-le"),
        GERMAN.encode("utf-32"),
        codecs.BOM_UTF32_BE + GERMAN.encode("utf-32-be"),
        GERMAN.encode("utf-32-be"),
        GERMAN.encode("utf-32-le"),
        codecs.BOM_UTF8 + GERMAN.encode("utf-8-sig"),
        GERMAN.replace(";", "|").encode(),
        GERMAN.replace("time_s", "Time_S").replace("mouth_open", "Mouth Open").encode(),
        GERMAN.replace(";1;", ";TRUE;").replace("0;0;0", "0;FALSE;0").encode(),
        GERMAN.replace("0,5", "\u0660\u066b\u0665").replace("0,25", "0\u066b25").encode(),
        GERMAN.replace("0,5", "\uff10,\uff15").encode(),
        GERMAN.replace(";", "; ").replace("0,5", '"0,5"').encode(),
    ],
)
def test_the_csv_of_spreadsheets_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "score.csv"
    path.write_bytes(content)
    score = read_score(path)
    mouth = score.features[:, FEATURES.index("mouth_open")]
    rows = np.stack([score.time_s, score.presence, mouth], axis=1)
    assert rows == pytest.approx(np.array(ROWS))


def test_a_value_out_of_range_is_clipped_and_said_once_with_its_line(tmp_path: Path) -> None:
    path = make_score(tmp_path, "time_s,mouth_open\n0,0\n1,7\n2,8\n")
    with pytest.warns(ScoreWarning, match=r"line 3: mouth_open 7 is not within 0 to 1.*2 rows"):
        score = read_score(path)
    assert score.features[1, FEATURES.index("mouth_open")] == 1.0


def test_a_value_in_range_or_rounded_gives_no_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_score(make_score(tmp_path, "time_s,mouth_open\n0,0\n1,1.00001\n"))
        read_score(bundled_score())


def test_bytes_that_are_not_text_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "score.csv"
    path.write_bytes(b"\xff\xfe\x00\x80" * 100)
    with pytest.raises(ScoreError, match="cannot be read as a CSV"):
        read_score(path)


def test_a_byte_that_is_no_text_has_a_line_and_a_column(tmp_path: Path) -> None:
    path = tmp_path / "latin1.csv"
    path.write_bytes(b"time_s;mouth_open;\n0;1;\n1;1;Gr\xfc\xdfe\n")
    with pytest.raises(ScoreError, match=r"line 3, column 7: .*not text in UTF-8"):
        read_score(path)


def test_a_minus_sign_of_typography_is_a_minus(tmp_path: Path) -> None:
    score = read_score(make_score(tmp_path, "time_s,head_yaw\n0,0\n1,\u22120.5\n"))
    assert score.features[-1, FEATURES.index("head_yaw")] == -0.5


def test_rows_of_a_thousand_empty_cells_take_the_memory_of_their_values(tmp_path: Path) -> None:
    rows = "".join(f"{row}{',' * 1300}\n" for row in range(200))
    path = make_score(tmp_path, f"time_s{',' * 1300}\n{rows}")
    tracemalloc.start()
    assert len(read_score(path).time_s) == 200
    assert tracemalloc.get_traced_memory()[1] < 1_000_000  # of 2 MB, were all cells kept
    tracemalloc.stop()


def test_a_score_of_as_many_rows_as_are_read_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latent_resonance.score.MAX_ROWS", 3)
    assert len(read_score(make_score(tmp_path, "time_s\n0\n1\n2\n")).time_s) == 3
    with pytest.raises(ScoreError, match="more than 3 rows"):
        read_score(make_score(tmp_path, "time_s\n0\n1\n2\n3\n"))


def test_the_bundled_score_uses_the_range_of_the_features() -> None:
    score = read_score(bundled_score())
    assert 25 <= score.duration_s <= 40
    ranges = np.ptp(score.features, axis=0)
    for name in ("mouth_open", "brow_tension", "yaw_velocity", "stillness"):
        assert ranges[FEATURES.index(name)] > 0.7


def test_a_pipe_or_a_device_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", Path("/dev/zero"), tmp_path):
        with pytest.raises(ScoreError, match="not a regular file"):
            read_score(path)


@pytest.mark.slow
def test_a_score_of_too_many_rows_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("time_s\n" + "0\n" * (MAX_ROWS + 1))
    with pytest.raises(ScoreError, match="rows; split the file"):
        read_score(path)


def test_a_score_of_more_than_a_day_is_refused_with_its_line(tmp_path: Path) -> None:
    long = make_score(tmp_path, "time_s\n1e9\n1000086400\n")
    assert read_score(long).duration_s == MAX_DURATION_S
    for end in ("86401", "1e12", "1e300"):
        with pytest.raises(ScoreError, match="line 3: time_s is over 86400 seconds"):
            read_score(make_score(tmp_path, f"time_s\n0\n{end}\n"))


def test_a_line_that_never_ends_is_refused_at_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("0," * 1_000_000)
    with pytest.raises(ScoreError, match="a line of 4096 characters or more"):
        read_score(path)


@pytest.fixture(scope="module")
def walk() -> ScoreWalk:
    score = attract_score(Settings())
    assert isinstance(score, ScoreWalk)
    return score


@pytest.mark.slow
def test_attract_mode_does_not_repeat_itself_in_a_day(walk: ScoreWalk) -> None:
    starts = np.arange(1, 86_400 / EXCERPT_S) * EXCERPT_S
    within = np.linspace(3, 13, 5)  # of an excerpt, after its cross-fade
    excerpts = np.array([[walk.at_looped(start + s) for s in within] for start in starts])
    assert len({excerpt.round(4).tobytes() for excerpt in excerpts}) == len(excerpts)


def test_the_bundled_score_is_read_once(walk: ScoreWalk) -> None:
    again = attract_score(Settings())
    assert np.shares_memory(again.features, walk.features)


@pytest.mark.parametrize("cell", ["1_0", "1e999", "nan", "-", "e5", "", "1,5"])
def test_a_cell_that_is_no_number_is_refused_below_plain_rows(tmp_path: Path, cell: str) -> None:
    path = make_score(tmp_path, f"time_s;head_yaw\n0;0.5\n1;-1e-1\n2;{cell}\n")
    with pytest.raises(ScoreError, match="line 4: "):
        read_score(path)


def test_plain_rows_have_the_decimal_mark_of_the_others(tmp_path: Path) -> None:
    score = read_score(make_score(tmp_path, "time_s;head_yaw\n0;1\n1;0,5\n2;-1\n"))
    assert score.features[:, FEATURES.index("head_yaw")].tolist() == [1.0, 0.5, -1.0]
    with pytest.raises(ScoreError, match="line 3: not a number for certain"):
        read_score(make_score(tmp_path, "time_s;head_yaw\n0;0,5\n1;0.5\n"))


def test_a_walk_depends_on_seed_and_time_alone(walk: ScoreWalk) -> None:
    again, other = ScoreWalk(walk), ScoreWalk(walk, seed=1)
    times = np.linspace(86_400, 86_460, 50)
    backwards = [again.at_looped(t) for t in times[::-1]][::-1]
    assert np.array_equal([walk.at_looped(t) for t in times], backwards)
    assert not np.array_equal(backwards, [other.at_looped(t) for t in times])


def test_a_walk_begins_as_the_score_does_and_leaves_its_rows_alone(walk: ScoreWalk) -> None:
    score = read_score(bundled_score())
    for at_s in np.linspace(0, EXCERPT_S - 0.01, 20):
        assert np.array_equal(walk.at_looped(at_s), score.at_looped(at_s))
    for ours, bundled in zip(walk.states(), score.states(), strict=True):
        assert np.array_equal(ours.features, bundled.features)


@pytest.mark.slow
def test_a_walk_moves_no_faster_than_a_face_and_stays_within_the_ranges(walk: ScoreWalk) -> None:
    path = np.array([walk.at_looped(t) for t in np.arange(0, 300, 1 / 30)])
    score = read_score(bundled_score())
    once = np.array([state.features for state in score.states()])
    steps, usual = (np.abs(np.diff(x, axis=0)).max(axis=0) for x in (path, once))
    assert (steps <= 1.6 * usual + 0.02).all()
    assert np.array_equal(path, clip_features(path))


def test_a_score_of_one_s_own_plays_as_it_is(tmp_path: Path) -> None:
    path = make_score(tmp_path, "time_s,mouth_open\n0,0\n9,1\n18,0\n")
    score = attract_score(Settings(attract={"score": str(path)}))
    assert not isinstance(score, ScoreWalk)
