"""The command `bench`: its arguments, table, JSON file, saved answer, and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import numpy_helper
from tests.support.forked_command import run_forked

from latent_resonance.bench import FAMILIES, synthetic_face
from latent_resonance.bench.context import Context
from latent_resonance.bench.measurement import Measurement
from latent_resonance.bench.networks import TARGET_MB
from latent_resonance.bench.table import table_lines
from latent_resonance.cli.bench import measure_families, save_quality
from latent_resonance.config.settings import Settings
from latent_resonance.linux.atomic_file import OutputFileError
from latent_resonance.voice.single_instance import lock_speaker

MODULES = [path.stem for path in Path(synthetic_face.__file__).parent.glob("*.py")]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the saved answer; the socket of `perform` is in a temporary folder too."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "state" / "latent-resonance"


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = run_forked("latent_resonance", "bench", *arguments, timeout_s=150)
    assert "Traceback" not in done.stderr
    return done


def bench_in_real_time(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in a new process, as on a gallery's machine, so that its figures are those."""
    command = [sys.executable, "-m", "latent_resonance", "bench", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=150, check=False, env=os.environ
    )
    assert "Traceback" not in done.stderr
    return done


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


def test_a_missing_pack_exits_with_1_and_one_message_per_family() -> None:
    done = bench("phase", "networks", "--pack", "nowhere")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if not line.startswith("measuring ")]
    assert [line.partition(":")[0] for line in errors] == ["phase", "networks"]
    assert all("no pack 'nowhere'" in line for line in errors)


@pytest.mark.slow
def test_measurements_are_printed_and_written_as_json(tmp_path: Path, pack_folder: Path) -> None:
    file = tmp_path / "figures.json"
    done = bench("networks", "--seconds", 1, "--pack", pack_folder, "--json", file)
    measurements = json.loads(file.read_text())
    names = [measurement["name"] for measurement in measurements]
    assert len(set(names)) == len(names) == 6
    assert "networks.generator.one_thread" in names
    for measurement in measurements:
        assert list(measurement) == ["name", "value", "unit", "target", "ok"]
        assert measurement["value"] > 0
        assert (measurement["target"] is None) == (measurement["ok"] is None)
    assert done.returncode == int(any(measurement["ok"] is False for measurement in measurements))
    assert "generator.file" in done.stdout
    assert "targets are met" in done.stdout.splitlines()[-1]
    assert done.stderr == "measuring networks\n"
    assert list(tmp_path.iterdir()) == [file]  # no quality is saved: it was not measured


@pytest.mark.slow
def test_a_missed_target_exits_with_1_and_is_named(tmp_path: Path, pack_folder: Path) -> None:
    folder = tmp_path / "heavy"
    folder.mkdir()
    for path in pack_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    model = onnx.load(folder / "generator.onnx")
    ballast = np.zeros(round(TARGET_MB * 1e6 / 4) + 1, np.float32)
    model.graph.initializer.append(numpy_helper.from_array(ballast, "ballast"))
    onnx.save(model, folder / "generator.fp32.onnx")
    done = bench("networks", "--seconds", 1, "--pack", folder)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if "MISSED" in line]
    assert line.split()[:3] == ["generator.fp32.file", "30.0", "MB"]
    assert "missed: networks.generator.fp32.file" in done.stdout


@pytest.mark.realtime
def test_perform_and_its_eye_are_measured_and_end_with_the_bench(
    pack_folder: Path, tmp_path: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(
        yaml.safe_dump({"pack": str(pack_folder), "socket_path": str(tmp_path / "face.sock")})
    )
    file = tmp_path / "figures.json"
    done = bench_in_real_time("processes", "--seconds", 2, "--config", config, "--json", file)
    found = {measurement["name"]: measurement for measurement in json.loads(file.read_text())}
    assert done.stderr == "measuring processes\n"
    assert len(found) == 11
    for name in ("start", "cost", "voice_memory", "eye_memory"):
        assert found[f"processes.{name}"]["value"] > 0, done.stdout
        assert found[f"processes.{name}"]["target"] > 0
    for name in ("first.sound", "first.imports", "voice_cpu", "eye_cpu"):  # the machine decides
        assert found[f"processes.{name}"]["value"] > 0, done.stdout
        assert found[f"processes.{name}"]["target"] is None
    start = found["processes.first.sound"]["value"] / found["processes.first.imports"]["value"]
    assert found["processes.start"]["value"] == pytest.approx(start, rel=0.5)
    # Python with numpy and ONNX Runtime, and with OpenCV and MediaPipe: two processes, not one.
    assert 60 < found["processes.voice_memory"]["value"] < 1000
    assert 60 < found["processes.eye_memory"]["value"] < 1000
    assert found["processes.voice_memory"]["value"] != found["processes.eye_memory"]["value"]
    assert found["processes.underflows"]["value"] >= 0
    assert done.returncode == int(any(measurement["ok"] is False for measurement in found.values()))
    lock_speaker(tmp_path / "face.sock").close()  # no process holds it any more


@pytest.mark.realtime
def test_the_command_measures_prints_and_saves_the_quality(pack_folder: Path, home: Path) -> None:
    done = bench_in_real_time("quality", "--seconds", 1, "--pack", pack_folder)
    assert done.returncode == 0, done.stderr
    (answer,) = [line.split()[1] for line in done.stdout.splitlines() if "answer " in line]
    assert (home / "quality").read_text().startswith(f"{answer}\n")
    assert f"`quality: auto` plays {answer} from the next start on" in done.stderr
    assert sum(" headroom " in line and "×" in line for line in done.stdout.splitlines()) == 3


@pytest.fixture(scope="module")
def quality(pack_folder: Path) -> list[Measurement]:
    """The family `quality`, measured for less than the second that the command takes at least."""
    context = Context(Settings(pack=str(pack_folder)), seconds=0.02)
    measurements, failed = measure_families(("quality",), context)
    assert not failed
    return measurements


@pytest.mark.slow
def test_the_best_quality_with_headroom_is_saved(
    quality: list[Measurement], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_quality(quality)
    (answer,) = [line.split()[1] for line in table_lines(quality) if "answer " in line]
    assert (home / "quality").read_text().startswith(f"{answer}\n")
    assert f"`quality: auto` plays {answer} from the next start on" in capsys.readouterr().err
    headrooms = [float(each.value) for each in quality if each.name.endswith(".headroom")]
    assert len(headrooms) == 3
    assert headrooms[0] < headrooms[2]


@pytest.mark.slow
def test_an_unwritable_state_folder_is_an_error_with_a_remedy(
    quality: list[Measurement], tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(OutputFileError, match="write `quality: "):
        save_quality(quality)
