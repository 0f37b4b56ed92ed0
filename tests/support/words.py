"""Finds words that say nothing to an engineer: metaphors where the field has a term.

    python -m tests.support.words [PATH ...]

Looks at identifiers, comments, docstrings and messages alike: `a_dreamer` and "a dreamer" are both
found. A line that ends with `words: REASON` in a comment is left alone, for what must stay as
people have written it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SUFFIXES = {".py", ".md", ".yaml", ".sh", ".html", ".js", ".service", ".target", ""}
PLACES = ("runtime", "export", "docs", "systemd", "README.md", "CONTRIBUTING.md", "setup")
METAPHORS = (
    r"dream(?:s|er|ers|t|ed|ing)?", "heard", "told", "wanted", r"wish(?:es|ed)?",
    r"(?:some|no|any)body", r"ow(?:ed|es)", r"tends?",
)  # fmt: skip
# Parts of a word are words of their own: snake_case, camelCase, kebab-case.
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
FORBIDDEN = re.compile("|".join(METAPHORS), re.IGNORECASE)
SUNG = {"docs/voices.sh"}  # its words are the material of a pack
EXCEPTION = re.compile(r"\bwords: \w|^\s*WantedBy=")  # systemd's own key


class Finding(NamedTuple):
    """A word, and where it is."""

    path: str
    line: int
    word: str
    text: str


def words_of(text: str) -> Iterator[Finding]:
    """The forbidden words of a text; `path` is left empty."""
    for number, line in enumerate(text.splitlines(), start=1):
        if EXCEPTION.search(line):
            continue
        for part in PART.findall(line):
            if FORBIDDEN.fullmatch(part):
                yield Finding("", number, part, line.strip())


def files_in(places: tuple[str, ...]) -> list[Path]:
    """The tracked text files in some places of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *places],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    paths = (ROOT / name for name in listed.split("\0") if name)
    return [
        path
        for path in paths
        if path.suffix in SUFFIXES and str(path.relative_to(ROOT)) not in SUNG and path.is_file()
    ]


def findings(places: tuple[str, ...] = PLACES) -> list[Finding]:
    """Every forbidden word in some places of the repository."""
    return [
        found._replace(path=str(path.relative_to(ROOT)))
        for path in files_in(places)
        for found in words_of(path.read_text())
    ]


def main() -> int:
    """Lists them; 1 if there are any."""
    found = findings(tuple(sys.argv[1:]) or PLACES)
    for path, line, word, text in found:
        print(f"{path}:{line}: {word}: {text}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
