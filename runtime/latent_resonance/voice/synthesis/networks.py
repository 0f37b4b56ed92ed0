"""The pack's two networks on ONNX Runtime: features -> z and z -> spectrogram.

The only module of the voice that imports onnxruntime. Runs on the generate thread. A network that
breaks the pack format is refused when it is opened, not during the performance.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Since 1.29 it sends telemetry and stores a device ID on disk, unless this is set before the import
# (microsoft/onnxruntime, docs/Privacy.md and pull request 27379).
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.config.settings import CPU
from latent_resonance.config.settings import Inference as InferenceSettings
from latent_resonance.face_state import FEATURES, FeatureVector
from latent_resonance.pack import Pack, PackError
from latent_resonance.voice.synthesis.loop_span import LoopSpan
from latent_resonance.voice.synthesis.network_file import why_not_opened
from latent_resonance.voice.synthesis.run_deadline import is_overdue, run_deadline

FloatArray = NDArray[np.float32]
Inputs = Mapping[str, NDArray[Any]]
PLACES = "places"  # optional input of a generator: the steps of its loop, with MARGIN around them
MARGIN = 4  # steps at both ends of PLACES that are not in the output
FATAL = 4  # severity of log messages: an ended run is reported by its exception alone

onnxruntime.disable_telemetry_events()  # for builds that ignore the variable


class NetworkError(LatentResonanceError):
    """A network failed at run time: out of memory, or a fault of its own."""


@dataclass(frozen=True)
class Networks:
    """Both networks, opened and checked.

    Attributes
    ----------
    provider : the execution provider in use
    step : frames of a step, the unit in which the generator gives a part of its loop; None if it
        gives whole loops only
    """

    regressor: onnxruntime.InferenceSession
    generator: onnxruntime.InferenceSession
    provider: str
    step: int | None = None

    @property
    def overdue(self) -> bool:
        """Whether a run of either took too long; that network is not run again."""
        return is_overdue(self.regressor) or is_overdue(self.generator)

    def z_of(self, features: FeatureVector) -> FloatArray:
        """(n_features,) -> (latent_dim,).

        Raises
        ------
        NetworkError
            It cannot be run.
        """
        z: FloatArray = _run(self.regressor, "z", {"features": features[None]})[0]
        return z

    def spectrogram_of(self, z: FloatArray) -> FloatArray:
        """(latent_dim,) -> (n_mels, n_frames) in [-1, 1].

        Raises
        ------
        NetworkError
            It cannot be run.
        """
        spectrogram: FloatArray = _run(self.generator, "spectrogram", {"z": z[None]})[0, 0]
        return spectrogram

    def part_of(self, z: FloatArray, span: LoopSpan) -> FloatArray:
        """(latent_dim,) -> (n_mels, span.length) in [-1, 1].

        Parameters
        ----------
        span : begins and ends between two steps

        Raises
        ------
        NetworkError
            It cannot be run.
        """
        assert self.step is not None, "this generator gives whole loops only"
        places = _places(span, self.step)
        part: FloatArray = _run(self.generator, "spectrogram", {"z": z[None], PLACES: places})[0, 0]
        return part


def load_networks(pack: Pack, settings: InferenceSettings) -> Networks:
    """Open and test both networks of a pack.

    Raises
    ------
    PackError
        A network cannot be read, or its names, shapes or values are not as specified.
    """
    regressor = _session(pack.regressor, settings)
    generator = _session(pack.generator, settings)
    geometry = pack.geometry
    features = np.zeros((1, len(FEATURES)), np.float32)
    z = _probe(pack.regressor, regressor, "features", features, "z", (1, pack.latent_dim))
    shape = (1, 1, geometry.n_mels, geometry.n_frames)
    pixels = _probe(pack.generator, generator, "z", z, "spectrogram", shape)
    if np.abs(pixels).max() > 1.001:
        raise PackError(
            f"{pack.generator}: values up to {np.abs(pixels).max():.3g}, not within -1..1; "
            "export the pack again"
        )
    step = _step(generator, z, geometry.n_frames)
    return Networks(regressor, generator, generator.get_providers()[0], step)


def _step(session: onnxruntime.InferenceSession, z: FloatArray, n_frames: int) -> int | None:
    """Frames of a step of a generator that gives parts of its loop, found by a run."""
    if PLACES not in [each.name for each in session.get_overridable_initializers()]:
        return None
    places = np.zeros(1 + 2 * MARGIN, np.int64)
    try:
        part = _run_in_time(session, "spectrogram", {"z": z, PLACES: places})
    except Exception:  # noqa: BLE001  onnxruntime's own exceptions share no other base class
        return None  # the whole loop can be generated, as was tried before
    step = int(part.shape[-1])
    return step if step > 0 and n_frames % step == 0 else None


def _places(span: LoopSpan, step: int) -> NDArray[np.int64]:
    """The steps of a span, with MARGIN more at both ends."""
    first, count = span.first // step, span.length // step
    return (np.arange(first - MARGIN, first + count + MARGIN) % (span.n_frames // step)).astype(
        np.int64
    )


def _run(session: onnxruntime.InferenceSession, output: str, inputs: Inputs) -> FloatArray:
    if is_overdue(session):
        raise NetworkError(f"{output}: its network did not return in time, and is not run again")
    try:
        return _run_in_time(session, output, inputs)
    except Exception as error:  # onnxruntime's own exceptions share no other base class
        raise NetworkError(f"{output}: {str(error).splitlines()[0]}") from error


def _run_in_time(session: onnxruntime.InferenceSession, output: str, inputs: Inputs) -> FloatArray:
    """One output of a network; a run beyond its deadline is ended and raises DeadlineError."""
    options = onnxruntime.RunOptions()
    options.log_severity_level = FATAL
    with run_deadline(session, options):
        result: FloatArray = session.run([output], inputs, options)[0]
    return result


def _check_file(path: Path) -> None:
    try:
        reason = why_not_opened(path)
    except (OSError, ValueError) as error:
        raise PackError(f"{path}: not a network that can be run ({error})") from error
    if reason:
        raise PackError(f"{path}: {reason}")


def provider_note(settings: InferenceSettings, provider: str) -> str:
    """Why the networks run on another provider than the settings prefer; empty if they do not."""
    preferred = settings.providers[0]
    if preferred == provider:
        return ""
    built_in = preferred in onnxruntime.get_available_providers()
    cause = "finds no device or library here" if built_in else "is not in this onnxruntime"
    return f", since {preferred} {cause}; see Providers in docs/install.md"


def _session(path: Path, settings: InferenceSettings) -> onnxruntime.InferenceSession:
    _check_file(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only; they come as exceptions too
    # A worker that spins uses a whole core between two spectrograms.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    available = onnxruntime.get_available_providers()
    others = [name for name in settings.providers if name in available and name != CPU]
    try:
        if others:
            with contextlib.suppress(Exception):  # no such device, or no library for it
                return onnxruntime.InferenceSession(path, options, providers=[*others, CPU])
        return onnxruntime.InferenceSession(path, options, providers=[CPU])
    except Exception as error:  # onnxruntime's own exceptions share no other base class
        reason = str(error).splitlines()[0]
        raise PackError(f"{path}: not a network that can be run ({reason})") from error


def _probe(
    path: Path,
    session: onnxruntime.InferenceSession,
    input_name: str,
    value: FloatArray,
    output_name: str,
    shape: tuple[int, ...],
) -> FloatArray:
    """Run a network once and check names, shape and values."""
    names = [i.name for i in session.get_inputs()], [o.name for o in session.get_outputs()]
    if names != ([input_name], [output_name]):
        raise PackError(f"{path}: maps {names[0]} to {names[1]}, not {input_name} to {output_name}")
    try:
        result = _run_in_time(session, output_name, {input_name: value})
    except Exception as error:  # onnxruntime's own exceptions share no other base class
        reason = str(error).splitlines()[0]
        raise PackError(f"{path}: does not take {input_name} {value.shape} ({reason})") from error
    if result.shape != shape or result.dtype != np.float32:
        raise PackError(
            f"{path}: {output_name} is {result.dtype} {result.shape}, not float32 {shape}"
        )
    if not np.isfinite(result).all():
        raise PackError(f"{path}: {output_name} holds NaN or infinity; export the pack again")
    return result
