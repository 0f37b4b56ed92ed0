"""The command line: help, exit codes, and one line per error."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from tests.support.forked_command import run_forked

from latent_resonance import __version__
from latent_resonance.config.settings import DEFAULTS, Settings, load_settings
from latent_resonance.pack import find_pack

COMMANDS = (
    "bench",
    "devices",
    "doctor",
    "eye",
    "features",
    "packs",
    "perform",
    "render",
    "settings",
    "voice",
)
COMMAND = [sys.executable, "-m", "latent_resonance"]


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    done = run_forked("latent_resonance", *arguments, timeout_s=120, **environment)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def config(tmp_path: Path, pack_folder: Path) -> Path:
    """Settings with a tiny pack and a score of two seconds."""
    score = tmp_path / "score.csv"
    score.write_text("time_s,presence,mouth_open\n0,1,0\n1,1,0.6\n2,1,0\n")
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump({"pack": str(pack_folder), "attract": {"score": str(score)}}))
    return path


def test_help_names_every_command_and_every_exit_code() -> None:
    done = run("--help")
    assert done.returncode == 0
    commands = done.stdout.partition("Commands:")[2]
    for command in COMMANDS:
        assert f"\n  {command} " in commands
    for code in ("0 ", "1 ", "2 ", "78 ", "130 "):
        assert f"\n    {code}" in done.stdout.partition("Exit codes:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_own_help(command: str) -> None:
    done = run(command, "-h")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: latent-resonance {command}")
    assert all(len(line) <= 92 for line in done.stdout.splitlines())


def test_the_examples_in_the_help_are_valid_commands() -> None:
    """Each example parses: with --help appended it succeeds instead of being a usage error."""
    examples = []
    for command in ((), *((name,) for name in COMMANDS)):
        lines = run(*command, "--help").stdout.splitlines()
        examples += [line.split()[1:] for line in lines if line.startswith("    latent-resonance ")]
    assert len(examples) >= 10
    for example in examples:
        words = example[: example.index(">")] if ">" in example else example
        assert run(*words, "--help").returncode == 0, words


def test_help_loads_nothing_heavy() -> None:
    program = "import sys; from latent_resonance import cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "scipy", "pydantic", "yaml", "cv2", "mediapipe", "onnxruntime", "sounddevice"}
    assert "click" in done.stdout.split()
    assert heavy.isdisjoint(done.stdout.split())


def test_the_version_is_the_same_everywhere() -> None:
    root = Path(__file__).parents[2]
    for folder in (root, root / "runtime", root / "export"):
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        assert project["version"] == __version__
    assert run("--version").stdout == f"latent-resonance {__version__}\n"
    assert f"## [{__version__}]" in (root / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rendr",), "Did you mean 'render'"),
        (("render",), "Missing option '-o' / '--output'"),
        (("render", "-o", "x.wav", "--seconds", "0"), "0 should be above 0"),
        (("render", "-o", "x.wav", "--seconds", "nan"), "nan should be above 0"),
        (("perform", "--seconds", "1e9"), "at most 86400"),
        (("render", "-o", "x.wav", "--seed", "-1"), "-1 is not in the range"),
        (("features", "a.mp4"), "Missing option '-o'"),
        (("perform", "--loud"), "No such option"),
        (("render", "-o", "/dev/null"), "/dev/null is a device or a pipe"),
        (("perform", "--record", "/dev/null"), "/dev/null is a device or a pipe"),
        (("render", "a.wav", "-o", "./a.wav"), "a.wav is named twice"),
        (("render", "-o", "take.mp3"), "take.mp3 would be a WAV all the same; name it take.wav"),
        (("voice", "--record", "take.flac"), "name it take.wav"),
        (("render", "-o", "a.wav", "--picture", "a.wav"), "a.wav is named twice"),
        (("features", "a.csv", "-o", "a.csv"), "a.csv is named twice"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_the_rule(
    arguments: tuple[str, ...], message: str
) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize("command", ["render -o x.wav", "features a.mp4 -o x.csv", "voice", "eye"])
def test_invalid_settings_exit_with_2_and_print_all_messages(tmp_path: Path, command: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("camera: {width: 0}\nnonsense: 1\n")
    done = run(*command.split(), "--config", path)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"latent-resonance: {path}: ") for line in lines)


@pytest.mark.parametrize(
    "arguments",
    [
        ("render", "nowhere.mp4", "-o", "x.wav"),
        ("render", "nowhere.csv", "-o", "x.wav"),
        ("features", "nowhere.mp4", "-o", "x.csv"),
        ("render", "-o", "x.wav", "--pack", "nowhere"),
        ("render", "-o", "no/such/folder/x.wav"),
    ],
)
def test_a_failure_exits_with_1_and_one_line(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    done = run(*arguments, "--config", config)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("latent-resonance: ")
    assert set(tmp_path.iterdir()) == before


def test_render_writes_the_take_and_reports_it_in_one_line(tmp_path: Path, config: Path) -> None:
    take = tmp_path / "take.wav"
    done = run("render", "-o", take, "--config", config)
    assert done.returncode == 0, done.stderr
    assert take.read_bytes()[:4] == b"RIFF"
    assert f"{take}: 2.0 s" in done.stderr
    assert "CPUExecutionProvider" in done.stderr
    assert done.stdout == ""


FAIL_WHILE_A_NETWORK_LOADS = """
import sys, threading
import click, onnxruntime
from latent_resonance import LatentResonanceError
from latent_resonance.cli.terminal import run

options = onnxruntime.SessionOptions()
options.log_severity_level = 3
loading = threading.Event()

def load(path):
    while True:
        loading.set()
        onnxruntime.InferenceSession(path, options)

@click.command()
def fail():
    raise LatentResonanceError("the value, the rule, the remedy")

threading.Thread(target=load, args=(sys.argv[1],), daemon=True).start()
loading.wait()
sys.argv = sys.argv[:1]
run(fail, "test")
"""


def test_a_command_that_fails_while_a_network_loads_exits_with_its_own_error() -> None:
    generator = find_pack(Settings().pack) / "generator.onnx"
    program = [sys.executable, "-c", FAIL_WHILE_A_NETWORK_LOADS, generator]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (1, "test: the value, the rule, the remedy\n")


@pytest.mark.realtime
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_render_leaves_no_file_behind(
    tmp_path: Path, config: Path, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "takes"
    folder.mkdir()
    arguments = ["render", "-o", folder / "take.wav", "--seconds", "7200", "--config", config]
    process = subprocess.Popen([*COMMAND, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(folder.iterdir()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert list(folder.iterdir()) == []


def test_a_rejected_output_leaves_the_file_unchanged(tmp_path: Path) -> None:
    clip = tmp_path / "face.csv"
    clip.write_text("time_s,presence\n0,1\n1,1\n")
    assert run("render", clip, "-o", clip).returncode == 2
    assert clip.read_text() == "time_s,presence\n0,1\n1,1\n"
    assert list(tmp_path.iterdir()) == [clip]


def test_the_printed_settings_are_a_file_to_start_from(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(run("settings").stdout)
    assert path.read_text() == DEFAULTS.read_text()
    assert load_settings(path) == Settings()
