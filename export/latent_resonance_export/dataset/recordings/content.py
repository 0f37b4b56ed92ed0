"""Says what a file is by its first bytes, where that is not a sound. Pure."""

from __future__ import annotations

HEAD_BYTES = 4096  # enough for every rule below
MAGIC = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"BM", "a BMP image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it"),
    (b"\x1f\x8b", "a gzip archive: unpack it"),
    (b"\xfd7zXZ", "an xz archive: unpack it"),
    (b"MThd", "a MIDI file, which has notes but no sound: render it"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "a database"),
    (b"version https://git-lfs", "a Git LFS pointer: fetch the file with git lfs pull"),
)
PAGES = (b"<!doctype html", b"<html")
CONTROL = set(range(32)) - {9, 10, 12, 13, 27}  # characters that text does not contain


def describe_content(head: bytes) -> str:
    """What a file that begins with these bytes is; "" if unknown or possibly a sound."""
    if not head:
        return "an empty file"
    for magic, what in MAGIC:
        if head.startswith(magic):
            return what
    if head.lstrip().lower().startswith(PAGES):
        return "a web page, perhaps of a failed download"
    return "text" if _is_text(head) else ""


def _is_text(head: bytes) -> bool:
    if CONTROL & set(head):
        return False
    try:
        head[:HEAD_BYTES].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # a character that the limit cuts
    return True
