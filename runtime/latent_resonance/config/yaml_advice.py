"""What to do about a text that is no YAML: a sentence for each of the parser's terms. Pure."""

from __future__ import annotations

import yaml

ADVICE = (  # part of the parser's problem, or of its context; the first that fits counts
    ("escape", "in \"…\" a backslash is written \\\\; or use '…'"),
    ("hexdecimal", "in \"…\" a backslash is written \\\\; or use '…'"),
    ("quoted scalar", "a quotation mark in line {begin} is not closed"),
    ("parsing a flow", "a bracket that is opened in line {begin} is not closed before this"),
    ("mapping values are not allowed", "a text with a colon should be in quotes"),
    ("cannot start any token", "a text that begins with @, %, ` or a tab should be in quotes"),
    ("alphabetic or numeric", "a text that begins with * or & should be in quotes"),
    ("scanning a tag", "a text that begins with ! should be in quotes"),
    ("undefined tag handle", "a text that begins with ! should be in quotes"),
    ("comment or line break", "a text that begins with | or > should be in quotes"),
    ("block sequence entries", "a single - is no value; write the value"),
    ("another document", "remove the line --- and keep one document"),
    ("<document start>", "remove what is before `---` or after `...`, and lines such as [name]"),
    ("directive", "remove the line that begins with %"),
    ("version", "remove the line that begins with %"),
    ("incompatible", "remove the line that begins with %"),
    ("expected key", "indent the line as those above it; close quotes and brackets"),
    ("simple key", "put a colon and a space behind the key"),
)


def advice_for(error: yaml.MarkedYAMLError) -> str:
    """What to do; a general remedy if the problem is not known."""
    said = f"{error.problem} {error.context or ''}"
    begin = error.context_mark or error.problem_mark
    line = begin.line + 1 if begin else 1
    found = (remedy for part, remedy in ADVICE if part in said)
    return next(found, "each key should be `key: value`, or `key:` with indented lines").format(
        begin=line
    )
