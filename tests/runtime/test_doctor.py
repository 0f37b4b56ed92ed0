"""The doctor: verdicts, a remedy for each fault, and probes that may crash."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from latent_resonance.config.gallery import PackHours
from latent_resonance.config.settings import Settings
from latent_resonance.doctor import probes, run_checks
from latent_resonance.doctor.check import FAIL, OK, WARN, Check, ProbeResult, run_command, run_probe
from latent_resonance.doctor.devices import (
    camera_from_status,
    check_camera,
    check_face,
    check_speaker,
    check_tone,
    face_from_status,
    speaker_from_status,
)
from latent_resonance.doctor.software import (
    check_libraries,
    check_opencv,
    check_processor,
    check_settings,
    check_tracker,
    check_versions,
)
from latent_resonance.pack import PackError

# The line that differs between a Raspberry Pi 4 (Cortex-A72) and a Pi 5 (Cortex-A76).
PI_4 = "Features\t: fp asimd evtstrm crc32 cpuid\n"
PI_5 = "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid\n"


def cpuinfo(folder: Path, features: str, cores: int = 4) -> Path:
    path = folder / "cpuinfo"
    path.write_text("".join(f"processor\t: {i}\n{features}\n" for i in range(cores)))
    return path


def test_a_pi_4_is_ok_without_mediapipe(tmp_path: Path) -> None:
    check = check_processor("aarch64", cpuinfo(tmp_path, PI_4))
    assert check.verdict == OK
    assert "without MediaPipe" in check.detail


def test_a_pi_5_is_ok(tmp_path: Path) -> None:
    check = check_processor("aarch64", cpuinfo(tmp_path, PI_5))
    assert check.verdict == OK
    assert "with ARMv8.1 atomics" in check.detail


def test_one_core_without_atomics_rules_out_mediapipe(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(PI_5 + PI_4)
    assert "without ARMv8.1 atomics" in check_processor("aarch64", path).detail


def test_other_processors_are_not_checked_for_atomics(tmp_path: Path) -> None:
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


def test_invalid_settings_are_a_fault_with_every_message(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("camera: {width: 0, height: 0}")
    check = check_settings(path)
    assert check.verdict == FAIL
    assert "camera.width" in check.detail
    assert "camera.height" in check.detail


def test_an_illegal_instruction_in_the_tracker_is_explained() -> None:
    check = check_tracker(ProbeResult(-4, "killed by SIGILL"))
    assert check.verdict == FAIL
    assert "processor" in check.detail
    assert "eye.tracker: light" in check.remedy


def test_a_missing_camera_or_speaker_is_only_a_warning() -> None:
    missing = ProbeResult(1, "none here")
    assert check_camera(missing).verdict == check_speaker(missing).verdict == WARN
    assert check_camera(missing).remedy


def test_a_remedy_is_given_once() -> None:
    found = check_speaker(ProbeResult(1, "no speaker found; connect one"))
    assert found.detail == "no speaker found"
    assert "connect one" in found.remedy


@pytest.mark.realtime
def test_a_probe_reports_a_pack_or_its_fault(tmp_path: Path, pack_folder: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(f"pack: {pack_folder}")
    assert run_probe("pack", config) == ProbeResult(
        0, f"{pack_folder}, 4 pure anchors, on CPUExecutionProvider"
    )
    config.write_text("pack: nowhere")
    assert run_probe("pack", config).code == 1
    assert "no pack 'nowhere'" in run_probe("pack", config).line


def test_the_packs_by_the_clock_are_probed_too(
    tmp_path: Path, make_pack: Callable[..., Path]
) -> None:
    own, night = make_pack(), shutil.copytree(make_pack(), tmp_path / "night")
    by_clock = [PackHours.model_validate({"hours": "18:00-24:00", "pack": str(night)})]
    settings = Settings(pack=str(own), packs=tuple(by_clock))
    assert probes.pack(settings).endswith(f"; by the clock {night}")
    (night / "generator.onnx").write_bytes(b"damaged")
    with pytest.raises(PackError, match="night"):
        probes.pack(settings)


def test_a_probe_that_crashes_is_reported_by_its_last_line() -> None:
    found = run_probe("no such probe", None)
    assert found.code == 1
    assert "KeyError" in found.line


def test_a_probe_that_hangs_is_killed() -> None:
    assert run_probe("pack", None, timeout_s=0.001) == ProbeResult(1, "no answer within 0.001 s")


def test_a_missing_program_is_a_failure() -> None:
    assert run_command(["/no/such/program"], 1.0) == ProbeResult(
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
def test_the_camera_is_checked_by_the_status_of_a_running_eye(status: str, verdict: str) -> None:
    check = camera_from_status(status)
    assert check.verdict == verdict
    assert status in check.detail
    assert bool(check.remedy) == (verdict != OK)


def test_speaker_and_face_are_checked_by_the_status_of_a_running_voice() -> None:
    audible = "playing for a visitor, 30 images/s, 0 underflows"
    assert speaker_from_status(audible).verdict == face_from_status(audible).verdict == OK
    silent = "playing the score, no visitor, 0 images/s, 0 underflows, no speaker (looking for one)"
    assert speaker_from_status(silent).verdict == face_from_status(silent).verdict == WARN
    assert speaker_from_status("").verdict == WARN


def test_a_missing_face_is_only_a_warning() -> None:
    check = check_face(ProbeResult(1, "no face was detected for 8 s"))
    assert check.verdict == WARN
    assert "from the camera" in check.remedy


def test_a_played_tone_has_a_remedy_in_case_it_was_not_audible() -> None:
    assert "not audible?" in check_tone(ProbeResult(0, "a tone was played"), in_use=False).remedy
    failed = ProbeResult(1, "USB cannot be opened")
    assert "systemctl stop" in check_tone(failed, in_use=True).remedy
    assert "systemctl stop" not in check_tone(failed, in_use=False).remedy


@pytest.mark.slow
def test_the_doctors_own_process_imports_no_heavy_library(
    tmp_path: Path, pack_folder: Path
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(f"pack: {pack_folder}\ncamera: {{source: /dev/video99}}")
    program = (
        "import sys, json, pathlib; from latent_resonance.doctor import run_checks;"
        f"checks = run_checks(pathlib.Path({str(config)!r}));"
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


@pytest.mark.realtime
def test_the_settings_of_the_machine_are_checked(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("dance: true")
    first = next(iter(run_checks(None, site=site)))
    assert first.verdict == FAIL
    assert str(site) in first.detail


@pytest.mark.realtime
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
