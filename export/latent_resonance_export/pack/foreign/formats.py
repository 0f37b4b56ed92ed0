"""Names the formats of checkpoints that other programs wrote, by their content."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from latent_resonance.pack.archive import DAMAGED
from latent_resonance_export.dataset.recordings.content import HEAD_BYTES, describe_content

MAGIC = (
    (re.compile(rb"\x89HDF\r\n\x1a\n"), "an HDF5 file (Keras)"),
    (re.compile(rb"\x93NUMPY"), "a NumPy array"),
    (re.compile(rb"GGUF"), "a GGUF file"),
    (re.compile(rb".{4}TFL3", re.DOTALL), "a TensorFlow Lite network"),
    (re.compile(rb"\x08[\x03-\x1f][\x12\x1a\x22\x3a]"), "an ONNX network"),
    (re.compile(rb"[\x81-\x8f][\xa1-\xbf]"), "a msgpack file (Flax)"),
)
TENSORFLOW = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")  # the files of its checkpoints
FOLDERS = (  # a file of each, and what the folder is
    ("_CHECKPOINT_METADATA", "an Orbax checkpoint (JAX)"),
    ("manifest.ocdbt", "an Orbax checkpoint (JAX)"),
    ("saved_model.pb", "a TensorFlow SavedModel"),
    (".metadata", "a distributed checkpoint of PyTorch, which dcp_to_torch_save joins to one file"),
    ("model_index.json", "a diffusers pipeline: name the folder of its generator in it"),
)


def foreign_format(path: Path) -> str:
    """What a file is, if PyTorch did not write it; "" if it may have."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if TENSORFLOW.search(path.name):
        return "part of a TensorFlow checkpoint"
    if head and not any(head):
        return "nothing but zeros: copy or download it again"
    for magic, what in MAGIC:
        if magic.match(head):
            return what
    what = describe_content(head)
    return what if not what or ": " in what else f"{what}: download it again"


def names_in_zip(path: Path) -> list[str]:
    """The names of the files in a ZIP archive; none if it is no archive, or a broken one."""
    if not zipfile.is_zipfile(path):
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except DAMAGED:
        return []


def _kind_of_zip(path: Path) -> str:
    names = names_in_zip(path)
    if not names:
        return "the beginning of one, or a broken one: download it again"
    if any(name.endswith("/data.pkl") or "/code/" in name for name in names):
        return ""
    if "model.weights.h5" in names:
        return "a Keras network"
    if all(name.endswith(".npy") for name in names):
        return "a file of NumPy arrays"
    if any("/models/" in name for name in names):
        return "a program that torch.export wrote"
    return "a ZIP archive: unpack it"


def foreign_folder(folder: Path) -> str:
    """What a folder is, if another program wrote it; "" if that is unknown."""
    found = (what for name, what in FOLDERS if (folder / name).exists())
    return next(found, "")
