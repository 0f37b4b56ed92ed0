"""Characters that cannot be seen in a file, and that change what it says. Pure."""

from __future__ import annotations

import re
import unicodedata

# Spaces that are no space, format characters such as U+200B, and line ends that are none.
INVISIBLE = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\xa0\\xad\\u1680\\u180e\\u2000-\\u200f\\u2028-\\u202f"
    "\\u205f-\\u206f\\u3000\\ufeff]"
)


def first_invisible(line: str) -> tuple[int, str] | None:
    """Column, from 1, and name of the first invisible character of a line, if there is one."""
    found = INVISIBLE.search(line)
    return None if found is None else (found.start() + 1, name_of(found[0]))


def name_of(character: str) -> str:
    """Such as `U+00A0 NO-BREAK SPACE`."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
