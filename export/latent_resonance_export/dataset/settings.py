"""How a dataset is cut: everything that a clip depends on. Pure but for the geometry's file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.config.yaml_file import YamlError, read_yaml
from latent_resonance_export.dataset.loops import PEAK_DB, fade_length
from latent_resonance_export.dataset.rejection import Limits

FORMAT = 1  # of what is kept between runs: raise it when the same settings give other clips
LEAST_STRETCH_S = 120
LARGEST_GEOMETRY = 10_000  # bytes of a file


class CurationError(LatentResonanceError):
    """No dataset can be made; the message says why and what to do."""


@dataclass(frozen=True)
class Cutting:
    """How clips are cut and levelled, and what is refused."""

    geometry: Geometry = field(default_factory=Geometry)
    cut: str = "stride"  # or "onset"
    stride_s: float | None = None  # None: half a loop
    shortest_s: float | None = None  # None: half a loop
    peak_db: tuple[float, float] = PEAK_DB
    limits: Limits = field(default_factory=Limits)
    seed: int = 7

    @property
    def stride(self) -> int:
        """Samples between the beginnings of two clips."""
        seconds = self.geometry.loop_s / 2 if self.stride_s is None else self.stride_s
        return max(round(seconds * self.geometry.sample_rate), 1)

    @property
    def shortest(self) -> int:
        """Samples of the shortest recording that is sustained to fill a loop."""
        seconds = self.geometry.loop_s / 2 if self.shortest_s is None else self.shortest_s
        return max(round(seconds * self.geometry.sample_rate), 2 * fade_length(self.geometry))

    @property
    def needed(self) -> int:
        """Samples of a recording that a loop is made of."""
        return self.geometry.loop_length + fade_length(self.geometry)

    @property
    def stretch_s(self) -> int:
        """Seconds of a recording that are read at a time: whole, and several loops."""
        return max(LEAST_STRETCH_S, int(4 * self.geometry.loop_s) + 1)

    def key(self, sha256: str) -> str:
        """A name for what becomes of a recording of that content under these settings."""
        text = json.dumps([FORMAT, sha256, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def read_geometry(path: Path) -> Geometry:
    """Geometry from a YAML file with any of its fields; the others keep their defaults.

    Raises
    ------
    CurationError
        A field is unknown, or the values do not fit each other.
    """
    try:
        said = read_yaml(path, LARGEST_GEOMETRY)
    except YamlError as error:
        raise CurationError(str(error)) from error
    kinds = {f.name: type(f.default) for f in fields(Geometry)}
    if not isinstance(said, dict):
        raise CurationError(f"{path}: holds no keys and values; its keys are {', '.join(kinds)}")
    for key, value in said.items():
        if key not in kinds:
            raise CurationError(f"{path}: unknown key {key!r}; its keys are {', '.join(kinds)}")
        if isinstance(value, bool) or not isinstance(value, kinds[key] | int) or not value > 0:
            what = "a whole number" if kinds[key] is int else "a number"
            raise CurationError(f"{path}: {key}: {value!r} should be {what} above 0")
    geometry = Geometry(**{key: kinds[key](value) for key, value in said.items()})
    _check(path, geometry)
    return geometry


def _check(path: Path, given: Geometry) -> None:
    """The rules of a pack's geometry, and what keeps a loop's memory within bounds."""
    for kept, rule in (
        (4_000 <= given.sample_rate <= 768_000, "sample_rate should be 4000 to 768000 Hz"),
        (given.win_length <= given.n_fft <= 65_536, "win_length <= n_fft <= 65536"),
        (4 * given.hop_length <= given.win_length, "hop_length should be win_length / 4 or less"),
        (given.f_min_hz < given.f_max_hz, "f_min_hz should be below f_max_hz"),
        (2 * given.f_max_hz <= given.sample_rate, "f_max_hz should be sample_rate / 2 or less"),
        (given.n_mels >= 8 and given.n_frames >= 8, "n_mels and n_frames should be at least 8"),
        (given.n_mels * given.n_frames <= 1 << 22, "n_mels × n_frames should be at most 4194304"),
        (given.n_fft <= given.loop_length, "n_frames × hop_length should be n_fft or more"),
        (given.loop_s <= 60, "n_frames × hop_length should be at most 60 s"),
        (given.range_db <= 200, "range_db should be at most 200 dB"),
    ):
        if not kept:
            values = ", ".join(f"{key} {value:g}" for key, value in asdict(given).items())
            raise CurationError(f"{path}: {rule}; it makes {values}")
