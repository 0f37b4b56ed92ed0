"""Reads a YAML file from an untrusted source, with limits on its size and structure.

Pure except for the file. Rejected are large files, tabs as indentation, duplicate keys (YAML
would silently keep the last), aliases (a few lines of them can expand to gigabytes), tags but those
of text, numbers and switches (the parser's types of collections have rules of their own), deep
nesting (the parser recurses), control characters (no device and no file has one in its name),
invisible characters outside quotes, quotation marks of typography, numbers that YAML reads as octal
or of absurd length, and values that are not what their tag says (`!!bool maybe`).

As in YAML 1.2, `1e-3` and `.5` are numbers, `10:30` is text and not 630, and `<<` and `=` are keys
like others. A key is the text that is written, also where it looks like a number or a switch; only
dates are dates.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from latent_resonance import LatentResonanceError
from latent_resonance.config.boundary import boundary, shown
from latent_resonance.config.invisible import first_invisible, name_of
from latent_resonance.config.text_encoding import read_text
from latent_resonance.config.yaml_advice import advice_for

MAX_DEPTH = 8  # levels of nesting
MAX_NUMBER_CHARACTERS = 40
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
TEXT, DATE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"
NO_TEXT = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")  # to YAML 1.1
SCALAR_TAGS = (None, "!", TEXT, *NUMBERS, "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")
MAPPING_TAGS = (None, "!", "tag:yaml.org,2002:map")
SEQUENCE_TAGS = (None, "!", "tag:yaml.org,2002:seq")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")  # of YAML 1.2
QUOTATION_MARKS = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"
OCTAL = re.compile(r"[-+]?0[0-9_]+")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
# What YAML does not permit, or takes for a line end, which no editor shows as one.
UNWRITTEN = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufeff\\ufffe\\uffff]"
)
Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times faster
OPENING = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
CLOSING = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class YamlError(LatentResonanceError):
    """The file cannot be read as YAML; the message names the line and the reason."""


class _Loader(Parser):  # type: ignore[misc, valid-type]  # chosen at import
    """A safe loader of fewer types, that rejects duplicate keys."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        tag = str(super().resolve(kind, value, implicit))
        if kind is not yaml.ScalarNode or not implicit[0]:
            return tag
        if tag in NO_TEXT or (tag in NUMBERS and ":" in value):
            return TEXT
        return NUMBERS[1] if tag == TEXT and FLOAT.fullmatch(value) else tag

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        mapping: dict[Hashable, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError(f"line {line}: a list or section as a key; put a text in quotes")
            name = shown(key.value)
            if key.value in seen:
                raise YamlError(
                    f"line {line}: {name!r} is already set in line {seen[key.value]}; keep one of "
                    "them"
                )
            seen[key.value] = line
            found = self.construct_object(key) if key.tag == DATE else key.value
            mapping[found] = self.construct_object(value, deep=deep)
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
        _check_characters(text)
        _reject_tabs(text)
        _check_events(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506  a subclass of the safe loader
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
        return read_text(path)
    except UnicodeError as error:
        place = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        raise YamlError(f"{path}: not text in UTF-8{place}; save it in that encoding") from error
    except OSError as error:
        raise YamlError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def _check_characters(text: str) -> None:
    if found := UNWRITTEN.search(text):
        before = text[: found.start()]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise YamlError(
            f"line {line}: column {column}: {name_of(found[0])}, which no text should have; remove "
            "it, or save the file as text in UTF-8"
        )


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
    tag: str | None = getattr(event, "tag", None)
    if tag not in _tags_of(event):
        name = shown(str(tag).replace("tag:yaml.org,2002:", "!!"))
        return f"a tag ({name}); write the value without it, or in quotes if it is text"
    if not isinstance(event, yaml.ScalarEvent):
        return ""
    if CONTROL.search(event.value):
        return "a control character; remove it"
    return "" if event.style else _fault_of_unquoted(event)


def _tags_of(event: yaml.Event) -> tuple[str | None, ...]:
    """The tags that such a value may have."""
    if isinstance(event, yaml.MappingStartEvent):
        return MAPPING_TAGS
    return SEQUENCE_TAGS if isinstance(event, yaml.SequenceStartEvent) else SCALAR_TAGS


def _fault_of_unquoted(event: yaml.ScalarEvent) -> str:
    """What is not what it looks like, in a text without quotes."""
    if found := first_invisible(event.value):
        column = found[0] + (event.start_mark.column if event.start_mark else 0)
        return (
            f"column {column}: {found[1]}, which cannot be seen; remove it or use a plain space, "
            "or put the text in quotes"
        )
    if event.value.startswith(tuple(QUOTATION_MARKS)):
        return f"{event.value[0]} is no quotation mark to YAML; use \" or '"
    if OCTAL.fullmatch(event.value):
        return (
            f"{shown(event.value)}: YAML reads a number that begins with 0 as octal; write it "
            "without the 0, or in quotes if it is text"
        )
    return ""


def _reason(error: Exception) -> str:
    """YAML's message in one line."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return f": not YAML ({shown(str(error).partition(chr(10))[0])}); correct the file"
    mark = error.problem_mark
    where = f", line {mark.line + 1}" if mark else ""
    return f"{where}: not YAML ({error.problem}); {advice_for(error)}"
