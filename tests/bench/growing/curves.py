"""The measured curves: the cost of a part as one quantity varies.

Processor time on one thread, the median of many calls. All else is fixed: the bundled score, the
pack `cello` at its own geometry, the photograph of the tests at 640 × 480.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from tests.support import faces

from latent_resonance import LatentResonanceError
from latent_resonance.audio.mel_inversion import spectrogram_to_magnitude
from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.bench.context import Context
from latent_resonance.bench.eye import run_tracker
from latent_resonance.bench.phase import resynthesise
from latent_resonance.bench.timing import times_of
from latent_resonance.bench.voice import HOPS_PER_SPECTROGRAM
from latent_resonance.config.settings import Eye, Phase, Settings
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.tracking.select import open_tracker
from latent_resonance.pack import Pack, open_pack
from latent_resonance.score import attract_score
from latent_resonance.voice.synthesis.networks import load_networks
from latent_resonance.voice.synthesis.synthesiser import Synthesiser
from latent_resonance_export.gan.models.loop_vaegan import LoopGenerator
from latent_resonance_export.pack.onnx_export import export

from .laws import CONSTANT, LINEAR, WITH_FILTERS, Law
from .renders import HOUR, SECONDS, render_cost

PACK = Path(__file__).resolve().parents[3] / "models" / "cello"
TRACKERS = ("light", "mediapipe")


@dataclass(frozen=True)
class Curve:
    """The cost of a part as a quantity x varies.

    Attributes
    ----------
    title : the part
    quantity : name and unit of x
    unit : of the cost
    settings : every x at which it is measured
    cost : cost at x, measured for at most so many seconds
    """

    title: str
    quantity: str
    unit: str
    settings: Sequence[float]
    cost: Callable[[float, float], float]
    law: Law = LINEAR


def curves(*, hour: bool = False) -> Iterator[Curve]:
    """Every curve, in signal order; `hour` also renders a video of an hour."""
    for tracker in TRACKERS:
        of_size = partial(tracker_cost_of_size, tracker)
        yield Curve(f"{tracker}, an image", "megapixels", "ms", MEGAPIXELS, of_size)
        of_faces = partial(tracker_cost_of_faces, tracker)
        yield Curve(f"{tracker}, an image", "faces in it", "ms", range(5), of_faces)
    yield Curve("generator, a spectrogram", "mel bands", "ms", MEL_BANDS, generator_cost_of_bands)
    yield Curve("voice, a second", "mel bands", "s", MEL_BANDS, voice_cost_of_bands)
    yield Curve(
        "voice, a second", "sample rate, kHz", "s", RATES_KHZ, voice_cost_of_rate, WITH_FILTERS
    )
    yield Curve(
        "phase, a second", "iterations", "s", (1, 2, 4, 8, 16, 32), phase_cost_of_iterations
    )
    yield Curve(
        "phase, a second", "open frames", "s", (1, 2, 4, 8, 12, 16), phase_cost_of_open_frames
    )
    lengths = (*SECONDS, HOUR) if hour else SECONDS
    yield Curve("render", "seconds of film", "s", lengths, lambda x, _: render_cost(x).cpu_s)
    yield Curve(
        "render, memory",
        "seconds of film",
        "MiB",
        lengths,
        lambda x, _: render_cost(x).resident_mib,
        CONSTANT,
    )


HEIGHTS = (120, 240, 480, 720, 1080)  # of images, pixels; all of them 4:3
MEGAPIXELS = tuple(height * height * 4 / 3 / 1e6 for height in HEIGHTS)
MEL_BANDS = (64, 128, 256, 512, 1024)
RATES_KHZ = (16, 24, 32, 48, 96)
PLACES = ((-160, -120), (160, 120), (160, -120), (-160, 120))  # of up to four faces, pixels


def tracker_cost_of_size(tracker: str, megapixels: float, seconds: float) -> float:
    """Milliseconds for an image of one face, at the same relative size."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    size = (4 * height // 3, height)
    image = cv2.resize(faces.photograph(), size, interpolation=cv2.INTER_AREA)
    return tracker_cost(tracker, image, 2, 1, seconds)


def tracker_cost_of_faces(tracker: str, n_faces: float, seconds: float) -> float:
    """Milliseconds for an image of `n_faces`, one of which is followed."""
    image = np.full((faces.HEIGHT, faces.WIDTH, 3), 128, np.uint8)
    one = faces.photograph()[120:360, 160:480]
    for x, y in PLACES[: int(n_faces)]:
        top, left = 240 + y - 120, 320 + x - 160
        image[top : top + 240, left : left + 320] = one
    return tracker_cost(tracker, image, 4, int(n_faces), seconds)


