"""The generator at half precision or in whole numbers, and whether that pays.

A variant lies beside `generator.onnx` and takes and gives float32 as well. It is kept if it
sounds the same (log-spectral distance of at most LOUDEST_LOSS_DB) and is FASTER or SMALLER.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from latent_resonance.pack import sha256_of
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.onnx_export import (
    innermost,
    megabytes,
    milliseconds,
    session_of,
)

FloatArray = NDArray[np.float32]
LARGEST_LOSS_DB = 1.0  # about the least change of level that is heard in a single partial
FASTER = 1.2  # times as fast as fp32 on this machine
SMALLER = 0.55  # of the size of fp32; a little above half, for the graph itself is not halved
N_CALIBRATION = 64
N_COMPARED = 16


@dataclass(frozen=True)
class Variant:
    """What a precision costs and brings; times are of one thread of the machine it was made on."""

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

    def told(self) -> dict[str, Any]:
        """What pack.yaml says of it."""
        return asdict(self)

    @property
    def pays(self) -> bool:
        """Whether it is worth a file; see the module."""
        alike = self.log_spectral_distance_db <= LARGEST_LOSS_DB  # never for NaN
        return alike and (self.times_as_fast >= FASTER or self.times_the_size <= SMALLER)


class RandomZ(CalibrationDataReader):
    """One z after the other, as ONNX Runtime asks for them while it looks for the ranges."""

    def __init__(self, z: FloatArray) -> None:
        self.feeds = iter([{"z": one[None]} for one in z])

    def get_next(self) -> dict[str, FloatArray] | None:
        """See onnxruntime.quantization."""
        return next(self.feeds, None)


def write_fp16(generator: Path, path: Path, _: FloatArray) -> None:
    """Weights and sums in float16; z and the spectrogram stay float32."""
    onnx.save(convert_float_to_float16(onnx.load(generator), keep_io_types=True), path)


def write_int8(generator: Path, path: Path, z: FloatArray) -> None:
    """Static quantisation of the convolutions, a scale a channel, ranges from z (n, latent_dim).

    Only the convolutions: they are nine tenths of the time, and small matrices that turn z into
    styles lose more than they save. Unsigned sums times signed weights is the fastest pair on
    x86 and no slower on ARM.
    """
    folded = path.with_suffix(".folded")
    try:
        quant_pre_process(generator, folded, skip_symbolic_shape=True)
        quantize_static(
            folded,
            path,
            RandomZ(z),
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
    """Writes generator.PRECISION.onnx beside a generator, measures it, and removes it if it fails.

    Raises
    ------
    ConversionError
        ONNX Runtime cannot convert or play it.
    """
    path = generator.with_suffix(f".{precision}.onnx")
    latent_dim = session_of(generator).get_inputs()[0].shape[1]
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((N_CALIBRATION, latent_dim), dtype=np.float32)
    heard = rng.standard_normal((N_COMPARED, latent_dim), dtype=np.float32)
    try:
        WRITERS[precision](generator, path, z)
        variant = measure(generator, path, precision, heard, range_db)
    except Exception as error:  # onnxruntime's own exceptions share no other base class
        path.unlink(missing_ok=True)
        raise ConversionError(
            f"{path.name} cannot be made ({innermost(error)}); leave out --precision {precision}"
        ) from error
    if not variant.pays:
        path.unlink()
    return variant


def measure(generator: Path, path: Path, precision: str, z: FloatArray, range_db: float) -> Variant:
    """A variant beside the generator that it was made of, on z (n, latent_dim)."""
    pair = [generator, path]
    reference, other = (session_of(p) for p in pair)
    feeds = [{"z": one[None]} for one in z]
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
    """Root mean square over bands of the difference in level, averaged over frames.

    Gray & Markel 1976, "Distance measures for speech processing".

    a, b : (..., n_mels, n_frames) in [-1, 1], which is -range_db..0 dB
    """
    difference_db = (a - b) * (range_db / 2)
    return float(np.sqrt(np.square(difference_db).mean(axis=-2)).mean())
