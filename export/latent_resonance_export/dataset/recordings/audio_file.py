"""Opens an audio file with libsndfile, completing a header that was never finished."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile

from latent_resonance_export.dataset.recordings.unfinished_header import (
    CompletedFile,
    missing_lengths,
)

UNKNOWN_FORMAT = "not a recognised audio format"


class AudioFileError(ValueError):
    """The file or its samples cannot be used; the message is one line, without the path."""


@contextmanager
def open_audio(path: bytes) -> Iterator[soundfile.SoundFile]:
    """The opened file; its format is found by its content.

    Raises
    ------
    AudioFileError, OSError
        libsndfile does not know the format, or the file cannot be read.
    """
    name = Path(os.fsdecode(path))
    patches = missing_lengths(name)
    try:
        if patches:
            with CompletedFile(name, patches) as content, soundfile.SoundFile(content) as file:
                yield file
        else:
            with soundfile.SoundFile(path) as file:
                yield file
    except soundfile.LibsndfileError as error:
        reason = one_line(error.error_string)
        unknown = "does not exist" in reason or "not recognised" in reason
        if "nternal error" in reason:  # libsndfile's word for a header that contradicts itself
            reason = f"its header is damaged ({reason.rstrip('.')})"
        raise AudioFileError(UNKNOWN_FORMAT if unknown else reason) from error
    except TypeError as error:  # soundfile asks for the rate of *.raw
        raise AudioFileError(UNKNOWN_FORMAT) from error
    except RuntimeError as error:
        raise AudioFileError(one_line(str(error))) from error


def describe_error(error: Exception) -> str:
    """The message about a broken file on one line, without the path."""
    return one_line(getattr(error, "strerror", None) or str(error))


def one_line(text: str | None) -> str:
    """The text on one line."""
    return " ".join((text or "").split())
