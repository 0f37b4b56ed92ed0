"""A cascade of second-order sections."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal

from latent_resonance.audio import second_order_sections
from latent_resonance.audio.second_order_sections import SecondOrderSections

SECTIONS = scipy.signal.butter(4, [0.01, 0.4], "bandpass", output="sos")


@pytest.mark.parametrize("length", [1, 100, 512])
def test_blocks_of_any_length_are_filtered_as_one_signal(length: int) -> None:
    sound = np.random.default_rng(0).standard_normal((2, 2048)).astype(np.float32)
    stage = SecondOrderSections(SECTIONS)
    blocks = [stage.process(sound[:, i : i + length]) for i in range(0, 2048, length)]
    expected = scipy.signal.sosfilt(SECTIONS, sound.astype(np.float64))
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), expected, atol=1e-9)


def test_the_public_function_gives_the_same_as_the_kernel() -> None:
    rng = np.random.default_rng(1)
    signals, state = rng.standard_normal((2, 300)), rng.standard_normal((2, len(SECTIONS), 2))
    results = []
    for function in (second_order_sections._of_kernel(), second_order_sections._of_scipy()):
        results.append((signals.copy(), state.copy()))
        function(SECTIONS, *results[-1])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_a_second_channel_begins_where_the_first_one_is() -> None:
    stage = SecondOrderSections(SECTIONS)
    stage.process(np.ones(512, np.float32))
    stereo = stage.process(np.ones((2, 512), np.float32))
    np.testing.assert_array_equal(stereo[0], stereo[1])


def test_silence_does_not_end_in_denormal_numbers() -> None:
    stage = SecondOrderSections(SECTIONS)
    stage.process(np.ones(512, np.float32))
    for _ in range(2000):
        last = stage.process(np.zeros(512, np.float32))
    assert (stage.state == 0.0).all()
    assert (last == 0.0).all()
