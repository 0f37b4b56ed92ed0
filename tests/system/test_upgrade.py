"""`systemd/install.sh` keeps the previous version, and goes back to it.

The script runs in a folder that is the machine: its paths lead there, and commands that would
change this machine only record their calls.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("/opt/latent-resonance", "/var/lib", "/etc/", "/usr/local/bin", "/run/systemd/system")
COMMANDS = {
    "id": "echo 0",
    "dpkg-query": "echo installed",
    "sleep": ":",
    # A version with this file in it never becomes ready.
    "systemctl": """[ "$2" != is-active ] ||
[ ! -e "$MACHINE/opt/latent-resonance/current/models/broken" ]""",
    "uv": """[ "$1" = sync ] || exit 0
mkdir -p "$UV_PROJECT_ENVIRONMENT/bin" "$UV_CACHE_DIR"
for name in python latent-resonance; do
    printf '#!/bin/sh\\nexit 0\\n' >"$UV_PROJECT_ENVIRONMENT/bin/$name"
    chmod 755 "$UV_PROJECT_ENVIRONMENT/bin/$name"
done""",
    **dict.fromkeys(("apt-get", "getent", "groupadd", "useradd", "sync"), ":"),
}


class Installation:
    """A checkout that can be installed, and what it has installed."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self.machine = folder / "checkout", folder / "machine"
        shutil.copytree(ROOT / "systemd", self.checkout / "systemd")
        for name in ("uv.lock", "runtime/voice.py", "models/cello", "docs/install.md"):
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (self.checkout / name).write_text("1\n")
        script = self.checkout / "systemd/install.sh"
        text = script.read_text()
        for path in FOLDERS:
            text = text.replace(path, f"{self.machine}{path}")
            (self.machine / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        script.write_text(text)
        (self.machine / "etc/systemd/system").mkdir(parents=True)
        (self.machine / "bin").mkdir()
        for name, action in COMMANDS.items():
            command = self.machine / "bin" / name
            command.write_text(f'#!/bin/sh\necho "{name} $*" >>"$MACHINE/calls"\n{action}\n')
            command.chmod(0o755)

    def install(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        environment = {key: value for key, value in os.environ.items() if key != "UV_CACHE_DIR"}
        path = f"{self.machine}/bin:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", self.checkout / "systemd/install.sh", *options],
            env=environment | {"PATH": path, "MACHINE": str(self.machine)},
            capture_output=True,
            text=True,
            check=False,
        )

    def change(self, name: str, text: str) -> None:
        """Change a file of the checkout: the next version."""
        (self.checkout / name).write_text(text)

    @property
    def version(self) -> str:
        """What the current release holds in a file of the models."""
        return (self.machine / "opt/latent-resonance/current/models/cello").read_text().strip()

    @property
    def unit(self) -> str:
        """The installed unit of the voice."""
        return (self.machine / "etc/systemd/system/latent-resonance-voice.service").read_text()

    @property
    def releases(self) -> int:
        """How many versions are kept."""
        return len(list((self.machine / "opt/latent-resonance/releases").iterdir()))


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    """The first version, installed."""
    installation = Installation(tmp_path)
    done = installation.install()
    assert done.returncode == 0, done.stderr
    return installation


def test_the_first_version_has_none_before_it(installed: Installation) -> None:
    assert installed.version == "1"
    done = installed.install("--rollback")
    assert done.returncode == 1
    assert "no previous version" in done.stderr
    assert not (installed.machine / "opt/latent-resonance/cache").exists()


def test_an_upgrade_keeps_the_previous_version_and_rolls_back_and_forward(
    installed: Installation,
) -> None:
    old_unit = installed.unit
    for version in ("2", "3"):
        installed.change("models/cello", version)
        installed.change("systemd/latent-resonance-voice.service", f"[Service]\n# {version}\n")
        done = installed.install()
        assert done.returncode == 0, done.stderr
        assert installed.version == version
        assert installed.releases == 2
    assert installed.unit == "[Service]\n# 3\n"
    for version in ("2", "3", "2"):
        assert installed.install("--rollback").returncode == 0
        assert installed.version == version
        assert installed.unit == f"[Service]\n# {version}\n" != old_unit
    calls = (installed.machine / "calls").read_text().splitlines()
    assert calls[-2].startswith("systemctl --no-block restart")


def test_an_upgrade_that_does_not_play_is_undone(installed: Installation) -> None:
    unit = installed.unit
    installed.change("models/cello", "2")
    installed.change("models/broken", "yes")
    installed.change("systemd/latent-resonance-voice.service", "[Service]\n")
    done = installed.install()
    assert done.returncode == 1
    assert "the previous one is in use again" in done.stderr
    assert (installed.version, installed.unit) == ("1", unit)
    assert installed.install("--rollback").returncode == 1  # to the one that does not play
    (installed.checkout / "models/broken").unlink()
    done = installed.install()
    assert done.returncode == 0, done.stderr
    assert installed.version == "2"


def test_installing_the_same_version_again_changes_nothing(installed: Installation) -> None:
    assert installed.install().returncode == 0
    assert installed.releases == 1
    assert not (installed.machine / "opt/latent-resonance/previous").exists()
