"""The pack's networks: one pass through each, on one and two threads, at each precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from latent_resonance.bench.context import Context
from latent_resonance.bench.measurement import Measurement
from latent_resonance.bench.timing import Times, times_of
from latent_resonance.face_state import neutral_features
from latent_resonance.pack import Pack
from latent_resonance.voice.synthesis.networks import Networks, load_networks

TARGET_MB = 30.0  # of the generator
MEGABYTE = 1e6
Pass = Callable[[Networks], object]


def measure(context: Context) -> Iterator[Measurement]:
    """Milliseconds of each network, megabytes of its file."""
    pack = context.pack
    z, features = pack.anchors[0], neutral_features()
    for path in generators_of(pack):
        name = f"networks.{path.stem}"
        variant = replace(pack, generator=path)
        yield from _passes(name, variant, context, lambda n: n.spectrogram_of(z))
        yield Measurement(f"{name}.file", path.stat().st_size / MEGABYTE, "MB", target=TARGET_MB)
    name = f"networks.{pack.regressor.stem}"
    yield from _passes(name, pack, context, lambda n: n.z_of(features))
    yield Measurement(f"{name}.file", pack.regressor.stat().st_size / MEGABYTE, "MB")


def generators_of(pack: Pack) -> list[Path]:
    """The generator, then its files at other precisions (generator.fp16.onnx …)."""
    return [pack.generator, *sorted(pack.folder.glob("generator.*.onnx"))]


def _passes(name: str, pack: Pack, context: Context, run: Pass) -> Iterator[Measurement]:
    one, two = (_times(pack, context, run, threads) for threads in (1, 2))
    # Processor time, so that other programs on the machine do not count.
    yield Measurement(f"{name}.one_thread", 1e3 * one.median_cpu_s, "ms")
    yield Measurement(f"{name}.two_threads", 1e3 * two.median_wall_s, "ms")


def _times(pack: Pack, context: Context, run: Pass, threads: int) -> Times:
    inference = context.settings.inference.model_copy(update={"threads": threads})
    networks = load_networks(pack, inference)
    return times_of(lambda: run(networks), context.short_s, warm_up=3)
