"""Packs are shared as ZIP files, which are data only and complete or not added at all."""

from __future__ import annotations

import shutil
import stat
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from latent_resonance.cli.packs import packs
from latent_resonance.pack import ADDED_VARIABLE, PackError, find_pack, list_packs
from latent_resonance.pack.archive import add_pack, remove_pack


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of packs."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("LATENT_RESONANCE_MODELS", str(folder))
    return folder


def zipped(path: Path, pack: Path, prefix: str = "mine/", **extra: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for each in sorted(pack.iterdir()):
            file.write(each, prefix + each.name)
        for name, content in extra.items():
            file.writestr(name, content)
    return path


def asked(*arguments: object) -> Result:
    return CliRunner().invoke(packs, [*map(str, arguments)])


def test_a_pack_is_added_listed_verified_and_removed(
    models: Path, pack_folder: Path, tmp_path: Path
) -> None:
    archive = zipped(tmp_path / "a.zip", pack_folder)
    assert asked("add", archive).exit_code == 0
    assert [path.name for path in models.iterdir()] == ["mine"]
    assert (models / "mine" / "generator.onnx").read_bytes() == (
        pack_folder / "generator.onnx"
    ).read_bytes()
    listed = asked("list").stdout
    assert listed.startswith("mine ")
    assert "CC0-1.0" in listed
    assert asked("verify").stdout == "mine: can be played\n"
    assert "exists" in str(asked("add", archive).exception)
    assert asked("remove", "mine").exit_code == 1, "removed without a question"
    assert asked("remove", "mine", "--yes").exit_code == 0
    assert not list(models.iterdir())


def test_a_zip_without_a_folder_is_called_as_its_file(
    models: Path, pack_folder: Path, tmp_path: Path
) -> None:
    assert add_pack(zipped(tmp_path / "bells.zip", pack_folder, "")) == models / "bells"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("mine/../../evil.yaml", "leaves the pack"),
        ("/evil.yaml", "leaves the pack"),
        ("mine/deeper/evil.yaml", "leaves the pack"),
        ("mine/run.py", "does not belong"),
        ("mine/.bashrc", "does not belong"),
        ("mine/generator.onnx.data", "does not belong"),
        ("mine/..\\evil.yaml", "is no plain name"),
        ("other/more.md", "more than one folder"),
    ],
)
def test_what_is_no_data_of_a_pack_is_refused(
    models: Path, pack_folder: Path, tmp_path: Path, name: str, rule: str
) -> None:
    archive = zipped(tmp_path / "a.zip", pack_folder, **{name: b"x"})
    with pytest.raises(PackError, match=rule):
        add_pack(archive)
    assert not list(models.iterdir())
    assert not (tmp_path / "evil.yaml").exists()


def test_a_link_in_a_zip_is_refused(models: Path, pack_folder: Path, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", pack_folder)
    link = zipfile.ZipInfo("mine/link.yaml")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(PackError, match="no regular file"):
        add_pack(archive)
    assert not list(models.iterdir())


def test_a_file_that_unpacks_to_far_more_is_refused(
    models: Path, pack_folder: Path, tmp_path: Path
) -> None:
    archive = zipped(tmp_path / "a.zip", pack_folder, **{"mine/big.txt": bytes(8 << 20)})
    with pytest.raises(PackError, match="compressed too far"):
        add_pack(archive)
    assert not list(models.iterdir())


def test_a_damaged_or_incomplete_pack_is_not_added(
    models: Path, pack_folder: Path, tmp_path: Path
) -> None:
    whole = zipped(tmp_path / "a.zip", pack_folder).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.zip").write_bytes(b"no archive")
    with zipfile.ZipFile(tmp_path / "part.zip", "w") as file:
        file.write(pack_folder / "pack.yaml", "mine/pack.yaml")
    for name in ("cut", "text", "part", "none"):
        with pytest.raises(PackError):
            add_pack(tmp_path / f"{name}.zip")
    assert not list(models.iterdir())


@pytest.mark.parametrize("name", ["none", "..", ".", "", "a/b", "file"])
def test_only_a_pack_is_removed(models: Path, name: str) -> None:
    (models / "file").write_text("mine")
    with pytest.raises(PackError, match="nothing was removed"):
        remove_pack(name)
    assert (models / "file").exists()


def test_a_broken_pack_is_listed_as_broken_and_fails_to_verify(
    models: Path, pack_folder: Path, tmp_path: Path
) -> None:
    add_pack(zipped(tmp_path / "a.zip", pack_folder))
    (models / "mine" / "generator.onnx").write_bytes(b"other")
    assert "broken: " in asked("list").stdout
    assert asked("verify", "mine").exit_code == 1
    assert list_packs() == ("mine",)


def key_pair(folder: Path, name: str) -> Path:
    """A private key; its public one is beside it."""
    key = folder / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "an artist", "-f", str(key)]
    subprocess.run(command, check=True)
    return key


