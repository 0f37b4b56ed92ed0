"""The steps from networks to a pack; `convert.py` takes them one after the other."""

from __future__ import annotations

from latent_resonance import LatentResonanceError


class ConversionError(LatentResonanceError):
    """What was given cannot become a pack; nothing was written."""
