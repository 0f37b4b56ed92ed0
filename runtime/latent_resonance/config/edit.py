"""Change single keys of a settings file, and leave every other character of it as it is.

The artist's comments and order stay. The changed text is read again, and used only if exactly the
keys that were to change have changed. The file is written beside the old one, validated like any
settings file, and renamed; the old one is kept as `NAME.old`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from latent_resonance import LatentResonanceError
from latent_resonance.config.gallery import WEEKDAYS
from latent_resonance.config.settings import SettingsError, load_settings
from latent_resonance.config.text_encoding import read_text
from latent_resonance.config.yaml_file import YamlError, parse_yaml
from latent_resonance.linux.atomic_file import atomic_path

DAYS = ("daily", *WEEKDAYS, "exceptions")
EDITABLE = (
    *(f"hours.{day}" for day in DAYS),
    *(f"quiet.when.{day}" for day in DAYS),
    *("output.volume_db", "attract.enabled", "attract.level_db", "packs", "monitor.palette"),
)
MAX_CHARACTERS = 4096  # of one value


class EditError(LatentResonanceError):
    """The settings cannot be changed like that; the message says why."""


def editable_values(path: Path) -> dict[str, str]:
    """Each editable key as YAML, as in the file; empty where the file leaves it out.

    Raises
    ------
    EditError
        The file cannot be read.
    """
    content = _parsed(_text_of(path), path)
    return {key: _flow(_value(content, key.split("."))) for key in EDITABLE}


def edit_settings(path: Path, values: Mapping[str, str]) -> None:
    """Set editable keys of a settings file.

    Parameters
    ----------
    values : YAML by key; blank is the default

    Raises
    ------
    EditError
        A key is not editable, or the file would not be valid; it is unchanged.
    """
    text = changed_text(_text_of(path), {key: _from_yaml(key, values[key]) for key in values}, path)
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")
        shutil.copymode(path, beside)
        _validate(beside)
        shutil.copy2(path, path.with_name(f"{path.name}.old"))


def changed_text(text: str, values: Mapping[str, Any], path: Path) -> str:
    """The text of a settings file with other values of some keys. Pure.

    Raises
    ------
    EditError
        The text is not YAML, or has a form in which keys cannot be changed safely.
    """
    expected = _parsed(text, path)
    for key, value in values.items():
        expected = _with(expected, key.split("."), value)
        text = _set(text, key.split("."), _flow(value))
    if _without_blanks(_parsed(text, path)) != _without_blanks(expected):
        raise EditError(f"{path}: its form does not allow this change here; edit the file itself")
    return text


def _from_yaml(key: str, text: str) -> object:
    if key not in EDITABLE or len(text) > MAX_CHARACTERS:
        raise EditError(f"{key:.80}: should be one of {', '.join(EDITABLE)}, and not so long")
    try:
        return parse_yaml(text)
    except YamlError as error:
        raise EditError(f"{key}: {text!r:.40} should be a value as in the file{error}") from error


def _text_of(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeError) as error:
        raise EditError(f"{path}: cannot be read ({error}); correct the file") from error


def _parsed(text: str, path: Path) -> dict[Any, Any]:
    try:
        content = parse_yaml(text)
    except YamlError as error:
        raise EditError(f"{path}{error}") from error
    if content is not None and not isinstance(content, dict):
        raise EditError(f"{path}: should hold keys and values; correct the file")
    return content or {}


def _validate(beside: Path) -> None:
    try:
        load_settings(beside)
    except SettingsError as error:
        found = (message.removeprefix(f"{beside}: ") for message in error.messages)
        raise EditError("\n".join(found)) from error


def _value(content: object, key: list[str]) -> object:
    for name in key:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _with(content: object, key: list[str], value: object) -> dict[Any, Any]:
    """A content with another value of a key."""
    section = content if isinstance(content, dict) else {}
    name, *inner = key
    return section | {name: _with(section.get(name), inner, value) if inner else value}


def _without_blanks(content: object) -> object:
    """A content without keys that are blank, which stand for the default."""
    if not isinstance(content, dict):
        return content
    kept = {key: _without_blanks(value) for key, value in content.items()}
    return {key: value for key, value in kept.items() if value not in (None, {})}


def _flow(value: object) -> str:
    """A value as YAML in one line; empty for None."""
    if value is None:
        return ""
    text = yaml.safe_dump([value], default_flow_style=True, width=2**20, allow_unicode=True)
    return str(text).strip()[1:-1]  # without the list, in which a comma is quoted


def _set(text: str, key: list[str], flow: str) -> str:
    """A text in which the value of a key is replaced, or added."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return _appended(text, key, flow)
    for depth, name in enumerate(key):
        found = _child(node, name)
        if found is None:
            return _inserted(text, node, key[depth:], flow, top=depth == 0)
        value = found[1]
        if not isinstance(value, yaml.MappingNode) or depth == len(key) - 1:
            return _replaced(text, value, key[depth + 1 :], flow)
        node = value
    return text


def _child(mapping: yaml.MappingNode, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next((each for each in mapping.value if each[0].value == name), None)


def _replaced(text: str, value: yaml.Node, rest: list[str], flow: str) -> str:
    """A text with another value; within `rest`, if a blank section is all that there is."""
    flow = "".join(f"{{{name}: " for name in rest) + flow + "}" * len(rest)
    start, end = value.start_mark.index, _end(value)
    blank = "" if start < end or not flow else " "
    return text[:start] + blank + flow + text[end:]


def _end(node: yaml.Node) -> int:
    """Where a value ends; a block's own mark is where the next key begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, yaml.MappingNode) else last)
    return int(node.end_mark.index)


def _inserted(text: str, mapping: yaml.MappingNode, key: list[str], flow: str, *, top: bool) -> str:
    """A text with one more key at the start of a section."""
    if not flow:
        return text
    if mapping.flow_style:
        at = mapping.start_mark.index + 1
        comma = ", " if mapping.value else ""
        return text[:at] + _nested(key, flow) + comma + text[at:]
    if top:
        return _appended(text, key, flow)
    first = mapping.start_mark
    return f"{text[: first.index]}{_nested(key, flow)}\n{' ' * first.column}{text[first.index :]}"


def _nested(key: list[str], flow: str) -> str:
    name, *inner = key
    return f"{name}: {{{_nested(inner, flow)}}}" if inner else f"{name}: {flow}"


def _appended(text: str, key: list[str], flow: str) -> str:
    """A text with a key in lines of its own at the end."""
    if not flow:
        return text
    names = [f"{'  ' * depth}{name}:" for depth, name in enumerate(key)]
    separator = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{separator}{chr(10).join(names)} {flow}\n"
