"""The newest generated column of a synthesiser, at the gain of the output.

Runs on the synthesis thread, once a hop: it copies nothing.
"""

from __future__ import annotations

from latent_resonance.audio.generated_mel import GeneratedColumn
from latent_resonance.audio.loudness import db_to_amplitude
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.voice.synthesis.synthesiser import Synthesiser
from latent_resonance.voice.synthesis.tone import Tone


def generated_column(
    synthesiser: Synthesiser, geometry: Geometry, fader_gain: float
) -> GeneratedColumn:
    """The column at the playhead.

    Parameters
    ----------
    geometry : of the synthesiser's pack
    fader_gain : linear gain after the synthesiser; 0 while the output is silent
    """
    gain = output_gain(synthesiser.tone) * fader_gain
    return GeneratedColumn(synthesiser.generated, gain, synthesiser.latency_samples, geometry)


def output_gain(tone: Tone) -> float:
    """Linear gain of a tone stage now; its band-pass and limiter left out."""
    return db_to_amplitude(tone.leveller.gain_db + tone.cap.gain_db) * float(tone.volume)
