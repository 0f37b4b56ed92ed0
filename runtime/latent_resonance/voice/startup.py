"""What a performance opens at its start: the pack, the speaker, and the instrument of the hour.

On the main thread, before there are others. Where nobody is there to put things right, what the
settings name and cannot be played is replaced by what came with the program.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from latent_resonance import LatentResonanceError
from latent_resonance.config.settings import Settings
from latent_resonance.gallery.opening_hours import OpeningState, local_time
from latent_resonance.pack import Pack, PackError, find_pack, open_pack
from latent_resonance.score import attract_score
from latent_resonance.voice.output.device import Speaker
from latent_resonance.voice.output.writer import RingWriter
from latent_resonance.voice.quiet_hours import hushed, schedule_state_of
from latent_resonance.voice.reload import check_together
from latent_resonance.voice.synthesis.instrument import Instrument
from latent_resonance.voice.synthesis.networks import load_networks


def playable(settings: Settings, log: Callable[[str], None] | None) -> tuple[Settings, Pack, str]:
    """(settings, their pack, what was wrong): the bundled pack and score if theirs fail.

    Parameters
    ----------
    say : told why; None if somebody is there, who shall get the error

    Raises
    ------
    LatentResonanceError
        Pack or score cannot be used.
    """
    try:
        return settings, _pack_and_score(settings), ""
    except LatentResonanceError as error:
        if log is None:
            raise
        log(str(error))
        log("playing the pack and the score that came with the program")
        return bundled(settings), _pack_and_score(bundled(settings)), str(error)


def bundled(settings: Settings) -> Settings:
    """These settings with the pack and the score that came with the program."""
    attract = settings.attract.model_copy(update={"score": None})
    return settings.model_copy(update={"pack": Settings().pack, "attract": attract})


def _pack_and_score(settings: Settings) -> Pack:
    attract_score(settings)
    return open_pack(find_pack(settings.pack))


def speaker_for(
    pack: Pack, settings: Settings, log: Callable[[str], None], program: tuple[str, ...]
) -> tuple[RingWriter, Speaker]:
    """The speaker that the settings ask for, which is looked for while the networks are opened.

    Parameters
    ----------
    program : the output process
    """
    output, rate = settings.output, pack.geometry.sample_rate
    writer = RingWriter(pack.geometry, output.buffer_s)
    speaker = Speaker(
        writer.ring, rate, output.device, output.latency_s, log, writer.start_device, program
    )
    speaker.poll(time.monotonic())
    return writer, speaker


def first_instrument(
    pack: Pack, settings: Settings, seed: int, log: Callable[[str], None] | None
) -> tuple[Settings, Instrument, str]:
    """(settings, what they begin with, what was wrong): the bundled pack if the networks fail.

    Parameters
    ----------
    say : told why; None if somebody is there, who shall get the error

    Raises
    ------
    PackError
        A network cannot be played.
    ReloadError
        The bundled pack has another pace than the one that the speaker was opened for.
    """
    try:
        return settings, _of_the_hour(pack, settings, seed), ""
    except PackError as error:
        if log is None:
            raise
        log(str(error))
        instead = _pack_and_score(bundled(settings))
        check_together(pack, instead)
        log("playing the pack and the score that came with the program")
        return bundled(settings), _of_the_hour(instead, bundled(settings), seed), str(error)


def _of_the_hour(pack: Pack, settings: Settings, seed: int) -> Instrument:
    """A soft one if the hour is quiet."""
    quiet = schedule_state_of(settings, local_time()).opening is OpeningState.QUIET
    in_force = hushed(settings) if quiet else settings
    return Instrument(pack, load_networks(pack, in_force.inference), in_force, seed)
