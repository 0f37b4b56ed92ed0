"""A remedy names what exists where the program was installed; the distributions agree."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import latent_resonance
from latent_resonance import installation
from latent_resonance.installation import Kind, kind_of

ROOT = Path(__file__).parents[2]
MEMBERS = [ROOT, ROOT / "runtime", ROOT / "export"]
TABLES = [name for name, value in vars(installation).items() if isinstance(value, dict)]


@pytest.mark.parametrize(
    ("module", "prefix", "kind"),
    [
        (ROOT / "runtime/latent_resonance/installation.py", ROOT / ".venv", "checkout"),
        (
            Path("/opt/latent-resonance/releases/1/.venv/lib/latent_resonance/installation.py"),
            Path("/opt/latent-resonance/releases/1/.venv"),
            "gallery",
        ),
        (
            Path("/home/a/venv/lib/python3.13/site-packages/latent_resonance/installation.py"),
            Path("/home/a/venv"),
            "wheel",
        ),
    ],
)
def test_the_installation_is_recognised_by_its_paths(
    module: Path, prefix: Path, kind: Kind
) -> None:
    assert kind_of(module, prefix) == kind


def test_the_gallery_is_where_the_installer_puts_it() -> None:
    assert f"PREFIX={installation.GALLERY}\n" in (ROOT / "systemd/install.sh").read_text()


@pytest.mark.parametrize("name", [name for name in TABLES if name.isupper()])
def test_only_a_checkout_is_repaired_by_uv_or_git_and_only_a_wheel_by_pip(name: str) -> None:
    remedies = getattr(installation, name)
    assert set(remedies) == {"checkout", "gallery", "wheel"}
    for kind, text in remedies.items():
        assert ("pip " in text) <= (kind == "wheel")
        assert ("uv " in text or "git checkout" in text) <= (kind == "checkout")


def test_all_parts_have_the_same_version() -> None:
    versions = {
        tomllib.loads((member / "pyproject.toml").read_text())["project"]["version"]
        for member in MEMBERS
    }
    citation = (ROOT / "CITATION.cff").read_text()
    assert versions == {latent_resonance.__version__, version("latent-resonance")}
    assert f"\nversion: {latent_resonance.__version__}\n" in citation
    assert f"\n## [{latent_resonance.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("member", MEMBERS[1:], ids=lambda path: path.name)
def test_each_distribution_has_the_licence(member: Path) -> None:
    assert (member / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_notices_have_the_licence_text_of_the_soundfont() -> None:
    notices = (ROOT / "models/THIRD_PARTY_NOTICES.md").read_text()
    assert "Frank Wen" in notices
    assert "shall be\nincluded in all copies or substantial portions" in notices
    for path in (ROOT / "models").glob("face_*"):
        assert path.name in notices
