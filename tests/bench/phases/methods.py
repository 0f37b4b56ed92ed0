"""Phase reconstruction: ours and what a Python user would choose instead.

All take (n_bins, n_frames) magnitudes, return (loop_length,) samples and run on one thread.
librosa and PyTorch are dependencies of the export package; pghipy is used if it is installed. Left
out: torchaudio (its last release, 2.11, does not load beside the PyTorch used here; `torch` below
is its algorithm), lws (its last release does not compile on Python 3.11), ltfatpy and tifresi,
which depends on it (need FFTW's headers), phaseret (MATLAB).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import librosa
import numpy as np
import torch

from latent_resonance.audio.griffin_lim import MOMENTUM, griffin_lim
from latent_resonance.audio.spectrogram import FloatArray, Geometry, window

ITERATIONS = (8, 16, 32, 64)  # of the offline methods
REFINEMENTS = (0, 8, 32)  # iterations after phase-gradient heap integration
STREAMED = {3: (1, 2, 4, 7), 7: (1, 2, 3, 5, 7, 12), 11: (12,)}  # iterations by look-ahead
FAST_MOMENTUM = 0.99  # momentum of librosa and torchaudio by default
HANN_GAMMA = 0.25645  # of win_length²: the Gaussian nearest to a Hann window (Průša et al. 2017)

Run = Callable[[FloatArray, Geometry], FloatArray]


@dataclass(frozen=True)
class Method:
    """One point of one curve.

    Attributes
    ----------
    curve : the method
    setting : iterations; of our method look-ahead and iterations
    look_ahead : frames; None for an offline method
    """

    curve: str
    setting: str
    look_ahead: int | None
    run: Run

    @property
    def name(self) -> str:
        """The curve and its setting."""
        return f"{self.curve} {self.setting}"

    def latency_ms(self, geometry: Geometry) -> float | None:
        """From a frame's centre to the first output sample after it; None if offline."""
        if self.look_ahead is None:
            return None
        samples = geometry.win_length // 2 + self.look_ahead * geometry.hop_length
        return 1000.0 * samples / geometry.sample_rate


def methods() -> Iterator[Method]:
    """Every method that is installed, cheapest first within a curve."""
    for look_ahead, counts in STREAMED.items():
        for count in counts:
            settings = {"look_ahead": look_ahead, "iterations": count, "momentum": MOMENTUM}
            yield Method(
                "ours", f"{look_ahead}-{count}", look_ahead, partial(streaming, **settings)
            )
    for count in ITERATIONS:
        yield Method("librosa", str(count), None, partial(librosa_griffin_lim, iterations=count))
    for count in ITERATIONS:
        yield Method("torch", str(count), None, partial(torch_griffin_lim, iterations=count))
    if has_pghipy():
        for count in REFINEMENTS:
            yield Method(
                "pghipy+torch", str(count), None, partial(pghi_then_torch, iterations=count)
            )


def streaming(
    magnitude: FloatArray, geometry: Geometry, *, look_ahead: int, iterations: int, momentum: float
) -> FloatArray:
    """The streaming reconstruction of `perform`, `render` and `audition`."""
    return griffin_lim(
        magnitude,
        geometry,
        look_ahead=look_ahead,
        iterations=iterations,
        momentum=momentum,
        highest_hz=geometry.f_max_hz,  # as `ChannelPair` does
    )


def librosa_griffin_lim(
    magnitude: FloatArray, geometry: Geometry, *, iterations: int
) -> FloatArray:
    """librosa's fast Griffin-Lim from random phases."""
    return librosa.griffinlim(
        append_first_frame(magnitude),
        n_iter=iterations,
        hop_length=geometry.hop_length,
        win_length=geometry.win_length,
        n_fft=geometry.n_fft,
        momentum=FAST_MOMENTUM,
        init="random",
        random_state=0,
        length=geometry.loop_length,
    )


def torch_griffin_lim(magnitude: FloatArray, geometry: Geometry, *, iterations: int) -> FloatArray:
    """The steps of `torchaudio.functional.griffinlim`, from random phases."""
    generator = torch.Generator().manual_seed(0)
    shape = (geometry.n_bins, magnitude.shape[1] + 1)
    angles = torch.rand(shape, dtype=torch.complex64, generator=generator)
    return refine(magnitude, angles, geometry, iterations)


def refine(
    magnitude: FloatArray, angles: torch.Tensor, geometry: Geometry, iterations: int
) -> FloatArray:
    """Fast Griffin-Lim by `torch.stft` from given phases, (n_bins, n_frames + 1) complex."""
    target = torch.from_numpy(append_first_frame(magnitude))
    frame = {
        "n_fft": geometry.n_fft,
        "hop_length": geometry.hop_length,
        "window": torch.from_numpy(window(geometry).copy()),
    }
    previous = torch.zeros(())
    for _ in range(iterations):
        sound = torch.istft(target * angles, length=geometry.loop_length, **frame)
        rebuilt = torch.stft(sound, pad_mode="reflect", return_complex=True, **frame)
        angles = rebuilt - previous * (FAST_MOMENTUM / (1.0 + FAST_MOMENTUM))
        angles /= angles.abs() + 1e-16
        previous = rebuilt
    return torch.istft(target * angles, length=geometry.loop_length, **frame).numpy()


def pghi_then_torch(magnitude: FloatArray, geometry: Geometry, *, iterations: int) -> FloatArray:
    """pghipy's phase-gradient heap integration, refined by iterations in PyTorch."""
    import pghipy

    phase = pghipy.pghi(
        np.ascontiguousarray(append_first_frame(magnitude).T, np.float64),
        win_length=geometry.n_fft,
        hop_length=geometry.hop_length,
        gamma=HANN_GAMMA * geometry.win_length**2,
    )
    angles = np.exp(1j * phase.T).astype(np.complex64)
    return refine(magnitude, torch.from_numpy(angles), geometry, iterations)


def has_pghipy() -> bool:
    """Whether pghipy is installed."""
    try:
        import pghipy  # noqa: F401  only whether it can be imported
    except ImportError:
        return False
    return True


def append_first_frame(magnitude: FloatArray) -> FloatArray:
    """Magnitudes with the loop's first frame repeated at the end, as centred frames need it."""
    return np.hstack([magnitude, magnitude[:, :1]])
