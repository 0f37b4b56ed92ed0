"""Latent Resonance: a silent face becomes sound.

The packages lie in the order of the signal: `eye` sees, `voice` sounds, `gallery` minds
its manners. Nothing heavy is imported here.
"""

from __future__ import annotations

__version__ = "0.2.0"


class LatentResonanceError(Exception):
    """Something a user can put right; the message says what, by which rule, and how.

    The command line prints the message, without a traceback, and leaves with `exit_code`.
    """

    exit_code = 1
