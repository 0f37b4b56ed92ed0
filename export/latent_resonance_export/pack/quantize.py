"""Converts the generator to float16 or int8, and measures whether that is worthwhile.

A variant lies beside `generator.onnx`; its input and output stay float32. It is kept if it sounds
the same (log-spectral distance of at most MAX_LOSS_DB) and is MIN_SPEEDUP faster or smaller than
MAX_SIZE_RATIO.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from latent_resonance.pack import sha256_of
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.onnx_check import megabytes, milliseconds, open_session
from latent_resonance_export.pack.onnx_export import root_cause

FloatArray = NDArray[np.float32]
MAX_LOSS_DB = 1.0  # about the smallest audible change of level of a single partial
MIN_SPEEDUP = 1.2  # over fp32 on this machine
MAX_SIZE_RATIO = 0.55  # to fp32; above a half because the graph itself does not shrink
N_CALIBRATION = 64
N_COMPARED = 16


@dataclass(frozen=True)
class Variant:
    """Loss and gain of a precision; times are of one thread of the machine that converted it."""

    precision: str
    sha256: str
    log_spectral_distance_db: float
    milliseconds: float
    times_as_fast: float
    megabytes: float
    times_the_size: float

    @property
    def file(self) -> str:
        """Its name in the pack."""
        return f"generator.{self.precision}.onnx"

    @property
    def is_worthwhile(self) -> bool:
        """Whether it is kept; see the module."""
        is_similar = self.log_spectral_distance_db <= MAX_LOSS_DB  # False for NaN
        is_fast, is_small = self.times_as_fast >= MIN_SPEEDUP, self.times_the_size <= MAX_SIZE_RATIO
        return is_similar and (is_fast or is_small)


class CalibrationZ(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Supplies z (n, latent_dim) one by one while ONNX Runtime measures the value ranges."""

    def __init__(self, z: FloatArray) -> None:
        self.feeds = iter([{"z": row[None]} for row in z])

    def get_next(self) -> dict[str, FloatArray] | None:
        """Implements CalibrationDataReader."""
        return next(self.feeds, None)


def write_fp16(generator: Path, path: Path, _: FloatArray) -> None:
    """Weights and activations in float16; z and the spectrogram stay float32."""
    onnx.save(convert_float_to_float16(onnx.load(generator), keep_io_types=True), path)


def write_int8(generator: Path, path: Path, z: FloatArray) -> None:
    """Static per-channel quantisation of the convolutions, calibrated with z (n, latent_dim).

    Only the convolutions: they take nine tenths of the time, and the small matrices that map z
    to styles lose more than they save. Unsigned activations with signed weights are fastest on
    x86 and no slower on ARM.
    """
    folded = path.with_suffix(".folded")
    try:
        quant_pre_process(generator, folded, skip_symbolic_shape=True)
        quantize_static(
            folded,
            path,
            CalibrationZ(z),
            op_types_to_quantize=["Conv", "ConvTranspose"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        folded.unlink(missing_ok=True)


WRITERS: dict[str, Callable[[Path, Path, FloatArray], None]] = {
    "fp16": write_fp16,
    "int8": write_int8,
}


def write_variant(generator: Path, precision: str, range_db: float, seed: int = 3) -> Variant:
    """Writes and measures generator.PRECISION.onnx; removes it if it is not worthwhile.

    Raises
    ------
    ConversionError
        ONNX Runtime cannot convert or run it.
    """
    path = generator.with_suffix(f".{precision}.onnx")
    latent_dim = open_session(generator).get_inputs()[0].shape[1]
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((N_CALIBRATION, latent_dim), dtype=np.float32)
    test_z = rng.standard_normal((N_COMPARED, latent_dim), dtype=np.float32)
    try:
        WRITERS[precision](generator, path, z)
        variant = measure(generator, path, precision, test_z, range_db)
    except Exception as error:  # onnxruntime's own exceptions share no other base class
        path.unlink(missing_ok=True)
        raise ConversionError(
            f"{path.name} cannot be written ({root_cause(error)}); omit --precision {precision}"
        ) from error
    if not variant.is_worthwhile:
        path.unlink()
    return variant


def measure(generator: Path, path: Path, precision: str, z: FloatArray, range_db: float) -> Variant:
    """Compares a variant with the original generator on z (n, latent_dim)."""
    pair = [generator, path]
    reference, other = (open_session(p) for p in pair)
    feeds = [{"z": row[None]} for row in z]
    losses = [
        log_spectral_distance_db(reference.run(None, f)[0], other.run(None, f)[0], range_db)
        for f in feeds
    ]
    slow, fast = milliseconds(pair, z.shape[1])
    return Variant(
        precision=precision,
        sha256=sha256_of(path),
        log_spectral_distance_db=round(float(np.mean(losses)), 3),
        milliseconds=fast,
        times_as_fast=round(slow / max(fast, 0.1), 2),
        megabytes=megabytes(path),
        times_the_size=round(path.stat().st_size / generator.stat().st_size, 3),
    )


def log_spectral_distance_db(a: FloatArray, b: FloatArray, range_db: float) -> float:
    """RMS over bands of the difference in level, averaged over frames.

    Gray & Markel 1976, "Distance measures for speech processing".

    a, b : (..., n_mels, n_frames) in [-1, 1], which is -range_db..0 dB
    """
    difference_db = (a - b) * (range_db / 2)
    return float(np.sqrt(np.square(difference_db).mean(axis=-2)).mean())
