"""Reload settings and pack while playing: read, try, and only then use them.

Runs on the maintain thread, which may block. In: the settings file, checked every second; SIGHUP,
which also reopens the pack; quiet hours. Out: another instrument to cross-fade to. What cannot be
used is logged, and the performance goes on unchanged; a pack is tried again once its files change.
"""

from __future__ import annotations

import threading
from functools import partial

from latent_resonance import LatentResonanceError
from latent_resonance.config.file_watcher import WatchedFile
from latent_resonance.config.load import shortened
from latent_resonance.config.settings import Settings
from latent_resonance.config.source import SettingsSource
from latent_resonance.config.validation import leaf_fields
from latent_resonance.face_state import FeatureVector
from latent_resonance.linux.realtime import return_freed_memory
from latent_resonance.pack import Pack, find_pack, open_pack
from latent_resonance.score import attract_score
from latent_resonance.voice.pack_loader import in_time
from latent_resonance.voice.quiet_hours import quiet_settings
from latent_resonance.voice.refused_pack import RefusedPack
from latent_resonance.voice.synthesis.instrument import Instrument
from latent_resonance.voice.synthesis.networks import load_networks

READ_AT_START = ("socket_path",)
OF_EYE = ("camera.", "eye.")  # the eye watches the file too
OF_OTHERS = ("hours.", "quiet.", "attract.", "monitor.", "packs")
NOT_OF_INSTRUMENT = (*READ_AT_START, *OF_EYE, *OF_OTHERS)
AS_BEFORE = "playing on as before"
WITH_DEFAULTS = "playing with the defaults"


class ReloadError(LatentResonanceError):
    """A pack cannot replace the one that plays."""