def signed(archive: Path, key: Path, namespace: str = "latent-resonance-pack") -> Path:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace, str(archive)]
    subprocess.run(command, check=True, capture_output=True)
    return archive


@pytest.fixture
def archive(pack_folder: Path, tmp_path: Path) -> Path:
    return zipped(tmp_path / "a.zip", pack_folder)


@pytest.mark.usefixtures("models")
def test_a_pack_signed_with_the_key_is_added(archive: Path, tmp_path: Path) -> None:
    key = key_pair(tmp_path, "key")
    done = asked("add", signed(archive, key), "--key", f"{key}.pub")
    assert done.exit_code == 0, done.output
    assert "signed with the key" in done.stdout
    assert list_packs() == ("mine",)


def tamper(archive: Path, _key: Path) -> None:
    archive.write_bytes(archive.read_bytes() + b"x")


def sign_with_another(archive: Path, _key: Path) -> None:
    Path(f"{archive}.sig").unlink()
    signed(archive, key_pair(archive.parent, "another"))


def sign_for_git(archive: Path, key: Path) -> None:
    Path(f"{archive}.sig").unlink()
    signed(archive, key, "git")


def remove_signature(archive: Path, _key: Path) -> None:
    Path(f"{archive}.sig").unlink()


def damage_signature(archive: Path, _key: Path) -> None:
    Path(f"{archive}.sig").write_text("-----BEGIN SSH SIGNATURE-----")


def give_the_private_key(_archive: Path, key: Path) -> None:
    shutil.copyfile(key, f"{key}.pub")


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (tamper, "no signature of it"),
        (sign_with_another, "no signature of it"),
        (sign_for_git, "no signature of it"),
        (damage_signature, "no signature of it"),
        (remove_signature, "is missing"),
        (give_the_private_key, "not one public SSH key"),
    ],
)
def test_without_a_valid_signature_by_the_key_nothing_is_added(
    archive: Path, tmp_path: Path, fault: Callable[[Path, Path], None], said: str
) -> None:
    key = key_pair(tmp_path, "key")
    signed(archive, key)
    fault(archive, key)
    refused = asked("add", archive, "--key", f"{key}.pub")
    assert refused.exit_code == 1
    assert said in str(refused.exception)
    assert "\n" not in str(refused.exception)
    assert list_packs() == ()


@pytest.mark.usefixtures("models")
def test_where_ssh_keygen_is_missing_a_signature_counts_as_unverified(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_pair(tmp_path, "key")
    signed(archive, key)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "openssh-client" in str(asked("add", archive, "--key", f"{key}.pub").exception)
    assert list_packs() == ()


def test_packs_of_the_machine_are_found_beside_those_of_the_program_and_hide_none(
    models: Path, archive: Path, pack_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pack_folder, models / "cello")
    added = tmp_path / "srv"
    monkeypatch.setenv(ADDED_VARIABLE, str(added))
    assert list_packs() == ("cello",)
    assert add_pack(archive) == added / "mine"
    assert list_packs() == ("cello", "mine")
    assert find_pack("mine") == added / "mine"
    with pytest.raises(PackError, match="has that name already"):
        add_pack(zipped(tmp_path / "b.zip", pack_folder, "cello/"))
    shutil.copytree(pack_folder, added / "cello")
    assert find_pack("cello") == models / "cello"
    assert asked("remove", "mine", "--yes").exit_code == 0
    assert list_packs() == ("cello",)
