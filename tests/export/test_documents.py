"""The commands in the documentation exist, with all their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from latent_resonance.cli import commands as instrument
from latent_resonance_export.cli import commands as workshop

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TYPED = re.compile(r"(?<![\w/.-])(latent-resonance(?:-export)?) ([a-z][\w-]*[^`#|\n]*)")
PROGRAMS = {"latent-resonance": instrument, "latent-resonance-export": workshop}


def commands_in(document: Path) -> Iterator[tuple[str, list[str]]]:
    """(program, its arguments) of every fenced block's line and every command within backticks."""
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for piece in "\n".join([*blocks, *spans]).splitlines():
        for program, rest in TYPED.findall(piece):
            yield program, shlex.split(rest, comments=True)


def options_of(command: click.Command) -> set[str]:
    """Of a command, and of those of a group."""
    if isinstance(command, click.Group):
        return set().union(*map(options_of, command.commands.values()))
    return {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {
        "-h",
        "--help",
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_option_in_a_document_exists(document: Path) -> None:
    for program, (name, *arguments) in commands_in(document):
        group = PROGRAMS[program]
        command = group.get_command(click.Context(group), name)
        assert command is not None, f"{program} has no command {name}"
        named = {
            argument.partition("=")[0] for argument in arguments if re.match("--?[a-z]", argument)
        }
        assert named <= options_of(command), f"{program} {name}: {named - options_of(command)}"


def test_the_documents_contain_commands() -> None:
    found = [program for document in DOCUMENTS for program, _ in commands_in(document)]
    assert found.count("latent-resonance") > 20
    assert found.count("latent-resonance-export") > 10
