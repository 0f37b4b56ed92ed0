"""Fills the HTML templates of the reports: one file each, no scripts, all text escaped. Pure."""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


ENVIRONMENT = Environment(
    loader=PackageLoader(__package__),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters["base64"] = _base64


def fill(template: str, **values: object) -> str:
    """The page that a template of `templates/` gives with these values.

    Raises
    ------
    jinja2.UndefinedError
        The template uses a value that is missing.
    """
    return ENVIRONMENT.get_template(template).render(values)
