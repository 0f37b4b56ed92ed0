"""Latency from motion to sound: the latency pack, the fake camera, and the whole measurement."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

from latent_resonance.bench import fake_camera, measure_family, synthetic_face
from latent_resonance.bench.context import Context
from latent_resonance.bench.eye import tracker_of
from latent_resonance.bench.latency_pack import (
    CLOSED_HZ,
    OPEN_HZ,
    THRESHOLD,
    Z_SCALE,
    chord,
    write_latency_pack,
)
from latent_resonance.bench.motion import MIN_GESTURES, OVERRIDES, deep_merge
from latent_resonance.bench.onnx_file import fields, message
from latent_resonance.bench.processes import PerformFailedError
from latent_resonance.config.settings import Inference, Settings
from latent_resonance.eye.camera.image import Image, rgb_from_i420
from latent_resonance.eye.features.extractor import FeatureExtractor
from latent_resonance.face_state import FEATURES, neutral_features
from latent_resonance.pack import PackError, open_pack
from latent_resonance.voice.single_instance import lock_speaker
from latent_resonance.voice.synthesis.networks import load_networks

MOUTH_OPEN = FEATURES.index("mouth_open")


# The latency pack.


@pytest.fixture(scope="module")
def latency_pack(pack_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latency_pack(open_pack(pack_folder), tmp_path_factory.mktemp("latency") / "pack")


def test_a_network_is_read_and_written_as_it_was(pack_folder: Path) -> None:
    for name in ("generator.onnx", "regressor.onnx"):
        content = (pack_folder / name).read_bytes()
        parts = list(fields(content))
        assert len(parts) >= 3
        assert message(parts) == content


@pytest.mark.parametrize(
    "content",
    [b"\x0a\xff", b"\xff" * 11, b"\x0a", b"\x0d\x00\x00\x00\x00"],
    ids=["cut off", "a number without end", "no value", "four bytes"],
)
def test_a_file_that_is_not_a_network_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a network"):
        list(fields(content))


def test_a_pack_whose_generator_is_not_a_network_is_refused_with_a_remedy(
    pack_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in pack_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    pack = open_pack(folder)
    (folder / "generator.onnx").write_bytes(b"\xff" * 20)
    with pytest.raises(PackError, match="not a network; export the pack again"):
        write_latency_pack(pack, tmp_path / "pack")


def test_the_latency_packs_networks_are_valid_and_contain_the_original_generator(
    latency_pack: Path, pack_folder: Path
) -> None:
    for name in ("generator.onnx", "regressor.onnx"):
        onnx.checker.check_model(onnx.load(latency_pack / name), full_check=True)
    original, new = (
        onnx.load(path / "generator.onnx").graph for path in (pack_folder, latency_pack)
    )
    operators = [node.op_type for node in original.node]
    assert [node.op_type for node in new.node][: len(operators)] == operators
    assert any("generated" in node.input for node in new.node)


@pytest.mark.parametrize(
    ("mouth", "hz"), [(THRESHOLD - 0.05, CLOSED_HZ), (THRESHOLD + 0.05, OPEN_HZ)]
)
def test_the_mouth_selects_the_chord(latency_pack: Path, mouth: float, hz: float) -> None:
    pack = open_pack(latency_pack)
    networks = load_networks(pack, Inference())
    features = neutral_features()
    features[MOUTH_OPEN] = mouth
    z = networks.z_of(features)
    np.testing.assert_allclose(z, np.full(pack.latent_dim, Z_SCALE * mouth), rtol=1e-5)
    np.testing.assert_allclose(
        networks.spectrogram_of(z), chord(pack.geometry, hz)[0, 0], atol=1e-3
    )


# The fake camera.


def test_a_mouth_is_closed_for_longer_than_it_is_open_and_irregularly() -> None:
    states = fake_camera.mouth_states()
    until_s, is_open = zip(*(next(states) for _ in range(40)), strict=True)
    assert is_open == (False, True) * 20
    durations_s = np.diff([0.0, *until_s])
    assert durations_s[1::2] == pytest.approx(fake_camera.OPEN_S)
    assert durations_s[::2].min() >= fake_camera.CLOSED_S[0] > fake_camera.OPEN_S
    assert np.ptp(durations_s[::2]) > 0.05


def test_no_two_images_of_the_fake_camera_are_equal() -> None:
    closed, opened = fake_camera.mouth_images()
    assert len({planes.tobytes() for planes in closed + opened}) == len(closed + opened)


def test_the_mouth_openings_lie_on_either_side_of_the_thresholds() -> None:
    settings, states = Settings(), []
    low, high = OVERRIDES["controls"]["band_pass"]["input"]
    with tracker_of(settings) as tracker:
        for images in fake_camera.mouth_images():
            extractor = FeatureExtractor(settings.eye)
            pixels = [rgb_from_i420(planes, synthetic_face.WIDTH) for planes in images]
            found = [tracker.find(Image(each, time.monotonic_ns())) for each in pixels]
            states.append([extractor.step(face, 33_333_333 * i) for i, face in enumerate(found)])
    closed, opened = ([s.features[MOUTH_OPEN] for s in each if s.present] for each in states)
    assert len(closed) >= fake_camera.N_VARIANTS - 1
    assert len(opened) >= fake_camera.N_VARIANTS - 1
    assert max(closed) < min(low, THRESHOLD)
    assert min(opened) > THRESHOLD
    assert np.median(opened) > max(THRESHOLD, 0.9 * high)  # MediaPipe smooths the first ones


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", fake_camera.__name__, str(tmp_path), "--codec", "yuv420"]
    command += ["--framerate", "50", "--output", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_the_mouth_opens_at_the_logged_times_and_only_after_the_start(
    camera: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    size = synthetic_face.WIDTH * synthetic_face.HEIGHT * 3 // 2
    mouth = np.s_[315:340, 310:330]
    images = []
    for i in range(100):
        if i == 40:
            (tmp_path / fake_camera.START_FILE).touch()
        planes = np.frombuffer(camera.stdout.read(size), np.uint8)
        images.append(planes.reshape(-1, synthetic_face.WIDTH)[mouth].mean())
    logged = np.fromfile(tmp_path / fake_camera.LOG, fake_camera.LOG_DTYPE)[:100]
    dark = np.array(images) < 100
    np.testing.assert_array_equal(dark, logged["opened"] > 0)
    assert not dark[:40].any()
    assert dark[40:].any()
    assert np.median(np.diff(logged["time_ns"])) == pytest.approx(20e6, rel=0.02)
    (first, *_) = fake_camera.gestures_s(tmp_path)
    assert first == logged["time_ns"][np.argmax(dark)] / 1e9
    camera.stdout.close()
    assert camera.wait(5) == 0  # its reader is gone
    assert camera.stderr.read() == b""


# The whole measurement.


def test_a_deep_merge_replaces_only_the_keys_of_the_overrides() -> None:
    base = {"output": {"device": "air", "buffer_s": 1}, "pack": "a"}
    assert deep_merge(base, {"output": {"buffer_s": 2}}) == {
        "output": {"device": "air", "buffer_s": 2},
        "pack": "a",
    }
    assert base["output"] == {"device": "air", "buffer_s": 1}


def test_perform_that_cannot_start_reports_why(pack_folder: Path, tmp_path: Path) -> None:
    socket_path = tmp_path / "face.sock"
    context = Context(Settings(pack=str(pack_folder), socket_path=str(socket_path)), 1.0)
    with (
        lock_speaker(socket_path),
        pytest.raises(PerformFailedError, match=r"another performance .* holds the speaker"),
    ):
        list(measure_family("motion", context))


@pytest.mark.realtime
@pytest.mark.alone
def test_most_openings_of_the_mouth_are_detected_in_the_sound(
    pack_folder: Path, tmp_path: Path
) -> None:
    config, file = tmp_path / "settings.yaml", tmp_path / "figures.json"
    own = {"pack": str(pack_folder), "socket_path": str(tmp_path / "face.sock")}
    config.write_text(yaml.safe_dump(own | {"output": {"device": "missing"}}))
    command = [sys.executable, "-m", "latent_resonance", "bench", "motion", "--seconds", "1"]
    command += ["--config", str(config), "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr == "measuring motion\n"
    found = {each["name"].removeprefix("motion."): each for each in json.loads(file.read_text())}
    assert found["gestures"]["value"] >= MIN_GESTURES
    assert found["output"]["value"] == "a clock instead of a speaker (no sound)"
    for onset, target in (("filter", 80.0), ("z", 250.0)):
        assert found[f"{onset}.detected"]["value"] > 50
        # Whether the targets are met is not tested here, but the clock alone queues 20 ms.
        assert 20 < found[f"{onset}.p50"]["value"] <= found[f"{onset}.p95"]["value"] < 450
        assert found[f"{onset}.p95"]["target"] == target
    assert found["filter.p50"]["value"] + 50 < found["z.p50"]["value"]
    assert done.returncode == int(any(measurement["ok"] is False for measurement in found.values()))
