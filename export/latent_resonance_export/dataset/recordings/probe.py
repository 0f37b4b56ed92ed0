"""Reads a file's format, length and tags.

A file is known by its content: by libsndfile first, else by ffmpeg (ffmpeg.py), which decodes it
once into the work folder.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile

from latent_resonance_export.dataset.recordings import ffmpeg
from latent_resonance_export.dataset.recordings.audio_file import (
    UNKNOWN_FORMAT,
    AudioFileError,
    describe_error,
    one_line,
    open_audio,
)
from latent_resonance_export.dataset.recordings.chained_file import has_further_data, is_chained
from latent_resonance_export.dataset.recordings.content import HEAD_BYTES, describe_content
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.recordings.unfinished_header import missing_lengths
from latent_resonance_export.dataset.rejection import Reason, Rejection

PROMISING = {  # suffixes that promise a sound: such a file is broken if nothing can read it
    *(".wav", ".wave", ".bwf", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2"),
    *(".aif", ".aiff", ".aifc", ".caf", ".au", ".snd", ".voc", ".m4a", ".aac", ".mp4", ".mov"),
    *(".wma", ".ac3", ".ape", ".wv", ".amr", ".dsf", ".mka", ".webm", ".mkv", ".m4b", ".3gp"),
}
UNKNOWN_CODECS = {"unknown", "none"}  # as ffprobe names them
FIRST_OF_CHAIN = "other recordings follow in it: install ffmpeg to read them"
FIRST_OF_WAV = "other samples follow in it, which nothing here reads: save each part as a file"
COMPLETED = "its header was never finished: length from the file"
LARGE_FILES = {"RF64 (RIFF 64)", "W64 (SoundFoundry WAVE 64)"}  # ffmpeg reads them unfinished
LOSSY = {"MPEG_LAYER_III", "MPEG_LAYER_II", "MPEG_LAYER_I", "VORBIS", "OPUS"}
PLAIN = re.compile(r"PCM_\w+|FLOAT|DOUBLE|[UA]LAW")  # subtypes of samples one by one
SAMPLE_RATES = (4_000, 768_000)  # Hz
MAX_SECONDS = 100 * 3600
MAX_FRAMES = 1 << 40  # libsndfile returns more if the header does not contain the length
BLOCK = 1 << 20  # samples


@dataclass(frozen=True)
class ProbeTask:
    """A file to open, and the folder for decoded samples."""

    source: str
    path: bytes
    work: Path


def probe(task: ProbeTask) -> Recording | Rejection:
    """Opens a file and reads its header; decodes it if only ffmpeg can."""
    path = Path(os.fsdecode(task.path))
    try:
        with path.open("rb") as content:
            head = content.read(HEAD_BYTES)
            content.seek(0)
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        return Rejection(task.source, 0.0, Reason.BROKEN, describe_error(error))
    what = describe_content(head)
    try:
        if what and path.suffix.lower() not in PROMISING:
            raise AudioFileError(UNKNOWN_FORMAT)
        return _checked(_probe_with_libsndfile(task, sha256) or _decoded(task, sha256))
    except _NoSuchSoundError as error:
        return Rejection(task.source, 0.0, error.reason, str(error))
    except (OSError, AudioFileError) as error:
        return _unreadable(task, what, describe_error(error))


class _NoSuchSoundError(ValueError):
    """The file has no usable sound, for a reason that is known."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _unreadable(task: ProbeTask, what: str, error: str) -> Rejection:
    """What a file is that nothing can read: broken if its name promises a sound."""
    promising = Path(os.fsdecode(task.path)).suffix.lower() in PROMISING
    if promising or (not what and error != UNKNOWN_FORMAT):
        detail = f"{error}: it is {what}" if what and error == UNKNOWN_FORMAT else error
        return Rejection(task.source, 0.0, Reason.BROKEN, detail)
    return Rejection(task.source, 0.0, Reason.NOT_SOUND, what or UNKNOWN_FORMAT)


def _checked(recording: Recording) -> Recording:
    """The recording, if its rate and length are within the limits."""
    low, high = SAMPLE_RATES
    if not low <= recording.sample_rate <= high:
        detail = f"sample rate is {recording.sample_rate} Hz; {low} to {high} Hz are supported"
        raise AudioFileError(detail)
    if recording.seconds > MAX_SECONDS:
        hours = f"{recording.seconds / 3600:.0f} h according to its header"
        raise AudioFileError(f"{hours}, above {MAX_SECONDS // 3600} h: cut it")
    return recording


