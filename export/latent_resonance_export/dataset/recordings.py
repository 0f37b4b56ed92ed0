"""Finds the recordings of a folder and looks at each: what it is, how long, whose.

Paths are hostile: links may lead out of the folder, names may hold any byte.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import soundfile

from latent_resonance_export.dataset.rejection import Reason, Refusal

READ = {
    *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aif", ".aiff", ".aifc", ".caf", ".au", ".snd"),
}
NOT_READ = {
    *(".m4a", ".aac", ".mp4", ".wma", ".ac3", ".ape", ".wv", ".amr", ".dsf", ".mka", ".webm"),
}
LOSSY = {"MPEG_LAYER_III", "MPEG_LAYER_II", "MPEG_LAYER_I", "VORBIS", "OPUS"}
SAMPLE_RATES = (4_000, 768_000)  # Hz
LONGEST = 1 << 40  # frames; libsndfile says more where a header does not know
BLOCK = 1 << 20  # samples


@dataclass(frozen=True)
class Recording:
    """A file that can be opened."""

    source: str  # its name for tables, relative to the folder
    path: bytes
    sha256: str
    sample_rate: int
    frames: int
    is_lossy: bool
    licence: str  # from its own tags; "" if it has none
    author: str

    @property
    def seconds(self) -> float:
        """How long it says that it is."""
        return self.frames / self.sample_rate


def find(sounds: Path) -> tuple[list[Path], list[Refusal]]:
    """Sound files below a folder, in the order of their names, and what is not opened at all."""
    found: list[Path] = []
    refused: list[Refusal] = []
    for path in sorted(_files(sounds, refused)):
        suffix, source = path.suffix.lower(), name_of(path, sounds)
        if path.is_symlink():
            if path.is_dir() or suffix in READ:
                where = "a link into" if _is_inside(path, sounds) else "a link that leaves"
                refused.append(Refusal(source, 0.0, Reason.LINK, f"{where} the folder"))
        elif suffix in READ:
            found.append(path)
        elif suffix in NOT_READ:
            refused.append(Refusal(source, 0.0, Reason.FORMAT, suffix))
    return found, refused


def _files(sounds: Path, refused: list[Refusal]) -> Iterator[Path]:
    """Everything but folders, hidden files and pipes; links are given, not followed."""

    def closed(error: OSError) -> None:
        source = name_of(Path(os.fsdecode(error.filename)), sounds)
        refused.append(Refusal(source, 0.0, Reason.BROKEN, _one_line(error.strerror)))

    for folder, subfolders, names in os.walk(sounds, onerror=closed):
        hidden = [name for name in subfolders if name.startswith(".")]
        for name in hidden:
            subfolders.remove(name)
        for name in [*subfolders, *names]:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if not name.startswith(".") and (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                yield path


def _is_inside(link: Path, sounds: Path) -> bool:
    try:
        return link.resolve().is_relative_to(sounds.resolve())
    except (OSError, RuntimeError):  # a link to itself
        return False


def name_of(path: Path, sounds: Path) -> str:
    """A path relative to the folder as text that any file or page can hold."""
    raw = os.fsencode(path.relative_to(sounds).as_posix())
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def look(task: tuple[str, bytes]) -> Recording | Refusal:
    """Opens a file (its name for tables, its path) and reads what its header says."""
    source, path = task
    try:
        with Path(os.fsdecode(path)).open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        with soundfile.SoundFile(path) as file:
            low, high = SAMPLE_RATES
            if not low <= file.samplerate <= high:
                detail = f"its sample rate is {file.samplerate} Hz; {low} to {high} Hz are read"
                return Refusal(source, 0.0, Reason.BROKEN, detail)
            frames = file.frames if 0 < file.frames < LONGEST else _count(file)
            licence, author = _one_line(file.license), _one_line(file.artist or file.copyright)
            is_lossy = file.subtype in LOSSY
            return Recording(
                source, path, sha256, file.samplerate, frames, is_lossy, licence, author
            )
    except (OSError, RuntimeError) as error:  # soundfile's own errors are RuntimeErrors
        return Refusal(source, 0.0, Reason.BROKEN, said(error))


def said(error: Exception) -> str:
    """What a library says of a broken file, without the path that we name ourselves."""
    if isinstance(error, soundfile.LibsndfileError):
        reason = _one_line(error.error_string)
        return "no sound in it is recognised" if "does not exist" in reason else reason
    return _one_line(getattr(error, "strerror", None) or str(error))


def _count(file: soundfile.SoundFile) -> int:
    """Frames of a file whose header does not know."""
    block = max(BLOCK // file.channels, 1)
    frames = 0
    while read := len(file.read(block, dtype="float32")):
        frames += read
    return frames


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
