"""Packs as ZIP files: data only, checked before anything appears among the packs.

A ZIP of a pack holds its files, at the top or in one folder. Anything else is refused: other kinds
of files, links, names that leave the folder, and more bytes than a pack may have.
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from latent_resonance.pack import MANIFEST, PackError, added_packs_folder, named_pack, open_pack

ALLOWED = re.compile(r"[\w][\w.-]*\.(onnx|yaml|md|txt|png|jpg|json|csv|html|wav|mp3)|LICEN[CS]E")
NAME = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
MAX_FILES, MAX_BYTES = 64, 2 << 30  # of a pack
MAX_RATIO = 200  # of a file's size to its compressed size; networks reach 2
BLOCK = 1 << 20  # bytes
# What zipfile and its decompressors raise for a ZIP that is damaged, or of an unknown kind.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError,
    ValueError,
)  # fmt: skip


def add_pack(archive: Path, models: Path | None = None) -> Path:
    """Unpacks a ZIP, verifies the pack, and moves it among the packs; returns its folder.

    Raises
    ------
    PackError
        It is no ZIP of a pack, or there is a pack of that name; nothing was added.
    """
    models = models or added_packs_folder()
    try:
        with zipfile.ZipFile(archive) as file:
            members = _checked_members(archive, file)
            target = models / _pack_name(archive, members)
            _refuse_existing(target)
            with _work_folder(models) as work:
                folder = work / target.name
                _extract(file, members, folder)
                open_pack(folder)
                folder.rename(target)
    except DAMAGED as error:
        raise PackError(f"{archive}: cannot be unpacked ({error}); download it again") from error
    except OSError as error:
        raise PackError(f"{archive}: {error.strerror or error}; check path and space") from error
    return target


def _refuse_existing(target: Path) -> None:
    """Refuses a name that is taken, also by a pack that came with the program.

    Raises
    ------
    PackError
    """
    if target.exists() or target.is_symlink():
        raise PackError(f"{target}: exists; remove it first (packs remove {target.name})")
    if bundled := named_pack(target.name):
        raise PackError(f"{bundled}: has that name already; give the ZIP's folder another one")


def remove_pack(name: str, models: Path | None = None) -> Path:
    """Removes a pack by the name of its folder; returns the folder that was removed.

    Raises
    ------
    PackError
        There is no such pack, or it cannot be removed.
    """
    models = models or added_packs_folder()
    folder = models / name
    if not NAME.fullmatch(name) or folder.is_symlink() or not (folder / MANIFEST).is_file():
        raise PackError(f"{folder}: is no pack, so nothing was removed; packs list names them")
    try:
        with _work_folder(models) as work:
            folder.rename(work / name)  # at once: no half of a pack is ever among the packs
    except OSError as error:
        raise PackError(f"{folder}: {error.strerror}; check its permissions") from error
    return folder


@contextmanager
def _work_folder(models: Path) -> Iterator[Path]:
    """A folder beside the packs, removed at the end. A pack inside it is not listed."""
    models.mkdir(parents=True, exist_ok=True)
    work = Path(mkdtemp(prefix=".packs-", dir=models))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _checked_members(archive: Path, file: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [member for member in file.infolist() if not member.is_dir()]
    for member in members:
        if rule := _broken_rule(member):
            raise PackError(f"{archive}: {member.filename!r} {rule}; a pack is data only")
    names = [PurePosixPath(member.filename) for member in members]
    n_bytes = sum(member.file_size for member in members)
    for is_valid, rule in (
        (len({name.parent for name in names}) <= 1, "holds more than one folder"),
        (len({name.name for name in names}) == len(names), "holds a file twice"),
        (MANIFEST in {name.name for name in names}, f"holds no {MANIFEST}"),
        (len(members) <= MAX_FILES, f"holds more than {MAX_FILES} files"),
        (n_bytes <= MAX_BYTES, f"is larger than {MAX_BYTES >> 30} GiB when unpacked"),
    ):
        if not is_valid:
            raise PackError(f"{archive}: {rule}; make a ZIP of one pack's folder")
    return members


def _broken_rule(member: zipfile.ZipInfo) -> str:
    """The rule that a member breaks; "" if none."""
    path, mode = PurePosixPath(member.filename), member.external_attr >> 16
    rules = (
        (len(path.parts) > 2 or ".." in path.parts or path.is_absolute(), "leaves the pack"),
        ("\\" in member.filename or ":" in member.filename, "is no plain name"),
        (bool(mode) and not stat.S_ISREG(mode) and stat.S_IFMT(mode) != 0, "is no regular file"),
        (not ALLOWED.fullmatch(path.name), "does not belong into a pack"),
        (member.file_size > MAX_RATIO * member.compress_size + BLOCK, "is compressed too far"),
    )
    return next((rule for is_broken, rule in rules if is_broken), "")


def _pack_name(archive: Path, members: list[zipfile.ZipInfo]) -> str:
    """The folder inside the ZIP, else the name of the ZIP."""
    name = PurePosixPath(members[0].filename).parent.name or archive.stem
    if not NAME.fullmatch(name):
        raise PackError(f"{archive}: {name!r} is no name of a pack; use letters, digits, _ . -")
    return name


def _extract(file: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> None:
    folder.mkdir()
    for member in members:
        path = folder / PurePosixPath(member.filename).name
        with file.open(member) as source, path.open("xb") as target:
            shutil.copyfileobj(source, target, BLOCK)
            target.flush()
            os.fsync(target.fileno())
