"""Finds the recordings in a folder and reads their format, length and tags.

Paths are untrusted: links may leave the folder, names may contain any byte.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import soundfile

from latent_resonance_export.dataset.rejection import Reason, Rejection

SUPPORTED = {
    *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aif", ".aiff", ".aifc", ".caf", ".au", ".snd"),
}
UNSUPPORTED = {
    *(".m4a", ".aac", ".mp4", ".wma", ".ac3", ".ape", ".wv", ".amr", ".dsf", ".mka", ".webm"),
}
LOSSY = {"MPEG_LAYER_III", "MPEG_LAYER_II", "MPEG_LAYER_I", "VORBIS", "OPUS"}
SAMPLE_RATES = (4_000, 768_000)  # Hz
MAX_FRAMES = 1 << 40  # libsndfile returns more if the header does not contain the length
BLOCK = 1 << 20  # samples


@dataclass(frozen=True)
class Recording:
    """An audio file that can be opened."""

    source: str  # printable name, relative to the folder
    path: bytes
    sha256: str
    sample_rate: int
    frames: int
    is_lossy: bool
    licence: str  # from its tags, or ""
    author: str

    @property
    def seconds(self) -> float:
        """Its length according to its header."""
        return self.frames / self.sample_rate


def find_recordings(sounds: Path) -> tuple[list[Path], list[Rejection]]:
    """The audio files below a folder, sorted by name, and the files that are not opened."""
    found: list[Path] = []
    rejected: list[Rejection] = []
    for path in sorted(_files(sounds, rejected)):
        suffix, source = path.suffix.lower(), display_name(path, sounds)
        if path.is_symlink():
            if path.is_dir() or suffix in SUPPORTED:
                where = "a link into" if _is_inside(path, sounds) else "a link that leaves"
                rejected.append(Rejection(source, 0.0, Reason.LINK, f"{where} the folder"))
        elif suffix in SUPPORTED:
            found.append(path)
        elif suffix in UNSUPPORTED:
            rejected.append(Rejection(source, 0.0, Reason.FORMAT, suffix))
    return found, rejected


def _files(sounds: Path, rejected: list[Rejection]) -> Iterator[Path]:
    """All regular files and links except hidden ones; links are not followed."""

    def on_error(error: OSError) -> None:
        source = display_name(Path(os.fsdecode(error.filename)), sounds)
        rejected.append(Rejection(source, 0.0, Reason.BROKEN, _one_line(error.strerror)))

    for folder, subfolders, names in os.walk(sounds, onerror=on_error):
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


def display_name(path: Path, sounds: Path) -> str:
    """A path relative to the folder, as printable text."""
    raw = os.fsencode(path.relative_to(sounds).as_posix())
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def probe(task: tuple[str, bytes]) -> Recording | Rejection:
    """Opens a file, given its (display name, path), and reads its header."""
    source, path = task
    try:
        with Path(os.fsdecode(path)).open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        with soundfile.SoundFile(path) as file:
            low, high = SAMPLE_RATES
            if not low <= file.samplerate <= high:
                detail = f"sample rate is {file.samplerate} Hz; {low} to {high} Hz are supported"
                return Rejection(source, 0.0, Reason.BROKEN, detail)
            frames = file.frames if 0 < file.frames < MAX_FRAMES else _count_frames(file)
            licence, author = _one_line(file.license), _one_line(file.artist or file.copyright)
            is_lossy = file.subtype in LOSSY
            return Recording(
                source, path, sha256, file.samplerate, frames, is_lossy, licence, author
            )
    except (OSError, RuntimeError) as error:  # soundfile's own errors are RuntimeErrors
        return Rejection(source, 0.0, Reason.BROKEN, describe_error(error))


def describe_error(error: Exception) -> str:
    """The message of a library about a broken file, without the path."""
    if isinstance(error, soundfile.LibsndfileError):
        reason = _one_line(error.error_string)
        return "not a recognised audio format" if "does not exist" in reason else reason
    return _one_line(getattr(error, "strerror", None) or str(error))


def _count_frames(file: soundfile.SoundFile) -> int:
    """The length of a file whose header does not contain it."""
    block = max(BLOCK // file.channels, 1)
    frames = 0
    while read := len(file.read(block, dtype="float32")):
        frames += read
    return frames


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
