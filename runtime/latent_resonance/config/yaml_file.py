"""Reads a YAML file that somebody else wrote: small, flat, and without surprises.

Pure but for the file it reads. Refused are a file too large, tabs as indentation, a key
said twice (YAML would silently keep the last), aliases (a few lines of them can unfold to
gigabytes) and deep nesting (the parser recurses).
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from latent_resonance import LatentResonanceError

DEEPEST = 8  # levels of nesting
Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times faster
OPENING = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
CLOSING = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class YamlError(LatentResonanceError):
    """The file cannot be read as YAML; the message says where and why."""


class _NoDuplicates(Parser):  # type: ignore[misc, valid-type]  # chosen when imported
    """A safe loader that refuses a key said twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            name = str(key.value)
            if name in seen:
                raise YamlError(
                    f"line {line}: {name!r} is already set in line {seen[name]}; keep one of them"
                )
            seen[name] = line
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path, largest: int) -> object:
    """The content of a YAML file of at most `largest` bytes; None if it is empty.

    Raises
    ------
    YamlError
        The file is missing, too large, not text or not the YAML that we read.
    """
    text = _read_text(path, largest)
    try:
        _refuse_tabs(text)
        _refuse_riddles(text)
        return yaml.load(text, Loader=_NoDuplicates)  # noqa: S506  a subclass of the safe loader
    except YamlError as error:
        raise YamlError(f"{path}, {error}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2024-13-45
        raise YamlError(f"{path}{_reason(error)}") from error


def _read_text(path: Path, largest: int) -> str:
    try:
        if not path.is_file():
            what = "is not a file" if path.exists() else "no such file"
            raise YamlError(f"{path}: {what}; name a YAML file that exists")
        if path.stat().st_size > largest:
            raise YamlError(
                f"{path}: {path.stat().st_size} bytes, at most {largest} are read; "
                "this does not look like the right file"
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(f"{path}: not text in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise YamlError(f"{path}: cannot be read ({error.strerror}); check its rights") from error


def _refuse_tabs(text: str) -> None:
    for number, line in enumerate(text.splitlines(), start=1):
        indentation = line[: len(line) - len(line.lstrip())]
        if "\t" in indentation:
            raise YamlError(f"line {number}: indented with a tab; YAML wants spaces")


def _refuse_riddles(text: str) -> None:
    """Aliases and deep nesting, found before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=Parser):
        depth += isinstance(event, OPENING) - isinstance(event, CLOSING)
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(f"line {line}: an alias (*name); write the value out instead")
        if depth > DEEPEST:
            raise YamlError(f"line {line}: nested more than {DEEPEST} levels deep")


def _reason(error: Exception) -> str:
    """One line out of YAML's several."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    where = f", line {mark.line + 1}" if mark else ""
    return f"{where}: not YAML ({problem})"