def tracker_cost(
    tracker: str, image: faces.Pixels, max_faces: int, n_faces: int, seconds: float
) -> float:
    """Milliseconds for a drifting image, searches included.

    Raises
    ------
    LatentResonanceError
        The tracker finds a face where there is none, or none, so that the cost means something
        else.
    """
    images = [Image(np.ascontiguousarray(each), 0) for each in faces.drifting(image, 60)]
    eye = Eye(tracker=tracker, max_faces=max_faces)
    with closing(open_tracker(faces.MODELS, eye)) as opened:
        times, found = run_tracker(opened, images, seconds)
    if (found[-1] is not None) != (n_faces > 0):
        raise LatentResonanceError(f"{tracker} finds {found[-1]} among {n_faces} faces")
    return 1e3 * times.mean_cpu_s


def generator_cost_of_bands(n_mels: float, seconds: float) -> float:
    """Milliseconds of an untrained generator in the runtime's session."""
    torch.manual_seed(0)
    pack = pack_of(n_mels=int(n_mels))
    generator = LoopGenerator(pack.latent_dim, int(n_mels)).eval()
    z = torch.randn(2, pack.latent_dim)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "generator.onnx"
        export(generator, z, ("z", "spectrogram"), path)
        networks = load_networks(replace(pack, generator=path), Settings().inference)
        draw = partial(networks.spectrogram_of, z.numpy()[0])
        return 1e3 * times_of(draw, seconds, warm_up=5).median_cpu_s


def voice_cost_of_bands(n_mels: float, seconds: float) -> float:
    """Seconds for a second of sound."""
    return voice_cost(pack_of(n_mels=int(n_mels)), seconds)


def voice_cost_of_rate(rate_khz: float, seconds: float) -> float:
    """Seconds for a second of sound; window and hop keep their number of samples."""
    rate = round(1e3 * rate_khz)
    return voice_cost(pack_of(sample_rate=rate, f_max_hz=min(16e3, 0.45 * rate)), seconds)


def voice_cost(pack: Pack, seconds: float) -> float:
    """Seconds for a second of sound by all stages of the synthesiser, without the networks."""
    synthesiser, score = Synthesiser(pack, Settings(), seed=0), attract_score(Settings())
    geometry, hops = pack.geometry, 0
    spectrograms = random_spectrograms(geometry)

    def play() -> None:
        nonlocal hops
        if hops % HOPS_PER_SPECTROGRAM == 0:
            synthesiser.receive(spectrograms[hops // HOPS_PER_SPECTROGRAM % len(spectrograms)])
        synthesiser.hop(score.at_looped(hops * geometry.hop_s))
        hops += 1

    return times_of(play, seconds, warm_up=100).mean_cpu_s / geometry.hop_s


def random_spectrograms(geometry: Geometry) -> list[FloatArray]:
    """A few random spectrograms, (n_mels, n_frames)."""
    shape = geometry.n_mels, geometry.n_frames
    random = np.random.default_rng(0)
    return [np.tanh(random.normal(-1.0, 0.7, shape)).astype(np.float32) for _ in range(3)]


def phase_cost_of_iterations(iterations: float, seconds: float) -> float:
    """Seconds for a second of sound, look-ahead 7."""
    return phase_cost(Phase(iterations=int(iterations)), seconds)


def phase_cost_of_open_frames(frames: float, seconds: float) -> float:
    """Seconds for a second of sound, 7 iterations; `frames` is the look-ahead and one more."""
    return phase_cost(Phase(look_ahead=int(frames) - 1), seconds)


def phase_cost(phase: Phase, seconds: float) -> float:
    """Seconds for a second of sound by the streaming phase reconstruction alone."""
    geometry = pack_of().geometry
    times = times_of(lambda: resynthesise(magnitude(), geometry, phase), seconds, warm_up=0)
    return times.median_cpu_s / geometry.loop_s


@cache
def magnitude() -> FloatArray:
    """Magnitudes of the pack's first spectrogram, (n_bins, n_frames)."""
    context = Context(Settings(pack=str(PACK)), seconds=1.0)
    return spectrogram_to_magnitude(context.spectrograms[0], context.pack.geometry)


def pack_of(**geometry: float) -> Pack:
    """The pack, with another geometry."""
    pack = open_pack(PACK)
    return replace(pack, geometry=replace(pack.geometry, **geometry))
