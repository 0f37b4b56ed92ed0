"""Compares the ONNX tracker with MediaPipe: agreement, sound, time, memory and start.

    OMP_NUM_THREADS=1 uv run --all-packages python tests/bench/trackers.py [--clips FOLDER]

A script, not a test: it prints the Markdown tables of docs/benchmarks.md. `--clips` is a folder of
clips of real faces; the photograph's scenes need none. `--hour` adds an hour of images.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as pytest does for the tests

from tests.support import faces, tracker_compare  # noqa: E402  the path comes first

from latent_resonance.audio.spectrogram import Geometry, stft_circular  # noqa: E402
from latent_resonance.eye.camera.clip import images_of_clip  # noqa: E402
from latent_resonance.eye.camera.image import Image  # noqa: E402
from latent_resonance.face_state import FEATURES  # noqa: E402

TRACKERS = ("mediapipe", "light")
PLAIN = "mediapipe without stubbed imports"
ROUNDS = 5  # of the costs, the trackers in turn, so that other load affects all of them
IMAGES_OF_AN_HOUR = 30 * 3600
FLOOR_DB = -80.0  # relative to the maximum; anything lower is silence
# Runs in its own process: the cost of starting one tracker, and of an image.
COST = """
import json, sys, time
from pathlib import Path
from latent_resonance.config.settings import Eye
from latent_resonance.eye.tracking.select import open_tracker
from latent_resonance.eye.camera.clip import images_of_clip
from latent_resonance.eye.camera.image import Image
before_s = time.process_time()
if sys.argv[4] == "plain":
    import mediapipe
tracker = open_tracker(Path(sys.argv[2]), Eye(tracker=sys.argv[1]))
start_s = time.process_time() - before_s
spent_ms = []
for _ in range(3):
    for image in images_of_clip(Path(sys.argv[3])):
        timed = Image(image.pixels, len(spent_ms) * 1_000_000_000 // 30)
        before = time.process_time()
        tracker.find(timed)
        spent_ms.append(1e3 * (time.process_time() - before))
usage = Path("/proc/self/status").read_text()
resident = int(usage.partition("VmRSS:")[2].split()[0]) / 1024
print(json.dumps([start_s, resident, sorted(spent_ms)]))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    options = options_of(arguments)
    clips = sorted(options.clips.glob("*.mkv")) if options.clips else []
    films = {name: scene_clip(name) for name in tracker_compare.scenes()}
    films |= {clip.stem: list(images_of_clip(clip)) for clip in clips}
    print(*agreement_table(films), sep="\n")
    with tempfile.TemporaryDirectory() as work:
        clip = clips[0] if clips else photograph_clip(Path(work))
        print(*cost_table(clip), sep="\n")
        print(*sound_table(clips or [clip], Path(work)), sep="\n")
    if options.hour:
        print(drift(list(images_of_clip(clips[0])) if clips else films["as it is"]))


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=Path, help="clips of real faces, *.mkv")
    parser.add_argument("--hour", action="store_true", help="an hour of images as well")
    return parser.parse_args(arguments)


def scene_clip(name: str) -> tracker_compare.Clip:
    return tracker_compare.as_clip(faces.drifting(tracker_compare.scenes()[name](), 48))


def agreement_table(films: dict[str, tracker_compare.Clip]) -> Iterator[str]:
    """A row for each film, and one for all of them."""
    yield "| film | images | landmarks, median | 95 % | features, worst at 95 % | which | agree |"
    yield "|---|---|---|---|---|---|---|"
    found = {name: tracker_compare.compare(film) for name, film in films.items()}
    for name, result in found.items():
        yield row(name, result)
    together = tracker_compare.Agreement(
        np.concatenate([result.distances for result in found.values()]),
        np.concatenate([result.features for result in found.values()]),
        np.concatenate([result.present for result in found.values()]),
    )
    yield row("**all**", together)


def row(name: str, result: tracker_compare.Agreement) -> str:
    gaps = np.percentile(result.features, 95, axis=0)
    worst = int(np.argmax(gaps))
    near, far = (100 * np.percentile(result.distances, share) for share in (50, 95))
    return (
        f"| {name} | {len(result.present)} | {near:.3f} % | {far:.3f} % | {gaps[worst]:.4f} | "
        f"{FEATURES[worst]} | {100 * result.present.mean():.1f} % |"
    )


