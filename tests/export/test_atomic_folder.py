"""A folder appears complete or not at all, even if the process that writes it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from latent_resonance.pack import PackError, find_pack
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.atomic_folder import AtomicFolder, exchange
from latent_resonance_export.pack.convert import check_output

KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from latent_resonance_export.pack.atomic_folder import AtomicFolder

with AtomicFolder(Path(sys.argv[1])) as folder:
    (folder.work / "cache").write_text("first")
    (folder.new / "generator.onnx").write_text("new")
    if sys.argv[2] == "half":
        os.kill(os.getpid(), signal.SIGKILL)
    (folder.new / "pack.yaml").write_text("new")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def write(target: Path, text: str) -> None:
    with AtomicFolder(target) as folder:
        (folder.new / "generator.onnx").write_text(text)
        (folder.new / "pack.yaml").write_text(text)
        folder.commit()


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setenv("LATENT_RESONANCE_MODELS", str(models))
    return models / "mine"


def test_only_the_finished_pack_is_left(target: Path) -> None:
    write(target, "new")
    assert content(target) == {"generator.onnx": "new", "pack.yaml": "new"}
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("when", ["half", "complete"])
@pytest.mark.parametrize("older", [False, True])
def test_a_killed_writer_changes_nothing_and_the_next_one_succeeds(
    target: Path, when: str, older: bool
) -> None:
    if older:
        write(target, "old")
    command = [sys.executable, "-c", KILLED_WRITER, str(target), when]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    if older:
        assert content(target) == {"generator.onnx": "old", "pack.yaml": "old"}
    else:
        with pytest.raises(PackError, match="available: none"):
            find_pack("mine")
    with AtomicFolder(target) as folder:
        assert not list(folder.new.iterdir()), "starts empty"
        assert (folder.work / "cache").read_text() == "first"
        (folder.new / "pack.yaml").write_text("second")
        folder.commit()
    assert content(target) == {"pack.yaml": "second"}
    assert list(target.parent.iterdir()) == [target]


def test_an_error_keeps_the_older_pack_and_leaves_no_other_file(target: Path) -> None:
    write(target, "old")
    with pytest.raises(FileNotFoundError), AtomicFolder(target) as folder:
        (folder.new / "nowhere" / "generator.onnx").write_text("new")
    assert content(target)["pack.yaml"] == "old"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.skipif(sys.platform != "linux", reason="folders are swapped in one step on Linux")
def test_the_pack_exists_at_every_moment_of_a_replacement(target: Path) -> None:
    write(target, "0")
    done = threading.Event()

    def replace_repeatedly() -> None:
        for i in range(1, 60):
            write(target, str(i))
        done.set()

    writer = threading.Thread(target=replace_repeatedly)
    writer.start()
    n_checks, inodes = 0, set()
    while not done.is_set():
        inodes.add(target.stat().st_ino)  # raises if the pack does not exist
        n_checks += 1
    writer.join()
    assert n_checks > 20
    assert len(inodes) > 1, "the pack was not replaced during the test"


@pytest.mark.parametrize("commits", [False, True])
def test_a_replacement_interrupted_between_its_two_renames_is_undone(
    target: Path, commits: bool
) -> None:
    write(target, "old")
    old = target.parent / ".mine.part" / "old"
    old.parent.mkdir()
    target.rename(old)  # as where folders cannot be swapped
    with AtomicFolder(target) as folder:
        assert content(target)["pack.yaml"] == "old"
        if commits:
            (folder.new / "pack.yaml").write_text("new")
            folder.commit()
    assert content(target)["pack.yaml"] == ("new" if commits else "old")
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_second_rename_restores_the_older_pack(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(target, "old")
    monkeypatch.setattr("latent_resonance_export.pack.atomic_folder.exchange", lambda *_: False)
    rename = Path.rename

    def fail_for_new(self: Path, other: Path) -> Path:
        if self.name == "new":
            raise OSError("no")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(OSError, match="no"), AtomicFolder(target) as folder:  # noqa: PT012  # fails late
        (folder.new / "pack.yaml").write_text("new")
        folder.commit()
    assert content(target)["pack.yaml"] == "old"
    assert list(target.parent.iterdir()) == [target]


def test_exchange_returns_false_where_folders_cannot_be_swapped(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert not exchange(tmp_path / "a", tmp_path / "missing")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_only_a_pack_may_be_replaced(target: Path, kind: str) -> None:
    if kind == "folder":
        target.mkdir()
    other = target / "other.txt" if kind == "folder" else target
    other.write_text("not a pack")
    with pytest.raises(ConversionError, match=f"{target} exists and is no pack"):
        check_output(target)
    write(target.parent / "pack", "a pack")
    check_output(target.parent / "pack")


def test_an_empty_folder_may_become_a_pack(target: Path) -> None:
    target.mkdir()
    check_output(target)
    write(target, "new")
    assert content(target)["pack.yaml"] == "new"


def test_a_symlink_to_a_pack_stays_and_its_target_is_replaced(target: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "pack"
    elsewhere.parent.mkdir()
    write(elsewhere, "old")
    target.symlink_to(elsewhere)
    write(target, "new")
    assert target.is_symlink()
    assert content(elsewhere)["pack.yaml"] == "new"
