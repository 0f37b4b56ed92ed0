"""The cost of each piece of the instrument on the processor that runs it.

With a FILE it counts instructions: it runs in a gallery's root file system in QEMU's user mode, and
the plugin count.c writes FILE (see instructions.sh). Without, it measures processor time on this
machine, also of a matrix product for comparison with published scores. Writes a CSV with a row per
piece, for one execution:

    python3 pieces.py FILE >counts.csv     piece, instructions, of which arithmetic ("calculating")
    python3 pieces.py >times.csv           piece, microseconds
"""

from __future__ import annotations

import csv
import importlib
import itertools
import os
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from latent_resonance.bench import synthetic_face
from latent_resonance.bench.context import Context
from latent_resonance.bench.eye import images_of, tracker_of
from latent_resonance.bench.quality import at_quality
from latent_resonance.bench.voice import HOPS_PER_SPECTROGRAM, hop_player, spectrogram_generation
from latent_resonance.config.presets import QUALITIES
from latent_resonance.config.settings import Settings
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.features.extractor import FeatureExtractor
from latent_resonance.eye.tracking.onnx.face_mesh import SIDE
from latent_resonance.eye.tracking.onnx.session import MESH, Network
from latent_resonance.eye.tracking.tracker import Face
from latent_resonance.face_state import neutral_features
from latent_resonance.pack import models_folder
from latent_resonance.voice.synthesis import run_deadline
from latent_resonance.voice.synthesis.loop_span import LoopSpan
from latent_resonance.voice.synthesis.synthesiser import Synthesiser

HOPS = 10 * HOPS_PER_SPECTROGRAM  # a picture is received once in so many
SPECTROGRAMS, REPETITIONS = 10, 60
PART_FRAMES = 128  # of a loop, as are generated at once while a face moves
IMAGES = 30  # a second, in which a tracker searches twice, or ten times without a face
EMULATED_RUN_S = 600.0  # deadline of a network's run
MATRIX = 1500  # rows; the product stands for Linpack, whose time is almost all matrix products
NS = 1_000_000_000
LIGHT, MEDIAPIPE, LITERT = "light", "mediapipe", "ai_edge_litert"
Meter = Callable[[], tuple[float, ...]]
Row = tuple[str, tuple[float, ...]]


def instructions_from(file: Path) -> Meter:
    """All instructions and arithmetic ones that this process has executed so far."""

    def read() -> tuple[float, ...]:
        os.sched_yield()  # the plugin writes at this call
        return tuple(map(float, file.read_text().split()))

    return read


def microseconds() -> tuple[float, ...]:
    """Processor time of this process so far."""
    return (time.process_time() * 1e6,)


def cost(work: Callable[[], object], times: int, warm_up: int, meter: Meter) -> tuple[float, ...]:
    """Mean cost of a call of `work`."""
    for _ in range(warm_up):
        work()
    before, begin = meter(), meter()  # reading the meter has a cost too
    for _ in range(times):
        work()
    pairs = zip(before, begin, meter(), strict=True)
    return tuple((c - b - (b - a)) / times for a, b, c in pairs)


def voice(context: Context, meter: Meter) -> Iterator[Row]:
    """A hop at each quality, a spectrogram, its two networks, and a part of a loop."""
    for quality in QUALITIES:
        synthesiser = Synthesiser(context.pack, at_quality(quality, context), seed=0)
        hop = hop_player(synthesiser, context)
        yield f"hop, {quality}", cost(hop, HOPS, HOPS_PER_SPECTROGRAM, meter)
    networks, z, features = context.networks, context.pack.anchors[0], neutral_features()
    yield (
        "spectrogram",
        cost(spectrogram_generation(context.settings, context), SPECTROGRAMS, 2, meter),
    )
    yield "generator", cost(lambda: networks.spectrogram_of(z), 3, 1, meter)
    part = LoopSpan(0, PART_FRAMES, context.pack.geometry.n_frames)
    yield "generator, part", cost(lambda: networks.part_of(z, part), 6, 1, meter)
    yield "regressor", cost(lambda: networks.z_of(features), REPETITIONS, 3, meter)


