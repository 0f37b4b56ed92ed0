"""The result of a curation, which the report and the warnings are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from latent_resonance_export.dataset.dataset import Clip
from latent_resonance_export.dataset.kinds import NO_KINDS, Unlike
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.rejection import Rejection
from latent_resonance_export.dataset.settings import CurationSettings


@dataclass(frozen=True)
class Example:
    """A place of a recording to listen to; `why` it was rejected, or "" if it was kept."""

    source: str
    offset_s: float
    why: str
    mp3: bytes


@dataclass(frozen=True)
class CurationResult:
    """The result of a curation."""

    name: str  # of the folder of recordings
    settings: CurationSettings
    about: dict[str, str]
    recordings: list[Recording]
    clips: list[Clip]  # in the order of the spectrograms
    rejected: list[Rejection]
    unused_rows: list[str]  # of the tables of licences
    read_s: float  # seconds of audio that were read
    kept_s: float  # seconds of the recordings that are part of a loop
    unlike: Unlike = NO_KINDS  # the folders that sound unlike each other the most
    notes: Mapping[str, list[str]] = field(default_factory=dict)  # how recordings were read
    examples: list[Example] = field(default_factory=list)

    @property
    def n_training(self) -> int:
        """Number of training loops."""
        return sum(not clip.held_out for clip in self.clips)