def _probe_with_libsndfile(task: ProbeTask, sha256: str) -> Recording | None:
    """The recording as libsndfile finds it; None if it does not know the format, or not all of it.

    Raises
    ------
    AudioFileError
        There are no samples.
    """
    path = Path(os.fsdecode(task.path))
    chained = is_chained(path)
    if chained and ffmpeg.is_installed():
        return None
    try:
        with open_audio(task.path) as file:
            found = Recording(
                task.source,
                task.path,
                sha256,
                file.samplerate,
                _frames(file),
                file.subtype in LOSSY,
                one_line(file.license),
                one_line(file.artist or file.copyright),
                channels=file.channels,
                is_compressed=_is_compressed(file),
                notes=(
                    *([COMPLETED] if missing_lengths(path) else []),
                    *([FIRST_OF_CHAIN] if chained else []),
                ),
            )
            kind = file.format_info
    except AudioFileError:
        return None
    if not found.frames and kind not in LARGE_FILES and not found.is_compressed:
        raise AudioFileError(f"it has no samples after its header ({kind})")
    return found if found.frames else None


def _is_compressed(file: soundfile.SoundFile) -> bool:
    return file.format == "FLAC" or not PLAIN.fullmatch(file.subtype)


def _decoded(task: ProbeTask, sha256: str) -> Recording:
    """The recording as ffmpeg decodes it into the work folder, unless it was before.

    Raises
    ------
    _NoSuchSoundError, AudioFileError
        It contains no sound, or nothing can read it.
    """
    if not ffmpeg.is_installed():
        raise _NoSuchSoundError(*_without_ffmpeg(task))
    media = ffmpeg.probe_media(task.path)
    if media is None:
        raise AudioFileError(_why_unknown(task))
    if not media.codec:
        raise _NoSuchSoundError(Reason.NOT_SOUND, "a film or an image without sound")
    target, track = task.work / f"{sha256}.wav", ffmpeg.audible_track(task.path, media.tracks)
    if media.codec in UNKNOWN_CODECS:
        raise AudioFileError("its header states a coding of samples that nothing here can decode")
    fault = _decode_once(task.path, target, track, media.seconds)
    silent = f"its first track is silent: track {track + 1} of {media.tracks} is used"
    with open_audio(os.fsencode(target)) as file:
        return Recording(
            task.source,
            task.path,
            sha256,
            file.samplerate,
            file.frames,
            media.is_lossy,
            media.licence,
            media.author,
            channels=file.channels,
            decoded=os.fsencode(target),
            notes=(f"decoded by ffmpeg ({media.codec})", *([silent] if track else [])),
            fault=fault,
        )


def _decode_once(path: bytes, target: Path, track: int, seconds: float) -> str:
    """What is missing of the decoded samples, or ""; a resumed run knows it from the first one."""
    missing = target.with_suffix(".txt")
    if not (target.exists() and missing.exists()):
        fault = ffmpeg.decode(path, target, track, seconds)
        if has_further_data(Path(os.fsdecode(path))):
            fault = FIRST_OF_WAV
        missing.write_text(fault, encoding="utf-8")
    return missing.read_text(encoding="utf-8")


def decoded_again(recording: Recording, work: Path) -> Recording | None:
    """What ffmpeg makes of a compressed recording in which libsndfile met a fault.

    ffmpeg goes on after it. None where that cannot help: without compression, without ffmpeg, or
    if ffmpeg decoded it before.
    """
    if not recording.is_compressed or recording.decoded or not ffmpeg.is_installed():
        return None
    target = work / f"{recording.sha256}.wav"
    try:
        if not target.exists():
            ffmpeg.decode(recording.path, target)
    except AudioFileError:
        return None
    notes = (*recording.notes, "damaged: decoded by ffmpeg, which leaves the gap out")
    return replace(recording, decoded=os.fsencode(target), notes=notes)


def _without_ffmpeg(task: ProbeTask) -> tuple[Reason, str]:
    suffix = Path(os.fsdecode(task.path)).suffix.lower()
    if suffix in PROMISING:
        return Reason.FORMAT, f"{suffix} is no format of libsndfile, and ffmpeg is not installed"
    return Reason.NOT_SOUND, "libsndfile does not know it, and ffmpeg is not installed"


def _why_unknown(task: ProbeTask) -> str:
    """The reason of libsndfile, which knows more of broken files."""
    try:
        with open_audio(task.path):
            return "it has no samples after its header"
    except AudioFileError as error:
        return str(error)


def _frames(file: soundfile.SoundFile) -> int:
    """The length of a file, counted if the header does not contain it."""
    if 0 < file.frames < MAX_FRAMES:
        return int(file.frames)
    block, frames = max(BLOCK // file.channels, 1), 0
    while frames < MAX_FRAMES and (read := len(file.read(block, dtype="float32"))):
        frames += read
    return frames
