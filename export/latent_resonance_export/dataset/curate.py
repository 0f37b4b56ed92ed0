"""Makes a dataset of recordings: probes, extracts clips, removes duplicates, splits, writes.

    DATASET.part/   finished work, one file per segment of a recording; an interrupted run resumes
                    from it
    DATASET/        appears complete (dataset.py), with report.html, files.csv (every file of the
                    folder) and rejected.csv (every rejected clip)

Worker processes read and measure one segment at a time; this process holds only a kilobyte per
clip. The same recordings and settings give the same bytes, on any number of cores.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from latent_resonance_export.dataset.collect import (
    CRASHED,
    Candidate,
    ClipCollection,
    about_of,
    clip_table,
    iter_pixels,
    most_unlike_folders,
    unique_seconds,
)
from latent_resonance_export.dataset.dataset import (
    CLIPS,
    SPECTROGRAMS,
    Clip,
    write_clips,
    write_pixels,
    write_sidecar,
)
from latent_resonance_export.dataset.duplicates import MIN_DIFFERENCE_DB
from latent_resonance_export.dataset.extract import load_result, process_segment, segments_of
from latent_resonance_export.dataset.recordings.find import display_name, find_recordings
from latent_resonance_export.dataset.recordings.licences import Attribution, LicenceTables, known
from latent_resonance_export.dataset.recordings.probe import ProbeTask, probe
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.rejection import Reason, Rejection, summarise_reasons
from latent_resonance_export.dataset.report.listening_examples import encode_example, example_tasks
from latent_resonance_export.dataset.report.page import report
from latent_resonance_export.dataset.report.tables import write_files, write_rejected
from latent_resonance_export.dataset.result import CurationResult, Example
from latent_resonance_export.dataset.settings import CurationError, CurationSettings
from latent_resonance_export.dataset.worker_pool import WorkerPool
from latent_resonance_export.progress import ProgressCallback, counted, no_progress

REPORT, FILES, REJECTED = "report.html", "files.csv", "rejected.csv"
MIN_TRAINING_CLIPS = 2  # training compares clips with each other
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
SPARE_BYTES = 32 << 20  # to leave free on the disk
HELD_OUT = 1 / 9


def curate(
    sounds: Path,
    dataset: Path,
    settings: CurationSettings,
    *,
    about: str | None = None,
    licence: str = "",
    share_held_out: float = HELD_OUT,
    min_difference_db: float = MIN_DIFFERENCE_DB,
    jobs: int = 1,
    progress: ProgressCallback = no_progress,
) -> CurationResult:
    """Makes a dataset of a folder of recordings.

    Parameters
    ----------
    about : description of the sounds, for the model card
    licence : of recordings whose licence is unknown

    Raises
    ------
    CurationError
        There are too few usable recordings, the dataset exists, or the disk is full.
    """
    sounds, dataset = sounds.expanduser(), dataset.expanduser().absolute()
    _check_folders(sounds, dataset)
    licences = LicenceTables(sounds)
    paths, rejected = find_recordings(sounds)
    if not paths:
        raise CurationError(_nothing_found(sounds, rejected))
    with _work_folder(dataset) as work, WorkerPool(jobs) as workers:
        probed = _probe_all(paths, sounds, work, workers, progress)
        recordings = _select_recordings(probed, settings, rejected)
        collection = _process_recordings(recordings, settings, work, rejected, workers, progress)
        candidates = collection.without_duplicates(min_difference_db)
        training, held_out = collection.split(candidates, share_held_out)
        _require_enough(sounds, work, training, held_out, rejected)
        clips = clip_table(training, held_out, _attributions(recordings, licences, known(licence)))
        name = sounds.resolve().name
        result = CurationResult(
            name=name,
            settings=settings,
            about=about_of(about or f"recordings from the folder {name}", clips),
            recordings=recordings,
            clips=clips,
            rejected=rejected,
            unused_rows=[f"{row.table}: {row.pattern}" for row in licences.unused],
            read_s=collection.seconds,
            kept_s=unique_seconds(training + held_out),
            unlike=most_unlike_folders(training + held_out),
            notes=collection.notes,
            examples=_examples(recordings, clips, rejected, settings, workers),
        )
        _write(training + held_out, result, work, dataset)
        return result


def _check_folders(sounds: Path, dataset: Path) -> None:
    if not sounds.is_dir():
        what = "is a file; name the folder that contains it"
        raise CurationError(
            f"{sounds}: {what if sounds.exists() else 'no such folder; name another'}"
        )
    if dataset.exists() or dataset.is_symlink():
        work = _work_path(dataset)
        if (work / "done").exists():  # killed between the last two steps
            shutil.rmtree(work)
        raise CurationError(f"{dataset} exists; name another folder, or remove it first")


def _nothing_found(sounds: Path, rejected: list[Rejection]) -> str:
    n = len(rejected)
    rest = f"; {n} files are unusable ({summarise_reasons(rejected)})" if rejected else ""
    return f"{sounds}: contains no file that could be a recording{rest}; name another folder"


def _work_path(dataset: Path) -> Path:
    return dataset.with_name(dataset.name + ".part")


@contextmanager
def _work_folder(dataset: Path) -> Iterator[Path]:
    """Locks the folder of finished work for this run; reports a full disk as a CurationError."""
    work = _work_path(dataset)
    try:
        work.mkdir(parents=True, exist_ok=True)
        with (work / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CurationError(
                    f"{work}: another curate is writing it; wait for it, or name another folder"
                ) from error
            yield work
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise CurationError(
            f"{work}: no space left on the disk; free some and run the same command again: "
            "finished work is kept"
        ) from error


def _probe_all(
    paths: list[Path], sounds: Path, work: Path, workers: WorkerPool, progress: ProgressCallback
) -> list[Recording | Rejection]:
    """What each file is, in the order of their names."""
    tasks = [ProbeTask(display_name(path, sounds), os.fsencode(path), work) for path in paths]
    opened = workers.map_unordered(probe, tasks)
    results = dict(counted(opened, "opening", len(tasks), progress))
    return [
        results[index] or Rejection(task.source, 0.0, Reason.BROKEN, CRASHED)
        for index, task in enumerate(tasks)
    ]


def _select_recordings(
    probed: list[Recording | Rejection], settings: CurationSettings, rejected: list[Rejection]
) -> list[Recording]:
    """The recordings to cut; copies of a file, and files without the channel, are rejected."""
    found: dict[str, Recording] = {}
    for result in probed:
        if isinstance(result, Rejection):
            rejected.append(result)
        elif why := _reason_to_leave_out(result, found, settings.channel):
            rejected.append(Rejection(result.source, 0.0, *why))
        else:
            found[result.sha256] = result
            if result.fault:
                at_s = round(result.seconds, 6)
                rejected.append(Rejection(result.source, at_s, Reason.BROKEN, result.fault))
    return list(found.values())


def _reason_to_leave_out(
    recording: Recording, found: dict[str, Recording], channel: str
) -> tuple[Reason, str] | None:
    if recording.sha256 in found:
        return Reason.DUPLICATE, f"the same file as {found[recording.sha256].source}"
    if channel.isdecimal() and 1 < recording.channels < int(channel):
        return Reason.CHANNEL, f"it has {recording.channels} channels, no channel {channel}"
    return None


def _process_recordings(
    recordings: list[Recording],
    settings: CurationSettings,
    work: Path,
    rejected: list[Rejection],
    workers: WorkerPool,
    progress: ProgressCallback,
) -> ClipCollection:
    """The workers' results, including those of an interrupted run."""
    tasks = [task for r in recordings for task in segments_of(r, settings, work)]
    pending = [task for task in tasks if load_result(task) is None]
    progress("extracting", len(tasks) - len(pending), len(tasks))
    for _ in workers.map_unordered(process_segment, pending):
        progress("extracting", 1, len(tasks))
    return ClipCollection(tasks, rejected)