def eye(tracker_name: str, meter: Meter) -> Iterator[Row]:
    """An image with a moving face, blendshapes included, one without, and a face's features."""
    settings = settings_with(tracker_name)
    images, tick = images_of(None), itertools.count(1)
    empty = Image(np.repeat(synthetic_face.empty_room()[:, :, None], 3, axis=2), 0)
    loop = itertools.cycle(images)
    with tracker_of(settings) as tracker:

        def track_image(image: Image) -> Face | None:
            return tracker.find(Image(image.pixels, next(tick) * NS // synthetic_face.IMAGES_PER_S))

        yield (
            f"following, {tracker_name}",
            cost(lambda: track_image(next(loop)), IMAGES, IMAGES, meter),
        )
        found = [track_image(next(loop)) for _ in range(IMAGES)]
        if None in found:
            sys.exit("pieces: the tracker does not detect the synthetic face")
        yield f"searching, {tracker_name}", cost(lambda: track_image(empty), IMAGES, IMAGES, meter)
    if tracker_name == LIGHT:
        yield "features", cost(extraction(settings, found), REPETITIONS, IMAGES, meter)


def landmark_networks(meter: Meter) -> Iterator[Row]:
    """The landmark network alone, on both engines; LiteRT if it is installed."""
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    network = Network(models_folder(), MESH)
    yield "landmarks, ONNX Runtime", cost(lambda: network.run(image), IMAGES, 3, meter)
    if find_spec(LITERT):
        interpreter = importlib.import_module(f"{LITERT}.interpreter").Interpreter
        with zipfile.ZipFile(models_folder() / "face_landmarker.task") as bundle:
            content = bundle.read("face_landmarks_detector.tflite")
        lite = interpreter(model_content=content, num_threads=1)
        lite.allocate_tensors()
        (given,) = lite.get_input_details()
        lite.set_tensor(given["index"], image[None].astype(np.float32) / 255)
        yield "landmarks, LiteRT", cost(lite.invoke, IMAGES, 3, meter)


def extraction(settings: Settings, found: list[Face | None]) -> Callable[[], object]:
    """A function that computes the features of the next image."""
    extractor, loop = FeatureExtractor(settings.eye), enumerate(itertools.cycle(found))

    def extract_next() -> None:
        image, face = next(loop)
        extractor.step(face, image * NS // synthetic_face.IMAGES_PER_S)

    return extract_next


def settings_with(tracker_name: str) -> Settings:
    """The defaults; the eye's sandbox does not work in emulation, which is sandboxed itself."""
    return Settings.model_validate({"eye": {"allow_network": True, "tracker": tracker_name}})


def product() -> Callable[[], object]:
    """A function that multiplies two matrices in double precision."""
    left, right = np.random.default_rng(0).standard_normal((2, MATRIX, MATRIX))
    return lambda: left @ right


def rows(file: Path | None) -> Iterator[Row]:
    """All pieces; those of MediaPipe if it is installed."""
    meter = instructions_from(file) if file else microseconds
    yield from eye(LIGHT, meter)
    if find_spec(MEDIAPIPE):
        yield from eye(MEDIAPIPE, meter)
    yield from landmark_networks(meter)
    yield from voice(Context(settings_with(LIGHT), seconds=1.0), meter)
    if file is None:
        yield "product", cost(product(), 5, 1, meter)


def main() -> None:
    """Measure and write."""
    file = Path(sys.argv[1]) if sys.argv[1:] else None
    os.sched_yield()
    if file is not None and not file.exists():
        sys.exit(f"pieces: {file} was not written; run it under the plugin, see instructions.sh")
    if file is not None:
        run_deadline.DEADLINE_S = EMULATED_RUN_S
    table = csv.writer(sys.stdout)
    table.writerow(("piece", *(("instructions", "calculating") if file else ("microseconds",))))
    for name, costs in rows(file):
        table.writerow((name, *map(round, costs)))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
