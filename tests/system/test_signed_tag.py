"""`systemd/install.sh` verifies the signature of the tag that it installs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[2] / "systemd/install.sh"
KEY = "keys/author"

pytestmark = pytest.mark.skipif(
    not (shutil.which("git") and shutil.which("ssh-keygen")),
    reason="git or ssh-keygen is not installed: apt install git openssh-client",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout at the signed tag v1, the author's key, and the installer's functions."""
    (tmp_path / "keys").mkdir()
    run(tmp_path, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY)
    run(tmp_path, "git", "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "One")
    git(tmp_path, "tag", "--sign", "--message", "Version 1", "v1")
    functions, _, _ = INSTALL.read_text().partition('\ncase "$*" in')
    (tmp_path / "functions").write_text(functions.replace('cd "$(dirname "$0")/.."', ""))
    (tmp_path / "systemd").mkdir()
    shutil.copy(INSTALL.with_name("remedies.sh"), tmp_path / "systemd")
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


def git(folder: Path, *arguments: str) -> None:
    options = ("user.name=A", "user.email=a@b", "gpg.format=ssh", f"user.signingKey={KEY}")
    run(folder, "git", *(word for option in options for word in ("-c", option)), *arguments)


def verify(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Call `verify_tag` with the signers of the checkout's folder."""
    script = f". ./functions; SIGNERS={checkout}/allowed; verify_tag"
    return subprocess.run(
        ["sh", "-c", script], cwd=checkout, capture_output=True, text=True, check=False
    )


def allow(checkout: Path, key: str) -> None:
    (checkout / "allowed").write_text(f"a@b {(checkout / key).with_suffix('.pub').read_text()}")


def test_a_tag_signed_by_an_allowed_key_is_accepted(checkout: Path) -> None:
    allow(checkout, KEY)
    done = verify(checkout)
    assert (done.returncode, "v1 is valid" in done.stderr) == (0, True), done.stderr


def test_a_tag_signed_by_another_key_is_refused(checkout: Path) -> None:
    run(checkout, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "keys/other")
    allow(checkout, "keys/other")
    done = verify(checkout)
    assert (done.returncode, "v1 is not valid" in done.stderr) == (1, True), done.stderr


def test_without_a_list_of_signers_an_unknown_key_is_reported(checkout: Path) -> None:
    done = verify(checkout)
    assert (done.returncode, "does not know" in done.stderr) == (0, True), done.stderr


def test_a_checkout_without_a_signed_tag_is_installed_without_a_word(checkout: Path) -> None:
    allow(checkout, KEY)
    git(checkout, "commit", "--quiet", "--allow-empty", "--message", "Two")
    done = verify(checkout)
    assert (done.returncode, done.stderr) == (0, "")
