"""The encoding of a text file that people have saved."""

from __future__ import annotations

import codecs
from pathlib import Path

HEAD_BYTES = 4  # that decide
MARKS = (  # UTF-32's little-endian mark begins as that of UTF-16 does
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ZEROS = {  # of ASCII characters, where "x" stands for one
    "x000": "utf-32-le",
    "000x": "utf-32-be",
    "x0x0": "utf-16-le",
    "0x0x": "utf-16-be",
}


def encoding_of(head: bytes) -> str:
    """Encoding of a text by its byte order mark, or by the zeros in it; UTF-8 without either.

    Parameters
    ----------
    head : the first bytes, at least HEAD_BYTES unless the text is shorter
    """
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    return ZEROS.get("".join("x" if byte else "0" for byte in head[:HEAD_BYTES]), "utf-8")


def read_text(path: Path, errors: str = "strict") -> str:
    """The text of a file in its own encoding, without a byte order mark, with plain line ends.

    Parameters
    ----------
    errors : as of `bytes.decode`

    Raises
    ------
    OSError, UnicodeError
        It cannot be read, or is not text.
    """
    with path.open("rb") as file:
        encoding = encoding_of(file.read(HEAD_BYTES))
    return path.read_text(encoding=encoding, errors=errors).removeprefix("\ufeff")
