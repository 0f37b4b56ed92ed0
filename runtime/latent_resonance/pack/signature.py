"""Signatures of packs' ZIP files, made and verified by OpenSSH.

    ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n latent-resonance-pack mine.zip   # mine.zip.sig

The namespace keeps a signature that the same key gave for something else from counting here
(ssh-keygen(1), "-Y sign"). A signature says who made a ZIP; what it may contain is checked anyway.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from latent_resonance.pack import PackError

NAMESPACE = "latent-resonance-pack"
PUBLISHER = "publisher"  # the only name in the list of signers, so that the key alone counts
MAX_KEY_BYTES = 16_384
TIMEOUT_S = 60


def verify_signature(archive: Path, key: Path) -> None:
    """Requires ARCHIVE.sig to be a signature of the archive by a public key.

    Parameters
    ----------
    key : one public key as ssh-keygen writes it, such as id_ed25519.pub

    Raises
    ------
    PackError
        There is no signature, it is of another key or file, or it cannot be verified here.
    """
    signature = archive.with_name(f"{archive.name}.sig")
    if not signature.is_file():
        raise PackError(f"{signature}: is missing; get it from the publisher, or leave out --key")
    with TemporaryDirectory() as folder:
        signers = Path(folder, "allowed_signers")
        signers.write_text(f"{PUBLISHER} {_public_key(key)}\n", encoding="ascii")
        reason = _reason(archive, signature, signers)
    if reason is not None:
        raise PackError(
            f"{archive}: {signature.name} is no signature of it with the key of {key} ({reason}); "
            "nothing was added: get ZIP, signature and key again from the publisher"
        )


def _public_key(path: Path) -> str:
    """The type and the key in a file of one public key.

    Raises
    ------
    PackError
    """
    try:
        with path.open("rb") as file:
            words = file.read(MAX_KEY_BYTES).decode("ascii").strip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(f"{path}: cannot be read as a public key ({error})") from error
    fields = words[0].split() if len(words) == 1 else []
    if len(fields) < 2 or not fields[0].startswith(("ssh-", "ecdsa-", "sk-")):
        raise PackError(f"{path}: is not one public SSH key; give a file such as id_ed25519.pub")
    return f"{fields[0]} {fields[1]}"


def _reason(archive: Path, signature: Path, signers: Path) -> str | None:
    """Why ssh-keygen does not accept a signature; None if it does."""
    command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", PUBLISHER]
    command += ["-n", NAMESPACE, "-s", str(signature)]
    try:
        with archive.open("rb") as content:
            done = subprocess.run(
                command, stdin=content, capture_output=True, timeout=TIMEOUT_S, check=False
            )
    except FileNotFoundError as error:
        raise PackError(
            "ssh-keygen is missing, so no signature can be verified: apt-get install openssh-client"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackError(f"{archive}: its signature cannot be verified ({error})") from error
    if done.returncode == 0:
        return None
    lines = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else f"exit code {done.returncode}"