def _require_enough(
    sounds: Path,
    work: Path,
    training: list[Candidate],
    held_out: list[Candidate],
    rejected: list[Rejection],
) -> None:
    if len(training) >= MIN_TRAINING_CLIPS:
        return
    shutil.rmtree(work)  # useless with other options
    n = len(training) + len(held_out)
    left = "no loop is" if n == 0 else f"only {n} loop{'s are' if n > 1 else ' is'}"
    why = f"; rejected: {summarise_reasons(rejected)}" if rejected else ""
    raise CurationError(
        f"{sounds}: {left} left; a network needs at least {MIN_TRAINING_CLIPS} to train on and 1 "
        f"held out, better some hundreds: add recordings{why}"
    )


def _attributions(
    recordings: list[Recording], licences: LicenceTables, licence: str
) -> dict[str, Attribution]:
    """The attribution of each recording, by its name."""
    default = Attribution(licence)
    return {
        r.source: licences.of(r, Path(os.fsdecode(r.path))).or_else(default) for r in recordings
    }


def _examples(
    recordings: list[Recording],
    clips: list[Clip],
    rejected: list[Rejection],
    settings: CurationSettings,
    workers: WorkerPool,
) -> list[Example]:
    """Sounds for the report, in the order of their tasks; none where the decoder crashed."""
    length_s = settings.geometry.loop_s
    tasks = example_tasks(recordings, clips, rejected, length_s, settings.channel)
    encoded = dict(workers.map_unordered(encode_example, tasks))
    return [example for index in sorted(encoded) if (example := encoded[index])]


def _write(candidates: list[Candidate], result: CurationResult, work: Path, dataset: Path) -> None:
    """Writes all files to the work folder, then renames it to the dataset."""
    geometry, folder = result.settings.geometry, work / "dataset"
    needed = len(candidates) * geometry.n_mels * geometry.n_frames + SPARE_BYTES
    shutil.rmtree(folder, ignore_errors=True)
    if shutil.disk_usage(work).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(work))
    folder.mkdir()
    write_pixels(iter_pixels(candidates), len(candidates), folder / SPECTROGRAMS, geometry)
    write_clips(result.clips, folder / CLIPS)
    write_files(result, folder / FILES)
    write_rejected(result.rejected, folder / REJECTED)
    write_sidecar(folder, geometry, result.about)
    pixels = np.load(folder / SPECTROGRAMS, mmap_mode="r", allow_pickle=False)
    (folder / REPORT).write_text(report(result, pixels), encoding="utf-8")
    (work / "done").touch()
    folder.rename(dataset)
    shutil.rmtree(work)
