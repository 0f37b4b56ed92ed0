"""Open what a performance starts with: pack, speaker, instrument.

On the main thread, before there are others. When unattended, a pack or a score that cannot be
played is replaced by the bundled one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from latent_resonance import LatentResonanceError
from latent_resonance.config.output import requested_device_channels
from latent_resonance.config.settings import Settings
from latent_resonance.config.source import SettingsSource
from latent_resonance.gallery.opening_hours import OpeningState, local_time
from latent_resonance.pack import Pack, PackError
from latent_resonance.score import attract_score
from latent_resonance.voice.output.device import Speaker
from latent_resonance.voice.output.writer import RingWriter
from latent_resonance.voice.pack_loader import PackLoader
from latent_resonance.voice.quiet_hours import quiet_settings, schedule_state_of
from latent_resonance.voice.reload import check_compatible
from latent_resonance.voice.synthesis.instrument import Instrument

FALLBACK = "playing the pack and the score that came with the program"


def open_first_pack(
    settings: Settings, source: SettingsSource, loader: PackLoader
) -> tuple[Settings, Pack, str]:
    """(settings, their pack, error); when unattended, with the bundled pack and score instead.

    Raises
    ------
    LatentResonanceError
        Pack or score cannot be used, and the source is not unattended.
    """
    try:
        return settings, _open_pack_and_score(settings, loader), ""
    except LatentResonanceError as error:
        if not source.unattended:
            raise
        source.log(str(error))
        source.log(FALLBACK)
        settings = with_bundled_pack(settings)
        return settings, _open_pack_and_score(settings, loader), str(error)


def with_bundled_pack(settings: Settings) -> Settings:
    """These settings with the pack and the score that came with the program."""
    attract = settings.attract.model_copy(update={"score": None})
    return settings.model_copy(update={"pack": Settings().pack, "attract": attract})


def _open_pack_and_score(settings: Settings, loader: PackLoader) -> Pack:
    attract_score(settings)
    return loader.pack(settings)


def start_speaker(
    pack: Pack, settings: Settings, log: Callable[[str], None], program: tuple[str, ...]
) -> tuple[RingWriter, Speaker]:
    """The speaker of the settings; its device is opened while the networks are loaded.

    Parameters
    ----------
    program : command of the output process
    """
    output, rate = settings.output, pack.geometry.sample_rate
    writer = RingWriter(pack.geometry, output.buffer_s, output, log)
    speaker = Speaker(
        writer.ring,
        rate,
        output.device,
        output.latency_s,
        log,
        writer.start_device,
        program,
        requested_device_channels(output),
    )
    speaker.poll(time.monotonic())
    return writer, speaker


def open_first_instrument(
    pack: Pack, settings: Settings, source: SettingsSource, seed: int, loader: PackLoader
) -> tuple[Settings, Instrument, str]:
    """(settings, instrument, error); when unattended, with the bundled pack if the networks fail.

    Raises
    ------
    PackError
        A network cannot be run.
    ReloadError
        The bundled pack does not fit the speaker that was opened for the other one.
    """
    try:
        return settings, _instrument_now(pack, settings, seed, loader), ""
    except PackError as error:
        if not source.unattended:
            raise
        source.log(str(error))
        settings = with_bundled_pack(settings)
        bundled = _open_pack_and_score(settings, loader)
        check_compatible(pack, bundled)
        source.log(FALLBACK)
        return settings, _instrument_now(bundled, settings, seed, loader), str(error)


def _instrument_now(pack: Pack, settings: Settings, seed: int, loader: PackLoader) -> Instrument:
    """An instrument with the settings for the present time of day."""
    quiet = schedule_state_of(settings, local_time()).opening is OpeningState.QUIET
    in_force = quiet_settings(settings) if quiet else settings
    return Instrument(pack, loader.networks(pack, in_force.inference), in_force, seed)
