"""Latent Resonance: a silent face becomes sound.

The public names below are imported on first use, so that importing the package loads nothing
else. `docs/examples/` shows their use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latent_resonance.audio.griffin_lim import StreamingGriffinLim, griffin_lim
    from latent_resonance.audio.mel_inversion import spectrogram_to_magnitude
    from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
    from latent_resonance.config.settings import Settings
    from latent_resonance.pack import find_pack, open_pack
    from latent_resonance.rendering import render, render_samples
    from latent_resonance.voice.synthesis.networks import load_networks

__version__ = "0.3.0"

__all__ = [
    "Geometry",
    "LatentResonanceError",
    "Settings",
    "StreamingGriffinLim",
    "find_pack",
    "griffin_lim",
    "load_networks",
    "loop_to_spectrogram",
    "open_pack",
    "render",
    "render_samples",
    "spectrogram_to_magnitude",
]

_MODULES = {
    "Geometry": "audio.spectrogram",
    "Settings": "config.settings",
    "StreamingGriffinLim": "audio.griffin_lim",
    "find_pack": "pack",
    "griffin_lim": "audio.griffin_lim",
    "load_networks": "voice.synthesis.networks",
    "loop_to_spectrogram": "audio.spectrogram",
    "open_pack": "pack",
    "render": "rendering",
    "render_samples": "rendering",
    "spectrogram_to_magnitude": "audio.mel_inversion",
}


class LatentResonanceError(Exception):
    """An error that the user can fix; the message has the value, the rule and the remedy.

    The command line prints the message without a traceback and exits with `exit_code`.
    """

    exit_code = 1


if not TYPE_CHECKING:  # a type checker shall know the names above, and no others

    def __getattr__(name: str) -> object:
        """Import a public name on first use (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