def cost_table(clip: Path) -> Iterator[str]:
    """Processor time of an image, memory and start, each in processes of its own."""
    yield "\n| tracker | an image, median | 95 % | memory | start |"
    yield "|---|---|---|---|---|"
    rounds = [[cost(tracker, clip) for tracker in (*TRACKERS, PLAIN)] for _ in range(ROUNDS)]
    for tracker, costs in zip((*TRACKERS, PLAIN), zip(*rounds, strict=True), strict=True):
        near, far, resident_mib, start_s = np.median(costs, axis=0)
        spent = f"{near:.1f} ms | {far:.1f} ms | {resident_mib:.0f} MiB | {start_s:.2f} s"
        yield f"| {tracker} | {spent} |"


def cost(tracker: str, clip: Path) -> tuple[float, float, float, float]:
    """An image's time at the median and at 95 % in ms, memory in MiB and the start in s."""
    name, imports = ("mediapipe", "plain") if tracker == PLAIN else (tracker, "")
    command = [sys.executable, "-c", COST, name, str(faces.MODELS), str(clip), imports]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    start_s, resident_mib, spent_ms = json.loads(done.stdout.splitlines()[-1])
    near, far = np.percentile(spent_ms, [50, 95])
    return float(near), float(far), resident_mib, start_s


def photograph_clip(folder: Path) -> Path:
    """The drifting photograph as a video file."""
    return faces.write_clip(folder / "photograph.mp4", faces.drifting(faces.photograph(), 60))


def sound_table(clips: list[Path], work: Path) -> Iterator[str]:
    """The log-spectral distance between the sounds that the two trackers cause."""
    yield "\n| clip | light beside MediaPipe | another seed beside it |"
    yield "|---|---|---|"
    for clip in clips:
        theirs = rendered(clip, work, "mediapipe", seed=0)
        ours = rendered(clip, work, "light", seed=0)
        other = rendered(clip, work, "mediapipe", seed=1)
        near, far = (log_spectral_distance_db(theirs, each) for each in (ours, other))
        yield f"| {clip.stem} | {near:.1f} dB | {far:.1f} dB |"


def rendered(clip: Path, work: Path, tracker: str, seed: int) -> np.ndarray:
    config, take = work / "settings.yaml", work / "take.wav"
    config.write_text(f"eye: {{tracker: {tracker}}}")
    render = [sys.executable, "-m", "latent_resonance", "render", str(clip), "-o", str(take)]
    render += ["--config", str(config), "--seed", str(seed)]
    subprocess.run(render, check=True, capture_output=True)
    return soundfile.read(take, dtype="float32")[0]


def log_spectral_distance_db(one: np.ndarray, other: np.ndarray) -> float:
    """The root mean square over frequencies of the difference in decibels, mean over frames."""
    length = min(len(one), len(other)) // Geometry().hop_length * Geometry().hop_length
    levels = [level_db(each[:length]) for each in (one, other)]
    return float(np.sqrt(((levels[0] - levels[1]) ** 2).mean(axis=0)).mean())


def level_db(sound: np.ndarray) -> np.ndarray:
    magnitude = np.abs(stft_circular(sound, Geometry()))
    return 20 * np.log10(np.maximum(magnitude / magnitude.max(), 10 ** (FLOOR_DB / 20)))


def drift(film: tracker_compare.Clip) -> str:
    """The distance between a tracker after an hour of images and a new one.

    While it follows a face, it tracks its own landmarks without corrections by the detector.
    """
    there_and_back = cycle([*film, *film[-2:0:-1]])
    hour = islice(there_and_back, IMAGES_OF_AN_HOUR)
    opened = tracker_compare.open_tracker(faces.MODELS, tracker_compare.Eye(tracker="light"))
    for i, image in enumerate(hour):
        opened.find(Image(image.pixels, i * faces.NS // 30))
    after_ns = IMAGES_OF_AN_HOUR * faces.NS // 30
    late = [opened.find(Image(image.pixels, after_ns + image.time_ns)) for image in film]
    early = tracker_compare.track_clip(film, "light").faces
    pairs = zip(early, late, strict=True)
    far = [tracker_compare.distances(one, other) for one, other in pairs if one and other]
    return f"\nDrift after an hour of images, 95 %: {100 * np.percentile(far, 95):.2f} %"


if __name__ == "__main__":
    main()
