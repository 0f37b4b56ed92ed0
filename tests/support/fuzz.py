"""Fuzzing for a limited time: bytes and text that no person writes, from seeds that repeat.

`LATENT_RESONANCE_FUZZ_S` is the time for each boundary in seconds: the default is short, CI takes
60, a thorough run 600; `LATENT_RESONANCE_FUZZ_SEED` is the first seed. The seed of a failure is in
its notes; Hypothesis also keeps the example in .hypothesis/, and tries it first from then on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("LATENT_RESONANCE_FUZZ_S", "1"))
FIRST_SEED = int(os.environ.get("LATENT_RESONANCE_FUZZ_SEED", "0"))
SHRINK_S = 300.0  # in which Hypothesis simplifies an example that fails
EXAMPLES = 50  # of one seed
Test = TypeVar("Test", bound=Callable[..., None])
# Values that a parser, a number type or an operating system has its own exception for.
NASTY = (
    "~", "~root", "~nobody-of-this-name/x", "!!bool maybe", "!!timestamp x", "!!int x",
    "!!float x", "!!binary x", "!!python/object:os.system x", "!!set {a, b}", "!!omap [a: 1]",
    "!!pairs [a]", "!x y", "&a 1", "*a", "<<: {a: 1}", "=", "<<", "? [a]", "? {a: b}", "- a",
    "{a: 1, a: 2}", "[" * 40, "0x" + "f" * 4000, "9" * 5000, "1e999", "-.inf", ".nan", "1_0",
    "010", "190:20:30", "0b2", "0o8", "2024-13-45", "2024-01-01", "2024-01-01T99:99:99Z",
    "9999-12-31", '"\\0"', '"\\ud800"', '"\\x1b[2J"', '"\\n"', "'", '"', "|", ">", "%", "@", "`",
    "\t", "\u2028", "\x85", "\ufeff", "#", "a" * 300, "/" * 5000, "/proc/self/mem", "/dev/zero",
    "/dev/full", "/", "..", ".", "null", "on", "off", "10:00-18:00",
)  # fmt: skip


def fuzzed(test: Test) -> Test:
    """Mark a test that fuzzes a boundary (`pytest -m fuzz`), which takes SECONDS."""
    return pytest.mark.fuzz(pytest.mark.timeout(SECONDS + SHRINK_S)(test))


def fuzz(check: Callable[..., None], *strategies: st.SearchStrategy[object]) -> None:
    """Call `check` with examples for SECONDS, at least with those of one seed."""
    end_s, number = time.monotonic() + SECONDS, FIRST_SEED
    while number == FIRST_SEED or time.monotonic() < end_s:
        run = settings(
            max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck)
        )(given(*strategies)(check))
        try:
            seed(number)(run)()
        except BaseException as error:
            error.add_note(f"seed {number} of tests/support/fuzz.py")
            raise
        number += 1


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """A file with some stretches of it overwritten, removed or repeated."""
    place = st.integers(0, len(whole))
    part = st.binary(max_size=16) | st.sampled_from([text.encode() for text in NASTY])
    edits = st.lists(st.tuples(place, st.integers(0, 64), part), min_size=1, max_size=4)
    return edits.map(lambda each: _edited(whole, each))


def _edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, part in edits:
        data = data[:at] + part + data[at + length :]
    return data


def yaml_bytes(keys: list[str], whole: bytes) -> st.SearchStrategy[bytes]:
    """YAML that is nearly a valid file: dotted keys with values of every kind, or damaged bytes."""
    value = st.sampled_from(NASTY) | st.text(max_size=40) | st.integers().map(str)
    entries = st.lists(st.tuples(st.sampled_from(keys), value), min_size=1, max_size=3)
    return st.one_of(
        entries.map(
            lambda pairs: "\n".join(nested(*pair) for pair in pairs).encode(errors="replace")
        ),
        damaged(whole),
        st.binary(max_size=200),
    )


def nested(key: str, value: str) -> str:
    """`a.b` and `1` as an indented section, whatever the value holds."""
    *sections, name = key.split(".")
    lines = [f"{'  ' * depth}{section}:" for depth, section in enumerate(sections)]
    return "\n".join([*lines, f"{'  ' * len(sections)}{name}: {value}"])
