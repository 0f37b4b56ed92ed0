"""A griffe extension for the site: reads the short form of numpydoc that this project uses.

`name : what it is`, beside a signature with types, would be taken for a name and its type, and the
description of what is returned for its type.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

SECTION = re.compile(r"^(Parameters|Attributes)\n-+\n(?:.+\n|\n(?!\w+\n-+\n))*", re.MULTILINE)
RETURNS = re.compile(r"^(Returns\n-+\n)((?:.+\n)+)", re.MULTILINE)
SHORT = re.compile(r"^(\w[\w, ]*) : (.+(?:\n[ ]+.+)*)", re.MULTILINE)


class ShortNumpydoc(griffe.Extension):
    """Puts each description on a line of its own, where it belongs to the type of the signature."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a class or function."""
        if obj.docstring is not None:
            returns = str(getattr(obj, "returns", None) or "")
            obj.docstring.value = spelled_out(obj.docstring.value + "\n", returns).rstrip()


def spelled_out(docstring: str, returns: str) -> str:
    """The docstring with names, and the type returned, on lines of their own."""
    docstring = RETURNS.sub(lambda found: found[1] + _entry(returns, found[2]) + "\n", docstring)
    return SECTION.sub(
        lambda section: SHORT.sub(lambda found: _entry(found[1], found[2]), section[0]), docstring
    )


def _entry(name: str, description: str) -> str:
    return f"{name}\n    {' '.join(description.split())}"
