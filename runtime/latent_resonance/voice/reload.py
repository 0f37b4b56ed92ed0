"""Settings and pack changed while playing: read again, tried out, and only then taken.

Lives on the caring thread, which may wait. In: the YAML, which is looked at every second, SIGHUP,
on which the pack is opened again too, and whether the hour is a quiet one. Out: another instrument
to fade into. What cannot be used is said, and what plays goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from latent_resonance import LatentResonanceError
from latent_resonance.config.file_watcher import WatchedFile
from latent_resonance.config.load import in_short
from latent_resonance.config.settings import Settings
from latent_resonance.config.validation import keys_of
from latent_resonance.face_state import FeatureVector
from latent_resonance.linux.memory import return_freed_memory
from latent_resonance.pack import Pack, models_folder
from latent_resonance.score import attract_score
from latent_resonance.voice.quiet_hours import hushed
from latent_resonance.voice.synthesis.instrument import Instrument, open_instrument

AT_THE_START = ("socket_path",)  # read once, when each process starts
OF_THE_EYE = ("camera.", "eye.")  # it watches the file too
OF_OTHERS = ("hours.", "quiet.", "attract.", "monitor.")
UNHEARD = (*AT_THE_START, *OF_THE_EYE, *OF_OTHERS)  # by the instrument itself
AS_BEFORE = "playing on as before"
WITH_DEFAULTS = "playing with the defaults"


class ReloadError(LatentResonanceError):
    """What was read cannot be played by a performance that is under way."""


class Reloader:
    """Answers with another instrument when there is one to play.

    Parameters
    ----------
    instrument : what plays
    read : reads the settings, with whatever the command line changes in them
    config : the file to watch; None if there is none
    asked : set by SIGHUP
    settings : as they are written, if the instrument plays others for the hour is a quiet one
    refused : what is wrong with the file already, if the defaults play instead

    Attributes
    ----------
    settings : those in force, as they are written
    refused : what is wrong with the file, in one line; empty if nothing is
    """

    def __init__(
        self,
        instrument: Instrument,
        read: Callable[[], Settings],
        config: Path | None,
        asked: threading.Event,
        seed: int,
        log: Callable[[str], None],
        *,
        settings: Settings | None = None,
        refused: str = "",
    ) -> None:
        self.instrument, self.settings = instrument, settings or instrument.settings
        self.quiet = self.settings is not instrument.settings
        self.read, self.seed, self.log = read, seed, log
        self.file = WatchedFile(config)
        self.asked = asked
        self.instead = WITH_DEFAULTS if refused else AS_BEFORE
        self.refused = refusal(refused, self.instead) if refused else ""
        self.left: Instrument | None = None  # the one before, while it fades
        self.pack: str | None = None  # that was asked for last instead of the settings' own

    def step(
        self, features: FeatureVector, *, quiet: bool = False, pack: str | None = None
    ) -> Instrument | None:
        """Looks; returns another instrument, warm, or None to go on as it is.

        Parameters
        ----------
        quiet : whether it is to be soft
        pack : to play instead of the one that the settings name
        """
        self._forget()
        asked = self.asked.is_set()
        self.asked.clear()
        anew = self.file.changed() or asked or pack != self.pack
        self.pack = pack
        if not anew and quiet == self.quiet:
            return None
        turned, self.quiet = quiet != self.quiet, quiet
        try:
            settings = self._read() if anew else self.settings
            instrument = self._open(settings, features, with_pack=asked)
        except LatentResonanceError as error:
            self.quiet = quiet is not turned  # what has not been done is tried at the next step
            self._refuse(str(error))
            return None
        if anew:
            self._take(settings, instrument, with_pack=asked)
        if turned:
            self.log("quiet hours: softer from now on" if quiet else "the quiet hours are over")
        if instrument is not None:
            self.left, self.instrument = self.instrument, instrument
        return instrument

    def _read(self) -> Settings:
        settings = self.read()
        if self.pack is None:
            return settings
        return settings.model_copy(update={"pack": str(models_folder() / self.pack)})

    def _forget(self) -> None:
        """Frees the instrument exchanged a look ago, here and not on the synthesis thread."""
        if self.left is not None:
            self.left = None
            return_freed_memory()

    def _open(
        self, settings: Settings, features: FeatureVector, *, with_pack: bool
    ) -> Instrument | None:
        """An instrument for these settings, if the one that plays is not."""
        attract_score(settings)  # refused here if it cannot be played
        before, target = self.instrument, hushed(settings) if self.quiet else settings
        changed = [k for k in changed_keys(before.settings, target) if not k.startswith(UNHEARD)]
        if not changed and not with_pack:
            return None
        same = not with_pack and not any(k.startswith(("pack", "inference.")) for k in changed)
        instrument = open_instrument(target, self.seed, before if same else None)
        check_together(before.pack, instrument.pack)
        instrument.follow(before, features)
        return instrument

    def _take(self, settings: Settings, instrument: Instrument | None, *, with_pack: bool) -> None:
        """These are in force from now on."""
        changed = changed_keys(self.settings, settings)
        if self.refused:
            self.log("the settings can be used again")
        self.settings, self.refused, self.instead = settings, "", AS_BEFORE
        late = [key for key in changed if key.startswith(AT_THE_START)]
        seen = [key for key in changed if key.startswith(OF_THE_EYE)]
        if late:
            self.log(f"{', '.join(late)}: changed, in force after the next start")
        if seen:
            self.log(f"{', '.join(seen)}: changed, the eye starts afresh with it")
        parts = [f"pack {instrument.pack.name} opened again"] if instrument and with_pack else []
        now = [key for key in changed if key not in (*late, *seen)]
        parts += [f"{key} = {_told(_value(settings, key))}" for key in now]
        if parts:
            self.log("now " + ", ".join(parts))

    def _refuse(self, reasons: str) -> None:
        for line in reasons.splitlines():
            self.log(line)
        self.log("nothing has been changed by this; playing on as before")
        self.refused = refusal(reasons, self.instead)


def refusal(reasons: str, instead: str) -> str:
    """What is wrong with the settings, in one line, and what plays instead."""
    return f"settings refused: {in_short(reasons)}, {instead}"


def changed_keys(before: Settings, after: Settings) -> list[str]:
    """Dotted names of the keys that differ."""
    return [key for key, _ in keys_of(Settings) if _value(before, key) != _value(after, key)]


def check_together(before: Pack, after: Pack) -> None:
    """Only packs of one pace can be faded, or play on the same speaker.

    Raises
    ------
    ReloadError
        The new one has another sample rate or hop.
    """
    paces = [(pack.geometry.sample_rate, pack.geometry.hop_length) for pack in (before, after)]
    if paces[0] != paces[1]:
        raise ReloadError(
            f"pack {after.name} has {paces[1][0]} Hz and hops of {paces[1][1]}, this "
            f"performance {paces[0][0]} Hz and {paces[0][1]}; start again to play it"
        )


def _value(settings: Settings, key: str) -> object:
    value: object = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _told(value: object) -> str:
    """A value for people."""
    if value is None:
        return "blank"
    if isinstance(value, dict):
        return "; ".join(f"{key} {item}" for key, item in value.items()) or "none"
    return str(value)
