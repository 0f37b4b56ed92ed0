"""The principal directions of a pack, along which the staff page moves z."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latent_resonance.monitor.ganspace import N_DIRECTIONS, latent_space_of, principal_directions

DIM = 8


def test_the_directions_are_those_that_change_the_output_most() -> None:
    rng = np.random.default_rng(5)
    z = rng.standard_normal((400, DIM)).astype(np.float32)
    strengths = np.diag([5.0, 3.0, 0.0, 0, 0, 0, 0, 0])
    outputs = z @ strengths + 0.1 * rng.standard_normal((400, DIM))
    found = principal_directions(z, np.float32(outputs), 2)
    assert abs(found[0, 0]) > 0.95
    assert abs(found[1, 1]) > 0.95


def test_the_directions_of_a_pack_are_deterministic_unit_vectors(pack_folder: Path) -> None:
    found = latent_space_of(pack_folder).directions
    assert found.shape == (N_DIRECTIONS, DIM)
    assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(found, latent_space_of(pack_folder).directions)
