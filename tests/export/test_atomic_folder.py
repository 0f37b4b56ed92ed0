"""A pack appears whole or not at all, also when the process that writes it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from latent_resonance.pack import PackError, find_pack
from latent_resonance_export.pack import ConversionError
from latent_resonance_export.pack.atomic_folder import Staging, exchange

KILLED = """
import os, signal, sys
from pathlib import Path
from latent_resonance_export.pack.atomic_folder import Staging

with Staging(Path(sys.argv[1])) as staging:
    (staging.work / "kept").write_text("of the first try")
    (staging.pack / "generator.onnx").write_text("new")
    if sys.argv[2] == "half":
        os.kill(os.getpid(), signal.SIGKILL)
    (staging.pack / "pack.yaml").write_text("new")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def write(place: Path, text: str) -> None:
    with Staging(place) as staging:
        (staging.pack / "generator.onnx").write_text(text)
        (staging.pack / "pack.yaml").write_text(text)
        staging.finish()


def content(place: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in place.iterdir()}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setenv("LATENT_RESONANCE_MODELS", str(models))
    return models / "mine"


def test_a_finished_pack_is_all_that_is_left(place: Path) -> None:
    write(place, "new")
    assert content(place) == {"generator.onnx": "new", "pack.yaml": "new"}
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("when", ["half", "whole"])
@pytest.mark.parametrize("older", [False, True])
def test_a_writer_that_is_killed_changes_nothing_and_the_next_one_succeeds(
    place: Path, when: str, older: bool
) -> None:
    if older:
        write(place, "old")
    command = [sys.executable, "-c", KILLED, str(place), when]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    if older:
        assert content(place) == {"generator.onnx": "old", "pack.yaml": "old"}
    else:
        with pytest.raises(PackError, match="there are none"):
            find_pack("mine")
    with Staging(place) as staging:
        assert not list(staging.pack.iterdir()), "begins anew"
        assert (staging.work / "kept").read_text() == "of the first try"
        (staging.pack / "pack.yaml").write_text("second")
        staging.finish()
    assert content(place) == {"pack.yaml": "second"}
    assert list(place.parent.iterdir()) == [place]


def test_an_error_on_the_way_leaves_the_older_pack_and_no_rubbish(place: Path) -> None:
    write(place, "old")
    with pytest.raises(FileNotFoundError), Staging(place) as staging:
        (staging.pack / "nowhere" / "generator.onnx").write_text("new")
    assert content(place)["pack.yaml"] == "old"
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.skipif(sys.platform != "linux", reason="folders are swapped in one step on Linux")
def test_a_pack_is_there_at_every_moment_while_another_takes_its_place(place: Path) -> None:
    write(place, "0")
    done = threading.Event()

    def replace_again_and_again() -> None:
        for i in range(1, 60):
            write(place, str(i))
        done.set()

    writer = threading.Thread(target=replace_again_and_again)
    writer.start()
    looks, seen = 0, set()
    while not done.is_set():
        seen.add(place.stat().st_ino)  # fails if there is a moment without a pack
        looks += 1
    writer.join()
    assert looks > 20
    assert len(seen) > 1, "nothing was replaced while we looked"


def test_an_interrupted_replacement_in_two_steps_is_undone(place: Path) -> None:
    write(place, "old")
    between = place.parent / ".mine.part" / "old"
    between.parent.mkdir()
    place.rename(between)  # as where folders cannot be swapped
    with Staging(place):
        assert content(place)["pack.yaml"] == "old"
    assert list(place.parent.iterdir()) == [place]


def test_where_folders_cannot_be_swapped_the_answer_is_no(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert not exchange(tmp_path / "a", tmp_path / "not there")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_pack_is_never_replaced(place: Path, kind: str) -> None:
    if kind == "folder":
        place.mkdir()
    dear = place / "dear.txt" if kind == "folder" else place
    dear.write_text("to me")
    with pytest.raises(ConversionError, match=f"{place} is there and is no pack"):
        Staging(place)
    assert dear.read_text() == "to me"


def test_an_empty_folder_may_become_a_pack(place: Path) -> None:
    place.mkdir()
    write(place, "new")
    assert content(place)["pack.yaml"] == "new"


def test_a_pack_behind_a_link_is_replaced_where_it_lies(place: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "pack"
    elsewhere.parent.mkdir()
    write(elsewhere, "old")
    place.symlink_to(elsewhere)
    write(place, "new")
    assert place.is_symlink()
    assert content(elsewhere)["pack.yaml"] == "new"
