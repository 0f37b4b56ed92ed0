"""The bench: what it measures is the real thing, and what it says of it is right."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import numpy_helper

from latent_resonance.bench import FAMILIES, drawn_face, figures_of
from latent_resonance.bench.eye import NoFaceError, images_of, shown, track, tracker_of
from latent_resonance.bench.figure import Figure
from latent_resonance.bench.networks import OWED_MB
from latent_resonance.bench.processes import PerformanceFailedError, performing, write_settings
from latent_resonance.bench.quality import Load, best_of
from latent_resonance.bench.subject import Subject
from latent_resonance.bench.table import lines, verdict
from latent_resonance.bench.voice import STAGES, playing, timed_stage
from latent_resonance.eye.camera import images_of_clip
from latent_resonance.eye.visitor import Visitor
from latent_resonance.face_state import FEATURES
from latent_resonance.settings import Phase, Settings, load_settings
from latent_resonance.voice.instrument import Synthesiser
from latent_resonance.voice.lock import hold_the_speaker

MODULES = [path.stem for path in Path(drawn_face.__file__).parent.glob("*.py")]
NS = 1_000_000_000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an answer is kept, and where a performance has its socket."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "state" / "latent-resonance"


@pytest.fixture
def subject(pack_folder: Path, tmp_path: Path) -> Subject:
    return Subject(
        Settings(pack=str(pack_folder), socket_path=str(tmp_path / "face.sock")), seconds=0.2
    )


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "latent_resonance", "bench", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=150, check=False, env=os.environ
    )
    assert "Traceback" not in done.stderr
    return done


# What a figure is.


@pytest.mark.parametrize(
    ("value", "owed", "at_least", "ok"),
    [
        (1.0, 2.0, False, True),
        (2.0, 2.0, False, True),
        (2.1, 2.0, False, False),
        (0, 0, False, True),
        (2.1, 2.0, True, True),
        (1.9, 2.0, True, False),
        (math.nan, 2.0, False, False),
        (math.nan, 2.0, True, False),
        (1.0, None, False, None),
        (None, 2.0, False, None),
        ("high", None, False, None),
    ],
)
def test_a_figure_is_ok_when_what_is_owed_is_met(
    value: float | str | None, owed: float | None, at_least: bool, ok: bool | None
) -> None:
    assert Figure("a.b", value, "ms", owed, at_least).ok is ok


def test_machines_get_five_keys_and_numbers_without_noise() -> None:
    told = Figure("eye.x", 1.23456789, "ms", owed=2.0, remark="for people").as_dict()
    assert told == {"name": "eye.x", "value": 1.23457, "unit": "ms", "owed": 2.0, "ok": True}
    assert list(told) == ["name", "value", "unit", "owed", "ok"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_shown_to_people_and_null_for_machines(value: float) -> None:
    figure = Figure("eye.x", value, "ms")
    assert json.loads(json.dumps(figure.as_dict(), allow_nan=False))["value"] is None
    assert f"{value} ms" in "".join(lines([figure]))


TABLE = [
    Figure("voice.loop.p50", 9.04, "µs"),
    Figure("voice.loop.p95", 12345.6, "µs"),
    Figure("voice.tone.p50", 0.0, "µs"),
    Figure("voice.latency", 119.6, "ms", owed=128.0),
    Figure("voice.render", 8.25, "× real", owed=10.0, at_least=True),
    Figure("processes.eye_cpu", None, "% of a core", owed=40.0, remark="no eye"),
    Figure("processes.underflows", 0, "", owed=0),
    Figure("quality.answer", "high", ""),
]


def test_the_table_has_a_line_for_each_figure_owed_and_one_for_what_belongs_together() -> None:
    told = [" ".join(line.split()) for line in lines(TABLE)]
    assert told == [
        f"voice: {FAMILIES['voice']}",
        "loop p50 9.04 µs p95 12346 µs",
        "tone p50 0.00 µs",
        "latency 120 ms at most 128 ok",
        "render 8.25 × real at least 10 MISSED",
        "",
        f"processes: {FAMILIES['processes']}",
        "eye_cpu not measured at most 40 no eye",
        "underflows 0 at most 0 ok",
        "",
        f"quality: {FAMILIES['quality']}",
        "answer high",
        "",
    ]


def test_the_verdict_names_what_is_missed_and_what_was_not_measured() -> None:
    assert verdict(TABLE) == (
        "2 of 4 figures owed are met; missed: voice.render; not measured: processes.eye_cpu"
    )
    assert verdict(TABLE[:1]) == "0 of 0 figures owed are met"


# The command.


def test_every_family_is_a_module_and_is_named_in_the_help() -> None:
    done = bench("--help")
    assert done.returncode == 0
    assert all(len(line) <= 92 for line in done.stdout.splitlines())
    for family in FAMILIES:
        assert family in MODULES
        assert family in done.stdout


def test_the_examples_of_the_help_are_valid_commands() -> None:
    text = bench("--help").stdout.splitlines()
    examples = [line.split()[2:] for line in text if line.startswith("    latent-resonance bench")]
    assert len(examples) >= 4
    for words in examples:
        assert bench(*words, "--help").returncode == 0, words


@pytest.mark.parametrize(
    ("arguments", "sentences"),
    [
        (("phases",), ("'phases' is not one of", *FAMILIES)),
        (("--seconds", "0"), ("0 is not in the range",)),
        (("--seconds", "nan"), ("'nan' is not a valid integer",)),
        (("--json", "/dev/null"), ("/dev/null is a device or a pipe",)),
        (("--clip", "nowhere.mp4"), ("'nowhere.mp4' does not exist",)),
        (("--json", __file__, "--clip", __file__), ("is named twice",)),
    ],
)
def test_wrong_usage_ends_with_2_before_anything_is_measured(
    arguments: tuple[str, ...], sentences: tuple[str, ...]
) -> None:
    done = bench(*arguments)
    assert done.returncode == 2
    assert all(sentence in done.stderr for sentence in sentences)
    assert "measuring" not in done.stderr


def test_wrong_settings_end_with_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("nonsense: 1\n")
    done = bench("phase", "--config", path)
    assert done.returncode == 2
    assert "nonsense: unknown key" in done.stderr


def test_a_pack_that_is_not_there_ends_with_1_and_says_so_once_a_family() -> None:
    done = bench("phase", "networks", "--pack", "nowhere")
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if not line.startswith("measuring ")]
    assert [line.partition(":")[0] for line in said] == ["phase", "networks"]
    assert all("no pack 'nowhere'" in line for line in said)


def test_figures_are_told_to_people_and_written_for_machines(
    tmp_path: Path, pack_folder: Path
) -> None:
    file = tmp_path / "figures.json"
    done = bench("networks", "--seconds", 1, "--pack", pack_folder, "--json", file)
    figures = json.loads(file.read_text())
    names = [figure["name"] for figure in figures]
    assert len(set(names)) == len(names) == 6
    assert "networks.generator.one_thread" in names
    for figure in figures:
        assert list(figure) == ["name", "value", "unit", "owed", "ok"]
        assert figure["value"] > 0
        assert (figure["owed"] is None) == (figure["ok"] is None)
    assert done.returncode == int(any(figure["ok"] is False for figure in figures))
    assert "generator.file" in done.stdout
    assert "figures owed are met" in done.stdout.splitlines()[-1]
    assert done.stderr == "measuring networks\n"
    assert list(tmp_path.iterdir()) == [file]  # and no answer is kept: none was asked for


def test_a_figure_missed_ends_with_1_and_is_named(tmp_path: Path, pack_folder: Path) -> None:
    folder = tmp_path / "heavy"
    folder.mkdir()
    for path in pack_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    model = onnx.load(folder / "generator.onnx")
    ballast = np.zeros(round(OWED_MB * 1e6 / 4) + 1, np.float32)
    model.graph.initializer.append(numpy_helper.from_array(ballast, "ballast"))
    onnx.save(model, folder / "generator.fp32.onnx")
    done = bench("networks", "--seconds", 1, "--pack", folder)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if "MISSED" in line]
    assert line.split()[:3] == ["generator.fp32.file", "30.0", "MB"]
    assert "missed: networks.generator.fp32.file" in done.stdout


# What is measured is the real thing.


def test_a_timed_instrument_plays_the_same_samples_and_each_stage_once_a_hop(
    subject: Subject,
) -> None:
    plain, timed = (Synthesiser(subject.pack, subject.settings, seed=0) for _ in range(2))
    stages = {stage: timed_stage(timed, stage) for stage in STAGES}
    blocks: list[list[np.ndarray]] = [[], []]
    for synthesiser, heard in zip((plain, timed), blocks, strict=True):
        hop = synthesiser.hop
        synthesiser.hop = lambda features, hop=hop, heard=heard: heard.append(hop(features))
        play = playing(synthesiser, subject)
        for _ in range(40):
            play()
    assert np.abs(blocks[0]).max() > 0.01
    np.testing.assert_array_equal(*blocks)
    counts = {stage: len(timer.taken_s) for stage, timer in stages.items()}
    assert counts.pop("loop.receive") == 5  # in 40 hops
    assert set(counts.values()) == {40}


def test_every_stage_of_a_synthesiser_is_timed(subject: Subject) -> None:
    synthesiser = Synthesiser(subject.pack, subject.settings, seed=0)
    stateful = {name for name, stage in vars(synthesiser).items() if hasattr(stage, "reset")}
    within = {
        f"tone.{name}" for name, part in vars(synthesiser.tone).items() if hasattr(part, "reset")
    }
    assert len(stateful | within) > 5
    assert stateful | within == {stage.rpartition(".")[0] for stage in STAGES}


def test_the_voice_has_percentiles_that_rise_and_a_hop_of_all_its_stages(subject: Subject) -> None:
    found = {figure.name: figure.value for figure in figures_of("voice", subject)}
    for name in (*STAGES, "hop", "share_of_hop", "dream"):
        low, high, highest = (found[f"voice.{name}.p{percent}"] for percent in (50, 95, 99))
        assert 0 < low <= high <= highest
    stages = sum(found[f"voice.{name}.p50"] for name in STAGES if name.count(".") == 1)
    stages -= found["voice.loop.receive.p50"]  # nine hops of ten have none
    assert 0.5 * stages < found["voice.hop.p50"] < 2 * stages
    latency_samples = Synthesiser(subject.pack, subject.settings, seed=0).latency_samples
    assert found["voice.latency"] == pytest.approx(latency_samples / 48.0)
    hop_us = 1e6 * subject.pack.geometry.hop_s
    assert found["voice.share_of_hop.p50"] == pytest.approx(
        100 * found["voice.hop.p50"] / hop_us, rel=1e-6
    )


def test_more_look_ahead_and_iterations_converge_further_along_the_curve(subject: Subject) -> None:
    settings = subject.settings.model_copy(update={"phase": Phase(look_ahead=5, iterations=6)})
    points = itertools.islice(figures_of("phase", Subject(settings, 0.01)), 3 * 5)
    found = {figure.name: figure.value for figure in points}
    names = [f"phase.{point}-0.95" for point in ("5-6", "3-2", "1-2", "0-1")]
    converged = [found[f"{name}.sound"] for name in names]
    assert converged == sorted(converged)
    assert converged[0] < converged[-1] - 6
    assert found[f"{names[0]}.picture"] < found[f"{names[-1]}.picture"]
    assert found[f"{names[0]}.cpu"] > found[f"{names[-1]}.cpu"] > 0


# The face that is nobody's.


def test_the_tracker_takes_the_drawn_face_for_one_and_the_wall_for_none() -> None:
    settings = Settings()
    with tracker_of(settings) as tracker:
        _, found = track(tracker, images_of(None), 0.5)
        assert {len(faces) for faces in found[1:]} == {1}
        wall = images_of(None)[:1]
        wall[0].pixels[:] = drawn_face.nobody()[:, :, None]
        assert not any(shown(tracker, wall, 0.1)[1][5:])
        with pytest.raises(NoFaceError, match=r"a face in 0 of .* --clip"):
            track(tracker, wall, 0.1)
    visitor = Visitor(settings.eye)
    mouth = [
        visitor.step(faces, i * NS // 30).features[FEATURES.index("mouth_open")]
        for i, faces in enumerate(found * 4)
    ]
    assert max(mouth) - min(mouth) > 0.2


def test_the_film_of_the_drawn_face_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "face.y4m"
    drawn_face.write_film(path)
    film = list(images_of_clip(path))
    assert len(film) == drawn_face.N_IMAGES
    assert film[30].time_ns == pytest.approx(NS, abs=2e6)
    for image, drawn in zip(film, drawn_face.images(), strict=True):
        assert image.pixels.shape == (drawn_face.HEIGHT, drawn_face.WIDTH, 3)
        # A film's black is 16 and its white 235.
        assert np.corrcoef(image.pixels[:, :, 1].ravel(), drawn.ravel())[0, 1] > 0.99


# A performance, from outside.


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "place"
    folder.mkdir()
    yield folder
    assert not list(tmp_path.glob("*.part"))


def test_the_settings_of_the_performance_are_the_subjects_with_a_film_and_no_hours(
    subject: Subject, place: Path
) -> None:
    hours = Settings.model_validate({"hours": {"daily": "closed"}, "phase": {"iterations": 5}})
    wanted = hours.model_copy(update={"pack": subject.settings.pack})
    write_settings(Subject(wanted, 1.0), place)
    read = load_settings(place / "settings.yaml")
    assert read.camera.source == str(place / "face.y4m")
    assert read.hours == Settings().hours != wanted.hours
    back = {"camera": wanted.camera, "hours": wanted.hours, "quiet": wanted.quiet}
    assert read.model_copy(update=back) == wanted


@pytest.mark.slow
def test_a_performance_is_found_with_its_eye_and_ends_with_the_bench(
    pack_folder: Path, tmp_path: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(
        yaml.safe_dump({"pack": str(pack_folder), "socket_path": str(tmp_path / "face.sock")})
    )
    file = tmp_path / "figures.json"
    done = bench("processes", "--seconds", 2, "--config", config, "--json", file)
    found = {figure["name"]: figure for figure in json.loads(file.read_text())}
    assert done.stderr == "measuring processes\n"
    assert len(found) == 8
    for name in ("first_sound", "voice_cpu", "voice_memory", "eye_cpu", "eye_memory"):
        assert found[f"processes.{name}"]["value"] > 0, done.stdout
        assert found[f"processes.{name}"]["owed"] > 0
    # Python with numpy and ONNX Runtime, and with OpenCV and MediaPipe: two processes, not one.
    assert 60 < found["processes.voice_memory"]["value"] < 1000
    assert 60 < found["processes.eye_memory"]["value"] < 1000
    assert found["processes.voice_memory"]["value"] != found["processes.eye_memory"]["value"]
    assert found["processes.underflows"]["value"] >= 0
    assert done.returncode == int(any(figure["ok"] is False for figure in found.values()))
    hold_the_speaker(tmp_path / "face.sock").close()  # nobody is left who holds it


def test_a_performance_that_cannot_begin_says_why(subject: Subject, place: Path) -> None:
    write_settings(subject, place)
    lock = hold_the_speaker(Path(subject.settings.socket_path))
    try:
        with (
            performing(place) as performance,
            pytest.raises(
                PerformanceFailedError, match=r"another performance .* holds the speaker"
            ),
        ):
            performance.await_sound()
    finally:
        lock.close()


# What the machine is fit for.


def test_the_best_quality_that_there_is_room_for_is_the_answer() -> None:
    assert best_of({"high": 1.0, "medium": 2.0, "low": 3.0}) == "high"
    assert best_of({"high": 0.9, "medium": 2.0, "low": 3.0}) == "medium"
    assert best_of({"high": 0.1, "medium": 0.2, "low": 0.3}) == "low"


@pytest.mark.parametrize("part", ["synthesis", "dreams", "eye"])
def test_each_part_of_a_load_can_be_too_much_by_itself(part: str) -> None:
    light = {"synthesis": 0.01, "dreams": 0.01, "eye": 0.01}
    assert Load(**light).room(4) > 10
    assert Load(**light | {part: 0.9}).room(64) < 1.0


def test_a_machine_with_few_cores_has_less_room() -> None:
    load = Load(synthesis=0.3, dreams=0.3, eye=0.4)
    assert load.room(1) == pytest.approx(0.6)
    assert load.room(2) == pytest.approx(1.2)
    assert load.room(16) == pytest.approx(5 / 3)  # the synthesis has one core alone


def test_a_machine_that_cannot_see_has_room_too() -> None:
    assert math.isfinite(Load(synthesis=0.1, dreams=0.1, eye=0.0).room(2))


@pytest.mark.slow
def test_the_answer_is_measured_told_and_kept(pack_folder: Path, home: Path) -> None:
    done = bench("quality", "--seconds", 1, "--pack", pack_folder)
    assert done.returncode == 0, done.stderr
    (answer,) = [line.split()[1] for line in done.stdout.splitlines() if "answer " in line]
    assert (home / "quality").read_text().startswith(f"{answer}\n")
    assert f"`quality: auto` plays {answer} from the next start on" in done.stderr
    rooms = [
        float(line.split()[-2])
        for line in done.stdout.splitlines()
        if " room " in line and "×" in line
    ]
    assert len(rooms) == 3
    assert rooms[0] < rooms[2]


def test_a_place_that_cannot_be_written_is_said_with_what_to_do_instead(
    pack_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    done = bench("quality", "--seconds", 1, "--pack", pack_folder)
    assert done.returncode == 1
    assert "write `quality: " in done.stderr.splitlines()[-1]
    assert "answer" in done.stdout
