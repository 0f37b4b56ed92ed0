"""Recordings to a dataset: looks at each file, listens to it, compares, holds out, writes.

    DATASET.part/   what is done so far, a file for each stretch of a recording; a run that was
                    interrupted, by whatever, goes on from it
    DATASET/        appears whole (dataset.py), with report.html

Reading and measuring happen in worker processes, a stretch at a time; here only a kilobyte a
clip is in memory. The same recordings and settings give the same bytes, on any number of cores.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from latent_resonance_export.dataset.collect import (
    CRASHED,
    Candidate,
    Gathered,
    about_of,
    clips_of,
    pixels_in,
    seconds_in,
)
from latent_resonance_export.dataset.dataset import (
    CLIPS,
    SPECTROGRAMS,
    write_clips,
    write_pixels,
    write_sidecar,
)
from latent_resonance_export.dataset.duplicates import MIN_DIFFERENCE_DB
from latent_resonance_export.dataset.extract import listen, recall, stretches_of
from latent_resonance_export.dataset.licences import Licences, Origin
from latent_resonance_export.dataset.recordings import Recording, find, look, name_of
from latent_resonance_export.dataset.rejection import Reason, Refusal, reasons_of
from latent_resonance_export.dataset.report import Curated, report
from latent_resonance_export.dataset.settings import CurationError, Cutting
from latent_resonance_export.dataset.worker_pool import Workers

REPORT = "report.html"
LEAST_TRAINING = 2  # a network compares what it trains on; one loop has nothing beside it
FULL = {errno.ENOSPC, errno.EDQUOT}
SPARE = 32 << 20  # bytes that should be left on the disk
HELD_OUT = 1 / 9
Tell = Callable[[str, int, int], None]


def curate(
    sounds: Path,
    dataset: Path,
    cutting: Cutting,
    *,
    about: str | None = None,
    licence: str = "",
    share_held_out: float = HELD_OUT,
    min_difference_db: float = MIN_DIFFERENCE_DB,
    jobs: int = 1,
    tell: Tell = lambda *_: None,
) -> Curated:
    """Makes a dataset of a folder of recordings.

    about : whose sounds these are, for the model card; licence : of recordings of which none
    is known; tell : told (what is done, how much of it, of how much).

    Raises
    ------
    CurationError
        There is nothing to make it of, the folder exists, or the disk is full.
    """
    sounds, dataset = sounds.expanduser(), dataset.expanduser().absolute()
    _check_folders(sounds, dataset)
    licences = Licences(sounds)
    paths, refused = find(sounds)
    if not paths:
        raise CurationError(_nothing_found(sounds, refused))
    with _work_folder(dataset) as work, Workers(jobs) as workers:
        recordings = _opened(paths, sounds, refused, workers, tell)
        gathered = _listened(recordings, cutting, work, refused, workers, tell)
        candidates = gathered.without_duplicates(min_difference_db)
        training, held = gathered.divided(candidates, share_held_out)
        _require_enough(sounds, work, training, held, refused)
        clips = clips_of(training, held, _origins(recordings, licences, licence))
        name = sounds.resolve().name
        sums = {"heard_s": gathered.seconds, "kept_s": seconds_in(training + held)}
        said = about_of(about or f"recordings from the folder {name}", clips)
        unused = [f"{row.table}: {row.pattern}" for row in licences.unused]
        curated = Curated(name, cutting, said, recordings, clips, refused, unused, **sums)
        _write(training + held, curated, work, dataset)
        return curated


def _check_folders(sounds: Path, dataset: Path) -> None:
    if not sounds.is_dir():
        what = "is a file; name the folder that it lies in" if sounds.exists() else "no such folder"
        raise CurationError(f"{sounds}: {what}" + ("" if sounds.exists() else "; name another"))
    if dataset.exists() or dataset.is_symlink():
        done = _work_of(dataset)
        if (done / "done").exists():  # killed between the last two steps
            shutil.rmtree(done)
        raise CurationError(f"{dataset} exists; name another folder, or remove it first")


def _nothing_found(sounds: Path, refused: list[Refusal]) -> str:
    left = f"; {len(refused)} files are no use ({reasons_of(refused)})" if refused else ""
    return f"{sounds}: no recording in it (wav, flac, ogg, mp3 or aiff){left}; name another folder"


def _work_of(dataset: Path) -> Path:
    return dataset.with_name(dataset.name + ".part")


@contextmanager
def _work_folder(dataset: Path) -> Iterator[Path]:
    """The folder of what is done so far, for one run at a time; a full disk is said clearly."""
    work = _work_of(dataset)
    try:
        work.mkdir(parents=True, exist_ok=True)
        with (work / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CurationError(
                    f"{work}: another curate writes it; wait for it, or name another folder"
                ) from error
            yield work
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise CurationError(
            f"{work}: no room left on its disk; make some and run the same command again: "
            "what is done is kept"
        ) from error


def _opened(
    paths: list[Path], sounds: Path, refused: list[Refusal], workers: Workers, tell: Tell
) -> list[Recording]:
    """Recordings in the order of their names; a second copy of one is refused."""
    tasks = [(name_of(path, sounds), os.fsencode(path)) for path in paths]
    answers: dict[int, Recording | Refusal | None] = {}
    for index, answer in workers.each(look, tasks):
        answers[index] = answer
        tell("opening", len(answers), len(tasks))
    found: dict[str, Recording] = {}
    for index, (source, _) in enumerate(tasks):
        answer = answers[index] or Refusal(source, 0.0, Reason.BROKEN, CRASHED)
        if isinstance(answer, Recording) and answer.sha256 in found:
            detail = f"the same file as {found[answer.sha256].source}"
            answer = Refusal(source, 0.0, Reason.DUPLICATE, detail)
        if isinstance(answer, Refusal):
            refused.append(answer)
        else:
            found[answer.sha256] = answer
    return list(found.values())


def _listened(
    recordings: list[Recording],
    cutting: Cutting,
    work: Path,
    refused: list[Refusal],
    workers: Workers,
    tell: Tell,
) -> Gathered:
    """What the workers found, now or in an earlier run."""
    tasks = [task for r in recordings for task in stretches_of(r, cutting, work)]
    waiting = [task for task in tasks if recall(task) is None]
    done = len(tasks) - len(waiting)
    tell("listening", done, len(tasks))
    for _ in workers.each(listen, waiting):
        done += 1
        tell("listening", done, len(tasks))
    return Gathered(tasks, refused)


def _require_enough(
    sounds: Path,
    work: Path,
    training: list[Candidate],
    held: list[Candidate],
    refused: list[Refusal],
) -> None:
    if len(training) >= LEAST_TRAINING:
        return
    shutil.rmtree(work)  # with other options it is of no use
    n = len(training) + len(held)
    left = "no loop is" if n == 0 else f"only {n} loop{'s are' if n > 1 else ' is'}"
    why = f"; refused: {reasons_of(refused)}" if refused else ""
    raise CurationError(
        f"{sounds}: {left} left, but {LEAST_TRAINING} to train on and 1 to hold out are the least "
        f"that a network needs, and some hundreds are better: add recordings{why}"
    )


def _origins(recordings: list[Recording], licences: Licences, licence: str) -> dict[str, Origin]:
    """Of each recording, by its name."""
    otherwise = Origin(licence)
    return {
        r.source: licences.of(r, Path(os.fsdecode(r.path))).or_else(otherwise) for r in recordings
    }


def _write(candidates: list[Candidate], curated: Curated, work: Path, dataset: Path) -> None:
    """Writes all files beside, then shows them at once."""
    geometry, folder = curated.cutting.geometry, work / "dataset"
    needed = len(candidates) * geometry.n_mels * geometry.n_frames + SPARE
    shutil.rmtree(folder, ignore_errors=True)
    if shutil.disk_usage(work).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(work))
    folder.mkdir()
    write_pixels(pixels_in(candidates), len(candidates), folder / SPECTROGRAMS, geometry)
    write_clips(curated.clips, folder / CLIPS)
    write_sidecar(folder, geometry, curated.about)
    pixels = np.load(folder / SPECTROGRAMS, mmap_mode="r", allow_pickle=False)
    (folder / REPORT).write_text(report(curated, pixels), encoding="utf-8")
    (work / "done").touch()
    folder.rename(dataset)
    shutil.rmtree(work)
