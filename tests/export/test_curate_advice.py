"""A curation warns of what makes a pack dull, mixed, one-sided or too small, with a remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from latent_resonance_export.dataset.dataset import Clip
from latent_resonance_export.dataset.kinds import Unlike
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.report.advice import warnings_of
from latent_resonance_export.dataset.result import CurationResult
from latent_resonance_export.dataset.settings import CurationSettings

SOURCES = tuple(f"takes/{i}.wav" for i in range(20))


def clips_of(sources: Sequence[str], **changes: object) -> list[Clip]:
    """300 loops, of the recordings in turn."""
    good = Clip("", 0.0, "CC0-1.0", "", held_out=False, bandwidth_hz=15_000.0)
    return [replace(good, source=sources[i % len(sources)], **changes) for i in range(300)]


def result_of(clips: list[Clip], rate: int = 48_000, **changes: object) -> CurationResult:
    names = sorted({clip.source for clip in clips})
    good = CurationResult(
        name="recordings",
        settings=CurationSettings(),
        about={},
        recordings=[
            Recording(n, b"", "", rate, 1, is_lossy=False, licence="", author="") for n in names
        ],
        clips=clips,
        rejected=[],
        unused_rows=[],
        read_s=3600.0,
        kept_s=3000.0,
    )
    return replace(good, **changes)


def test_an_hour_of_good_takes_of_one_kind_gives_no_warning() -> None:
    assert warnings_of(result_of(clips_of(SOURCES))) == []


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            result_of(clips_of(SOURCES, bandwidth_hz=4000.0), rate=8000),
            ("100% of the loops are empty above 4,000 Hz", "files of 8,000 Hz", "higher rate"),
        ),
        (
            result_of(clips_of(("a.wav", "a.wav", "b.wav"))),
            ("67% of the loops come from a.wav", "add more of the others"),
        ),
        (
            result_of(clips_of(SOURCES), unlike=Unlike(("birds", "drums"), 0.8)),
            ("birds and drums sound unlike", "curate recordings/birds -o DATASET"),
        ),
        (
            result_of(clips_of(SOURCES), kept_s=300.0),
            ("5.0 minutes are few", "--begin-from models/cello"),
        ),
        (result_of(clips_of(SOURCES)[:100]), ("100 loops are few", "--stride")),
        (
            result_of(clips_of(SOURCES, made="repeated")),
            ("100% of the loops are laid out", "--one-shots"),
        ),
        (
            result_of(clips_of(SOURCES, licence="")),
            ("the licence of 20 recordings is unknown", "--licence"),
        ),
    ],
    ids=["dull", "dominated", "mixed", "minutes", "few", "laid out", "licence"],
)
def test_each_weakness_gives_one_warning_with_a_remedy(
    result: CurationResult, words: tuple[str, ...]
) -> None:
    (warning,) = warnings_of(result)
    for word in words:
        assert word in warning
