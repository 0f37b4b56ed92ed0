"""`eye.threads`: how many threads run the face networks."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from tests.support.faces import MODELS

from latent_resonance.config.settings import Eye, SettingsError, load_settings
from latent_resonance.eye.tracking.onnx.session import FULL_RANGE, MESH, InputSpec, Network
from latent_resonance.eye.tracking.select import threads_of

IDLE_S = 0.3


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 1), (4, 2), (16, 2)])
def test_auto_is_two_with_four_cores_or_more(cores: int, threads: int) -> None:
    assert threads_of(Eye(), cores) == threads


@pytest.mark.parametrize("cores", [1, 16])
def test_a_number_is_used_as_it_is(cores: int) -> None:
    assert threads_of(Eye(threads=3), cores) == 3


@pytest.mark.parametrize("value", ["0", "65", "1.5", "true", "two", "[1]"])
def test_any_other_value_is_refused_with_the_rule(tmp_path: Path, value: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"eye: {{threads: {value}}}")
    with pytest.raises(
        SettingsError, match=r"eye\.threads: .* auto or a whole number from 1 to 64"
    ):
        load_settings(file)


@pytest.mark.parametrize("spec", [MESH, FULL_RANGE], ids=lambda spec: spec.file)
def test_two_threads_give_what_one_gives(spec: InputSpec) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (spec.side, spec.side, 3), np.uint8)
    one, two = (Network(MODELS, spec, threads).run(pixels) for threads in (1, 2))
    for a, b in zip(one, two, strict=True):
        assert np.allclose(a, b, atol=1e-4)


def test_threads_that_wait_use_no_processor_time() -> None:
    network = Network(MODELS, MESH, 4)
    network.run(np.zeros((MESH.side, MESH.side, 3), np.uint8))
    before_s = time.process_time()
    time.sleep(IDLE_S)
    assert time.process_time() - before_s < 0.1 * IDLE_S
