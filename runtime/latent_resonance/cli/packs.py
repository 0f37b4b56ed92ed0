"""The commands `packs list | add | remove | verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from latent_resonance import LatentResonanceError
from latent_resonance.cli.options import FILE
from latent_resonance.cli.terminal import log


@click.group(short_help="List, add, remove and verify packs.")
def packs() -> None:
    """Manage the packs in models/, or in the folder that LATENT_RESONANCE_MODELS names.

    A pack is shared as a ZIP of its folder. On an installed machine packs are added to
    /srv/packs (LATENT_RESONANCE_PACKS), which upgrades leave alone.
    """


@packs.command("list", short_help="Name, licence and sounds of each pack.")
def list_all() -> None:
    """List the packs: folder, megabytes, licence, sounds."""
    from latent_resonance.pack import list_packs, named_pack, open_pack

    for name in list_packs():
        if (folder := named_pack(name)) is None:
            continue  # removed meanwhile
        size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        try:
            about = open_pack(folder).metadata
            text = f"{about['licence']}  {' '.join(str(about['sounds'] or '').split())}"
        except LatentResonanceError as error:
            text = f"broken: {error}"
        click.echo(f"{name:<16} {size_mb:6.1f} MB  {text}".rstrip())


@packs.command(short_help="Add a pack from a ZIP.")
@click.argument("archive", type=FILE)
@click.option(
    "--key",
    type=FILE,
    help="The publisher's public SSH key: ARCHIVE.sig must be its signature of ARCHIVE.",
)
def add(archive: Path, key: Path | None) -> None:
    """Unpack ARCHIVE, a ZIP of a pack, verify it, and add it.

    Only the files of a pack are accepted, and nothing is added unless it can be played.
    """
    from latent_resonance.pack.archive import add_pack
    from latent_resonance.pack.signature import verify_signature

    if key is not None:
        verify_signature(archive, key)
        click.echo(f"{archive}: signed with the key of {key}")
    click.echo(f"{add_pack(archive)}: added; to play it, write `pack: NAME` into the settings")


@packs.command(short_help="Remove a pack.")
@click.argument("name")
@click.confirmation_option("--yes", prompt="Remove the pack for good?")
def remove(name: str) -> None:
    """Remove the pack NAME; a voice that plays it plays on until it restarts."""
    from latent_resonance.pack.archive import remove_pack

    click.echo(f"{remove_pack(name)}: removed")


@packs.command(short_help="Verify that packs can be played.")
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Check files, hashes and networks of the packs NAMES, or of all; exits with 1 on a fault."""
    from latent_resonance.config.settings import Inference
    from latent_resonance.pack import list_packs
    from latent_resonance.voice.pack_loader import load_in_time

    faults = 0
    for name in names or list_packs():
        try:
            load_in_time(name, Inference())
            click.echo(f"{name}: can be played")
        except LatentResonanceError as error:
            faults += 1
            log(f"{name}: {error}")
    if faults:
        sys.exit(1)
