"""The doctor: plain verdicts, a remedy for each fault, and it survives what it examines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from latent_resonance.doctor import examine
from latent_resonance.doctor.check import FAIL, OK, WARN, Check, Finding, probe, ran
from latent_resonance.doctor.devices import (
    camera_of_eye,
    check_camera,
    check_face,
    check_speaker,
    face_of_voice,
    reference_tone,
    speaker_of_voice,
)
from latent_resonance.doctor.software import (
    check_libraries,
    check_opencv,
    check_processor,
    check_settings,
    check_tracker,
    check_versions,
)

# The line that tells a Raspberry Pi 4 (Cortex-A72) from a Pi 5 (Cortex-A76).
PI_4 = "Features\t: fp asimd evtstrm crc32 cpuid\n"
PI_5 = "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid\n"


def cpuinfo(folder: Path, features: str, cores: int = 4) -> Path:
    path = folder / "cpuinfo"
    path.write_text("".join(f"processor\t: {i}\n{features}\n" for i in range(cores)))
    return path


def test_a_pi_4_is_well_and_told_that_mediapipe_is_not_for_it(tmp_path: Path) -> None:
    check = check_processor("aarch64", cpuinfo(tmp_path, PI_4))
    assert check.verdict == OK
    assert "without MediaPipe" in check.detail


def test_a_pi_5_is_well(tmp_path: Path) -> None:
    check = check_processor("aarch64", cpuinfo(tmp_path, PI_5))
    assert check.verdict == OK
    assert "with ARMv8.1 atomics" in check.detail


def test_one_core_without_atomics_is_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(PI_5 + PI_4)
    assert "without ARMv8.1 atomics" in check_processor("aarch64", path).detail


def test_other_processors_are_not_asked_for_arms_features(tmp_path: Path) -> None:
    assert check_processor("x86_64", cpuinfo(tmp_path, "flags : sse2\n")).verdict == OK


def test_a_missing_library_is_named_with_its_package() -> None:
    check = check_libraries(
        {"libc.so.6": "libc6", "libno.so.1": "libno1", "libnay.so.2": "libnay2"}
    )
    assert check.verdict == FAIL
    assert "libc.so.6" not in check.detail
    assert check.remedy == "sudo apt install libno1 libnay2"


def test_an_old_python_is_a_fault() -> None:
    assert check_versions((3, 10, 14)).verdict == FAIL
    assert check_versions((3, 11, 0)).verdict == OK


def test_one_opencv_is_installed_and_it_is_the_headless_one() -> None:
    assert check_opencv() == Check("opencv", OK, "opencv-python-headless")


def test_wrong_settings_are_a_fault_that_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("camera: {width: 0, height: 0}")
    check = check_settings(path)
    assert check.verdict == FAIL
    assert "camera.width" in check.detail
    assert "camera.height" in check.detail


def test_a_tracker_that_dies_of_an_illegal_instruction_is_explained() -> None:
    check = check_tracker(Finding(-4, "died of SIGILL"))
    assert check.verdict == FAIL
    assert "processor" in check.detail
    assert "eye.tracker: light" in check.remedy


def test_a_missing_camera_or_speaker_is_only_a_warning() -> None:
    missing = Finding(1, "none here")
    assert check_camera(missing).verdict == check_speaker(missing).verdict == WARN
    assert check_camera(missing).remedy


def test_a_remedy_is_given_once() -> None:
    found = check_speaker(Finding(1, "no speaker found; connect one"))
    assert found.detail == "no speaker found"
    assert "connect one" in found.remedy


def test_a_probe_finds_a_pack_and_says_what_is_wrong_with_one(
    tmp_path: Path, pack_folder: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(f"pack: {pack_folder}")
    assert probe("pack", config) == Finding(
        0, f"{pack_folder}, 4 pure anchors, on CPUExecutionProvider"
    )
    config.write_text("pack: nowhere")
    assert probe("pack", config).code == 1
    assert "no pack 'nowhere'" in probe("pack", config).line


def test_a_probe_that_crashes_is_reported_by_its_last_line() -> None:
    found = probe("no such probe", None)
    assert found.code == 1
    assert "KeyError" in found.line


def test_a_probe_that_hangs_is_given_up() -> None:
    assert probe("pack", None, patience_s=0.001) == Finding(1, "no answer within 0.001 s")


def test_a_program_that_is_missing_is_a_finding_too() -> None:
    assert ran(["/no/such/program"], 1.0) == Finding(
        1, "/no/such/program: No such file or directory"
    )


def test_a_check_is_one_line_and_its_remedy_another() -> None:
    text = Check("camera", WARN, "none", "plug one in").as_text()
    assert text.splitlines() == ["warn  camera      none", f"{'':18}→ plug one in"]
    assert "\n" not in Check("camera", OK, "there").as_text()


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("seeing, 30 images/s", OK),
        ("no camera: no USB camera is there; looking for it", WARN),
        ("sees nothing but black; take the cap off the lens, or give light, 30 images/s", WARN),
        ("", WARN),
    ],
)
def test_an_eye_that_runs_is_asked_for_the_camera(status: str, verdict: str) -> None:
    check = camera_of_eye(status)
    assert check.verdict == verdict
    assert status in check.detail
    assert bool(check.remedy) == (verdict != OK)


def test_a_voice_that_runs_is_asked_for_the_speaker_and_the_visitor() -> None:
    heard = "playing for a visitor, 30 images/s, 0 underflows"
    assert speaker_of_voice(heard).verdict == face_of_voice(heard).verdict == OK
    unheard = "playing the score for nobody, 0 images/s, 0 underflows, unheard (no speaker found)"
    assert speaker_of_voice(unheard).verdict == face_of_voice(unheard).verdict == WARN
    assert speaker_of_voice("").verdict == WARN


def test_nobody_before_the_camera_is_no_fault_of_the_machine() -> None:
    check = check_face(Finding(1, "no face was seen for 8 s"))
    assert check.verdict == WARN
    assert "stand before it" in check.remedy


def test_a_tone_that_was_played_still_asks_whether_it_was_heard() -> None:
    assert "not heard?" in reference_tone(Finding(0, "a tone was played"), held=False).remedy
    refused = Finding(1, "USB cannot be opened")
    assert "systemctl stop" in reference_tone(refused, held=True).remedy
    assert "systemctl stop" not in reference_tone(refused, held=False).remedy


@pytest.mark.slow
def test_the_doctors_own_process_stays_free_of_what_it_examines(
    tmp_path: Path, pack_folder: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(f"pack: {pack_folder}\ncamera: {{source: /dev/video99}}")
    program = (
        "import sys, json, pathlib; from latent_resonance.doctor import examine;"
        f"checks = examine(pathlib.Path({str(config)!r}));"
        "print(json.dumps([[c.as_dict() for c in checks], list(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    checks, modules = json.loads(done.stdout)
    assert {"mediapipe", "cv2", "onnxruntime", "sounddevice"}.isdisjoint(modules)
    verdicts = {check["name"]: check["verdict"] for check in checks}
    assert verdicts["camera"] == WARN
    for name in ("versions", "opencv", "settings", "pack", "network", "face model", "tracker"):
        assert verdicts[name] == OK, checks
    assert all(check["remedy"] for check in checks if check["verdict"] != OK)


@pytest.mark.slow
def test_the_settings_of_the_site_are_those_examined(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("dance: true")
    first = next(iter(examine(None, site=site)))
    assert first.verdict == FAIL
    assert str(site) in first.detail


@pytest.mark.slow
def test_a_fault_sets_the_exit_code_and_is_in_the_json(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("pack: nowhere\ncamera: {source: /dev/video99}")
    command = [
        sys.executable,
        "-m",
        "latent_resonance",
        "doctor",
        "--json",
        "--config",
        str(config),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (pack,) = [check for check in json.loads(done.stdout) if check["name"] == "pack"]
    assert pack["verdict"] == FAIL
    assert "nowhere" in pack["detail"]
    assert pack["remedy"]