class Reloader:
    """Makes a new instrument when settings, pack or quiet hours have changed.

    Parameters
    ----------
    instrument : the one that plays
    source : the settings file, and what is wrong with it already
    reload_requested : set by SIGHUP
    settings : as in the file, if the instrument plays with those for quiet hours

    Attributes
    ----------
    settings : those in force, as in the file
    settings_error : what is wrong with the file, in one line; empty if nothing is
    own_pack : the settings' own pack, whatever plays instead
    """

    def __init__(
        self,
        instrument: Instrument,
        source: SettingsSource,
        reload_requested: threading.Event,
        seed: int,
        *,
        settings: Settings | None = None,
    ) -> None:
        self.instrument, self.settings = instrument, settings or instrument.settings
        self.quiet = self.settings is not instrument.settings
        self.source, self.seed, self.log = source, seed, source.log
        self.file = WatchedFile(source.config)
        self.reload_requested = reload_requested
        self.fallback = WITH_DEFAULTS if source.error else AS_BEFORE
        self.settings_error = error_line(source.error, self.fallback) if source.error else ""
        self.previous: Instrument | None = None  # kept while it fades out
        self.own_pack = self.settings.pack
        self.pack: str | None = None  # requested instead of the settings' own
        self.refused: RefusedPack | None = None

    def step(
        self, features: FeatureVector, *, quiet: bool = False, pack: str | None = None
    ) -> Instrument | None:
        """Check for changes; return a new, warmed-up instrument, or None if nothing changed.

        Parameters
        ----------
        quiet : whether the settings for quiet hours apply
        pack : a pack to play instead of the settings' own; a folder, or a name in models/
        """
        self._free_previous()
        if self.instrument.networks.overdue and self.source.unattended:
            return self._replace_overdue(features)
        mended = self.refused is not None and self.refused.changed()
        reopen = self.reload_requested.is_set() or (mended and pack == self.pack)
        self.reload_requested.clear()
        reread = self.file.changed() or reopen or pack != self.pack
        self.pack = pack
        if not reread and quiet == self.quiet:
            return None
        quiet_changed, self.quiet = quiet != self.quiet, quiet
        try:
            settings = self._read() if reread else self.settings
            instrument = self._open(settings, features, reopen=reopen)
        except LatentResonanceError as error:
            self.quiet = quiet is not quiet_changed  # as before: tried again at the next step
            self._report_error(str(error))
            self.refused = RefusedPack(pack or self.own_pack)
            return_freed_memory()  # of a pack that was opened, and refused
            return None
        if reread:
            self.refused = None
            self._use(settings, instrument, reopened=reopen)
        if quiet_changed:
            self.log("quiet hours: softer from now on" if quiet else "the quiet hours are over")
        if instrument is not None:
            self.previous, self.instrument = self.instrument, instrument
        return instrument

    def _replace_overdue(self, features: FeatureVector) -> Instrument | None:
        """An instrument with the bundled pack, in place of one whose network does not return."""
        name = self.settings.pack
        settings = self.settings.model_copy(update={"pack": Settings().pack})
        try:
            instrument = self._open(settings, features, reopen=True)
        except LatentResonanceError as error:
            self._report_error(str(error))
            return None
        self.settings = settings
        fault = f"pack {name}: a network does not return in time"
        self.log(f"{fault}; playing the pack that came with the program")
        self.settings_error = error_line(fault, WITH_DEFAULTS)
        if instrument is not None:
            self.previous, self.instrument = self.instrument, instrument
        return instrument

    def _read(self) -> Settings:
        settings = self.source.read()
        self.own_pack = settings.pack
        if self.pack is None:
            return settings
        return settings.model_copy(update={"pack": self.pack})

    def _free_previous(self) -> None:
        """Free the instrument replaced one step ago, here and not on the synthesis thread."""
        if self.previous is not None:
            self.previous = None
            return_freed_memory()

    def _open(
        self, settings: Settings, features: FeatureVector, *, reopen: bool
    ) -> Instrument | None:
        """An instrument with these settings, if they differ from those of the one that plays."""
        attract_score(settings)  # raises here if it cannot be played
        before, target = self.instrument, quiet_settings(settings) if self.quiet else settings
        changed = [
            key
            for key in changed_keys(before.settings, target)
            if not key.startswith(NOT_OF_INSTRUMENT)
        ]
        if not changed and not reopen:
            return None
        same = not reopen and not any(key.startswith(("pack", "inference.")) for key in changed)
        return in_time(target.pack, partial(self._successor, target, features, same=same))

    def _successor(self, settings: Settings, features: FeatureVector, *, same: bool) -> Instrument:
        """An instrument that goes on from the one that plays, with the same networks or others.

        It runs networks, so that it may hang.
        """
        before = self.instrument
        pack = before.pack if same else open_pack(find_pack(settings.pack))
        networks = before.networks if same else load_networks(pack, settings.inference)
        check_compatible(before.pack, pack)
        instrument = Instrument(pack, networks, settings, self.seed)
        instrument.follow(before, features)
        return instrument

    def _use(self, settings: Settings, instrument: Instrument | None, *, reopened: bool) -> None:
        """Put settings into force, and log what has changed."""
        changed = changed_keys(self.settings, settings)
        if self.settings_error:
            self.log("the settings can be used again")
        self.settings, self.settings_error, self.fallback = settings, "", AS_BEFORE
        at_start = [key for key in changed if key.startswith(READ_AT_START)]
        of_eye = [key for key in changed if key.startswith(OF_EYE)]
        if at_start:
            self.log(f"{', '.join(at_start)}: changed, in force after the next start")
        if of_eye:
            self.log(f"{', '.join(of_eye)}: changed, the eye restarts with it")
        parts = [f"pack {instrument.pack.name} opened again"] if instrument and reopened else []
        now = [key for key in changed if key not in (*at_start, *of_eye)]
        parts += [f"{key} = {_as_text(_value(settings, key))}" for key in now]
        if parts:
            self.log("now " + ", ".join(parts))

    def _report_error(self, messages: str) -> None:
        for line in messages.splitlines():
            self.log(line)
        self.log("nothing has been changed by this; playing on as before")
        self.settings_error = error_line(messages, self.fallback)


def error_line(messages: str, fallback: str) -> str:
    """What is wrong with the settings, and what plays instead, in one line."""
    return f"settings refused: {shortened(messages)}, {fallback}"


def changed_keys(before: Settings, after: Settings) -> list[str]:
    """Dotted names of the keys that differ."""
    return [key for key, _ in leaf_fields(Settings) if _value(before, key) != _value(after, key)]


def check_compatible(before: Pack, after: Pack) -> None:
    """Check that two packs can be cross-faded and play on the same speaker.

    Raises
    ------
    ReloadError
        They differ in sample rate or hop length.
    """
    old, new = before.geometry, after.geometry
    if (old.sample_rate, old.hop_length) != (new.sample_rate, new.hop_length):
        raise ReloadError(
            f"pack {after.name} has {new.sample_rate} Hz and hops of {new.hop_length}, this "
            f"performance {old.sample_rate} Hz and {old.hop_length}; start again to play it"
        )


def _value(settings: Settings, key: str) -> object:
    value: object = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _as_text(value: object) -> str:
    if value is None:
        return "blank"
    if isinstance(value, dict):
        return "; ".join(f"{key} {item}" for key, item in value.items()) or "none"
    return str(value)
