"""What an audition measures: diversity, nearest clips, seams, tonality, on sets that are known."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
from latent_resonance_export.audition import nearest_neighbour, seam, tonality
from latent_resonance_export.audition.diversity import diversity, draw_pairs, ms_ssim
from latent_resonance_export.audition.invert import (
    PEAK_DB,
    columns_to_audio,
    fade_ends,
    loop_to_audio,
    match_levels,
    real_columns,
    slerp,
    z_path,
)

SHAPE = (256, 256)


def smooth_loops(n: int, seed: int = 0) -> np.ndarray:
    """(n, 256, 256) random pictures within [-1, 1] that vary slowly and close in time."""
    rng = np.random.default_rng(seed)
    spectra = np.zeros((n, SHAPE[0], SHAPE[1] // 2 + 1), complex)
    coarse = rng.standard_normal((n, 16, 9, 2)) @ [1, 1j]
    spectra[:, :, :9] = np.repeat(coarse, SHAPE[0] // 16, axis=1)
    pictures = np.fft.irfft(spectra, SHAPE[1], axis=2)
    return (pictures / np.abs(pictures).max()).astype(np.float32)


def tone(geometry: Geometry, frequency_hz: float) -> np.ndarray:
    """A loop of a tone with eight partials."""
    cycles = round(frequency_hz * geometry.loop_s)
    turn = np.arange(geometry.loop_length) * 2 * np.pi / geometry.loop_length
    return (0.2 * sum(np.sin(cycles * k * turn) / k for k in range(1, 9))).astype(np.float32)


def noise(geometry: Geometry) -> np.ndarray:
    """A loop of white noise."""
    rng = np.random.default_rng(3)
    return (0.1 * rng.standard_normal(geometry.loop_length)).astype(np.float32)


def test_a_picture_is_wholly_similar_to_itself_and_less_so_the_more_it_is_disturbed() -> None:
    picture, disturbance = smooth_loops(2)
    assert ms_ssim(picture, picture) == pytest.approx(1.0, abs=1e-5)
    found = [ms_ssim(picture, picture + a * disturbance) for a in (0.02, 0.1, 0.5)]
    assert 1.0 > found[0] > found[1] > found[2] > 0.0


def test_similarity_is_the_reference_implementations() -> None:
    """One scale against scikit-image, away from the edges, which it treats otherwise."""
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    from latent_resonance_export.audition.diversity import _ssim_terms

    a, b = (smooth_loops(2) + 0.1 * np.random.default_rng(1).random((2, *SHAPE))).astype(np.float32)
    luminance, contrast = _ssim_terms(a, b)
    _, theirs = metrics.structural_similarity(
        a,
        b,
        data_range=2.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    inside = (slice(16, -16), slice(16, -16))
    assert np.abs((luminance * contrast)[inside] - theirs[inside]).max() < 1e-4


def test_turning_two_loops_together_leaves_their_similarity_as_it_is() -> None:
    a, b = smooth_loops(2)
    turned = ms_ssim(np.roll(a, 32, axis=1), np.roll(b, 32, axis=1))
    assert turned == pytest.approx(ms_ssim(a, b), abs=1e-5)


def test_opposite_pictures_have_no_similarity_rather_than_none_that_can_be_computed() -> None:
    picture = smooth_loops(1)[0]
    assert ms_ssim(picture, -picture) == pytest.approx(0.0, abs=0.05)


def test_a_set_of_one_picture_repeated_has_no_diversity() -> None:
    pictures = smooth_loops(6)
    assert diversity(np.repeat(pictures[:1], 6, axis=0), 10, 0) == pytest.approx(0.0, abs=1e-5)
    alike = diversity(pictures[:1] + 0.02 * pictures, 10, 0)
    assert 0.0 < alike < diversity(pictures, 10, 0) <= 1.0


def test_pairs_are_of_different_clips_and_never_twice_the_same() -> None:
    pairs = draw_pairs(10, 30, seed=4)
    assert len({tuple(pair) for pair in pairs}) == 30
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(draw_pairs(4, 30, seed=4)) == 6  # all there are
    assert (pairs == draw_pairs(10, 30, seed=4)).all()


def test_a_copy_is_found_wherever_its_loop_begins() -> None:
    training = nearest_neighbour.prepare(smooth_loops(12))
    turned = np.stack([np.roll(p, 7 + 31 * i, axis=1) for i, p in enumerate(smooth_loops(12))])
    found = nearest_neighbour.distances(nearest_neighbour.prepare(turned), training)
    assert (found.argmin(axis=1) == np.arange(12)).all()
    assert found.min(axis=1).max() < 1e-3
    others = found[~np.eye(12, dtype=bool)]
    assert others.min() > 0.05


def test_the_distance_is_that_of_the_reduced_pictures_at_the_best_turn() -> None:
    a, b = smooth_loops(2, seed=1)
    bands = [p.reshape(nearest_neighbour.BANDS, -1, SHAPE[1]).mean(axis=1) for p in (a, b)]
    turns = [np.roll(bands[1], turn, axis=1) for turn in range(SHAPE[1])]
    by_hand = [np.sqrt(np.mean(np.square(bands[0] - turned))) for turned in turns]
    one, other = nearest_neighbour.prepare(a[None]), nearest_neighbour.prepare(b[None])
    assert nearest_neighbour.distances(one, other)[0, 0] == pytest.approx(min(by_hand), rel=1e-3)
    assert nearest_neighbour.best_roll(one, other)[0] == int(np.argmin(by_hand))


def test_a_dataset_prepared_in_pieces_is_the_dataset() -> None:
    loops = smooth_loops(9)
    whole = nearest_neighbour.prepare(loops)
    pieces = nearest_neighbour.join(
        [nearest_neighbour.prepare(loops[:4]), nearest_neighbour.prepare(loops[4:])]
    )
    assert np.array_equal(
        nearest_neighbour.distances(whole, whole), nearest_neighbour.distances(whole, pieces)
    )


def test_copies_are_nearer_to_the_training_clips_than_what_is_new() -> None:
    training = nearest_neighbour.prepare(smooth_loops(20))
    new = nearest_neighbour.distances(nearest_neighbour.prepare(smooth_loops(8, seed=5)), training)
    also_new = nearest_neighbour.distances(
        nearest_neighbour.prepare(smooth_loops(8, seed=6)), training
    )
    copies = smooth_loops(20)[:8] + 0.01 * smooth_loops(8, seed=7)
    copied = nearest_neighbour.distances(nearest_neighbour.prepare(copies), training)
    assert nearest_neighbour.memorisation(also_new, new) == pytest.approx(1.0, abs=0.15)
    assert nearest_neighbour.memorisation(copied, new) < 0.1


def test_a_loop_that_closes_has_no_seam_and_one_that_is_cut_has() -> None:
    closed = smooth_loops(8)
    assert seam.seam(closed) == pytest.approx(1.0, abs=0.4)
    cut = closed + np.linspace(-0.5, 0.5, SHAPE[1], dtype=np.float32)
    assert seam.seam(cut) > 10
    assert seam.seam(np.roll(cut, 90, axis=2)) < 2  # a step, but not where the loop begins


def test_stillness_has_no_seam_and_one_step_in_it_is_nothing_but_seam() -> None:
    still = np.full((2, *SHAPE), -0.5, np.float32)
    assert seam.seam(still) == 1.0
    still[:, :, 0] = 0.5
    assert np.isinf(seam.seam(still))


def test_a_grain_that_is_printed_on_every_picture_shows_as_a_comb() -> None:
    pictures = smooth_loops(16)
    assert seam.step_profile(pictures).max() < 2.5
    pictures[:, :, ::8] += 0.1
    profile = seam.step_profile(pictures)
    assert profile[::8].min() > 2 * np.median(profile)


@pytest.mark.slow
def test_a_tone_is_voiced_and_noise_is_not_after_the_gallerys_inversion() -> None:
    geometry = Geometry()
    audio = {}
    for name, loop in (("tone", tone(geometry, 220.0)), ("noise", noise(geometry))):
        sound = loop_to_audio(loop_to_spectrogram(loop, geometry), geometry)
        audio[name] = tonality.pool([tonality.measure_tonality(sound, geometry.sample_rate)])
    assert audio["tone"] is not None
    assert audio["noise"] is not None
    assert audio["tone"].voiced > 0.95
    assert audio["noise"].voiced < 0.3
    assert audio["noise"].flatness_db > -6
    assert audio["tone"].flatness_db < audio["noise"].flatness_db - 20


@pytest.mark.slow
def test_silence_is_neither_voiced_nor_flat() -> None:
    silence = np.zeros(48_000, np.float32)
    assert tonality.pool([tonality.measure_tonality(silence, 48_000)]) is None


def test_rests_do_not_count_as_unvoiced() -> None:
    geometry = Geometry()
    half = tone(geometry, 220.0)
    half[len(half) // 2 :] = 0
    found = tonality.pool([tonality.measure_tonality(half, geometry.sample_rate)])
    assert found is not None
    assert found.voiced > 0.95


def test_a_loop_comes_back_from_its_spectrogram() -> None:
    geometry = Geometry()
    pixels = loop_to_spectrogram(tone(geometry, 330.0), geometry)
    again = loop_to_spectrogram(loop_to_audio(pixels, geometry), geometry)
    loud = pixels > 0.0  # within 40 dB of full scale
    assert loud.any()
    assert np.abs(again - pixels)[loud].mean() * 40 < 3.0  # dB


def test_from_one_loop_to_the_next_there_is_no_click() -> None:
    geometry = Geometry(n_frames=64)
    loops = [loop_to_spectrogram(tone(geometry, hz), geometry) for hz in (220.0, 330.0, 262.0)]
    hops = columns_to_audio(real_columns(loops, geometry), geometry, seed=0)
    sound = np.concatenate(list(hops))
    assert len(sound) == 3 * geometry.loop_length
    bend = np.abs(np.diff(sound, n=2))
    assert bend.max() < 4 * np.quantile(bend, 0.99)
    clicked = sound.copy()
    clicked[np.abs(sound).argmax() :] *= -1  # the measure does find a click
    assert np.abs(np.diff(clicked, n=2)).max() > 4 * np.quantile(bend, 0.99)


def test_what_is_loud_and_what_is_soft_come_out_as_loud() -> None:
    rng = np.random.default_rng(0)
    soft = (0.001 * rng.standard_normal(9600)).astype(np.float32)
    loud = (np.sin(np.arange(9600) / 9) * 3).astype(np.float32)
    found = match_levels([soft, loud])
    rms = [float(np.sqrt(np.mean(np.square(s)))) for s in found]
    assert rms[0] == pytest.approx(rms[1], rel=1e-4)
    assert rms[0] == pytest.approx(0.1, rel=1e-4)  # -20 dB


def test_no_peak_passes_the_ceiling_and_silence_stays_silent() -> None:
    clicks = np.zeros(9600, np.float32)
    clicks[::2400] = 0.3
    found = match_levels([clicks, np.zeros(9600, np.float32)])
    assert np.abs(found[0]).max() == pytest.approx(10 ** (PEAK_DB / 20), rel=1e-4)
    assert not found[1].any()


def test_a_file_begins_and_ends_in_silence() -> None:
    faded = fade_ends(np.ones(48_000, np.float32), 48_000)
    assert faded[0] == faded[-1] == 0.0
    assert np.abs(np.diff(faded)).max() < 0.001
    assert (faded[4800:-4800] == 1.0).all()


def test_z_travels_on_the_sphere_and_rests_at_every_station() -> None:
    rng = np.random.default_rng(2)
    waypoints = rng.standard_normal((4, 64)).astype(np.float32)
    way = z_path(waypoints, 80)
    assert way.shape == (80, 64)
    for i, station in enumerate(waypoints):
        assert np.allclose(way[20 * i : 20 * i + 10], station, atol=1e-5)
    norms = np.linalg.norm(way, axis=1)
    assert norms.min() > 0.99 * np.linalg.norm(waypoints, axis=1).min()
    steps = np.linalg.norm(np.diff(way, axis=0), axis=1)
    assert steps.max() < 0.2 * np.linalg.norm(waypoints[1] - waypoints[0])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_between_a_point_and_itself_or_its_opposite_nothing_is_undefined(share: float) -> None:
    z = np.random.default_rng(2).standard_normal(8).astype(np.float32)
    assert np.allclose(slerp(z, z, share), z, atol=1e-6)
    assert np.isfinite(slerp(z, -z, share)).all()
