"""From trained networks to a pack; `convert.py` runs the steps in order.

foreign/            a generator that was trained elsewhere, adapted to the contract of a pack
writer.py           the pack: its networks (onnx_export.py, onnx_check.py, quantize.py),
                    model_card.py, room.py
atomic_folder.py    appears complete or not at all
"""

from __future__ import annotations

from latent_resonance import LatentResonanceError


class ConversionError(LatentResonanceError):
    """The input cannot be converted to a pack; nothing was written."""
