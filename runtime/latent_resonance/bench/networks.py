"""The pack's networks: a pass through each, on one thread and on two, at each precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from latent_resonance.bench.context import Subject
from latent_resonance.bench.measurement import Figure
from latent_resonance.bench.timing import Times, times_of
from latent_resonance.face_state import neutral_features
from latent_resonance.pack import Pack
from latent_resonance.voice.synthesis.networks import Networks, open_networks

OWED_MS, OWED_MB = 40.0, 30.0  # of the generator, on one thread
MEGABYTE = 1e6
Pass = Callable[[Networks], object]


def figures(subject: Subject) -> Iterator[Figure]:
    """Milliseconds of each network and megabytes of its file."""
    pack = subject.pack
    z, features = pack.anchors[0], neutral_features()
    for path in generators_of(pack):
        name = f"networks.{path.stem}"
        variant = replace(pack, generator=path)
        yield from _passes(name, variant, subject, lambda n: n.spectrogram_of(z), OWED_MS)
        yield Figure(f"{name}.file", path.stat().st_size / MEGABYTE, "MB", owed=OWED_MB)
    name = f"networks.{pack.regressor.stem}"
    yield from _passes(name, pack, subject, lambda n: n.z_of(features), None)
    yield Figure(f"{name}.file", pack.regressor.stat().st_size / MEGABYTE, "MB")


def generators_of(pack: Pack) -> list[Path]:
    """The generator, then what lies beside it at other precisions (generator.fp16.onnx …)."""
    return [pack.generator, *sorted(pack.folder.glob("generator.*.onnx"))]


def _passes(
    name: str, pack: Pack, subject: Subject, run: Pass, owed_ms: float | None
) -> Iterator[Figure]:
    one, two = (_times(pack, subject, run, threads) for threads in (1, 2))
    # Of the processor: what else the machine does at the moment is not the network's.
    yield Figure(f"{name}.one_thread", 1e3 * one.usual_cpu_s, "ms", owed=owed_ms)
    yield Figure(f"{name}.two_threads", 1e3 * two.usual_wall_s, "ms")


def _times(pack: Pack, subject: Subject, run: Pass, threads: int) -> Times:
    inference = subject.settings.inference.model_copy(update={"threads": threads})
    networks = open_networks(pack, inference)
    return times_of(lambda: run(networks), subject.short_s, warm_up=3)
