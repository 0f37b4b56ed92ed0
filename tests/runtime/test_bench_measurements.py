"""The bench measures the real instrument, tracker and `perform`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from latent_resonance.bench import measure_family, synthetic_face
from latent_resonance.bench.context import Context
from latent_resonance.bench.eye import NoFaceError, images_of, run_tracker, track_face, tracker_of
from latent_resonance.bench.processes import PerformFailedError, running_perform, write_settings
from latent_resonance.bench.voice import STAGES, hop_player, timed_stage
from latent_resonance.bench.yardsticks import mediapipe_cpu_s
from latent_resonance.config.settings import Phase, Settings, load_settings
from latent_resonance.eye.camera.clip import images_of_clip
from latent_resonance.eye.features.extractor import FeatureExtractor
from latent_resonance.face_state import FEATURES
from latent_resonance.voice.single_instance import lock_speaker
from latent_resonance.voice.synthesis.synthesiser import Synthesiser

NS = 1_000_000_000


@pytest.fixture
def context(pack_folder: Path, tmp_path: Path) -> Context:
    return Context(
        Settings(pack=str(pack_folder), socket_path=str(tmp_path / "face.sock")), seconds=0.2
    )


# The instrument.


def test_a_timed_instrument_plays_the_same_samples_and_each_stage_once_a_hop(
    context: Context,
) -> None:
    plain, timed = (Synthesiser(context.pack, context.settings, seed=0) for _ in range(2))
    stages = {stage: timed_stage(timed, stage) for stage in STAGES}
    blocks: list[list[np.ndarray]] = [[], []]
    for synthesiser, played in zip((plain, timed), blocks, strict=True):
        hop = synthesiser.hop
        synthesiser.hop = lambda features, hop=hop, played=played: played.append(hop(features))
        play = hop_player(synthesiser, context)
        for _ in range(40):
            play()
    assert np.abs(blocks[0]).max() > 0.01
    np.testing.assert_array_equal(*blocks)
    counts = {stage: len(timer.elapsed_s) for stage, timer in stages.items()}
    assert counts.pop("loop.receive") == 5  # in 40 hops
    assert set(counts.values()) == {40}


def test_every_stage_of_a_synthesiser_is_timed(context: Context) -> None:
    synthesiser = Synthesiser(context.pack, context.settings, seed=0)
    owners = (synthesiser, synthesiser.pairs[0])
    parts = {name: part for owner in owners for name, part in vars(owner).items()}
    stateful = {name for name, part in parts.items() if hasattr(part, "reset")}
    within = {
        f"tone.{name}" for name, part in vars(synthesiser.tone).items() if hasattr(part, "reset")
    }
    assert len(stateful | within) > 5
    assert stateful | within == {stage.rpartition(".")[0] for stage in STAGES}


@pytest.mark.realtime
def test_the_voice_has_percentiles_that_rise_and_a_hop_of_all_its_stages(context: Context) -> None:
    found = {each.name: each.value for each in measure_family("voice", context)}
    for name in (*STAGES, "hop", "share_of_hop", "spectrogram"):
        low, high, highest = (found[f"voice.{name}.p{percent}"] for percent in (50, 95, 99))
        assert 0 < low <= high <= highest
    stages = sum(found[f"voice.{name}.p50"] for name in STAGES if name.count(".") == 1)
    stages -= found["voice.loop.receive.p50"]  # nine hops of ten have none
    assert 0.5 * stages < found["voice.hop.p50"] < 2 * stages
    latency_samples = Synthesiser(context.pack, context.settings, seed=0).latency_samples
    assert found["voice.latency"] == pytest.approx(latency_samples / 48.0)
    hop_us = 1e6 * context.pack.geometry.hop_s
    assert found["voice.share_of_hop.p50"] == pytest.approx(
        100 * found["voice.hop.p50"] / hop_us, rel=1e-6
    )


@pytest.mark.realtime
def test_more_look_ahead_and_iterations_converge_further_along_the_curve(context: Context) -> None:
    settings = context.settings.model_copy(update={"phase": Phase(look_ahead=5, iterations=6)})
    points = itertools.islice(measure_family("phase", Context(settings, 0.01)), 2 + 3 * 5)
    found = {each.name: each.value for each in points}
    names = [f"phase.{point}-0.95" for point in ("5-6", "3-2", "1-2", "0-1")]
    converged = [found[f"{name}.sound"] for name in names]
    assert converged == sorted(converged)
    assert converged[0] < converged[-1] - 6
    assert found[f"{names[0]}.spectrogram"] < found[f"{names[-1]}.spectrogram"]
    assert found[f"{names[0]}.cpu"] > found[f"{names[-1]}.cpu"] > 0
    assert found["phase.librosa-64.cpu"] > found[f"{names[0]}.cpu"]
    assert 0 < found["phase.cost"] < 1


# The synthetic face.


@pytest.mark.slow
def test_mediapipe_finds_the_synthetic_face_beside_the_tracker(context: Context) -> None:
    images = images_of(None)
    assert 0 < mediapipe_cpu_s(images, context.settings.eye, 0.2) < 1
    light = context.settings.eye.model_copy(update={"tracker": "light"})
    assert mediapipe_cpu_s(images[:1], light, 0.01) is not None  # whatever ours is


@pytest.mark.slow
def test_the_tracker_detects_the_synthetic_face_and_none_in_an_empty_room() -> None:
    settings = Settings()
    with tracker_of(settings) as tracker:
        _, found = track_face(tracker, images_of(None), 0.5)
        assert all(found)
        empty = images_of(None)[:1]
        empty[0].pixels[:] = synthetic_face.empty_room()[:, :, None]
        assert not any(run_tracker(tracker, empty, 0.1)[1])
        with pytest.raises(NoFaceError, match=r"a face in 0 of .* --clip"):
            track_face(tracker, empty, 0.1)
    extractor = FeatureExtractor(settings.eye)
    mouth = [
        extractor.step(face, i * NS // 30).features[FEATURES.index("mouth_open")]
        for i, face in enumerate(found * 4)
    ]
    assert max(mouth) - min(mouth) > 0.2


def test_the_video_of_the_synthetic_face_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "face.y4m"
    synthetic_face.write_video(path)
    video = list(images_of_clip(path))
    assert len(video) == synthetic_face.N_IMAGES
    assert video[30].time_ns == pytest.approx(NS, abs=2e6)
    for image, drawn in zip(video, synthetic_face.images(), strict=True):
        assert image.pixels.shape == (synthetic_face.HEIGHT, synthetic_face.WIDTH, 3)
        # A video's black is 16 and its white 235.
        assert np.corrcoef(image.pixels[:, :, 1].ravel(), drawn.ravel())[0, 1] > 0.99


# `perform`, from outside.


@pytest.fixture
def work_folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "work"
    folder.mkdir()
    yield folder
    assert not list(tmp_path.glob("*.part"))


def test_perform_runs_with_the_contexts_settings_a_video_and_no_opening_hours(
    context: Context, work_folder: Path
) -> None:
    hours = Settings.model_validate({"hours": {"daily": "closed"}, "phase": {"iterations": 5}})
    target = hours.model_copy(update={"pack": context.settings.pack})
    write_settings(Context(target, 1.0), work_folder)
    read = load_settings(work_folder / "settings.yaml")
    assert read.camera.source == str(work_folder / "face.y4m")
    assert read.hours == Settings().hours != target.hours
    back = {"camera": target.camera, "hours": target.hours, "quiet": target.quiet}
    assert read.model_copy(update=back) == target


def test_perform_that_cannot_start_reports_why(context: Context, work_folder: Path) -> None:
    write_settings(context, work_folder)
    lock = lock_speaker(Path(context.settings.socket_path))
    try:
        with (
            running_perform(work_folder) as perform,
            pytest.raises(PerformFailedError, match=r"another performance .* holds the speaker"),
        ):
            perform.await_sound()
    finally:
        lock.close()
