"""Where data from outside is read: what other libraries raise there becomes an error of ours.

Pure. A YAML tag, a name of 300 characters or a folder of another user raises an exception of the
standard library or of a parser, some of which document none. Each function that reads such data is
decorated once; beyond it, a caller meets `LatentResonanceError` alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from latent_resonance import LatentResonanceError

MAX_SHOWN_CHARACTERS = 200  # of what is read, in a message
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def boundary(
    error_of: Callable[[str], LatentResonanceError], rule: str
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Decorate a function whose first argument names what it reads.

    Parameters
    ----------
    error_of : makes the error from its message
    rule : what should have been there, and the remedy
    """

    def decorate(read: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        @functools.wraps(read)
        def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            try:
                return read(*args, **kwargs)
            except LatentResonanceError:
                raise
            except Exception as error:
                name = shown(str(args[0]) if args else "")
                raise error_of(f"{name}: {reason_of(error)}; {rule}") from error

        return guarded

    return decorate


def reason_of(error: Exception) -> str:
    """What an exception of another library says, in one line."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    words = " ".join((text or "").split())
    return f"cannot be read ({shown(words) or type(error).__name__})"


def shown(text: str) -> str:
    """Text that a message quotes: its beginning, if it is long."""
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"
