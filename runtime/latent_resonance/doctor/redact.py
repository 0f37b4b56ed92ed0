"""Removes from texts what must not be mailed: secrets, and what tells of a visitor. Pure.

In: any text of this machine. Out: the same text, with `…` in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

GONE = "…"
MIN_SECRET = 4  # characters; a shorter one would be found everywhere
SECRET_KEYS = re.compile(
    r"password|passwd|token|secret|username|credential|api_?key", re.IGNORECASE
)
# In this order: a user in an address, a header, what the doctor says of its token.
SECRETS = (
    (re.compile(r"(?<=://)[^\s/@]+(?=@)"), GONE),
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), rf"\1 {GONE}"),
    (
        re.compile(r"(?i)\b(token|password|secret)(\s*[:=]\s*|\s+)[A-Za-z0-9+/_=-]{8,}"),
        rf"\1\2{GONE}",
    ),
)
VISITS = (
    (re.compile(r"\d+ visits?, \d+ s for visitors"), f"{GONE} visits"),
    (re.compile(r"(?i)\b(playing for a visitor|a visitor is detected|no visitor[^,;]*|"
                r"(greeting|farewell)[^,;]*|for (a|the) visitor[^,;]*)"), GONE),
)  # fmt: skip


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these secrets, without what looks like one, and without visits."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        if len(secret) >= MIN_SECRET:
            text = text.replace(secret, GONE)
    for pattern, replacement in (*SECRETS, *VISITS):
        text = pattern.sub(replacement, text)
    return text


def without_secrets(settings: Any) -> Any:  # noqa: ANN401  whatever YAML held
    """Settings as read from YAML, without the values of keys that name a secret."""
    if isinstance(settings, dict):
        return {
            key: GONE
            if value is not None and SECRET_KEYS.search(str(key)) and not isinstance(value, dict)
            else without_secrets(value)
            for key, value in settings.items()
        }
    if isinstance(settings, list):
        return [without_secrets(value) for value in settings]
    return redacted(settings) if isinstance(settings, str) else settings
