"""Where a pack's sounds came from, and what may be done with it, as its dataset tells."""

from __future__ import annotations

from collections.abc import Iterable

from latent_resonance_export.dataset.dataset import Clip, Dataset

NOT_TOLD = "not told"
MOST_AUTHORS = 40  # named in the sheet; the dataset's clips.csv has them all


def licence_of(clips: Iterable[Clip]) -> str:
    """Every licence of the clips, for a pack carries something of each."""
    return ", ".join(sorted({clip.licence.strip() or NOT_TOLD for clip in clips})) or NOT_TOLD


def sounds_of(dataset: Dataset, clips: list[Clip]) -> str:
    """What the dataset says of itself, and whom to thank."""
    told = str(dataset.about.get("sounds", "")).strip()
    authors = sorted({author for clip in clips if (author := clip.author.strip()) != told} - {""})
    more = f" and {len(authors) - MOST_AUTHORS} more" if len(authors) > MOST_AUTHORS else ""
    by = f"by {', '.join(authors[:MOST_AUTHORS])}{more}" if authors else ""
    return "; ".join(part for part in (told, by) if part) or NOT_TOLD
