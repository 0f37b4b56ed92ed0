"""From trained networks to a pack; `convert.py` runs the steps in order."""

from __future__ import annotations

from latent_resonance import LatentResonanceError


class ConversionError(LatentResonanceError):
    """The input cannot be converted to a pack; nothing was written."""
