"""The settings of a curation: everything that a clip depends on. Pure, except `read_geometry`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.config.yaml_file import YamlError, read_yaml
from latent_resonance.pack import why_unplayable
from latent_resonance_export.dataset.loops import PEAK_DB, fade_length
from latent_resonance_export.dataset.recordings.channels import AUTO
from latent_resonance_export.dataset.rejection import Limits

FORMAT = 3  # of the work folder; increment it when the same settings give different clips
MIN_SEGMENT_S = 120
MAX_GEOMETRY_BYTES = 10_000  # of the YAML file


class CurationError(LatentResonanceError):
    """No dataset can be made; the message states the reason and the remedy."""


@dataclass(frozen=True)
class CurationSettings:
    """How clips are cut and levelled, and the limits for rejection."""

    geometry: Geometry = field(default_factory=Geometry)
    cut: str = "stride"  # or "onset"
    stride_s: float | None = None  # None: half a loop
    shortest_s: float | None = None  # None: half a loop
    peak_db: tuple[float, float] = PEAK_DB
    limits: Limits = field(default_factory=Limits)
    channel: str = AUTO  # or "mean", or a number from 1
    one_shots: str = "refuse"  # of sounds shorter than `shortest`; or "repeat", "hold"
    seed: int = 7

    @property
    def stride(self) -> int:
        """Samples between the starts of two clips."""
        seconds = self.geometry.loop_s / 2 if self.stride_s is None else self.stride_s
        return max(round(seconds * self.geometry.sample_rate), 1)

    @property
    def shortest(self) -> int:
        """Minimum length, in samples, of a recording that is sustained to fill a loop."""
        seconds = self.geometry.loop_s / 2 if self.shortest_s is None else self.shortest_s
        return max(round(seconds * self.geometry.sample_rate), 2 * fade_length(self.geometry))

    @property
    def source_length(self) -> int:
        """Samples of a recording that a loop is made of, including the cross-fade."""
        return self.geometry.loop_length + fade_length(self.geometry)

    @property
    def segment_s(self) -> int:
        """Length of a segment: whole seconds, at least four loops."""
        return max(MIN_SEGMENT_S, int(4 * self.geometry.loop_s) + 1)

    def key(self, sha256: str) -> str:
        """A hash of these settings and the content of a recording, for the work folder."""
        text = json.dumps([FORMAT, sha256, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def read_geometry(path: Path) -> Geometry:
    """Reads a geometry from a YAML file; missing fields keep their defaults.

    Raises
    ------
    CurationError
        A key is unknown, or a value is invalid.
    """
    try:
        values = read_yaml(path, MAX_GEOMETRY_BYTES)
    except YamlError as error:
        raise CurationError(str(error)) from error
    types = {key: type(default) for key, default in asdict(Geometry()).items()}
    if not isinstance(values, dict):
        raise CurationError(f"{path}: contains no mapping; valid keys are {', '.join(types)}")
    for key, value in values.items():
        if key not in types:
            raise CurationError(f"{path}: unknown key {key!r}; valid keys are {', '.join(types)}")
        if isinstance(value, bool) or not isinstance(value, types[key] | int) or not value > 0:
            what = "a whole number" if types[key] is int else "a number"
            raise CurationError(f"{path}: {key}: {value!r} should be {what} above 0")
    geometry = Geometry(**{key: types[key](value) for key, value in values.items()})
    _check(path, geometry)
    return geometry


def _check(path: Path, g: Geometry) -> None:
    """Refuses what no pack can be made of, before hours of training, and endless loops."""
    for is_valid, rule in (
        (not (why := why_unplayable(g)), f"no pack can have this geometry: {why}"),
        (g.n_fft <= g.loop_length, "n_frames × hop_length should be n_fft or more"),
        (g.loop_s <= 60, "n_frames × hop_length should be at most 60 s"),
    ):
        if not is_valid:
            values = ", ".join(f"{key} {value:g}" for key, value in asdict(g).items())
            raise CurationError(f"{path}: {rule}; the values are {values}")
