"""Plays packs through the voice's own stages, without devices: spectrograms, held faces, clips.

The sound *before the loudness stage* is that of the same synthesiser in whose tone every stage but
the band-pass is replaced by one that changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.support.audio_measures import face

from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.bench.motion import deep_merge
from latent_resonance.config.settings import BandPass as BandPassSettings
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FaceState, FeatureVector
from latent_resonance.gallery.visit import NS
from latent_resonance.pack import Pack, find_pack, open_pack
from latent_resonance.rendering import Take, rendered_hops
from latent_resonance.voice.synthesis.band_pass import BandPass
from latent_resonance.voice.synthesis.latent import Latent
from latent_resonance.voice.synthesis.networks import Networks, load_networks
from latent_resonance.voice.synthesis.spectrogram_generator import SpectrogramGenerator
from latent_resonance.voice.synthesis.synthesiser import Synthesiser

Movement = Callable[[float], FeatureVector]  # features at a time in seconds
Changes = dict[str, Any]  # of the settings
# The band-pass fully open at any opening of the mouth, without any gain of its own.
FLAT_DB = {name: 0.0 for name in BandPassSettings.model_fields if name.endswith("_db")}
OPEN_FILTER: Changes = {"controls": {"band_pass": {"output": [15_999.0, 16_000.0]} | FLAT_DB}}
GENERATE_HOPS = 10  # between two spectrograms of a held face
CHANNELS_LEAD_S = 0.5  # until the phases have settled
SETTLE_S = 3.0  # after which smoothing and leveller have settled


class Unchanged:
    """Stands in for a stage of any kind and changes nothing."""

    delay = 0  # samples
    gain, gain_db, energy = 1.0, 0.0, 0.0

    def reset(self) -> None:
        """There is nothing to reset."""

    def process(self, block: FloatArray, *_: object) -> FloatArray:
        return block


def settings_of(pack: str, *changes: Changes) -> Settings:
    """The default settings with changes."""
    values: Changes = {"pack": pack}
    for change in changes:
        values = deep_merge(values, change)
    return Settings.model_validate(values)


@cache
def pack_of(name: str) -> tuple[Pack, Networks]:
    """A pack and its networks, opened once a process."""
    pack = open_pack(find_pack(name))
    return pack, load_networks(pack, settings_of(name).inference)


def geometry_of(name: str) -> Geometry:
    return pack_of(name)[0].geometry


def synthesiser_of(pack: str, *changes: Changes, loudness: bool) -> Synthesiser:
    """A synthesiser, with or without its loudness stages."""
    made = Synthesiser(pack_of(pack)[0], settings_of(pack, *changes), seed=0)
    return made if loudness else without_loudness(made)


def without_loudness(synthesiser: Synthesiser) -> Synthesiser:
    """The same synthesiser, whose tone is the band-pass alone from now on."""
    for name, stage in vars(synthesiser.tone).items():
        if hasattr(stage, "process") and not isinstance(stage, BandPass):
            setattr(synthesiser.tone, name, Unchanged())
    return synthesiser


# --- faces ------------------------------------------------------------------------------------


def still(values: dict[str, float]) -> Movement:
    """A neutral face with some features replaced, which does not move."""
    return partial(_still, values)


def _still(values: dict[str, float], _time_s: float) -> FeatureVector:
    return face(**values)


def shaking(radians: float, rate_hz: float) -> Movement:
    """A neutral face whose head turns to and fro, in features that agree with each other."""
    return partial(_shaking, radians, rate_hz)


def _shaking(radians: float, rate_hz: float, time_s: float) -> FeatureVector:
    angle = 2.0 * np.pi * rate_hz * time_s
    velocity = 2.0 * np.pi * rate_hz * radians * np.cos(angle)
    return face(head_yaw=radians * float(np.sin(angle)), yaw_velocity=float(velocity))


# --- sounds -----------------------------------------------------------------------------------


def face_sound(
    pack: str,
    movement: Movement,
    seconds: float,
    *changes: Changes,
    loudness: bool = True,
    settle_s: float = SETTLE_S,
) -> FloatArray:
    """The sound of a face, after `settle_s`: generator and synthesiser in turn."""
    opened, networks = pack_of(pack)
    generator = SpectrogramGenerator(opened, networks, settings_of(pack, *changes), seed=0)
    synthesiser = synthesiser_of(pack, *changes, loudness=loudness)
    hop_s, hops = opened.geometry.hop_s, []
    for i in range(round((settle_s + seconds) / hop_s)):
        features = movement(i * hop_s)
        if i % GENERATE_HOPS == 0:
            synthesiser.receive(generator.step(features, GENERATE_HOPS * hop_s))
        hops.append(synthesiser.hop(features))
    return np.concatenate(hops)[round(settle_s / hop_s) * opened.geometry.hop_length :]


def loop_sound(
    pack: str,
    arrivals: dict[int, FloatArray],
    n_hops: int,
    movement: Movement,
    *changes: Changes,
    loudness: bool = False,
) -> FloatArray:
    """The sound of spectrograms, each received before a hop: (n_hops * hop_length,).

    Sample t * hop_length is the centre of hop t's frame: the latency is removed.
    """
    synthesiser = synthesiser_of(pack, *changes, loudness=loudness)
    geometry = geometry_of(pack)
    latency = synthesiser.latency_samples
    hops = []
    for i in range(n_hops + -(-latency // geometry.hop_length)):
        if i in arrivals:
            synthesiser.receive(arrivals[i])
        hops.append(synthesiser.hop(movement(i * geometry.hop_s)))
    return np.concatenate(hops)[latency : latency + n_hops * geometry.hop_length]


def channels_sound(
    pack: str, spectrogram: FloatArray, n_channels: int, seconds: float, *changes: Changes
) -> FloatArray:
    """A spectrogram on several channels before the loudness stage, from the first half second on.

    Returns
    -------
    (n_channels, n) samples
    """
    opened = pack_of(pack)[0]
    synthesiser = Synthesiser(opened, settings_of(pack, *changes), seed=0, n_channels=n_channels)
    without_loudness(synthesiser).receive(spectrogram)
    hop_s, features = opened.geometry.hop_s, face(mouth_open=1.0)
    hops = [synthesiser.hop(features) for _ in range(round((CHANNELS_LEAD_S + seconds) / hop_s))]
    return np.atleast_2d(np.concatenate(hops[round(CHANNELS_LEAD_S / hop_s) :], axis=-1))


def take_sound(
    states: Iterable[FaceState], pack: str, seconds: float, *changes: Changes, loudness: bool = True
) -> FloatArray:
    """A rendering of face states; before the loudness stage also without fading in."""
    take = Take(iter(states), settings_of(pack, *changes), seed=0)
    if not loudness:
        without_loudness(take.synthesiser)
        take.fader = Unchanged()  # type: ignore[assignment]
    return np.concatenate([samples for samples, _ in rendered_hops(take, seconds)])


# --- spectrograms -----------------------------------------------------------------------------


def spectrogram_of(pack: str, z: Latent) -> FloatArray:
    """(n_mels, n_frames) in [-1, 1]."""
    return pack_of(pack)[1].spectrogram_of(z)


def random_z(pack: str, seed: int | tuple[int, ...]) -> Latent:
    """A point of the prior, the same for the same seed."""
    size = pack_of(pack)[0].latent_dim
    return np.random.default_rng(seed).standard_normal(size, dtype=np.float32)


def face_z(pack: str, features: FeatureVector) -> Latent:
    """The regressor's point for a face."""
    return pack_of(pack)[1].z_of(features)


# --- clips ------------------------------------------------------------------------------------


def states_of(clip: Path) -> list[FaceState]:
    """What the eye makes of a clip."""
    from latent_resonance.eye.main import states_of_clip

    return list(states_of_clip(clip, Settings()))


def duration_s(states: list[FaceState]) -> float:
    """Of a clip: until one image after the last."""
    times_s = [state.time_ns / NS for state in states]
    return times_s[-1] + (times_s[-1] - times_s[0]) / max(len(times_s) - 1, 1)


def present_at(states: list[FaceState], times_s: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether the newest image at each time has a face: (n,)."""
    images_s = np.array([state.time_ns / NS for state in states])
    newest = np.searchsorted(images_s, times_s, side="right") - 1
    present = np.array([state.present for state in states])
    seen: NDArray[np.bool_] = (newest >= 0) & present[np.maximum(newest, 0)]
    return seen
