"""A run learns which face makes which sound, whatever its generator and its geometry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.face_state import FEATURES
from latent_resonance_export.gan.models.loop_vaegan import unit_norm
from latent_resonance_export.regressor.evaluation import Measured, slopes
from latent_resonance_export.regressor.example_faces import features_of, still_face, typical_faces
from latent_resonance_export.regressor.examples import Example, ExamplesError, GivenZ
from latent_resonance_export.regressor.model import (
    STEEPEST,
    Regressor,
    RegressorError,
    Trained,
    load_regressor,
    save_regressor,
)
from latent_resonance_export.regressor.projection import Pair
from latent_resonance_export.regressor.recorded_motion import Recorded
from latent_resonance_export.regressor.report import page
from latent_resonance_export.regressor.surrogate import listen, random_z
from latent_resonance_export.regressor.synthetic_motion import compose_movement
from latent_resonance_export.regressor.train import Course, goals_of, teach

GEOMETRY = Geometry(
    sample_rate=16_000,
    n_fft=1024,
    win_length=1024,
    hop_length=160,
    n_mels=48,
    n_frames=40,
    f_min_hz=50.0,
    f_max_hz=7000.0,
    range_db=60.0,
)
COURSE = Course(geometry=GEOMETRY, steps=500, n_listen=400)


class Synthesiser(nn.Module):
    """A generator of another make: z is how bright, how noisy, how unsteady, and twelve timbres."""

    latent_dim = 16

    def __init__(self) -> None:
        super().__init__()
        self.bands = nn.Parameter(torch.linspace(0, 1, GEOMETRY.n_mels)[None, :, None])
        self.turn = nn.Parameter(torch.linspace(0, 6.2832, GEOMETRY.n_frames + 1)[None, None, :-1])

    def forward(self, z: Tensor) -> Tensor:
        """(batch, 16) -> (batch, 1, 48, 40) in [-1, 1]."""
        bright, noisy, unsteady = unit_norm(z)[:, :3, None, None].unbind(dim=1)
        timbre = torch.stack([torch.cos(k * 3.1416 * self.bands[0, :, 0]) for k in range(1, 13)])
        colour = (unit_norm(z)[:, 3:15] @ timbre)[:, :, None] / 12
        place = (self.bands - 0.45 - 0.15 * bright) / 0.12
        tone = 1.6 * torch.exp(-place.square()) - 1.0
        floor = torch.sigmoid(1.5 * noisy) - 1.0
        wave = 0.1 * torch.cos(self.turn + 3 * self.bands) * unsteady
        return (torch.maximum(tone, floor) + colour + wave).clamp(-1.0, 1.0).unsqueeze(1)


@pytest.fixture(scope="module")
def taught() -> tuple[Trained, Measured]:
    return teach(Synthesiser(), COURSE, step=7)


def example(line: int, z: np.ndarray, **face: float) -> Example:
    z = z / np.sqrt(np.mean(z**2))
    return Example(line, features_of(face, still=False), GivenZ(z.astype(np.float32)))


def distance(a: Tensor, b: Tensor) -> float:
    """0: the same z, 1: as far as a random one."""
    return float((a - b).norm() / (2 * len(a)) ** 0.5)


class TestWhatIsLearnt:
    def test_an_open_mouth_is_brighter_and_a_tense_brow_noisier(
        self, taught: tuple[Trained, Measured]
    ) -> None:
        table = taught[1].correlation
        assert table["mouth_open"]["centroid"] > 0.5
        assert table["brow_tension"]["flatness"] > 0.5

    def test_different_faces_make_different_sounds_all_over_the_prior(
        self, taught: tuple[Trained, Measured]
    ) -> None:
        measured = taught[1]
        assert measured.correlation_of_distance > 0.5
        assert 0.7 < measured.coverage < 1.1
        assert 0.6 < measured.variance < 1.1
        assert 4 < measured.directions <= 16

    def test_no_small_movement_makes_a_large_change(self, taught: tuple[Trained, Measured]) -> None:
        trained, measured = taught
        assert 0 < measured.slope["median"] <= measured.slope["p95"] <= measured.slope["max"]
        assert measured.slope["max"] <= STEEPEST == measured.slope["owed"]
        track = torch.from_numpy(compose_movement(60, 9))
        steps = (trained.regressor(track[1:]) - trained.regressor(track[:-1])).norm(dim=1) / 4
        way = ((track[1:] - track[:-1]) * trained.regressor.scale).norm(dim=1)
        assert (steps <= measured.slope["max"] * way * 1.05 + 1e-4).all()

    def test_the_still_face_rests_on_the_first_of_the_pure_anchors(
        self, taught: tuple[Trained, Measured]
    ) -> None:
        trained, measured = taught
        rest = trained.regressor(torch.from_numpy(still_face())[None])[0]
        assert distance(rest, trained.anchors[0]) < 0.1
        assert measured.rest_to_nearest < 0.1
        heard = listen(Synthesiser(), random_z(400, 16, torch.Generator()), GEOMETRY)
        pure = listen(Synthesiser(), trained.anchors, GEOMETRY)
        flatness, flux = 1, 3
        for quality in (flatness, flux):
            usual = heard.descriptors[:, quality].median()
            assert pure.descriptors[:, quality].median() < usual

    def test_the_slope_is_that_of_the_map(self) -> None:
        regressor = Regressor(8)
        face = compose_movement(10, 0)[:1]
        found = slopes(regressor, face)["max"]
        step = 1e-3 * torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))
        moved = regressor(torch.from_numpy(face) + step / regressor.scale)
        ratio = (moved - regressor(torch.from_numpy(face))).norm(dim=1) / step.norm(dim=1)
        steepest = float(ratio.max()) / 8**0.5
        assert 0.7 * found < steepest < 1.02 * found

    def test_the_same_seed_gives_the_same_bits_and_another_seed_others(self) -> None:
        course = replace(COURSE, steps=30, n_listen=64)
        a, b = (teach(Synthesiser(), course, step=1) for _ in range(2))
        other = teach(Synthesiser(), replace(course, seed=1), step=1)
        for name, value in a[0].regressor.state_dict().items():
            assert torch.equal(value, b[0].regressor.state_dict()[name])
        assert torch.equal(a[0].anchors, b[0].anchors)
        assert a[0].report == b[0].report
        assert not torch.equal(a[0].anchors, other[0].anchors)

    def test_training_leaves_the_caller_s_chance_alone(self) -> None:
        torch.manual_seed(3)
        owed = torch.rand(4)
        torch.manual_seed(3)
        teach(Synthesiser(), replace(COURSE, steps=3, n_listen=64), step=1)
        assert torch.equal(torch.rand(4), owed)

    def test_progress_adds_up_to_what_was_announced(self) -> None:
        told: dict[str, list[int]] = {}

        def tell(stage: str, done: int, total: int) -> None:
            told.setdefault(stage, [0, total])[0] += done

        teach(Synthesiser(), replace(COURSE, steps=9, n_listen=64), step=1, progress=tell)
        assert set(told) == {"listening", "training", "measuring"}
        assert all(done == total for done, total in told.values())

    def test_a_generator_that_draws_no_numbers_is_refused(self) -> None:
        generator = Synthesiser()
        generator.bands.data.fill_(float("nan"))
        with pytest.raises(RegressorError, match="no numbers: train-gan"):
            teach(generator, COURSE, step=1)

    def test_recorded_movement_is_learnt_from_and_measured_on(self) -> None:
        track = compose_movement(60, 5)
        track[:, FEATURES.index("head_yaw")] += 0.7  # this visitor looks to the left
        track[:, FEATURES.index("mouth_open")] = 0.0  # and never opens the mouth
        recorded = Recorded(("a.csv",), track[:1400], track[1400:])
        course = replace(COURSE, steps=150, n_listen=128)
        without = teach(Synthesiser(), course, step=1)[0]
        trained, measured = teach(Synthesiser(), replace(course, recorded=recorded), step=1)
        assert measured.recorded_s == 60.0

        def spread(regressor: Regressor) -> float:
            return float(torch.pdist(regressor(torch.from_numpy(track[:1400:7]))).mean())

        assert spread(trained.regressor) > 1.05 * spread(without.regressor)


@pytest.fixture(scope="module")
def pairs() -> list[Example]:
    rng = np.random.default_rng(4)
    return [
        example(3, rng.standard_normal(16), mouth_open=0.9, jaw_open=0.8),
        example(5, rng.standard_normal(16), head_yaw=-0.6, brow_tension=0.8),
    ]


@pytest.fixture(scope="module")
def pulled(pairs: list[Example]) -> tuple[Trained, Measured]:
    course = replace(COURSE, examples=pairs, pictures=[None, None])
    return teach(Synthesiser(), course, step=7)


class TestExamples:
    def test_an_example_s_face_makes_its_sound_and_would_not_without_it(
        self,
        pairs: list[Example],
        pulled: tuple[Trained, Measured],
        taught: tuple[Trained, Measured],
    ) -> None:
        for pair, reached in zip(pairs, pulled[1].examples, strict=True):
            face, z = torch.from_numpy(pair.features)[None], torch.from_numpy(pair.sound.z)
            assert distance(pulled[0].regressor(face)[0], z) < 0.15
            assert distance(taught[0].regressor(face)[0], z) > 0.5
            assert reached.distance < 0.15
            assert reached.line == pair.line

    def test_it_also_makes_its_sound_while_it_moves(
        self, pairs: list[Example], pulled: tuple[Trained, Measured]
    ) -> None:
        for pair in pairs:
            moving = torch.from_numpy(pair.features.copy())
            moving[FEATURES.index("motion")] = 0.5
            moving[FEATURES.index("yaw_velocity")] = 1.0
            z = torch.from_numpy(pair.sound.z)
            assert distance(pulled[0].regressor(moving[None])[0], z) < 0.3

    def test_the_other_wishes_still_hold(self, pulled: tuple[Trained, Measured]) -> None:
        measured = pulled[1]
        assert measured.slope["max"] <= STEEPEST
        assert measured.coverage > 0.7
        assert measured.rest_to_nearest < 0.15
        assert measured.correlation["brow_tension"]["flatness"] > 0.2

    def test_its_sound_is_an_anchor_so_that_a_held_face_stays_with_it(
        self, pairs: list[Example], pulled: tuple[Trained, Measured]
    ) -> None:
        anchors = pulled[0].anchors
        assert len(anchors) == 12 + 2
        assert np.allclose(anchors[-1].numpy(), pairs[-1].sound.z)

    def test_the_neutral_face_s_example_becomes_the_first_anchor(self) -> None:
        given = example(2, np.arange(16) - 7.0)
        pair = Pair(given, torch.from_numpy(given.sound.z), None)
        goals, anchors = goals_of([pair], random_z(12, 16, torch.Generator()))
        assert torch.equal(anchors[0], pair.z)
        assert torch.equal(goals.rest, pair.z)
        assert len(anchors) == 13

    def test_one_face_with_two_sounds_is_refused_by_both_lines(self, pairs: list[Example]) -> None:
        other = replace(pairs[0], line=9, sound=pairs[1].sound)
        course = replace(
            COURSE, examples=[*pairs, other], pictures=[None] * 3, examples_file=Path("p.yaml")
        )
        with pytest.raises(ExamplesError, match=r"p\.yaml, line 9: .* like that of line 3"):
            teach(Synthesiser(), course, step=7)


def test_a_page_says_of_each_figure_whether_it_was_kept(taught: tuple[Trained, Measured]) -> None:
    steep = replace(taught[1], slope=taught[1].slope | {"max": 7.5})
    assert '<td class="kept">kept</td>' in page("a", [], taught[1], GEOMETRY)
    assert '<td class="missed">not kept</td>' in page("a", [], steep, GEOMETRY)


def test_a_regressor_is_read_back_as_it_was(
    taught: tuple[Trained, Measured], tmp_path: Path
) -> None:
    save_regressor(taught[0], tmp_path)
    again = load_regressor(tmp_path)
    faces = torch.from_numpy(typical_faces())
    assert torch.equal(again.regressor(faces), taught[0].regressor(faces))
    assert torch.equal(again.anchors, taught[0].anchors)
    assert again.report == taught[0].report
    assert again.step == 7
