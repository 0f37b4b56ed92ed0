"""Decodes what libsndfile cannot read with the ffmpeg program: m4a, mov, wma, ac3 and others.

In a process of its own, bounded in time, memory and size. Only formats that contain sound are
allowed: playlists could name other files.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from latent_resonance_export.dataset.recordings.audio_file import AudioFileError, one_line

FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,gsm,iff,ircam,"
    "loas,matroska,mlp,mmf,mov,mp4,mp3,mpc,mpc8,mpeg,mpegts,nistsphere,nut,ogg,oma,rm,"
    "shn,sox,svx,tak,truehd,tta,voc,vqf,w64,wav,wsaud,wtv,wv,xwma"
)
LOSSLESS = ("pcm_", "flac", "alac", "ape", "wavpack", "tta", "tak", "shorten", "mlp", "truehd")
PROBE_S, DECODE_S = 30, 400  # limits of time
MAX_BYTES = 16 << 30  # of the decoded samples: twelve hours of stereo at 48 kHz
MIN_MISSING_S = 0.5  # a lossy coder adds and removes less at the ends
MAX_BLOCK_BYTES = 256 << 20  # of one allocation
MIN_SCORE = 26  # of 100; at 25 ffprobe has guessed
NO_INDEX = b"moov atom not found"
MEAN_VOLUME = re.compile(rb"mean_volume: (-?[\d.]+) dB")
SILENT_DB, MEASURED_S = -60.0, 600  # of a track, in its first ten minutes
LIMITS = ("-protocol_whitelist", "file", "-format_whitelist", FORMATS)


@dataclass(frozen=True)
class Media:
    """What a file contains, according to ffprobe."""

    codec: str  # of its first audio stream, or "" if it has none
    is_lossy: bool
    licence: str
    author: str
    tracks: int = 1  # of sound; a film may have several
    seconds: float = 0.0  # according to its header, or estimated from its size; 0 if unknown


def is_installed() -> bool:
    """Whether the programs ffmpeg and ffprobe are on PATH."""
    return all(shutil.which(program) for program in ("ffmpeg", "ffprobe"))


def probe_media(path: bytes) -> Media | None:
    """What a file contains; None if ffprobe does not know its format.

    Raises
    ------
    AudioFileError
        It was interrupted before its index was written.
    """
    entries = "stream=codec_type,codec_name:format=probe_score,duration:format_tags"
    command = ["ffprobe", "-v", "error", *LIMITS, "-of", "json", "-show_entries", entries]
    found = _run([*command, "--", b"file:" + path], PROBE_S)
    try:
        values: dict[str, Any] = json.loads(found.stdout)
    except ValueError:
        return None
    form = values.get("format", {})
    if found.returncode and NO_INDEX in found.stderr:
        raise AudioFileError(_last_line(found.stderr))
    if found.returncode or form.get("probe_score", 0) < MIN_SCORE:
        return None
    streams = [s for s in values.get("streams", []) if s.get("codec_type") == "audio"]
    codec = next((str(s.get("codec_name", "unknown")) for s in streams), "")
    tags = {key.lower(): one_line(str(value)) for key, value in form.get("tags", {}).items()}
    author = tags.get("artist") or tags.get("copyright") or ""
    return Media(
        codec,
        not codec.startswith(LOSSLESS),
        tags.get("license", ""),
        author,
        len(streams),
        float(form.get("duration", 0.0)),
    )


def audible_track(path: bytes, tracks: int) -> int:
    """The first track of sound, from 0; if it is silent, the loudest one."""
    if tracks < 2 or _level_db(path, 0) >= SILENT_DB:
        return 0
    levels_db = [_level_db(path, track) for track in range(tracks)]
    return levels_db.index(max(levels_db))


def _level_db(path: bytes, track: int) -> float:
    """The mean level of the beginning of a track; -inf if it cannot be measured."""
    measure = ["-map", f"0:a:{track}", "-t", str(MEASURED_S), "-af", "volumedetect"]
    command = ["ffmpeg", "-nostdin", "-v", "info", *LIMITS, "-i"]
    done = _run([*command, b"file:" + path, *measure, "-f", "null", "-"], DECODE_S)
    found = MEAN_VOLUME.search(done.stderr)
    return float(found[1]) if found else -math.inf


def decode(path: bytes, target: Path, track: int = 0, seconds: float = 0.0) -> str:
    """Writes a track of sound as float32 WAV; returns why it ended early, or "".

    Parameters
    ----------
    seconds : its length according to its header, 0 if unknown

    Raises
    ------
    AudioFileError
        Nothing could be decoded.
    OSError
        The disk is full.
    """
    beside = target.with_name(f"{target.name}.{os.getpid()}.part")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-max_alloc", str(MAX_BLOCK_BYTES), *LIMITS]
    # not W64: libsndfile takes ffmpeg's float samples there for integers
    form = ["-c:a", "pcm_f32le", "-f", "wav", "-rf64", "auto"]
    output = ["-map", f"0:a:{track}", *form, "-fs", str(MAX_BYTES), "-y"]
    try:
        done = _run([*command, "-i", b"file:" + path, *output, os.fsencode(beside)], DECODE_S)
        _check_space(done.stderr, beside)
        if not beside.exists() or beside.stat().st_size < 256:  # nothing but the header
            raise AudioFileError(_last_line(done.stderr) or "nothing in it could be decoded")
        cut = beside.stat().st_size >= MAX_BYTES - (1 << 20)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    if cut:
        return f"it is longer than {MAX_BYTES >> 30} GiB when decoded"
    if done.returncode:
        return _last_line(done.stderr)
    return _shortfall(target, seconds) if done.stderr else ""


def _shortfall(target: Path, seconds: float) -> str:
    """What is missing of a file that was decoded with errors: ffmpeg succeeds if it is cut off."""
    missing_s = seconds - soundfile.info(target).duration
    ends = f"it ends {missing_s:.1f} s earlier than its header states"
    return ends if missing_s > MIN_MISSING_S else ""


def _run(command: list[str | bytes], limit_s: float) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise AudioFileError(f"decoding it takes more than {limit_s:g} s") from error


def _check_space(errors: bytes, target: Path) -> None:
    if os.strerror(errno.ENOSPC).encode() in errors:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))


def _last_line(errors: bytes) -> str:
    """The cause, which ffmpeg states last, without the path before it."""
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    if NO_INDEX in errors:
        return "its index (moov) was never written: the recording was interrupted"
    return one_line(lines[-1]).rpartition(": ")[2] if lines else ""
