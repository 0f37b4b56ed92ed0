"""Settings and pack changed while playing: read again, tried out, and only then taken.

Lives on the caring thread, which may wait. In: the YAML, which is looked at every second, and
SIGHUP, on which the pack is opened again too. Out: another instrument to fade into. What
cannot be used is said, and what plays goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from latent_resonance import LatentResonanceError
from latent_resonance.face_state import FeatureVector
from latent_resonance.score import attract_score
from latent_resonance.settings import Settings
from latent_resonance.validation import keys_of
from latent_resonance.voice.instrument import Instrument, open_instrument

AT_THE_START = ("socket_path", "camera.", "eye.")  # read once, when each process starts


class ReloadError(LatentResonanceError):
    """What was read cannot be played by a performance that is under way."""


class WatchedFile:
    """Notices that a file has been changed, once it has stopped changing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known = self.seen = self._look()

    def changed(self) -> bool:
        """Whether it is another since the last time, and the same as at the last look."""
        before, self.seen = self.seen, self._look()
        if self.seen in (None, self.known) or self.seen != before:
            return False
        self.known = self.seen
        return True

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat() if self.path else None
        except OSError:  # gone for a moment, as when an editor replaces it
            return None
        return (status.st_ino, status.st_size, status.st_mtime_ns) if status else None


class Reloader:
    """Answers with another instrument when there is one to play.

    Parameters
    ----------
    instrument : what plays
    read : reads the settings, with whatever the command line changes in them
    config : the file to watch; None if there is none
    asked : set by SIGHUP
    """

    def __init__(
        self,
        instrument: Instrument,
        read: Callable[[], Settings],
        config: Path | None,
        asked: threading.Event,
        seed: int,
        say: Callable[[str], None],
    ) -> None:
        self.instrument, self.settings = instrument, instrument.settings
        self.read, self.seed, self.say = read, seed, say
        self.file = WatchedFile(config)
        self.asked = asked

    def step(self, features: FeatureVector) -> Instrument | None:
        """Looks; returns another instrument, warm, or None to go on as it is."""
        asked = self.asked.is_set()
        self.asked.clear()
        if not (self.file.changed() or asked):
            return None
        try:
            return self._read(features, with_pack=asked)
        except LatentResonanceError as error:
            for line in str(error).splitlines():
                self.say(line)
            self.say("nothing has been changed by this; playing on as before")
            return None

    def _read(self, features: FeatureVector, *, with_pack: bool) -> Instrument | None:
        before, settings = self.instrument, self.read()
        attract_score(settings)  # refused here if it cannot be played
        changed = changed_keys(self.settings, settings)
        late = [key for key in changed if key.startswith(AT_THE_START)]
        if late:
            self.say(f"{', '.join(late)}: changed, in force after the next start")
        if len(late) == len(changed) and not with_pack:
            self.settings = settings
            return None
        same = not with_pack and not any(k.startswith(("pack", "inference.")) for k in changed)
        instrument = open_instrument(settings, self.seed, before if same else None)
        check_together(before, instrument)
        instrument.follow(before, features)
        self.instrument, self.settings = instrument, settings
        self.say(_news(instrument, [key for key in changed if key not in late], with_pack))
        return instrument


def changed_keys(before: Settings, after: Settings) -> list[str]:
    """Dotted names of the keys that differ."""
    return [key for key, _ in keys_of(Settings) if _value(before, key) != _value(after, key)]


def check_together(before: Instrument, after: Instrument) -> None:
    """Only instruments of one pace can be faded.

    Raises
    ------
    ReloadError
        The new one has another sample rate or hop.
    """
    paces = [(i.pack.geometry.sample_rate, i.pack.geometry.hop_length) for i in (before, after)]
    if paces[0] != paces[1]:
        raise ReloadError(
            f"pack {after.pack.name} has {paces[1][0]} Hz and hops of {paces[1][1]}, this "
            f"performance {paces[0][0]} Hz and {paces[0][1]}; start again to play it"
        )


def _value(settings: Settings, key: str) -> object:
    value: object = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _news(instrument: Instrument, changed: list[str], with_pack: bool) -> str:
    parts = [f"pack {instrument.pack.name} opened again"] if with_pack else []
    parts += [f"{key} = {_value(instrument.settings, key)}" for key in changed]
    return "now " + ", ".join(parts)
