"""The instrument that settings name, opened as the voice opens it at its start."""

from __future__ import annotations

from latent_resonance.config.settings import Settings
from latent_resonance.pack import find_pack, open_pack
from latent_resonance.voice.synthesis.instrument import Instrument
from latent_resonance.voice.synthesis.networks import load_networks


def open_instrument(settings: Settings) -> Instrument:
    """Pack, networks and synthesis, of seed 0."""
    pack = open_pack(find_pack(settings.pack))
    return Instrument(pack, load_networks(pack, settings.inference), settings, 0)
