"""Reads a YAML file from an untrusted source, with limits on its size and structure.

Pure except for the file. Rejected are large files, tabs as indentation, duplicate keys (YAML
would silently keep the last), aliases (a few lines of them can expand to gigabytes), deep nesting
(the parser recurses), control characters (no device and no file has one in its name), invisible
characters outside quotes, numbers that YAML reads as octal or of absurd length, and values that
are not what their tag says (`!!bool maybe`).
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from latent_resonance import LatentResonanceError
from latent_resonance.config.boundary import boundary, shown
from latent_resonance.config.invisible import first_invisible

MAX_DEPTH = 8  # levels of nesting
MAX_NUMBER_CHARACTERS = 40
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
OCTAL = re.compile(r"[-+]?0[0-9_]+")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times faster
OPENING = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
CLOSING = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class YamlError(LatentResonanceError):
    """The file cannot be read as YAML; the message names the line and the reason."""


class _NoDuplicates(Parser):  # type: ignore[misc, valid-type]  # chosen at import
    """A safe loader that rejects duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            name = shown(str(key.value))
            if name in seen:
                raise YamlError(
                    f"line {line}: {name!r} is already set in line {seen[name]}; keep one of them"
                )
            seen[name] = line
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep=deep)
        except (YamlError, yaml.YAMLError):
            raise
        except Exception as error:  # the parser's conversions document none of theirs
            kind = node.tag.rpartition(":")[2]
            raise YamlError(
                f"line {node.start_mark.line + 1}: {shown(repr(node.value))} is no {kind}; "
                "correct it, or write it in quotes if it is text"
            ) from error

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        if node.tag in NUMBERS and len(node.value) > MAX_NUMBER_CHARACTERS:
            raise YamlError(
                f"line {node.start_mark.line + 1}: a number of {len(node.value)} characters; at "
                f"most {MAX_NUMBER_CHARACTERS} are read"
            )
        return str(super().construct_scalar(node))


@boundary(YamlError, "correct the file")
def read_yaml(path: Path, max_bytes: int) -> object:
    """The content of a YAML file of at most `max_bytes` bytes; None if it is empty.

    Raises
    ------
    YamlError
        The file is missing, too large, not text, not YAML or not within the limits.
    """
    text = _read_text(path, max_bytes)
    try:
        return parse_yaml(text)
    except YamlError as error:
        raise YamlError(f"{path}{error}") from error


def parse_yaml(text: str) -> object:
    """The content of a YAML text; None if it is empty.

    Raises
    ------
    YamlError
        The text is not YAML or not within the limits; the message begins with the line.
    """
    try:
        _reject_tabs(text)
        _check_events(text)
        return yaml.load(text, Loader=_NoDuplicates)  # noqa: S506  a subclass of the safe loader
    except YamlError as error:
        raise YamlError(f", {error}") from error
    except Exception as error:  # libyaml's own, and those of conversions, which are not documented
        raise YamlError(_reason(error)) from error


def _read_text(path: Path, max_bytes: int) -> str:
    try:
        if not path.is_file():
            what = "is not a file" if path.exists() else "no such file"
            raise YamlError(f"{path}: {what}; name a YAML file that exists")
        if path.stat().st_size > max_bytes:
            raise YamlError(
                f"{path}: {path.stat().st_size} bytes, at most {max_bytes} are read; "
                "this does not look like the right file"
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(
            f"{path}: not text in UTF-8 (byte {error.start}); save it in that encoding"
        ) from error
    except OSError as error:
        raise YamlError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def _reject_tabs(text: str) -> None:
    for number, line in enumerate(text.splitlines(), start=1):
        indentation = line[: len(line) - len(line.lstrip())]
        if "\t" in indentation:
            raise YamlError(f"line {number}: indented with a tab; indent with spaces")


def _check_events(text: str) -> None:
    """Check the event stream, before any object is built."""
    depth = 0
    for event in yaml.parse(text, Loader=Parser):
        depth += isinstance(event, OPENING) - isinstance(event, CLOSING)
        fault = _fault_of(event)
        if depth > MAX_DEPTH:
            fault = f"nested more than {MAX_DEPTH} levels deep"
        if fault:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise YamlError(f"line {line}: {fault}")


def _fault_of(event: yaml.Event) -> str:
    """What must not be in a file; empty if there is nothing."""
    if isinstance(event, yaml.AliasEvent):
        return "an alias (*name); write the value itself instead"
    if not isinstance(event, yaml.ScalarEvent):
        return ""
    if CONTROL.search(event.value):
        return "a control character; remove it"
    return "" if event.style else _fault_of_unquoted(event)


def _fault_of_unquoted(event: yaml.ScalarEvent) -> str:
    """What is not what it looks like, in a text without quotes."""
    if found := first_invisible(event.value):
        column = found[0] + (event.start_mark.column if event.start_mark else 0)
        return (
            f"column {column}: {found[1]}, which cannot be seen; use a plain space, or put the "
            "text in quotes"
        )
    if OCTAL.fullmatch(event.value):
        return (
            f"{shown(event.value)}: YAML reads a number that begins with 0 as octal; write it "
            "without the 0, or in quotes if it is text"
        )
    return ""


def _reason(error: Exception) -> str:
    """YAML's message in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    where = f", line {mark.line + 1}" if mark else ""
    return f"{where}: not YAML ({problem})"
