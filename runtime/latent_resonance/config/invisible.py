"""Characters that cannot be seen in a file, and that change what it says. Pure."""

from __future__ import annotations

import re
import unicodedata

# Spaces that are no space, format characters such as U+200B, letters and variations without a
# shape, and line ends that are none.
INVISIBLE = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\xa0\\xad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4"
    "\\u17b5\\u180b-\\u180f\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u2800\\u3000\\u3164"
    "\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffc\\U000e0000-\\U000e0fff]"
)


def first_invisible(line: str) -> tuple[int, str] | None:
    """Column, from 1, and name of the first invisible character of a line, if there is one."""
    found = INVISIBLE.search(line)
    return None if found is None else (found.start() + 1, name_of(found[0]))


def name_of(character: str) -> str:
    """Such as `U+00A0 NO-BREAK SPACE`."""
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
