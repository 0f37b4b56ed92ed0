"""The pages' labels in every language, and which language a browser asks for. Pure.

In: `page/strings.json`, which has each label by its key, and each message of voice and monitor by
its English text. Out: pages whose $keys are replaced, and the table that their scripts read.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from string import Template
from typing import Any

LANGUAGES = ("en", "de", "fr", "es")
STRINGS = Path(__file__).with_name("page") / "strings.json"
MAX_RANGES = 32  # of an Accept-Language
RANGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?")
Table = dict[str, Any]


def read_strings(path: Path = STRINGS) -> Table:
    """The table of `strings.json`: labels by key and language, and messages by language."""
    table: Table = json.loads(path.read_text(encoding="utf-8"))
    return table


def preferred_language(accept_language: str) -> str:
    """The language of LANGUAGES that an Accept-Language weighs most, by RFC 4647's lookup.

    English if it names none of them. What is malformed in it counts as absent.
    """
    ranges = map(RANGE.fullmatch, accept_language.split(",")[:MAX_RANGES])
    weights = [(float(found[2] or 1), found[1].lower()) for found in ranges if found]
    known = [(weight, language) for weight, language in weights if language in LANGUAGES]
    weight, language = max(known, key=lambda each: each[0], default=(0.0, ""))
    return language if weight > 0.0 else LANGUAGES[0]


def translated_page(html: str, strings: Table, language: str, palette: str = "") -> str:
    """A page with each $key replaced by its label, $lang by the language, $wall_palette by a name.

    Raises
    ------
    KeyError
        A key has no label.
    """
    labels = {key: escape(each[language]) for key, each in strings["labels"].items()}
    return Template(html).substitute(labels, lang=language, wall_palette=palette)


def strings_of(strings: Table, language: str) -> Table:
    """One language's labels by key, and its messages as pairs of the English text and its own."""
    return {
        "labels": {key: each[language] for key, each in strings["labels"].items()},
        "messages": [[each[LANGUAGES[0]], each[language]] for each in strings["messages"]],
    }
