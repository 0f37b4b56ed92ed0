"""The kernels of SciPy that are loaded directly give the bits of its public functions."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import scipy.sparse

from latent_resonance.audio import fft, moving_window, scipy_kernel, sparse_matrix
from latent_resonance.audio.moving_window import EDGES, Edge, moving_mean, moving_minimum
from latent_resonance.audio.sparse_matrix import SparseMatrix

RNG = np.random.default_rng(20)
SIGNAL = RNG.standard_normal((8, 4096)).astype(np.float32)
SPARSE = np.where(RNG.random((64, 90)) < 0.1, RNG.standard_normal((64, 90)), 0.0).astype(np.float32)


@pytest.mark.parametrize("n", [None, 4096, 5000, 1000])
def test_a_transform_has_the_bits_of_scipys(n: int | None) -> None:
    np.testing.assert_array_equal(fft.rfft(SIGNAL, n), scipy.fft.rfft(SIGNAL, n))


@pytest.mark.parametrize("n", [None, 4096, 4097])
def test_an_inverse_transform_has_the_bits_of_scipys(n: int | None) -> None:
    spectrum = scipy.fft.rfft(SIGNAL, n)
    samples = fft.irfft(spectrum, n)
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, scipy.fft.irfft(spectrum, n))


@pytest.mark.parametrize("n", [7, 1000, 1623, 4097])
def test_a_fast_length_is_scipys(n: int) -> None:
    assert fft.next_fast_len(n) == scipy.fft.next_fast_len(n, real=True)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("size", [2, 9, 500])
def test_a_moving_mean_has_the_bits_of_scipys(edge: Edge, size: int) -> None:
    theirs = scipy.ndimage.uniform_filter1d(SIGNAL[0], size, mode=edge)
    np.testing.assert_array_equal(moving_mean(SIGNAL[0], size, edge), theirs)


@pytest.mark.parametrize("origin", [0, 200, -200])
def test_a_moving_minimum_has_the_bits_of_scipys(origin: int) -> None:
    theirs = scipy.ndimage.minimum_filter1d(SIGNAL[0], 500, mode="nearest", origin=origin)
    np.testing.assert_array_equal(moving_minimum(SIGNAL[0], 500, origin), theirs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(90,), (90, 3), (90, 1)])
def test_a_product_has_the_bits_of_scipys(shape: tuple[int, ...], dtype: type) -> None:
    factor = RNG.standard_normal(shape).astype(dtype)
    product = SparseMatrix.from_dense(SPARSE) @ factor
    theirs = scipy.sparse.csr_array(SPARSE) @ factor
    assert product.dtype == theirs.dtype
    np.testing.assert_array_equal(product, theirs)


def test_a_matrix_multiplies_a_factor_that_is_not_contiguous() -> None:
    factor = RNG.standard_normal((5, 90)).astype(np.float32).T
    product = SparseMatrix.from_dense(SPARSE) @ factor
    np.testing.assert_allclose(product, SPARSE @ factor, atol=1e-5)


def test_a_matrix_is_the_one_that_it_was_made_of() -> None:
    np.testing.assert_array_equal(SparseMatrix.from_dense(SPARSE).toarray(), SPARSE)


def test_a_slice_of_rows_is_that_of_the_whole_matrix() -> None:
    part = SparseMatrix.from_dense(SPARSE).row_slice(slice(7, 30))
    np.testing.assert_array_equal(part.toarray(), SPARSE[7:30])
    np.testing.assert_allclose(part @ SIGNAL[0][:90], SPARSE[7:30] @ SIGNAL[0][:90], atol=1e-5)


def test_a_factor_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="inner sizes"):
        SparseMatrix.from_dense(SPARSE) @ np.zeros(64, np.float32)


def test_a_kernel_that_does_not_exist_is_an_import_error() -> None:
    with pytest.raises(ImportError, match=r"scipy\.fft\._other\.none"):
        scipy_kernel.load_kernel("fft/_other", "none")


def test_without_the_kernels_scipys_public_functions_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(folder: str, name: str) -> None:
        raise ImportError(f"{folder}/{name}")

    for module in (fft, moving_window, sparse_matrix):
        monkeypatch.setattr(module, "load_kernel", missing)
    public = fft._functions()
    np.testing.assert_array_equal(public.rfft(SIGNAL), fft.rfft(SIGNAL))
    np.testing.assert_array_equal(
        public.irfft(public.rfft(SIGNAL), 4096), fft.irfft(fft.rfft(SIGNAL))
    )
    assert public.next_fast_len(1623) == fft.next_fast_len(1623)
    mean, minimum = moving_window._functions()
    np.testing.assert_array_equal(mean(SIGNAL[0], 9, "wrap"), moving_mean(SIGNAL[0], 9, "wrap"))
    np.testing.assert_array_equal(minimum(SIGNAL[0], 9, 2), moving_minimum(SIGNAL[0], 9, 2))
    factor, result = SIGNAL[0][:90], np.zeros(64, np.float32)
    sparse_matrix._function()(SparseMatrix.from_dense(SPARSE), factor, result)
    np.testing.assert_array_equal(result, SparseMatrix.from_dense(SPARSE) @ factor)


@pytest.mark.parametrize("first", ["scipy.fft", "latent_resonance.audio.fft"])
def test_scipy_can_be_imported_before_and_after_the_kernel(first: str) -> None:
    second = {"scipy.fft", "latent_resonance.audio.fft"} - {first}
    program = (
        f"import {first}, {second.pop()}; import numpy as np; import scipy.fft;"
        "from latent_resonance.audio import fft; x = np.arange(8.0);"
        "assert (fft.rfft(x) == scipy.fft.rfft(x)).all()"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_voice_starts_without_scipys_packages() -> None:
    program = (
        "import sys, latent_resonance.voice.main;"
        "names = 'fft linalg ndimage signal sparse special'.split();"
        "print([name for name in names if f'scipy.{name}' in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
